//! The registry in memory, refreshed from the store.

use std::sync::Arc;
use std::time::Duration;

use stardust_domain::registry::Registry;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::backoff::Backoff;
use crate::store::{RegistryDocuments, Store, StoreError};
use crate::worker::stopped;

/// Turns documents into a registry; says in words what was odd.
pub type Build = fn(RegistryDocuments) -> Registry;

/// Reads the registry once.
///
/// # Errors
/// As the store has them.
pub async fn load<S: Store>(store: &S, build: Build) -> Result<Arc<Registry>, StoreError> {
    store.registry().await.map(|documents| Arc::new(build(documents)))
}

/// Reads the registry (waiting for the store as long as it takes), then again every `every`. None once told to stop.
pub async fn start<S: Store>(
    store: S,
    build: Build,
    every: Duration,
    mut shutdown: watch::Receiver<bool>,
) -> Option<watch::Receiver<Arc<Registry>>> {
    let mut backoff = Backoff::default();
    let first = loop {
        match load(&store, build).await {
            Ok(registry) => break registry,
            Err(e) => {
                if backoff.tries() == 0 {
                    tracing::warn!("waiting for the registry: {e}");
                }
                tokio::select! {
                    () = sleep(backoff.next_wait()) => {}
                    () = stopped(&mut shutdown) => return None,
                }
            }
        }
    };
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = sleep(every) => {}
                () = stopped(&mut shutdown) => return,
                () = sender.closed() => return,
            }
            match load(&store, build).await {
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
