//! Observations by patient and clinical time. Without an index, which every live reading would pay for: one look at all of
//! them answers for thousands of times.

use std::collections::HashSet;

use rusqlite::Connection;
use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::store::{ObservationDocument, StoreError};

use super::EmbeddedStore;
use super::observations::{COLUMNS, document};
use crate::error::DbError;

impl AtTimes for EmbeddedStore {
    async fn observations_at_times(
        &self,
        of: &[(PatientId, Timestamp)],
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let of: HashSet<(PatientId, Timestamp)> = of.iter().copied().collect();
        self.read(move |conn| found(conn, &of)).await
    }
}

fn found(
    conn: &Connection,
    of: &HashSet<(PatientId, Timestamp)>,
) -> Result<Vec<ObservationDocument>, DbError> {
    let times: Vec<String> = of.iter().map(|(_, at)| at.micros().to_string()).collect();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM observations WHERE effective_us IN (SELECT value FROM json_each(?1))"
    ))?;
    let rows = statement.query_map([format!("[{}]", times.join(","))], document)?;
    let mut found = rows.collect::<Result<Vec<_>, _>>()?;
    found.retain(|d| of.contains(&(d.patient, d.effective)));
    Ok(found)
}
