//! The registry as the door sees it: perhaps not loaded yet.

use std::future::Future;
use std::sync::Arc;

use stardust_domain::registry::Registry;
use tokio::sync::watch;

/// The registry in force; none before it was read for the first time.
pub type RegistryView = watch::Receiver<Option<Arc<Registry>>>;

/// Follows a registry that arrives later, so that the door can open while the store is away.
///
/// Until then API calls are taken whatever gateway they name: what is unknown will park. A 404 would be a guess.
pub fn follow<F>(start: F) -> RegistryView
where
    F: Future<Output = Option<watch::Receiver<Arc<Registry>>>> + Send + 'static,
{
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let Some(mut feed) = start.await else { return };
        loop {
            let now = feed.borrow_and_update().clone();
            sender.send_replace(Some(now));
            tokio::select! {
                biased;
                changed = feed.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
            }
        }
    });
    receiver
}
