//! Amending: a stored Observation gets another content. Nothing else in this pipeline ever changes one.

use std::future::Future;

use stardust_domain::time::Timestamp;
use uuid::Uuid;

use crate::store::{ObservationDocument, Position, Store, StoreError};

/// What an Observation shall be from now on. All that is not named here stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amendment {
    /// The resource id.
    pub id: Uuid,
    /// The mapping that made the content which is to be replaced: where the stored document names another one by now,
    /// it is left alone.
    pub from_mapping: String,
    /// The mapping that made the new content.
    pub to_mapping: String,
    /// The resource as FHIR JSON.
    pub resource: String,
    /// Its first code.
    pub code: String,
    /// Its FHIR status.
    pub status: String,
    /// When it was amended.
    pub at: Timestamp,
}

/// A store whose Observations can be read from the first to the last and be amended.
pub trait Amend: Store {
    /// Observations that a record of the log wrote, after a place (its item is of no account), in the order of topic,
    /// partition, offset and item. A record's stand together; those of the last one of a full page may not be all.
    fn observations_after(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<ObservationDocument>, StoreError>> + Send;

    /// How many Observations no record of the log wrote: copies of an older database.
    fn foreign_observations(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Amends Observations; says how many still were as the amendment expects them. The same amendments again change
    /// nothing.
    fn amend(&self, amendments: &[Amendment]) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
