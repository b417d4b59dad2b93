//! Observations of a patient at a time: what a migrated reading may say once more.

use std::future::Future;

use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;

use crate::store::{ObservationDocument, Store, StoreError};

/// A store that finds Observations by patient and clinical time.
pub trait AtTimes: Store {
    /// The Observations of these patients at these times, in any order.
    fn observations_at_times(
        &self,
        of: &[(PatientId, Timestamp)],
    ) -> impl Future<Output = Result<Vec<ObservationDocument>, StoreError>> + Send;
}
