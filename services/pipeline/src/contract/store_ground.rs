//! What the promises of the store stand on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::broken::Broken;
use super::wait::Wait;
use crate::store::{Export, RegistryDocuments, Store, StoreError};

/// A backend under test.
pub trait StoreFixture: Send + Sync + 'static {
    /// The store.
    type Store: Store;

    /// An empty store of its own; `prepare` has not been called yet.
    fn store(&self) -> impl Future<Output = Self::Store> + Send;

    /// Puts registry documents where the store reads them, by other means where the store itself may not write them.
    fn seed_registry(
        &self,
        store: &Self::Store,
        documents: &RegistryDocuments,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        store.import_registry(documents)
    }

    /// Stops (`true`) or starts (`false`) the server, keeping its data; answers false where the backend has none.
    fn outage(&self, _down: bool) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// How many promises may run at a time.
    fn at_once(&self) -> usize {
        4
    }

    /// How long anything that is bound to happen may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }
}

/// What a promise gets to stand on.
pub struct StoreGround<F> {
    pub(super) fixture: Arc<F>,
}

impl<F> Clone for StoreGround<F> {
    fn clone(&self) -> Self {
        Self {
            fixture: self.fixture.clone(),
        }
    }
}

impl<F: StoreFixture> StoreGround<F> {
    pub(super) fn new(fixture: F) -> Self {
        Self {
            fixture: Arc::new(fixture),
        }
    }

    /// An empty, prepared store, and a topic name for its documents.
    pub(super) async fn store(&self) -> Result<(F::Store, String), Broken> {
        let store = self.fixture.store().await;
        store.prepare().await?;
        Ok((store, format!("raw-{}", Uuid::new_v4().simple())))
    }

    /// Tells a loop that waits for something when to give up.
    pub(super) fn wait(&self, what: &'static str) -> Wait {
        Wait::new(what, self.fixture.patience())
    }
}

/// Every line of an export, fetched in pages of this many.
pub(super) async fn exported<S: Store>(store: &S, what: Export, page: usize) -> Result<Vec<String>, Broken> {
    let mut lines = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let got = store.export(what, after.as_deref(), page).await?;
        if got.lines.len() > page {
            return Err(Broken(format!("{} lines on a page of {page}", got.lines.len())));
        }
        lines.extend(got.lines);
        match got.next {
            Some(next) => after = Some(next),
            None => return Ok(lines),
        }
        if lines.len() > 100_000 {
            return Err(Broken("an export without end".into()));
        }
    }
}
