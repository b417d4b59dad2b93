//! The spool with a count for each partition: while it is not zero, that partition's new records go behind.

use std::sync::atomic::{AtomicU64, Ordering};

use stardust_pipeline::log::NewRecord;
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::{Spool, SpoolError};
use tokio::sync::Notify;

pub(crate) struct Backlog<S> {
    spool: S,
    counts: Vec<AtomicU64>,
    wake: Notify,
}

impl<S: Spool> Backlog<S> {
    /// Counts what the spool holds from an earlier run.
    pub(crate) async fn open(spool: S, partitions: i32) -> Result<Self, SpoolError> {
        let lanes = usize::try_from(partitions.max(1)).unwrap_or(1);
        let backlog = Self {
            counts: (0..lanes).map(|_| AtomicU64::new(0)).collect(),
            wake: Notify::new(),
            spool,
        };
        for (key, records) in backlog.spool.keys().await? {
            backlog.reserve(partition_of(&key, partitions), records);
        }
        Ok(backlog)
    }

    pub(crate) const fn spool(&self) -> &S {
        &self.spool
    }

    fn count(&self, partition: i32) -> Option<&AtomicU64> {
        self.counts.get(usize::try_from(partition).ok()?)
    }

    /// Records of this partition that are in the spool or on the way into it.
    pub(crate) fn waiting(&self, partition: i32) -> u64 {
        self.count(partition).map_or(0, |c| c.load(Ordering::Acquire))
    }

    /// Records of all partitions.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().map(|c| c.load(Ordering::Acquire)).sum()
    }

    /// Counted before they are on disk, so that a partition never looks empty while it is not.
    fn reserve(&self, partition: i32, records: u64) {
        if let Some(count) = self.count(partition) {
            count.fetch_add(records, Ordering::AcqRel);
        }
    }

    /// These records are elsewhere now.
    pub(crate) fn release(&self, partition: i32, records: u64) {
        if let Some(count) = self.count(partition) {
            // Saturating: an append that failed may have reached the disk after all.
            let _ = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                Some(n.saturating_sub(records))
            });
        }
    }

    /// Appends records of one partition; answers once they are on disk.
    pub(crate) async fn append(&self, partition: i32, records: Vec<NewRecord>) -> Result<(), SpoolError> {
        let many = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.reserve(partition, many);
        let done = self.spool.append(records).await;
        match done {
            Ok(()) => self.wake.notify_one(),
            Err(_) => self.release(partition, many),
        }
        done
    }

    /// Resolves after an append.
    pub(crate) async fn appended(&self) {
        self.wake.notified().await;
    }
}
