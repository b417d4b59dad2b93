//! The registry in memory, refreshed from the store.

use std::sync::Arc;
use std::time::Duration;

use stardust_domain::registry::Registry;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::store::{Store, StoreError};
use crate::worker::stopped;

/// Reads the registry once.
///
/// # Errors
/// As the store has them.
pub async fn load<S: Store>(store: &S) -> Result<Arc<Registry>, StoreError> {
    let documents = store.registry().await?;
    let (registry, _) = Registry::from_documents(documents.boxes, documents.devices, documents.patients);
    Ok(Arc::new(registry))
}

/// Reads the registry (waiting for the store as long as it takes, by `backoff`), then again every `every`. None once
/// told to stop.
pub async fn start<S: Store>(
    store: S,
    every: Duration,
    mut backoff: Backoff,
    mut shutdown: watch::Receiver<bool>,
) -> Option<watch::Receiver<Arc<Registry>>> {
    let first = loop {
        match load(&store).await {
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
            match load(&store).await {
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
