//! Which way records go.

use std::sync::Arc;

use tokio::sync::watch;

/// Asynchronous (through the log, worked by whoever follows it) or synchronous (worked by this process before the
/// answer). Cheap to clone; all clones are one switch.
#[derive(Debug, Clone)]
pub struct Mode(Arc<watch::Sender<bool>>);

impl Mode {
    /// A switch that stands so.
    #[must_use]
    pub fn new(asynchronous: bool) -> Self {
        Self(Arc::new(watch::Sender::new(asynchronous)))
    }

    /// How it stands.
    #[must_use]
    pub fn is_async(&self) -> bool {
        *self.0.borrow()
    }

    /// Sets it for every message from now on; says whether that is a change.
    pub fn switch(&self, asynchronous: bool) -> bool {
        self.0
            .send_if_modified(|now| std::mem::replace(now, asynchronous) != asynchronous)
    }

    /// Resolves as soon as it stands on synchronous.
    pub async fn synchronous(&self) {
        // The sender lives as long as `self`: an error cannot come.
        let _ = self.0.subscribe().wait_for(|asynchronous| !asynchronous).await;
    }
}
