//! Settled: how far the records of each partition are worked, for whoever in this process waits for a record.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::log::{LogRecord, NewRecord, Topic};
use crate::worker::{Stage, StageError};

type Ends = HashMap<(Topic, i32), i64>;

/// The record after the last one that is worked, by partition. Cheap to clone; all clones share one state.
///
/// It starts empty with the process: it knows nothing of what was worked before.
#[derive(Debug, Clone)]
pub struct Settled(Arc<watch::Sender<Ends>>);

impl Default for Settled {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Ends::new())))
    }
}

impl Settled {
    /// Everything of these partitions below these offsets is worked.
    pub fn advance(&self, ends: impl IntoIterator<Item = ((Topic, i32), i64)>) {
        self.0.send_modify(|known| {
            for (place, end) in ends {
                let known = known.entry(place).or_insert(end);
                *known = end.max(*known);
            }
        });
    }

    /// Resolves once this record is worked. Cancel-safe.
    pub async fn reached(&self, topic: &Topic, partition: i32, offset: i64) {
        let place = (topic.clone(), partition);
        let mut known = self.0.subscribe();
        // The sender lives as long as `self`: an error cannot come.
        let _ = known
            .wait_for(|ends| ends.get(&place).is_some_and(|end| *end > offset))
            .await;
    }
}

/// A stage that tells when its batches are durable.
#[derive(Debug)]
pub struct Told<S> {
    stage: S,
    settled: Settled,
    open: Ends,
}

impl<S> Told<S> {
    /// Tells `settled` what `stage` has done.
    pub fn new(stage: S, settled: Settled) -> Self {
        Self {
            stage,
            settled,
            open: Ends::new(),
        }
    }
}

impl<S: Stage> Stage for Told<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        self.open = ends(batch);
        self.stage.work(batch).await
    }

    fn committed(&mut self) {
        self.stage.committed();
        self.settled.advance(self.open.drain());
    }

    fn reset(&mut self) {
        self.open.clear();
        self.stage.reset();
    }
}

fn ends(batch: &[LogRecord]) -> Ends {
    // Within a partition the last record of a batch is the highest.
    batch
        .iter()
        .map(|r| ((r.topic.clone(), r.partition), r.offset + 1))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::time::timeout;

    use super::*;

    struct Nothing;

    impl Stage for Nothing {
        async fn work(&mut self, _: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
            Ok(Vec::new())
        }
        fn committed(&mut self) {}
        fn reset(&mut self) {}
    }

    fn record(partition: i32, offset: i64) -> LogRecord {
        LogRecord {
            topic: Topic::new("t"),
            partition,
            offset,
            timestamp_ms: 0,
            key: None,
            value: Bytes::new(),
        }
    }

    async fn is_reached(settled: &Settled, partition: i32, offset: i64) -> bool {
        let topic = Topic::new("t");
        let reached = settled.reached(&topic, partition, offset);
        timeout(Duration::from_millis(1), reached).await.is_ok()
    }

    #[tokio::test]
    async fn a_record_is_settled_once_its_batch_is_committed_and_not_when_it_is_worked() {
        let settled = Settled::default();
        let mut stage = Told::new(Nothing, settled.clone());
        stage
            .work(&[record(0, 4), record(1, 2), record(0, 5)])
            .await
            .unwrap();
        assert!(!is_reached(&settled, 0, 4).await);
        stage.reset();
        stage.committed();
        assert!(!is_reached(&settled, 0, 4).await, "that batch was given back");
        stage
            .work(&[record(0, 4), record(1, 2), record(0, 5)])
            .await
            .unwrap();
        let (waiter, topic) = (settled.clone(), Topic::new("t"));
        let waiting = tokio::spawn(async move { waiter.reached(&topic, 0, 5).await });
        stage.committed();
        waiting.await.unwrap();
        assert!(is_reached(&settled, 1, 2).await);
        assert!(!is_reached(&settled, 0, 6).await);
        assert!(!is_reached(&settled, 2, 0).await);
    }
}
