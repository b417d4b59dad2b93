//! Chunks into the log: all records of several chunks are under way before the first is awaited.

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Log, LogError, NewRecord};
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::sleep;

/// What came of the records of a chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// Each is durable, but for so many that the log refused for good.
    Done(u64),
    /// Told to stop while the log was away: any of them may be there or not.
    Stopped,
}

/// Publishes records until each is durable or refused, however long the log is away.
pub(crate) async fn publish<L: Log>(
    log: &L,
    mut records: Vec<NewRecord>,
    stopping: &mut watch::Receiver<bool>,
) -> Result<Published, LogError> {
    let mut backoff = Backoff::default();
    let mut refused = 0;
    loop {
        if records.is_empty() {
            return Ok(Published::Done(refused));
        }
        let mut again = Vec::new();
        let answers = log.publish(records.clone()).await;
        for (record, answer) in records.into_iter().zip(answers) {
            match answer {
                Ok(_) => {}
                Err(LogError::Refused(_)) => refused += 1,
                Err(error) if error.is_retriable() => {
                    if again.is_empty() && backoff.tries() == 0 {
                        tracing::warn!("waiting for the log: {error}");
                    }
                    again.push(record);
                }
                Err(error) => return Err(error),
            }
        }
        records = again;
        if !records.is_empty() {
            tokio::select! {
                biased;
                () = stopped(stopping) => return Ok(Published::Stopped),
                () = sleep(backoff.next_wait()) => {}
            }
        }
    }
}
