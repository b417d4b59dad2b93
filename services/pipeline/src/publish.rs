//! Records of a long command into the log, however long it is away.

use tokio::sync::watch;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::log::{Log, LogError, NewRecord};
use crate::worker::stopped;

/// What came of records that were to be published.
#[derive(Debug, PartialEq, Eq)]
pub enum Published {
    /// Each is durable, but for so many that the log refused for good.
    Done(u64),
    /// Told to stop while the log was away: any of them may be there or not.
    Stopped,
}

/// Publishes records until each is durable or refused, however long the log is away. All of them are under way before the
/// first is awaited.
///
/// # Errors
/// Where waiting does not help.
pub async fn publish<L: Log>(
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
