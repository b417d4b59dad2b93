//! Who had a device when: kept in the store, written by one process at a time, read by every parser.
//!
//! ```text
//! lease ─▶ what is kept ─▶ the registry's documents ─▶ what changed ─▶ close, open, note the refresh
//! ```
//! What is kept is read before the documents, and only added to where nobody noted a refresh meanwhile: a process that was
//! held up adds nothing that is out of date. A stay that has begun or ended is never changed again.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stardust_domain::registry::{Associations, Changes, Named, Period, Registry};
use stardust_domain::time::Timestamp;
use tokio::time::sleep;

use crate::store::{Store, StoreError};

const LEASE: &str = "associations";
const LEASE_SECONDS: u32 = 20;
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(100);

/// A store that keeps who had a device when. Times are kept to the millisecond.
pub trait AssociationStore: Store {
    /// All that is kept.
    fn associations(&self) -> impl Future<Output = Result<Associations, StoreError>> + Send;

    /// Adds what a refresh saw: ends first (of stays that have none), then stays that are absent, then the refresh, which
    /// only goes forward. Nothing of it where the last refresh is not `known` any more: [`StoreError::Conflict`].
    /// Where the call breaks off, any part of it may be kept.
    fn note_refresh(
        &self,
        changes: &Changes,
        known: Option<Timestamp>,
        refreshed: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Puts these periods in the place of those of the import before: all or, where the call breaks off, perhaps none.
    fn import_periods(
        &self,
        periods: &[Period],
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Names patients; for the same device and second the last one counts.
    fn name_patients(&self, named: &[Named]) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Who keeps the periods, and by which clock.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// Who holds the lease.
    pub holder: String,
    /// The time of day.
    pub now: fn() -> Timestamp,
}

/// Reads the registry with the periods under which it answers.
///
/// # Errors
/// As the store has them.
pub async fn read<S: AssociationStore>(store: &S) -> Result<Arc<Registry>, StoreError> {
    let kept = store.associations().await?;
    let registry = documents(store).await?;
    Ok(Arc::new(registry.under(&kept)))
}

/// As [`read`], and notes what changed, unless another process is at it for long.
///
/// # Errors
/// As the store has them: of a registry that the periods do not know nobody may make use.
pub async fn refresh<S: AssociationStore>(store: &S, keeping: &Keeping) -> Result<Arc<Registry>, StoreError> {
    if !turn(store, keeping).await? {
        let kept = store.associations().await?;
        if kept.refreshed.is_none() {
            let busy = "another process is noting who has which device";
            return Err(StoreError::Unavailable(busy.to_owned()));
        }
        return Ok(Arc::new(documents(store).await?.under(&kept)));
    }
    let done = note(store, keeping.now).await;
    // Free at once for the next; where that fails, it ends by itself.
    if let Err(e) = store.lease(LEASE, &keeping.holder, 0).await {
        tracing::debug!("the lease on the associations could not be given back: {e}");
    }
    match done {
        // A refresh that another one overtook knows nothing new.
        Err(StoreError::Conflict(_)) => read(store).await,
        done => done,
    }
}

/// A refresh is short: its turn comes soon, unless the holder was killed at it.
async fn turn<S: Store>(store: &S, keeping: &Keeping) -> Result<bool, StoreError> {
    for _ in 0..TRIES {
        if store.lease(LEASE, &keeping.holder, LEASE_SECONDS).await? {
            return Ok(true);
        }
        sleep(PAUSE).await;
    }
    Ok(false)
}

async fn note<S: AssociationStore>(store: &S, now: fn() -> Timestamp) -> Result<Arc<Registry>, StoreError> {
    let mut kept = store.associations().await?;
    // The last refresh with the old owner began when its reading began; the first with the new one ended when it ended.
    let begun = whole(now());
    let registry = documents(store).await?;
    let changes = registry.changes(&kept, whole(now()));
    store.note_refresh(&changes, kept.refreshed, begun).await?;
    kept.note(&changes, begun);
    Ok(Arc::new(registry.under(&kept)))
}

/// To the millisecond, as the stores keep it.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.millis())
}

async fn documents<S: Store>(store: &S) -> Result<Registry, StoreError> {
    let documents = store.registry().await?;
    Ok(Registry::from_documents(documents.boxes, documents.devices, documents.patients).0)
}
