//! Resources of the registry in whichever store was chosen.

use serde_json::Value;
use stardust_domain::registry::{RegistryResource, ResourceKind};
use stardust_domain::time::Timestamp;
use stardust_pipeline::resources::{ResourceStore, Stored, StoredResource};
use stardust_pipeline::store::StoreError;

use super::AnyStore;

impl ResourceStore for AnyStore {
    async fn prepare_resources(&self) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.prepare_resources().await,
            Self::Embedded(store) => store.prepare_resources().await,
        }
    }

    async fn stored_resources(
        &self,
        kind: ResourceKind,
        ids: &[String],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        match self {
            Self::Mongo(store) => store.stored_resources(kind, ids).await,
            Self::Embedded(store) => store.stored_resources(kind, ids).await,
        }
    }

    async fn put_resources(&self, resources: &[RegistryResource], at: Timestamp) -> Result<(), StoreError> {
        match self {
            Self::Mongo(store) => store.put_resources(resources, at).await,
            Self::Embedded(store) => store.put_resources(resources, at).await,
        }
    }

    async fn resources_after(
        &self,
        kind: ResourceKind,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<StoredResource>, StoreError> {
        match self {
            Self::Mongo(store) => store.resources_after(kind, after, most).await,
            Self::Embedded(store) => store.resources_after(kind, after, most).await,
        }
    }

    async fn registry_documents(&self, collection: &str, fields: &[&str]) -> Result<Vec<Value>, StoreError> {
        match self {
            Self::Mongo(store) => store.registry_documents(collection, fields).await,
            Self::Embedded(store) => store.registry_documents(collection, fields).await,
        }
    }
}
