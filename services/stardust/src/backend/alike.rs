//! The store that is asked for what says the same, whichever was chosen.

use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::store::{ObservationDocument, StoreError};

use super::AnyStore;

impl AtTimes for AnyStore {
    async fn observations_at_times(
        &self,
        of: &[(PatientId, Timestamp)],
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        match self {
            Self::Mongo(store) => store.observations_at_times(of).await,
            Self::Embedded(store) => store.observations_at_times(of).await,
        }
    }
}
