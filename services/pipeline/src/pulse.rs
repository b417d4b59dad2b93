//! How a service is doing: for health answers and the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The state of one service, shared by its workers.
#[derive(Debug)]
pub struct Pulse {
    service: &'static str,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: Option<(String, Instant)>,
    running: bool,
    partitions: BTreeMap<usize, usize>,
    progress: Option<Instant>,
}

/// What a service says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The service.
    pub service: &'static str,
    /// It has joined its group and has worked or found nothing to do.
    pub running: bool,
    /// What it waits for, and for how many seconds.
    pub waiting: Option<(String, u64)>,
    /// Partitions that it has.
    pub partitions: usize,
}

impl Pulse {
    /// Of a service that has not started yet.
    #[must_use]
    pub fn new(service: &'static str) -> Self {
        Self {
            service,
            inner: Mutex::default(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It waits for something outside. Said in the log when the wait begins.
    pub fn waits(&self, what: &str) {
        let mut inner = self.inner();
        if inner.waiting.is_none() {
            tracing::warn!(service = self.service, "waiting: {what}");
        }
        let since = inner.waiting.take().map_or_else(Instant::now, |(_, since)| since);
        inner.waiting = Some((what.to_owned(), since));
    }

    /// It works, or has nothing to do. Said in the log where it had waited.
    pub fn runs(&self) {
        let mut inner = self.inner();
        inner.running = true;
        if let Some((_, since)) = inner.waiting.take() {
            tracing::info!(
                service = self.service,
                seconds = since.elapsed().as_secs(),
                "going on after a wait"
            );
        }
    }

    /// A unit of work is durable.
    pub fn progressed(&self) {
        self.inner().progress = Some(Instant::now());
    }

    /// A worker has this many partitions.
    pub fn assigned(&self, worker: usize, partitions: usize) {
        let mut inner = self.inner();
        if inner.partitions.insert(worker, partitions) != Some(partitions) {
            tracing::debug!(service = self.service, worker, partitions, "assignment");
        }
    }

    /// How it is doing.
    #[must_use]
    pub fn beat(&self) -> Beat {
        let inner = self.inner();
        Beat {
            service: self.service,
            running: inner.running,
            waiting: inner
                .waiting
                .as_ref()
                .map(|(what, since)| (what.clone(), since.elapsed().as_secs())),
            partitions: inner.partitions.values().sum(),
        }
    }
}
