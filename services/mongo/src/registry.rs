//! The registry: boxes, devices and patients of the main database, only read.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, RawDocumentBuf};
use serde_json::Value;
use stardust_pipeline::store::{RegistryDocuments, StoreError};

use crate::connect::{MongoStore, bounded};
use crate::error::unusable;
use crate::text;

const BOXES: [&str; 3] = ["mac_address", "patient_id", "is_deleted"];
const DEVICES: [&str; 11] = [
    "mac_dusun_bps",
    "mac_bps",
    "mac_oxymeter",
    "mac_mgss_oxymeter",
    "mac_body_temp",
    "mac_weight",
    "mac_gluc",
    "mac_ua",
    "mac_chol",
    "patient_id",
    "is_deleted",
];
const PATIENTS: [&str; 9] = [
    "blood_pressure_mac_address",
    "fingertip_pulse_oximeter_mac_address",
    "body_temperature_mac_address",
    "weight_scale_mac_address",
    "blood_glucose_mac_address",
    "uric_mac_address",
    "cholesterol_mac_address",
    "ava_mac_address",
    "is_deleted",
];

impl MongoStore {
    pub(crate) async fn read_registry(&self) -> Result<RegistryDocuments, StoreError> {
        let (boxes, devices, patients) = futures_util::try_join!(
            self.registry_of("amy_boxes", &BOXES),
            self.registry_of("amy_devices", &DEVICES),
            self.registry_of("patients", &PATIENTS),
        )?;
        Ok(RegistryDocuments {
            boxes,
            devices,
            patients,
        })
    }

    /// Only the fields that are needed leave the database: a patient has hundreds.
    pub(crate) async fn registry_of(
        &self,
        collection: &str,
        fields: &[&str],
    ) -> Result<Vec<Value>, StoreError> {
        let projection: Document = fields.iter().map(|name| ((*name).to_owned(), 1.into())).collect();
        let documents = self.main_db().collection::<RawDocumentBuf>(collection);
        let found: Vec<RawDocumentBuf> = bounded(async {
            let query = documents.find(Document::new()).projection(projection);
            query.batch_size(1_000).await?.try_collect().await
        })
        .await?;
        found
            .iter()
            .map(|document| {
                serde_json::from_str(&text::extended(document)?)
                    .map_err(|_| unusable(format!("a document of {collection} cannot be read")))
            })
            .collect()
    }
}
