//! A source belongs to one process at a time: a lease in the store, by the name of the source.

use std::time::Duration;

use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::Store;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::MigrateError;

const SECONDS: u32 = 10;
const RENEW: Duration = Duration::from_secs(3);

/// A lease that is renewed until it is given up.
pub(crate) struct Claim<S> {
    store: S,
    name: String,
    holder: String,
    lost: watch::Receiver<bool>,
    keeper: JoinHandle<()>,
}

fn name_of(source: &str) -> String {
    format!("migrate {source}")
}

impl<S: Store> Claim<S> {
    /// Claims a source.
    ///
    /// # Errors
    /// [`MigrateError::Busy`] where another process has it (or was killed a moment ago).
    pub(crate) async fn take(
        store: &S,
        source: &str,
        holder: &str,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self, MigrateError> {
        let name = name_of(source);
        if !patiently(stopping, || store.lease(&name, holder, SECONDS)).await? {
            return Err(MigrateError::Busy(source.to_owned()));
        }
        let (tell, lost) = watch::channel(false);
        let (kept, lease, mine) = (store.clone(), name.clone(), holder.to_owned());
        let keeper = tokio::spawn(async move {
            loop {
                sleep(RENEW).await;
                // A store that is away now is asked again: whoever takes over meanwhile is heard of then.
                if let Ok(false) = kept.lease(&lease, &mine, SECONDS).await {
                    tell.send_replace(true);
                    return;
                }
            }
        });
        Ok(Self {
            store: store.clone(),
            name,
            holder: holder.to_owned(),
            lost,
            keeper,
        })
    }

    /// Whether another process has it by now.
    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Gives it up at once.
    pub(crate) async fn give_up(self) {
        self.keeper.abort();
        // Where the store is away it ends by itself.
        let _ = self.store.lease(&self.name, &self.holder, 0).await;
    }
}

impl<S> Drop for Claim<S> {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}
