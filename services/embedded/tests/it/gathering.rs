//! A worker that lets records gather.

use std::sync::Arc;
use std::time::Duration;

use stardust_embedded::Embedded;
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Budget, Log, LogRecord, NewRecord, Topic};
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::worker::{self, Stage, StageError, WorkerConfig};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::{ROOMY, record, spec};

/// Tells when a batch came, and how many records it had.
struct Noted(mpsc::UnboundedSender<(Instant, usize)>);

impl Stage for Noted {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        self.0.send((Instant::now(), batch.len())).unwrap();
        Ok(Vec::new())
    }

    fn committed(&mut self) {}

    fn reset(&mut self) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn records_gather_behind_a_small_batch_and_not_behind_a_large_one() {
    const GATHER: Duration = Duration::from_secs(3);
    let folder = tempfile::tempdir().unwrap();
    let (log, topic) = (
        Embedded::open(folder.path(), "door").unwrap().log(),
        Topic::new("t"),
    );
    log.create(&[spec("t", 1)]).await.unwrap();
    let publish = async |records: usize| {
        let records = vec![record(&topic, "k", "v"); records];
        assert!(log.publish(records).await.iter().all(Result::is_ok));
    };
    let (noted, mut batches) = mpsc::unbounded_channel();
    let (stop, stopping) = watch::channel(false);
    let config = WorkerConfig {
        group: "g".to_owned(),
        topics: vec![topic.clone()],
        worker: 0,
        budget: Budget { records: 8, ..ROOMY },
        gather: GATHER,
        drain: Duration::from_secs(1),
        backoff: Backoff::default(),
    };
    let pulse = Arc::new(Pulse::new("test"));
    let worker = tokio::spawn(worker::run(log.clone(), config, Noted(noted), stopping, pulse));
    publish(1).await;
    let (first, one) = batches.recv().await.unwrap();
    for _ in 0..3 {
        publish(1).await;
    }
    let (second, three) = batches.recv().await.unwrap();
    assert_eq!((one, three), (1, 3));
    assert!(second - first >= GATHER, "{:?}", second - first);
    publish(11).await;
    let (third, full) = batches.recv().await.unwrap();
    let (fourth, rest) = batches.recv().await.unwrap();
    assert_eq!((full, rest), (8, 3));
    assert!(fourth - third < GATHER, "{:?}", fourth - third);
    // It does not wait for records while it stops.
    stop.send_replace(true);
    timeout(GATHER, worker).await.unwrap().unwrap().unwrap();
}
