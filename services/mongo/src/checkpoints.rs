//! What is kept of audit chains beside their events: how far they came, and signed places.

use mongodb::bson::{Document, RawDocumentBuf, doc};
use stardust_pipeline::store::{ChainHead, Checkpoint, Mark, StoreError};

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver};
use crate::fields::Fields;
use crate::insert::{Absent, DocumentId, Order};
use crate::names::{AUDIT, CHECKPOINTS, HEADS};
use crate::writer::Writer;

fn to_bson(checkpoint: &Checkpoint) -> Result<RawDocumentBuf, StoreError> {
    let mut fields = Writer::with_capacity(500);
    fields.text("mark", checkpoint.mark.label());
    fields.int("chain", checkpoint.chain);
    fields.long("seq", checkpoint.seq);
    fields.text("hash", &checkpoint.hash);
    fields.time("at", checkpoint.at);
    fields.text("key_id", &checkpoint.key_id);
    fields.text("signature", &checkpoint.signature);
    fields.finish()
}

fn from_bson(mark: Mark, document: &RawDocumentBuf) -> Result<Checkpoint, StoreError> {
    let fields = Fields(document);
    Ok(Checkpoint {
        mark,
        chain: fields.int("chain")?,
        seq: fields.long("seq")?,
        hash: fields.owned("hash")?,
        at: fields.time("at")?,
        key_id: fields.owned("key_id")?,
        signature: fields.owned("signature")?,
    })
}

fn head_of(document: &RawDocumentBuf) -> Result<ChainHead, StoreError> {
    Ok(ChainHead {
        seq: Fields(document).long("seq")?,
        hash: Fields(document).owned("hash")?,
    })
}

impl MongoStore {
    pub(crate) async fn put_heads(&self, heads: &[(i32, ChainHead)]) -> Result<(), StoreError> {
        let notes = self.fhir::<Document>(HEADS);
        for (chain, head) in heads {
            let before = doc! {"_id": chain.to_string(), "seq": {"$lt": head.seq}};
            let change = doc! {"$set": {"chain": chain, "seq": head.seq, "hash": &head.hash}};
            match bounded_raw(notes.update_one(before, change).upsert(true)).await? {
                Ok(_) => {}
                // It exists and is not behind, so the upsert tried to insert it a second time.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(of_driver(&error)),
            }
        }
        Ok(())
    }

    pub(crate) async fn read_heads(&self) -> Result<Vec<(i32, ChainHead)>, StoreError> {
        let order = doc! {"chain": 1};
        let found = self
            .find(HEADS, Document::new(), Document::new(), order, 0)
            .await?;
        let mut heads = Vec::with_capacity(found.len());
        for document in &found {
            heads.push((Fields(document).int("chain")?, head_of(document)?));
        }
        Ok(heads)
    }

    pub(crate) async fn keep_checkpoints(&self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        self.insert_absent(self.fhir_db(), Order::Free, checkpoints, |c| {
            Ok(Absent {
                collection: CHECKPOINTS,
                id: DocumentId::Text(format!("{}:{}:{}", c.mark.label(), c.chain, c.seq)),
                fields: to_bson(c)?,
            })
        })
        .await
        .map(drop)
    }

    pub(crate) async fn read_checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let filter = doc! {"mark": mark.label(), "chain": chain, "seq": {"$gte": seq}};
        let order = doc! {"mark": 1, "chain": 1, "seq": 1};
        let found = self
            .find(CHECKPOINTS, filter, Document::new(), order, most)
            .await?;
        found.iter().map(|document| from_bson(mark, document)).collect()
    }

    /// Where the chain starts, if its front was cut.
    pub(crate) async fn last_cut(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        let filter = doc! {"mark": Mark::Cut.label(), "chain": chain};
        let order = doc! {"mark": -1, "chain": -1, "seq": -1};
        let found = self.find(CHECKPOINTS, filter, Document::new(), order, 1).await?;
        found.first().map(head_of).transpose()
    }

    pub(crate) async fn delete_cut(&self, chain: i32, most: usize) -> Result<u64, StoreError> {
        let Some(cut) = self.last_cut(chain).await?.filter(|_| most > 0) else {
            return Ok(0);
        };
        let before = doc! {"chain": chain, "seq": {"$lte": cut.seq}};
        let order = doc! {"chain": 1, "seq": 1};
        let found = self.find(AUDIT, before, doc! {"seq": 1}, order, most).await?;
        let mut removed = 0;
        if let Some(last) = found.last() {
            let these = doc! {"chain": chain, "seq": {"$lte": Fields(last).long("seq")?}};
            let gone = bounded(self.fhir::<Document>(AUDIT).delete_many(these)).await?;
            removed = gone.deleted_count;
        }
        if found.len() < most {
            let signed = doc! {"chain": chain, "seq": {"$lt": cut.seq}};
            bounded(self.fhir::<Document>(CHECKPOINTS).delete_many(signed)).await?;
        }
        Ok(removed)
    }
}
