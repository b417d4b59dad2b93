//! The store that can be amended, whichever was chosen.

use stardust_pipeline::amend::{Amend, Amendment};
use stardust_pipeline::store::{ObservationDocument, Position, StoreError};

use super::AnyStore;

impl Amend for AnyStore {
    async fn observations_after(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        match self {
            Self::Mongo(store) => store.observations_after(after, most).await,
            Self::Embedded(store) => store.observations_after(after, most).await,
        }
    }

    async fn foreign_observations(&self) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.foreign_observations().await,
            Self::Embedded(store) => store.foreign_observations().await,
        }
    }

    async fn amend(&self, amendments: &[Amendment]) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.amend(amendments).await,
            Self::Embedded(store) => store.amend(amendments).await,
        }
    }
}
