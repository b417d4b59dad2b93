//! The simulated log and store without faults, so that they can be held to the promises of the ports.

use crate::faults::Chances;
use crate::log::SimLog;
use crate::process::Process;
use crate::spool::Disk;
use crate::store::SimStore;
use crate::world::World;

/// A world in which nothing fails.
#[derive(Clone)]
pub struct Calm(World);

impl Default for Calm {
    fn default() -> Self {
        Self(World::new(
            0,
            vec![Disk::new(10)],
            Chances::default(),
            None,
            false,
        ))
    }
}

impl Calm {
    /// The log as a process of this instance id sees it.
    #[must_use]
    pub fn log(&self, instance: &str) -> SimLog {
        SimLog::new(&self.0, &Process::observer(instance))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> SimStore {
        SimStore::new(&self.0, &Process::observer("observer"))
    }
}
