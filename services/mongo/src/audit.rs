//! AuditEvents in their hash chains.

use mongodb::bson::{Bson, Document, RawDocumentBuf, doc};
use stardust_pipeline::store::{ChainHead, ChainedEvent, StoreError};
use uuid::Uuid;

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver, unusable};
use crate::fields::Fields;
use crate::names::{AUDIT, FHIR_VERSION, SOURCE_SYSTEM};
use crate::observations::resource_to_bson;
use crate::writer::Writer;
use crate::{json, text};

/// All chains are from here on; whoever says so can be answered from the index over them.
pub(crate) const LOWEST_CHAIN: i32 = i32::MIN;

fn to_bson(event: &ChainedEvent) -> Result<RawDocumentBuf, StoreError> {
    let id = event.id.to_string();
    let mut fields = Writer::with_capacity(event.resource.len() * 5 / 4 + 900);
    fields.text("_id", &id);
    fields.text("resource_type", "AuditEvent");
    fields.text("resource_id", &id);
    fields.text("fhir_version", FHIR_VERSION);
    resource_to_bson(&mut fields, &event.resource)?;
    fields.display_if("patient_id", event.patient);
    fields.display_if("gateway_mac_address", event.gateway);
    fields.time("recorded_datetime", event.recorded);
    fields.text("source_system", SOURCE_SYSTEM);
    fields.boolean("is_deleted", false);
    fields.date("created_at", event.recorded.millis());
    fields.date("updated_at", event.recorded.millis());
    fields.text("receipt_id", &event.receipt_id);
    fields.text("outcome", &event.outcome);
    fields.int("chain", event.chain);
    fields.long("seq", event.seq);
    fields.text("prev", &event.prev);
    fields.text("hash", &event.hash);
    fields.finish()
}

/// The content that readers of the database see, in the spelling that was recorded where it is the same.
fn content(fields: Fields<'_>) -> Result<String, StoreError> {
    let data = fields.document("resource_data")?.0;
    if let Some(spelled) = fields.owned_if("resource_text")? {
        let mut again = Writer::with_capacity(spelled.len() * 5 / 4);
        let written = json::resource(&mut again, "resource_data", &spelled).is_ok();
        let again = again.finish()?;
        if written
            && again
                .get_document("resource_data")
                .is_ok_and(|d| d.as_bytes() == data.as_bytes())
        {
            return Ok(spelled);
        }
    }
    text::resource(data)
}

fn from_bson(document: &RawDocumentBuf) -> Result<ChainedEvent, StoreError> {
    let fields = Fields(document);
    if fields.boolean("is_deleted")? {
        let id = fields.text("_id")?;
        return Err(unusable(format!("the audit event {id} is marked as deleted")));
    }
    Ok(ChainedEvent {
        id: fields.parsed("_id")?,
        resource: content(fields)?,
        outcome: fields.owned("outcome")?,
        receipt_id: fields.owned("receipt_id")?,
        patient: fields.parsed_if("patient_id")?,
        gateway: fields.parsed_if("gateway_mac_address")?,
        recorded: fields.time("recorded_datetime")?,
        chain: fields.int("chain")?,
        seq: fields.long("seq")?,
        prev: fields.owned("prev")?,
        hash: fields.owned("hash")?,
    })
}

impl MongoStore {
    pub(crate) async fn has_audit(&self, ids: &[Uuid]) -> Result<Vec<bool>, StoreError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
        let found = self.find_by_id(AUDIT, &wanted, doc! {"_id": 1}).await?;
        let mut present = std::collections::HashSet::new();
        for document in &found {
            present.insert(Fields(document).text("_id")?);
        }
        Ok(ids.iter().map(|id| present.contains(id.as_str())).collect())
    }

    pub(crate) async fn read_head(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        let order = doc! {"chain": -1, "seq": -1};
        let found = self
            .find(AUDIT, doc! {"chain": chain}, doc! {"seq": 1, "hash": 1}, order, 1)
            .await?;
        // After the events: a cut is noted before the events go, so one of the two is seen.
        let cut = self.last_cut(chain).await?;
        let event = found
            .first()
            .map(|document| {
                Ok(ChainHead {
                    seq: Fields(document).long("seq")?,
                    hash: Fields(document).owned("hash")?,
                })
            })
            .transpose()?;
        Ok(event.into_iter().chain(cut).max_by_key(|head| head.seq))
    }

    /// Inserts in order, so that a chain never has a gap: what comes after a failure is not written.
    pub(crate) async fn put_audit(&self, events: &[ChainedEvent]) -> Result<(), StoreError> {
        let mut rest = events;
        while !rest.is_empty() {
            let documents = rest
                .iter()
                .take(1_000)
                .map(to_bson)
                .collect::<Result<Vec<_>, _>>()?;
            let audit = self.fhir::<RawDocumentBuf>(AUDIT);
            match bounded_raw(audit.insert_many(&documents).ordered(true)).await? {
                Ok(_) => rest = &rest[documents.len()..],
                // Another recorder's, or our own from a call whose answer was lost: the head tells.
                Err(error) if is_duplicate(&error) => {
                    return Err(StoreError::Conflict(
                        "a place in an audit chain is taken".to_owned(),
                    ));
                }
                Err(error) => return Err(of_driver(&error)),
            }
        }
        Ok(())
    }

    pub(crate) async fn read_chains(&self) -> Result<Vec<i32>, StoreError> {
        let audit = self.fhir::<Document>(AUDIT);
        let found = bounded(audit.distinct("chain", doc! {"chain": {"$gte": LOWEST_CHAIN}})).await?;
        let mut chains: Vec<i32> = found.iter().filter_map(Bson::as_i32).collect();
        chains.sort_unstable();
        Ok(chains)
    }

    pub(crate) async fn read_chain(
        &self,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<ChainedEvent>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let page = |places: Document| {
            let filter = doc! {"chain": chain, "seq": places};
            self.find(AUDIT, filter, Document::new(), doc! {"chain": 1, "seq": 1}, most)
        };
        // One place follows the other, so this is a page wherever nothing is wrong. Without its end some servers fetch
        // the whole rest of the chain for each.
        let end = seq.saturating_add(i64::try_from(most).unwrap_or(i64::MAX));
        let mut found = page(doc! {"$gte": seq, "$lt": end}).await?;
        if found.len() < most {
            found = page(doc! {"$gte": seq}).await?;
        }
        found.iter().map(from_bson).collect()
    }
}
