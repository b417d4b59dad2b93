//! Patients, devices and hospitals with the wrapper that the readers of the FHIR database query.

use std::collections::HashMap;

use mongodb::IndexModel;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use serde_json::Value;
use stardust_domain::registry::{RegistryResource, ResourceKind};
use stardust_domain::time::Timestamp;
use stardust_pipeline::resources::{ResourceStore, Stored, StoredResource};
use stardust_pipeline::store::StoreError;

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver, refused};
use crate::fields::Fields;
use crate::names::{FHIR_VERSION, SOURCE_SYSTEM};
use crate::observations::{resource_of, resource_to_bson};
use crate::writer::Writer;

/// The collection of a kind.
const fn collection(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Organization => "fhir_organizations",
        ResourceKind::Patient => "fhir_patients",
        ResourceKind::Device => "fhir_devices",
        ResourceKind::DeviceAssociation => "fhir_device_associations",
    }
}

/// What is written with each change: everything but the `_id` and the time of creation.
fn changing(resource: &RegistryResource, at: Timestamp) -> Result<Document, StoreError> {
    let mut fields = Writer::with_capacity(resource.json.len() * 5 / 4 + 400);
    fields.text("resource_type", resource.kind.label());
    fields.text("resource_id", &resource.id);
    fields.text("fhir_version", FHIR_VERSION);
    resource_to_bson(&mut fields, &resource.json)?;
    fields.display_if("patient_id", resource.patient);
    fields.display_if("device_id", resource.device.map(|device| device.device_id()));
    fields.display_if("device_mac_address", resource.device);
    fields.boolean("is_deleted", false);
    fields.date("updated_at", at.millis());
    Document::try_from(&fields.finish()?).map_err(|_| refused("a resource that cannot be written"))
}

fn from_bson(kind: ResourceKind, document: &RawDocumentBuf) -> Result<StoredResource, StoreError> {
    let fields = Fields(document);
    Ok(StoredResource {
        resource: RegistryResource {
            kind,
            id: fields.owned("_id")?,
            json: resource_of(fields)?,
            patient: fields.parsed_if("patient_id")?,
            device: fields.parsed_if("device_mac_address")?,
        },
        created: fields.time("created_at")?,
        updated: fields.time("updated_at")?,
    })
}

impl ResourceStore for MongoStore {
    async fn prepare_resources(&self) -> Result<(), StoreError> {
        let index = |keys: Document| IndexModel::builder().keys(keys).build();
        for kind in ResourceKind::ALL {
            let mut indexes = vec![index(doc! {"resource_id": 1})];
            if *kind != ResourceKind::Organization {
                indexes.push(index(doc! {"patient_id": 1}));
            }
            if matches!(kind, ResourceKind::Device | ResourceKind::DeviceAssociation) {
                indexes.push(index(doc! {"device_mac_address": 1}));
            }
            bounded(self.fhir::<Document>(collection(*kind)).create_indexes(indexes)).await?;
        }
        Ok(())
    }

    async fn stored_resources(
        &self,
        kind: ResourceKind,
        ids: &[String],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
        let fields = doc! {"source_system": 1, "resource_data": 1, "resource_text": 1};
        let mut found = HashMap::new();
        for document in self.find_by_id(collection(kind), &wanted, fields).await? {
            let fields = Fields(&document);
            let is_ours = fields
                .owned_if("source_system")
                .is_ok_and(|s| s.as_deref() == Some(SOURCE_SYSTEM));
            let stored = if is_ours {
                Stored::Ours(resource_of(fields)?)
            } else {
                Stored::Foreign
            };
            found.insert(fields.owned("_id")?, stored);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn put_resources(&self, resources: &[RegistryResource], at: Timestamp) -> Result<(), StoreError> {
        for resource in resources {
            // What somebody else has under this id does not match, and the insert meets its key.
            let ours = doc! {"_id": &resource.id, "source_system": SOURCE_SYSTEM};
            let set = changing(resource, at)?;
            let mut unset = Document::new();
            for name in ["resource_text", "patient_id", "device_id", "device_mac_address"] {
                if !set.contains_key(name) {
                    unset.insert(name, "");
                }
            }
            let mut change = doc! {
                "$set": set, "$setOnInsert": {"created_at": mongodb::bson::DateTime::from_millis(at.millis())},
            };
            if !unset.is_empty() {
                change.insert("$unset", unset);
            }
            let documents = self.fhir::<Document>(collection(resource.kind));
            match bounded_raw(documents.update_one(ours, change).upsert(true)).await? {
                Ok(_) => {}
                Err(error) if is_duplicate(&error) => {
                    return Err(StoreError::Conflict(format!(
                        "the {} {} is not ours",
                        resource.kind.label(),
                        resource.id
                    )));
                }
                Err(error) => return Err(of_driver(&error)),
            }
        }
        Ok(())
    }

    async fn resources_after(
        &self,
        kind: ResourceKind,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<StoredResource>, StoreError> {
        let mut filter = doc! {"source_system": SOURCE_SYSTEM};
        if let Some(after) = after {
            filter.insert("_id", doc! {"$gt": after});
        }
        let found = self
            .find(collection(kind), filter, Document::new(), doc! {"_id": 1}, most)
            .await?;
        found.iter().map(|document| from_bson(kind, document)).collect()
    }

    async fn registry_documents(&self, collection: &str, fields: &[&str]) -> Result<Vec<Value>, StoreError> {
        self.registry_of(collection, fields).await
    }
}
