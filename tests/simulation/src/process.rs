//! A process: tasks that die together, and whose calls have no effect once they are dead.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::sleep;

use crate::world::World;

/// How long the group waits for a member of a dead process.
const SESSION_MS: i64 = 6_000;

struct Inner {
    name: String,
    instance: String,
    serial: u64,
    observer: bool,
    alive: AtomicBool,
    crashed: Notify,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// One life of a process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Process(Arc<Inner>);

impl Process {
    /// A life of the process `instance`; `serial` is its own.
    pub(crate) fn new(instance: &str, serial: u64) -> Self {
        Self::with(instance, serial, false)
    }

    /// Somebody who only looks: no faults befall him.
    pub(crate) fn observer(instance: &str) -> Self {
        Self::with(instance, 0, true)
    }

    fn with(instance: &str, serial: u64, observer: bool) -> Self {
        Self(Arc::new(Inner {
            name: format!("{instance}.{serial}"),
            instance: instance.to_owned(),
            serial,
            observer,
            alive: AtomicBool::new(true),
            crashed: Notify::new(),
            tasks: Mutex::default(),
        }))
    }

    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    pub(crate) fn instance(&self) -> &str {
        &self.0.instance
    }

    pub(crate) fn serial(&self) -> u64 {
        self.0.serial
    }

    pub(crate) fn is_observer(&self) -> bool {
        self.0.observer
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.0.alive.load(Ordering::Relaxed)
    }

    /// Runs a task of this process.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let handle = tokio::spawn(task);
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(handle.abort_handle());
        handle
    }

    /// Resolves where this life ends in a crash.
    pub(crate) async fn crashed(&self) {
        self.0.crashed.notified().await;
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&self, world: &World) {
        if self.0.alive.swap(false, Ordering::Relaxed) {
            world.note(self.name(), "dies", 0, String::new);
            let until = world.now_ms() + SESSION_MS;
            world.state().log.process_died(self.serial(), until);
            self.end();
            self.0.crashed.notify_one();
        }
    }

    /// Ends what is left of it.
    pub(crate) fn end(&self) {
        self.0.alive.store(false, Ordering::Relaxed);
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }

    /// The process dies at this call.
    pub(crate) async fn crash<T>(&self, world: &World) -> T {
        self.kill(world);
        pending().await
    }

    /// Nothing that a dead process does has an effect.
    pub(crate) async fn live(&self) {
        if !self.is_alive() {
            pending().await
        }
    }

    /// Time passes in a call.
    pub(crate) async fn pause(&self, time: Duration) {
        if !time.is_zero() {
            sleep(time).await;
        }
        self.live().await;
    }
}
