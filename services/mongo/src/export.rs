//! Pages of what is stored, in the order of the ids.

use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawDocumentBuf, doc};
use serde_json::json;
use stardust_pipeline::store::{Export, Letter, LetterState, Page, Shelf, StoreError};

use crate::connect::{MongoStore, bounded};
use crate::error::unusable;
use crate::fields::Fields;
use crate::names::{AUDIT, HISTORIES, OBSERVATIONS, SOURCE_SYSTEM};
use crate::observations::resource_of;
use crate::text;

impl MongoStore {
    pub(crate) async fn page(
        &self,
        what: Export,
        after: Option<&str>,
        most: usize,
    ) -> Result<Page, StoreError> {
        if most == 0 {
            return Ok(Page {
                lines: Vec::new(),
                next: after.map(str::to_owned),
            });
        }
        match what {
            Export::Observations => self.resources(OBSERVATIONS, after, most).await,
            Export::Audit => self.resources(AUDIT, after, most).await,
            Export::Legacy => self.histories(after, most).await,
            Export::Dead => self.open_letters(Shelf::Dead, after, most).await,
            Export::Parked => self.open_letters(Shelf::Parked, after, most).await,
        }
    }

    async fn resources(
        &self,
        collection: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Page, StoreError> {
        // Texts sort after the empty one: this leaves out ids of other types, which this pipeline does not write.
        let after = after.unwrap_or_default();
        // Copies of an older database may have none.
        let there = doc! {"$exists": true};
        let filter = doc! {"_id": {"$gt": after}, "is_deleted": {"$ne": true}, "resource_data": there};
        let projection = doc! {"resource_data": 1, "resource_text": 1};
        let found = self
            .find(collection, filter, projection, doc! {"_id": 1}, most)
            .await?;
        let mut page = Page::default();
        for document in &found {
            page.lines.push(resource_of(Fields(document))?);
        }
        if found.len() == most {
            page.next = found.last().map(|d| Fields(d).owned("_id")).transpose()?;
        }
        Ok(page)
    }

    /// Collection after collection; the next page starts after `<collection>/<id>`.
    async fn histories(&self, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        let (from, mut id) = match after {
            None => ("", None),
            Some(after) => {
                let (collection, id) = after.split_once('/').unwrap_or((after, ""));
                (collection, ObjectId::parse_str(id).ok())
            }
        };
        let mut page = Page::default();
        for collection in HISTORIES.into_iter().filter(|name| *name >= from) {
            let mut filter = doc! {"source": SOURCE_SYSTEM};
            if let Some(id) = id.take().filter(|_| collection == from) {
                filter.insert("_id", doc! {"$gt": id});
            }
            let room = i64::try_from(most - page.lines.len()).unwrap_or(i64::MAX);
            let documents = self.main_db().collection::<RawDocumentBuf>(collection);
            let found: Vec<RawDocumentBuf> = bounded(async {
                let query = documents.find(filter).sort(doc! {"_id": 1}).limit(room);
                query.batch_size(1_000).await?.try_collect().await
            })
            .await?;
            for document in &found {
                page.lines.push(format!(
                    "{{\"collection\":\"{collection}\",\"document\":{}}}",
                    text::extended(document)?
                ));
            }
            if page.lines.len() == most {
                let last = found.last().and_then(|d| d.get_object_id("_id").ok());
                let last = last.ok_or_else(|| unusable("a legacy document whose _id is no ObjectId"))?;
                page.next = Some(format!("{collection}/{last}"));
                return Ok(page);
            }
        }
        Ok(page)
    }

    async fn open_letters(&self, shelf: Shelf, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        let letters = self
            .read_letters_after(shelf, &[LetterState::Open], after, most)
            .await?;
        let next = if letters.len() == most {
            letters.last().map(|letter| letter.id.clone())
        } else {
            None
        };
        Ok(Page {
            lines: letters.iter().map(line).collect(),
            next,
        })
    }
}

fn line(letter: &Letter) -> String {
    let item = letter.writer.position.item;
    json!({
        "receipt_id": letter.writer.receipt_id,
        "gateway": letter.gateway.map(|gateway| gateway.to_string()),
        "stage": letter.stage,
        "reason": letter.reason,
        "field": letter.field,
        "item_index": if item < 0 { None } else { Some(item) },
        "first_try": letter.first_try.instant(),
        "last_try": letter.last_try.instant(),
    })
    .to_string()
}
