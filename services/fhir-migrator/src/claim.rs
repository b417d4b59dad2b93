//! A source belongs to one process at a time: a lease in the store, by the name of the source.

use std::future::Future;
use std::time::Duration;

use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{Store, StoreError};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::MigrateError;

const SECONDS: u32 = 10;
const RENEW: Duration = Duration::from_secs(3);
/// How long giving up waits for a renewal that is on its way.
const LAST_RENEWAL: Duration = Duration::from_secs(2);

/// A lease that is renewed until it is given up.
pub(crate) struct Claim<S> {
    store: S,
    name: String,
    holder: String,
    lost: watch::Receiver<bool>,
    /// Dropped, it ends the keeper.
    end: oneshot::Sender<()>,
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
        let (end, ended) = oneshot::channel();
        let (kept, lease, mine) = (store.clone(), name.clone(), holder.to_owned());
        let keeper = tokio::spawn(async move {
            let renew = || kept.lease(&lease, &mine, SECONDS);
            if keep(renew, RENEW, ended).await.is_none() {
                tell.send_replace(true);
            }
        });
        Ok(Self {
            store: store.clone(),
            name,
            holder: holder.to_owned(),
            lost,
            end,
            keeper,
        })
    }

    /// Whether another process has it by now.
    pub(crate) fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Gives it up at once.
    pub(crate) async fn give_up(self) {
        drop(self.end);
        // One that the server took up after the end would hold the source for as long again, for nobody.
        let _ = timeout(LAST_RENEWAL, self.keeper).await;
        // Where the store is away it ends by itself.
        let _ = self.store.lease(&self.name, &self.holder, 0).await;
    }
}

/// Renews until it is ended, a renewal on its way included; none where another process has the lease by then.
async fn keep<W>(renew: impl Fn() -> W, every: Duration, mut ended: oneshot::Receiver<()>) -> Option<()>
where
    W: Future<Output = Result<bool, StoreError>>,
{
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => return Some(()),
            () = sleep(every) => {}
        }
        // A store that is away now is asked again: whoever takes over meanwhile is heard of then.
        if let Ok(false) = renew().await {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_a_renewal_that_is_on_its_way() {
        let (begun, done) = (Cell::new(0), Cell::new(0));
        let (end, ended) = oneshot::channel();
        let end = Cell::new(Some(end));
        let renew = || async {
            begun.set(begun.get() + 1);
            if begun.get() == 2 {
                end.set(None);
            }
            sleep(Duration::from_millis(20)).await;
            done.set(done.get() + 1);
            Ok(true)
        };
        assert_eq!(keep(renew, Duration::ZERO, ended).await, Some(()));
        assert_eq!((begun.get(), done.get()), (2, 2));
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_asked_again_and_a_lost_lease_is_told() {
        let (_end, ended) = oneshot::channel();
        let tries = Cell::new(0);
        let renew = || {
            tries.set(tries.get() + 1);
            std::future::ready(match tries.get() {
                1 => Err(StoreError::Unavailable("away".to_owned())),
                2 => Ok(true),
                _ => Ok(false),
            })
        };
        assert_eq!(keep(renew, Duration::ZERO, ended).await, None);
        assert_eq!(tries.get(), 3);
    }
}
