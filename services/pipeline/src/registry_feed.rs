//! The registry in memory with the periods of its devices, refreshed from the store.

use std::sync::Arc;
use std::time::Duration;

use stardust_domain::registry::Registry;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::associations::{AssociationStore, Keeping, refresh};
use crate::backoff::Backoff;
use crate::worker::stopped;

/// Reads the registry (waiting for the store as long as it takes, by `backoff`), then again every `every`, and keeps the
/// periods of the devices with it. None once told to stop.
pub async fn start<S: AssociationStore>(
    store: S,
    keeping: Keeping,
    every: Duration,
    mut backoff: Backoff,
    mut shutdown: watch::Receiver<bool>,
) -> Option<watch::Receiver<Arc<Registry>>> {
    let first = loop {
        match refresh(&store, &keeping).await {
            Ok(registry) => break registry,
            Err(e) => {
                if backoff.tries() == 0 {
                    tracing::warn!("waiting for the registry: {e}");
                }
                tokio::select! {
                    biased;
                    () = stopped(&mut shutdown) => return None,
                    () = sleep(backoff.next_wait()) => {}
                }
            }
        }
    };
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut shutdown) => return,
                () = sender.closed() => return,
                () = sleep(every) => {}
            }
            match refresh(&store, &keeping).await {
                Ok(registry) => {
                    sender.send_replace(registry);
                }
                // The registry as it was stays in force: better a late change than no readings.
                Err(e) => tracing::warn!("the registry could not be refreshed: {e}"),
            }
        }
    });
    Some(receiver)
}
