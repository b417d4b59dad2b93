//! The spool: where the door keeps records while the broker is away.

use std::collections::HashMap;
use std::future::Future;

use bytes::Bytes;

use crate::log::NewRecord;

/// A record in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its place: rises with each append.
    pub seq: i64,
    /// The record.
    pub record: NewRecord,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpoolLevel {
    /// Records waiting.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// The spool cannot take or give records.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// It is full (its own limit, or the disk).
    #[error("the spool is full: {0}")]
    Full(String),
    /// The file failed.
    #[error("the spool failed: {0}")]
    Failed(String),
}

/// A durable queue on the door's own disk. Cheap to clone.
pub trait Spool: Clone + Send + Sync + 'static {
    /// Appends all records or none, and answers once they are on disk. Fails with [`SpoolError::Full`] beyond its limit.
    fn append(&self, records: Vec<NewRecord>) -> impl Future<Output = Result<(), SpoolError>> + Send;

    /// The oldest records, in order.
    fn front(&self, most: usize) -> impl Future<Output = Result<Vec<Spooled>, SpoolError>> + Send;

    /// Removes these records: they are durable elsewhere.
    fn remove(&self, seqs: &[i64]) -> impl Future<Output = Result<(), SpoolError>> + Send;

    /// How full it is.
    fn level(&self) -> impl Future<Output = Result<SpoolLevel, SpoolError>> + Send;

    /// How many records of each key wait, in any order. This form reads the whole spool: a backend with an index does better.
    fn keys(&self) -> impl Future<Output = Result<Vec<(Bytes, u64)>, SpoolError>> + Send {
        async {
            let records = usize::try_from(self.level().await?.records).unwrap_or(usize::MAX);
            let mut keys: HashMap<Bytes, u64> = HashMap::new();
            if records > 0 {
                for spooled in self.front(records).await? {
                    *keys.entry(spooled.record.key).or_default() += 1;
                }
            }
            Ok(keys.into_iter().collect())
        }
    }
}
