//! A store that is away is waited for: a command that gave up would only have to be run again.

use std::future::Future;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::store::StoreError;
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::sleep;

/// Does a call that may be repeated until it succeeds, fails for good, or somebody says stop.
pub(crate) async fn patiently<T, W>(
    stopping: &watch::Receiver<bool>,
    mut call: impl FnMut() -> W,
) -> Result<T, StoreError>
where
    W: Future<Output = Result<T, StoreError>>,
{
    let mut stopping = stopping.clone();
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if error.is_retriable() => {
                if backoff.tries() == 0 {
                    tracing::warn!("waiting for the store: {error}");
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
