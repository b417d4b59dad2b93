//! Pages of the books.

use mongodb::bson::{Document, doc, serialize_to_document};
use serde_json::Value;
use stardust_pipeline::store::{BookPage, StoreError};

use crate::connect::{MongoStore, bounded_raw};
use crate::error::{is_duplicate, of_driver, refused};
use crate::fields::Fields;
use crate::names::BOOKS;
use crate::text;

impl MongoStore {
    /// The place of a page is its `_id`, so that of two writers one adds it.
    pub(crate) async fn put_book_page(&self, page: &BookPage) -> Result<bool, StoreError> {
        let sums = serde_json::from_str::<Value>(&page.sums)
            .ok()
            .and_then(|sums| serialize_to_document(&sums).ok())
            .ok_or_else(|| refused("a page of the books that cannot be written"))?;
        let document = doc! {
            "_id": format!("{}/{}/{}", page.topic, page.partition, page.from),
            "topic": &page.topic, "partition": page.partition, "from": page.from, "to": page.to, "sums": sums,
        };
        match bounded_raw(self.fhir::<Document>(BOOKS).insert_one(document)).await? {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(of_driver(&error)),
        }
    }

    pub(crate) async fn read_book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> Result<Vec<BookPage>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let filter = doc! {"topic": topic, "partition": partition, "from": {"$gte": from}};
        let order = doc! {"topic": 1, "partition": 1, "from": 1};
        let found = self.find(BOOKS, filter, Document::new(), order, most).await?;
        found
            .iter()
            .map(|document| {
                let fields = Fields(document);
                Ok(BookPage {
                    topic: topic.to_owned(),
                    partition,
                    from: fields.long("from")?,
                    to: fields.long("to")?,
                    sums: text::extended(fields.document("sums")?.0)?,
                })
            })
            .collect()
    }

    pub(crate) async fn read_booked(&self, topic: &str, partition: i32) -> Result<Option<i64>, StoreError> {
        let filter = doc! {"topic": topic, "partition": partition};
        let order = doc! {"topic": -1, "partition": -1, "from": -1};
        let found = self.find(BOOKS, filter, doc! {"to": 1}, order, 1).await?;
        found
            .first()
            .map(|document| Fields(document).long("to"))
            .transpose()
    }
}
