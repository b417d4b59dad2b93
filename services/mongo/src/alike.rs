//! Observations by patient and clinical time, through the index over both.

use std::collections::{BTreeMap, HashSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use mongodb::bson::{DateTime, Document, doc};
use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::store::{ObservationDocument, StoreError};

use crate::connect::MongoStore;
use crate::fields::Fields;
use crate::names::OBSERVATIONS;
use crate::observations::from_bson;

/// Most times in one query.
const TIMES: usize = 1_000;
/// Queries on their way together.
const TOGETHER: usize = 8;

impl AtTimes for MongoStore {
    // A query for each patient is what the index answers whatever the server; `$or` over them is a scan of the whole
    // collection where a server plans no branches.
    async fn observations_at_times(
        &self,
        of: &[(PatientId, Timestamp)],
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let mut times: BTreeMap<PatientId, Vec<DateTime>> = BTreeMap::new();
        for (patient, at) in of {
            let of_patient = times.entry(*patient).or_default();
            of_patient.push(DateTime::from_millis(at.millis()));
        }
        let queries = times.iter().flat_map(|(patient, at)| {
            at.chunks(TIMES).map(move |at| {
                let filter = doc! {"patient_id": patient.to_string(), "effective_datetime": {"$in": at}};
                self.find(OBSERVATIONS, filter, Document::new(), Document::new(), 0)
            })
        });
        let queries: Vec<_> = queries.collect();
        let mut answers = stream::iter(queries).buffer_unordered(TOGETHER);
        // The database compares milliseconds.
        let of: HashSet<_> = of.iter().copied().collect();
        let mut all = Vec::new();
        while let Some(found) = answers.try_next().await? {
            for document in &found {
                // Copies of an older database are no readings of ours.
                if Fields(document).get("raw")?.is_none() {
                    continue;
                }
                let document = from_bson(document)?;
                if of.contains(&(document.patient, document.effective)) {
                    all.push(document);
                }
            }
        }
        Ok(all)
    }
}
