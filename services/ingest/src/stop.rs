//! The order to stop.

use tokio::sync::watch;

/// Resolves once the order is given, or when nobody is left to give it.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
