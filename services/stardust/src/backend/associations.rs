//! Associations in whichever store was chosen.

use stardust_domain::registry::{Associations, Changes, Named, Period};
use stardust_domain::time::Timestamp;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::store::StoreError;

use super::AnyStore;

impl AssociationStore for AnyStore {
    async fn associations(&self) -> Result<Associations, StoreError> {
        match self {
            Self::Mongo(store) => store.associations().await,
            Self::Embedded(store) => store.associations().await,
        }
    }

    async fn note_refresh(
        &self,
        changes: &Changes,
        known: Option<Timestamp>,
        refreshed: Timestamp,
    ) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.note_refresh(changes, known, refreshed).await,
            Self::Embedded(store) => store.note_refresh(changes, known, refreshed).await,
        }
    }

    async fn import_periods(&self, periods: &[Period], at: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.import_periods(periods, at).await,
            Self::Embedded(store) => store.import_periods(periods, at).await,
        }
    }

    async fn name_patients(&self, named: &[Named]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.name_patients(named).await,
            Self::Embedded(store) => store.name_patients(named).await,
        }
    }
}
