//! Patients, devices and hospitals in the FHIR database, and the documents that they are made of.

use std::future::Future;

use serde_json::Value;
use stardust_domain::registry::{RegistryResource, ResourceKind};
use stardust_domain::time::Timestamp;

use crate::store::{Store, StoreError};

/// What is stored under the id of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// A resource of ours, as FHIR JSON.
    Ours(String),
    /// Somebody else's: it is left as it is.
    Foreign,
}

/// A stored resource with its times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// The resource.
    pub resource: RegistryResource,
    /// When it was stored for the first time.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// A store that keeps the resources of the registry.
pub trait ResourceStore: Store {
    /// Makes the indexes of their collections. May be repeated.
    fn prepare_resources(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What is stored under these ids of a kind, in order; none where nothing is.
    fn stored_resources(
        &self,
        kind: ResourceKind,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Stored>>, StoreError>> + Send;

    /// Stores these resources in the place of ours with the same ids; `at` is their time of creation where they are new,
    /// and of their last change. Where the call breaks off, any part of them may be stored.
    /// [`StoreError::Conflict`] where an id is somebody else's.
    fn put_resources(
        &self,
        resources: &[RegistryResource],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Our resources of a kind in the order of their ids, after an id.
    fn resources_after(
        &self,
        kind: ResourceKind,
        after: Option<&str>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<StoredResource>, StoreError>> + Send;

    /// The documents of a collection of the registry with these fields at least, as Extended JSON: `patients`,
    /// `amy_boxes`, `amy_devices`, `hospitals`.
    fn registry_documents(
        &self,
        collection: &str,
        fields: &[&str],
    ) -> impl Future<Output = Result<Vec<Value>, StoreError>> + Send;
}
