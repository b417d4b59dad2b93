//! The spool with a count for each partition: while it is not zero, that partition's new records go behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use stardust_pipeline::log::NewRecord;
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::{Spool, SpoolError};
use tokio::sync::{Notify, RwLock};

pub(crate) struct Backlog<S> {
    spool: S,
    counts: Vec<AtomicU64>,
    wake: Notify,
    /// An append failed and may have reached the disk after all: until they are counted again the counts are too high,
    /// never too low.
    doubtful: AtomicBool,
    /// Shared by appends, alone with a count.
    appending: RwLock<()>,
}

impl<S: Spool> Backlog<S> {
    /// Counts what the spool holds from an earlier run.
    pub(crate) async fn open(spool: S, partitions: i32) -> Result<Self, SpoolError> {
        let lanes = usize::try_from(partitions.max(1)).unwrap_or(1);
        let backlog = Self {
            counts: (0..lanes).map(|_| AtomicU64::new(0)).collect(),
            wake: Notify::new(),
            doubtful: AtomicBool::new(false),
            appending: RwLock::new(()),
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
            let _ = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                Some(n.saturating_sub(records))
            });
        }
    }

    /// Appends records of one partition; answers once they are on disk.
    pub(crate) async fn append(&self, partition: i32, records: Vec<NewRecord>) -> Result<(), SpoolError> {
        let _appending = self.appending.read().await;
        let many = u64::try_from(records.len()).unwrap_or(u64::MAX);
        self.reserve(partition, many);
        let done = self.spool.append(records).await;
        match &done {
            Ok(()) => {}
            Err(SpoolError::Full(_)) => {
                self.release(partition, many);
                return done;
            }
            Err(_) => self.doubtful.store(true, Ordering::Release),
        }
        self.wake.notify_one();
        done
    }

    /// Counts again what is on the disk, where that is in doubt; true where it was.
    pub(crate) async fn recount(&self, partitions: i32) -> Result<bool, SpoolError> {
        if !self.doubtful.load(Ordering::Acquire) {
            return Ok(false);
        }
        let _alone = self.appending.write().await;
        let mut found = vec![0_u64; self.counts.len()];
        for (key, records) in self.spool.keys().await? {
            let at = usize::try_from(partition_of(&key, partitions)).unwrap_or(0);
            if let Some(count) = found.get_mut(at) {
                *count += records;
            }
        }
        // Each at once: a lane must not see an empty partition in between.
        for (count, found) in self.counts.iter().zip(found) {
            count.store(found, Ordering::Release);
        }
        self.doubtful.store(false, Ordering::Release);
        Ok(true)
    }

    /// Resolves after an append.
    pub(crate) async fn appended(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use bytes::Bytes;
    use stardust_pipeline::log::Topic;
    use stardust_pipeline::spool::{SpoolLevel, Spooled};

    use super::*;

    /// Keeps what it is given and says that it failed.
    #[derive(Clone, Default)]
    struct Doubtful(Arc<Mutex<Vec<NewRecord>>>);

    impl Spool for Doubtful {
        async fn append(&self, records: Vec<NewRecord>) -> Result<(), SpoolError> {
            self.0.lock().unwrap().extend(records);
            Err(SpoolError::Failed("no answer of the disk".to_owned()))
        }

        async fn front(&self, most: usize) -> Result<Vec<Spooled>, SpoolError> {
            let held = self.0.lock().unwrap();
            let found = (0..).zip(held.iter()).take(most);
            Ok(found
                .map(|(seq, record)| Spooled {
                    seq,
                    record: record.clone(),
                })
                .collect())
        }

        async fn remove(&self, _: &[i64]) -> Result<(), SpoolError> {
            self.0.lock().unwrap().clear();
            Ok(())
        }

        async fn level(&self) -> Result<SpoolLevel, SpoolError> {
            let records = self.0.lock().unwrap().len() as u64;
            Ok(SpoolLevel {
                records,
                bytes: records,
            })
        }
    }

    #[tokio::test]
    async fn after_a_failed_append_a_partition_counts_what_is_on_the_disk() {
        let spool = Doubtful::default();
        let backlog = Backlog::open(spool.clone(), 1).await.unwrap();
        let record = NewRecord {
            topic: Topic::new("raw"),
            key: Bytes::from_static(b"020000aa0001"),
            value: Bytes::from_static(b"v"),
        };
        assert!(backlog.append(0, vec![record.clone(), record]).await.is_err());
        assert_eq!(backlog.waiting(0), 2, "in doubt it waits");
        assert!(backlog.recount(1).await.unwrap());
        assert_eq!(backlog.waiting(0), 2, "it did reach the disk");
        assert!(!backlog.recount(1).await.unwrap(), "nothing is in doubt");

        assert!(backlog.append(0, Vec::new()).await.is_err());
        spool.remove(&[]).await.unwrap();
        assert!(backlog.recount(1).await.unwrap());
        assert_eq!(backlog.waiting(0), 0, "it did not, and nothing waits");
    }
}
