//! Wakes the members of this process: a record was published, or a group has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// What members wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Bell {
    /// Records of a topic, by its id.
    Topic(i64),
    /// A group's members or assignment.
    Group(String),
}

/// Who is to be woken by what.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    sleepers: Mutex<HashMap<Bell, Vec<Weak<Notify>>>>,
}

impl Bells {
    fn sleepers(&self) -> MutexGuard<'_, HashMap<Bell, Vec<Weak<Notify>>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes `sleeper` at each of these bells for as long as it lives.
    pub(crate) fn hang(&self, bells: impl IntoIterator<Item = Bell>, sleeper: &Arc<Notify>) {
        let mut sleepers = self.sleepers();
        for bell in bells {
            sleepers.entry(bell).or_default().push(Arc::downgrade(sleeper));
        }
    }

    /// Rings one bell. A sleeper that is awake finds the ring when it next waits.
    pub(crate) fn ring(&self, bell: &Bell) {
        let mut sleepers = self.sleepers();
        if let Some(list) = sleepers.get_mut(bell) {
            wake(list);
            if list.is_empty() {
                sleepers.remove(bell);
            }
        }
    }

    /// Rings every bell: another process may have written anything.
    pub(crate) fn ring_all(&self) {
        let mut sleepers = self.sleepers();
        for list in sleepers.values_mut() {
            wake(list);
        }
        sleepers.retain(|_, list| !list.is_empty());
    }

    /// Nobody waits for anything.
    pub(crate) fn is_silent(&self) -> bool {
        self.sleepers().is_empty()
    }
}

fn wake(list: &mut Vec<Weak<Notify>>) {
    list.retain(|sleeper| match sleeper.upgrade() {
        Some(sleeper) => {
            sleeper.notify_one();
            true
        }
        None => false,
    });
}
