//! How long a command waits for what is away.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

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

/// For a command without an end of its own: what was there once comes back. Lasts as long as the sender is kept; a signal
/// ends the process and with it the wait.
pub fn endless() -> (watch::Sender<bool>, watch::Receiver<bool>) {
    watch::channel(false)
}
