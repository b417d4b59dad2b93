//! How long a command waits for what is away.

use std::time::Duration;

use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::backend::AnyStore;

/// Long enough for an election or a restart.
const OPENING: Duration = Duration::from_secs(15);

/// For the first calls of a command: what does not answer for so long was never there, and its address is wrong.
pub fn opening() -> watch::Receiver<bool> {
    let (going, stopping) = watch::channel(false);
    tokio::spawn(async move {
        sleep(OPENING).await;
        going.send_replace(true);
    });
    stopping
}

/// [`endless`], once the store has answered.
pub async fn once_reached(
    store: &AnyStore,
) -> Result<(watch::Sender<bool>, watch::Receiver<bool>), StoreError> {
    patiently(&opening(), || store.ping()).await?;
    Ok(endless())
}

/// For a command without an end of its own: what was there once comes back. Lasts as long as the sender is kept; a signal
/// ends the process and with it the wait.
pub fn endless() -> (watch::Sender<bool>, watch::Receiver<bool>) {
    watch::channel(false)
}
