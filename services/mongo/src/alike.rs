//! Observations by patient and clinical time, through the index over both.

use std::collections::{BTreeMap, HashSet};

use mongodb::bson::{DateTime, Document, doc};
use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::store::{ObservationDocument, StoreError};

use crate::connect::MongoStore;
use crate::names::OBSERVATIONS;
use crate::observations::from_bson;

/// Most times in one query.
const TIMES: usize = 1_000;

impl AtTimes for MongoStore {
    async fn observations_at_times(
        &self,
        of: &[(PatientId, Timestamp)],
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let mut all = Vec::new();
        for part in of.chunks(TIMES) {
            let mut times: BTreeMap<String, Vec<DateTime>> = BTreeMap::new();
            for (patient, at) in part {
                let of_patient = times.entry(patient.to_string()).or_default();
                of_patient.push(DateTime::from_millis(at.millis()));
            }
            let any: Vec<Document> = times
                .into_iter()
                .map(|(patient, at)| doc! {"patient_id": patient, "effective_datetime": {"$in": at}})
                .collect();
            // Copies of an older database are no readings of ours.
            let filter = doc! {"$or": any, "raw": {"$exists": true}};
            let found = self
                .find(OBSERVATIONS, filter, Document::new(), Document::new(), 0)
                .await?;
            for document in &found {
                all.push(from_bson(document)?);
            }
        }
        // The database compares milliseconds.
        let of: HashSet<_> = of.iter().copied().collect();
        all.retain(|d| of.contains(&(d.patient, d.effective)));
        Ok(all)
    }
}
