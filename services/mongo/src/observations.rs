//! Observations with the wrapper that the readers of the FHIR database query.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use stardust_pipeline::store::{
    LegacyContent, ObservationDocument, StoreError, Won, Writer as Author, Written,
};
use uuid::Uuid;

use crate::connect::{MongoStore, bounded};
use crate::fields::{Fields, write_author};
use crate::insert::{Absent, DocumentId, Order};
use crate::names::{DEAD, FHIR_VERSION, OBSERVATIONS, PARKED, SOURCE_SYSTEM};
use crate::writer::Writer;
use crate::{json, text};

/// The fields of an Observation beside its `_id`.
pub(crate) fn to_bson(document: &ObservationDocument) -> Result<RawDocumentBuf, StoreError> {
    let id = document.id.to_string();
    let mut fields = Writer::with_capacity(document.resource.len() * 5 / 4 + document.raw_item.len() + 1_400);
    fields.text("resource_type", "Observation");
    fields.text("resource_id", &id);
    fields.text("fhir_version", FHIR_VERSION);
    resource_to_bson(&mut fields, &document.resource)?;
    fields.display_if("patient_id", Some(document.patient));
    fields.display_if("device_id", document.device.map(|device| device.device_id()));
    fields.display_if("device_mac_address", document.device);
    fields.display_if("gateway_mac_address", document.gateway);
    fields.time("effective_datetime", document.effective);
    fields.time("recorded_datetime", document.recorded);
    fields.text("source_system", SOURCE_SYSTEM);
    fields.text("source", &document.source);
    fields.text("status", &document.status);
    fields.text("code", &document.code);
    fields.boolean("main", document.main);
    fields.boolean("is_deleted", false);
    fields.date("created_at", document.recorded.millis());
    fields.date("updated_at", document.recorded.millis());
    write_author(&mut fields, &document.writer);
    fields.text("raw_item", &document.raw_item);
    fields.text("mapping_version", &document.mapping_version);
    fields.text_if("migration_run", document.migration_run.as_deref());
    if let Some(legacy) = &document.legacy {
        fields.document("legacy");
        fields.text("collection", &legacy.collection);
        fields.text("id", &legacy.id);
        fields.text("document", &legacy.document);
        fields.close();
    }
    fields.finish()
}

/// Writes a resource as `resource_data`. Where its spelling would not come back, the text is kept beside it: outputs
/// are rebuilt from what is stored, and the hashes of the audit chains are over the text.
pub(crate) fn resource_to_bson(fields: &mut Writer, resource: &str) -> Result<(), StoreError> {
    if !json::resource(fields, "resource_data", resource)? {
        fields.text("resource_text", resource);
    }
    Ok(())
}

/// The resource of a stored document as JSON.
pub(crate) fn resource_of(fields: Fields<'_>) -> Result<String, StoreError> {
    match fields.owned_if("resource_text")? {
        Some(text) => Ok(text),
        None => text::resource(fields.document("resource_data")?.0),
    }
}

/// The Observation of a stored document that this pipeline wrote.
pub(crate) fn from_bson(document: &RawDocumentBuf) -> Result<ObservationDocument, StoreError> {
    let fields = Fields(document);
    let legacy = match fields.get("legacy")? {
        None => None,
        Some(_) => {
            let legacy = fields.document("legacy")?;
            Some(LegacyContent {
                collection: legacy.owned("collection")?,
                id: legacy.owned("id")?,
                document: legacy.owned("document")?,
            })
        }
    };
    Ok(ObservationDocument {
        id: fields.parsed("_id")?,
        main: fields.boolean("main")?,
        resource: resource_of(fields)?,
        code: fields.owned("code")?,
        status: fields.owned("status")?,
        patient: fields.parsed("patient_id")?,
        device: fields.parsed_if("device_mac_address")?,
        gateway: fields.parsed_if("gateway_mac_address")?,
        effective: fields.time("effective_datetime")?,
        recorded: fields.time("recorded_datetime")?,
        writer: fields.author()?,
        source: fields.owned("source")?,
        raw_item: fields.owned("raw_item")?,
        mapping_version: fields.owned("mapping_version")?,
        migration_run: fields.owned_if("migration_run")?,
        legacy,
    })
}

fn written(document: &RawDocumentBuf) -> Result<Written, StoreError> {
    let fields = Fields(document);
    let legacy = match fields.get("legacy")? {
        None => None,
        Some(_) => {
            let legacy = fields.document("legacy")?;
            Some((legacy.owned("collection")?, legacy.owned("id")?))
        }
    };
    Ok(Written {
        id: fields.parsed("_id")?,
        main: fields.boolean("main")?,
        writer: fields.author()?,
        legacy,
    })
}

