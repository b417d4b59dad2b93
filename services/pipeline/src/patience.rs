//! What is away for a moment is waited for: a command that gave up would only have to be run again.

use std::fmt::Display;
use std::future::Future;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::history::SourceError;
use crate::log::LogError;
use crate::store::StoreError;
use crate::worker::stopped;

/// An error of which it is known whether trying again can help.
pub trait Retriable: Display {
    /// Whether trying again can help.
    fn is_retriable(&self) -> bool;
}

impl Retriable for StoreError {
    fn is_retriable(&self) -> bool {
        Self::is_retriable(self)
    }
}

impl Retriable for LogError {
    fn is_retriable(&self) -> bool {
        Self::is_retriable(self)
    }
}

impl Retriable for SourceError {
    fn is_retriable(&self) -> bool {
        Self::is_retriable(self)
    }
}

/// Does a call that may be repeated until it succeeds, fails for good, or somebody says stop.
///
/// # Errors
/// As the last call had them.
pub async fn patiently<T, E, W>(stopping: &watch::Receiver<bool>, mut call: impl FnMut() -> W) -> Result<T, E>
where
    E: Retriable,
    W: Future<Output = Result<T, E>>,
{
    let mut stopping = stopping.clone();
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if error.is_retriable() => {
                if backoff.tries() == 0 {
                    tracing::warn!("waiting: {error}");
                }
                tokio::select! {
                    biased;
                    () = stopped(&mut stopping) => return Err(error),
                    () = sleep(backoff.next_wait()) => {}
                }
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn away() -> StoreError {
        StoreError::Unavailable("away".to_owned())
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_waited_for() {
        let (_stop, stopping) = watch::channel(false);
        let tries = Cell::new(0);
        let done = patiently(&stopping, || {
            tries.set(tries.get() + 1);
            let answer = if tries.get() < 3 {
                Err(away())
            } else {
                Ok(tries.get())
            };
            std::future::ready(answer)
        });
        assert_eq!(done.await.ok(), Some(3));
    }

    #[tokio::test]
    async fn what_can_never_work_and_a_stop_end_the_wait() {
        let (stop, stopping) = watch::channel(false);
        let refused = || std::future::ready(Err::<(), _>(StoreError::Refused("no".to_owned())));
        assert!(matches!(
            patiently(&stopping, refused).await,
            Err(StoreError::Refused(_))
        ));
        stop.send_replace(true);
        let gone = || std::future::ready(Err::<(), _>(away()));
        assert!(matches!(
            patiently(&stopping, gone).await,
            Err(StoreError::Unavailable(_))
        ));
    }
}
