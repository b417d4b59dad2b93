//! What is stored of one receipt.

use mongodb::bson::{Document, doc};
use stardust_pipeline::store::{ReceiptDocuments, RecordedEvent, Shelf, StoreError};

use crate::connect::MongoStore;
use crate::fields::Fields;
use crate::letters::{from_bson, shelf_name};
use crate::names::{AUDIT, OBSERVATIONS};

impl MongoStore {
    pub(crate) async fn read_receipt(&self, receipt_id: &str) -> Result<ReceiptDocuments, StoreError> {
        let found = |collection: &'static str, projection: Document| {
            let filter = doc! {"receipt_id": receipt_id};
            self.find(collection, filter, projection, doc! {"_id": 1}, 0)
        };
        let (observations, audit, dead, parked) = futures_util::try_join!(
            found(OBSERVATIONS, doc! {"receipt_id": 1, "raw": 1, "main": 1}),
            found(
                AUDIT,
                doc! {"outcome": 1, "recorded_datetime": 1, "recorded_datetime_us": 1, "chain": 1, "seq": 1}
            ),
            found(shelf_name(Shelf::Dead), Document::new()),
            found(shelf_name(Shelf::Parked), Document::new()),
        )?;
        let mut receipt = ReceiptDocuments::default();
        for document in &observations {
            let fields = Fields(document);
            receipt
                .observations
                .push((fields.parsed("_id")?, fields.author()?, fields.boolean("main")?));
        }
        for (shelf, letters) in [(Shelf::Dead, dead), (Shelf::Parked, parked)] {
            for document in &letters {
                receipt.letters.push(from_bson(shelf, document)?);
            }
        }
        receipt.letters.sort_by(|a, b| a.id.cmp(&b.id));
        for document in &audit {
            let fields = Fields(document);
            receipt.audit.push(RecordedEvent {
                id: fields.parsed("_id")?,
                outcome: fields.owned("outcome")?,
                recorded: fields.time("recorded_datetime")?,
                chain: fields.int("chain")?,
                seq: fields.long("seq")?,
            });
        }
        Ok(receipt)
    }
}