impl MongoStore {
    pub(crate) async fn put_observations(
        &self,
        documents: &[ObservationDocument],
    ) -> Result<Vec<Won>, StoreError> {
        let inserted = self
            .insert_absent(self.fhir_db(), Order::Kept, documents, |document| {
                Ok(Absent {
                    collection: OBSERVATIONS,
                    id: DocumentId::Text(document.id.to_string()),
                    fields: to_bson(document)?,
                })
            })
            .await?;
        let present: Vec<String> = documents
            .iter()
            .zip(&inserted)
            .filter(|(_, inserted)| !**inserted)
            .map(|(document, _)| document.id.to_string())
            .collect();
        let present: Vec<&str> = present.iter().map(String::as_str).collect();
        let mut authors = self.authors(OBSERVATIONS, &present).await?;
        documents
            .iter()
            .zip(inserted)
            .map(|(document, inserted)| {
                if inserted {
                    return Ok(Won::Inserted);
                }
                authors
                    .remove(&document.id.to_string())
                    .map(Won::Present)
                    // It was there, and is gone: a rollback took it meanwhile.
                    .ok_or_else(|| StoreError::Conflict("an Observation was removed meanwhile".to_owned()))
            })
            .collect()
    }

    /// Who wrote these documents; absent ones are left out.
    pub(crate) async fn authors(
        &self,
        collection: &str,
        ids: &[&str],
    ) -> Result<HashMap<String, Author>, StoreError> {
        let found = self
            .find_by_id(collection, ids, doc! {"receipt_id": 1, "raw": 1})
            .await?;
        found
            .iter()
            .map(|document| Ok((Fields(document).owned("_id")?, Fields(document).author()?)))
            .collect()
    }

    /// The documents with these ids, in no order.
    pub(crate) async fn find_by_id(
        &self,
        collection: &str,
        ids: &[&str],
        projection: Document,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let mut found = Vec::new();
        for part in ids.chunks(1_000) {
            let filter = doc! {"_id": {"$in": part}};
            found.append(
                &mut self
                    .find(collection, filter, projection.clone(), Document::new(), 0)
                    .await?,
            );
        }
        Ok(found)
    }

    /// Documents of the FHIR database; an empty projection or order is none, a limit of 0 no limit.
    pub(crate) async fn find(
        &self,
        collection: &str,
        filter: Document,
        projection: Document,
        order: Document,
        most: usize,
    ) -> Result<Vec<RawDocumentBuf>, StoreError> {
        let collection = self.fhir::<RawDocumentBuf>(collection);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        bounded(async {
            let mut query = collection.find(filter).limit(most).batch_size(1_000);
            if !projection.is_empty() {
                query = query.projection(projection);
            }
            if !order.is_empty() {
                query = query.sort(order);
            }
            query.await?.try_collect().await
        })
        .await
    }

    pub(crate) async fn writers(&self, ids: &[Uuid]) -> Result<Vec<Option<Author>>, StoreError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
        let authors = self.authors(OBSERVATIONS, &wanted).await?;
        Ok(ids.iter().map(|id| authors.get(id).cloned()).collect())
    }

    pub(crate) async fn read_observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let filter = doc! {
            "raw.topic": topic, "raw.partition": partition, "raw.offset": {"$gte": from, "$lte": to},
        };
        let found = self
            .find(OBSERVATIONS, filter, Document::new(), Document::new(), 0)
            .await?;
        let mut documents = found.iter().map(from_bson).collect::<Result<Vec<_>, _>>()?;
        documents.sort_by_key(|d| (d.writer.position.offset, d.writer.position.item, !d.main, d.id));
        Ok(documents)
    }

    /// Without content, and without the work of turning it into JSON.
    pub(crate) async fn read_written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Written>, StoreError> {
        let filter = doc! {
            "raw.topic": topic, "raw.partition": partition, "raw.offset": {"$gte": from, "$lte": to},
        };
        let fields = doc! {"main": 1, "receipt_id": 1, "raw": 1, "legacy.collection": 1, "legacy.id": 1};
        let found = self
            .find(OBSERVATIONS, filter, fields, Document::new(), 0)
            .await?;
        let mut written = found.iter().map(written).collect::<Result<Vec<_>, _>>()?;
        written.sort_by_key(|w| (w.writer.position.offset, w.writer.position.item, !w.main, w.id));
        Ok(written)
    }

    pub(crate) async fn read_highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<i64>, StoreError> {
        let highest = |collection: &'static str| {
            let filter = doc! {"raw.topic": topic, "raw.partition": partition, "raw.offset": {"$gte": from}};
            let order = doc! {"raw.topic": -1, "raw.partition": -1, "raw.offset": -1};
            async move {
                let found = self
                    .find(collection, filter, doc! {"raw.offset": 1}, order, 1)
                    .await?;
                match found.first() {
                    Some(document) => Fields(document).document("raw")?.long("offset").map(Some),
                    None => Ok(None),
                }
            }
        };
        let (observed, dead, parked) =
            futures_util::try_join!(highest(OBSERVATIONS), highest(DEAD), highest(PARKED))?;
        Ok(observed.max(dead).max(parked))
    }
}
