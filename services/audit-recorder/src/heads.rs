//! How far the chains have come, as this process wrote them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stardust_pipeline::store::ChainHead;

/// The heads that the recorders of a process have written; shared with the keeper that notes and signs them. What is
/// signed is thus what was written, not what somebody left in the store.
#[derive(Debug, Clone, Default)]
pub struct Heads(Arc<Mutex<BTreeMap<i32, ChainHead>>>);

impl Heads {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<i32, ChainHead>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells how far a chain has come.
    pub(crate) fn set(&self, chain: i32, head: &ChainHead) {
        let mut heads = self.lock();
        if heads.get(&chain).is_none_or(|known| known.seq < head.seq) {
            heads.insert(chain, head.clone());
        }
    }

    /// Those that are further than `done`.
    pub(crate) fn beyond(&self, done: &BTreeMap<i32, i64>) -> Vec<(i32, ChainHead)> {
        let heads = self.lock();
        heads
            .iter()
            .filter(|(chain, head)| done.get(chain).is_none_or(|seq| *seq < head.seq))
            .map(|(chain, head)| (*chain, head.clone()))
            .collect()
    }
}
