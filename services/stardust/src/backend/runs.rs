//! Runs of whichever store was chosen.

use stardust_pipeline::runs::{Retractions, Run, RunDocument, Runs};
use stardust_pipeline::store::{ObservationDocument, Shelf, StoreError};
use uuid::Uuid;

use super::AnyStore;

impl Runs for AnyStore {
    async fn add_run(&self, run: &Run) -> Result<bool, StoreError> {
        match self {
            Self::Mongo(store) => store.add_run(run).await,
            Self::Embedded(store) => store.add_run(run).await,
        }
    }

    async fn save_run(&self, run: &Run) -> Result<bool, StoreError> {
        match self {
            Self::Mongo(store) => store.save_run(run).await,
            Self::Embedded(store) => store.save_run(run).await,
        }
    }

    async fn run(&self, id: &str) -> Result<Option<Run>, StoreError> {
        match self {
            Self::Mongo(store) => store.run(id).await,
            Self::Embedded(store) => store.run(id).await,
        }
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        match self {
            Self::Mongo(store) => store.runs().await,
            Self::Embedded(store) => store.runs().await,
        }
    }

    async fn written_by_run(
        &self,
        run: &str,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<RunDocument>, StoreError> {
        match self {
            Self::Mongo(store) => store.written_by_run(run, after, most).await,
            Self::Embedded(store) => store.written_by_run(run, after, most).await,
        }
    }

    async fn remove_written(&self, run: &str, ids: &[Uuid]) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.remove_written(run, ids).await,
            Self::Embedded(store) => store.remove_written(run, ids).await,
        }
    }

    async fn remove_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.remove_letters(shelf, ids).await,
            Self::Embedded(store) => store.remove_letters(shelf, ids).await,
        }
    }

    async fn remove_raw(&self, receipts: &[String]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.remove_raw(receipts).await,
            Self::Embedded(store) => store.remove_raw(receipts).await,
        }
    }

    async fn observations_by_id(&self, ids: &[Uuid]) -> Result<Vec<Option<ObservationDocument>>, StoreError> {
        match self {
            Self::Mongo(store) => store.observations_by_id(ids).await,
            Self::Embedded(store) => store.observations_by_id(ids).await,
        }
    }
}

impl Retractions for AnyStore {
    async fn retracted(&self, runs: &[String]) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Mongo(store) => store.retracted(runs).await,
            Self::Embedded(store) => store.retracted(runs).await,
        }
    }

    async fn sweep(&self, run: &str) -> Result<u64, StoreError> {
        match self {
            Self::Mongo(store) => store.sweep(run).await,
            Self::Embedded(store) => store.sweep(run).await,
        }
    }

    async fn sweep_letters(&self, places: &[(String, i32, i64)]) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.sweep_letters(places).await,
            Self::Embedded(store) => store.sweep_letters(places).await,
        }
    }
}
