//! The simulated log and store without faults, so that they can be held to the promises of the ports.

use std::time::{SystemTime, UNIX_EPOCH};

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
        // The suite compares with the real clock.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(World::at(
            i64::try_from(now.as_millis()).unwrap_or(0),
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
