//! Who had a device when: what is kept of it, and how refreshes of the registry extend it.

use std::collections::{HashMap, HashSet};

use super::{DeviceKind, Registry};
use crate::ids::{Mac, PatientId};
use crate::time::Timestamp;

/// A stay of a device with a patient, as refreshes of the registry saw it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// The device.
    pub device: Mac,
    /// The kind under which it stood.
    pub kind: DeviceKind,
    /// Its place among the stays of this device and kind, from 1. The first is open in the past: who has a device when
    /// it is seen for the first time has always had it.
    pub number: u32,
    /// Whose it was.
    pub patient: PatientId,
    /// The first refresh that saw it.
    pub from: Timestamp,
    /// The last refresh that saw it; none while it lasts.
    pub until: Option<Timestamp>,
}

/// A period that somebody imported: it counts whatever the refreshes saw.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// The device, under every kind.
    pub device: Mac,
    /// Whose it was.
    pub patient: PatientId,
    /// From then on, included; none: open in the past.
    pub start: Option<Timestamp>,
    /// Until then, not included; none: until the registry names another.
    pub end: Option<Timestamp>,
}

/// A patient whom somebody named for what a device measured in one second.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The device.
    pub device: Mac,
    /// The clinical time, a whole second.
    pub at: Timestamp,
    /// Whose reading it is.
    pub patient: PatientId,
}

/// Everything that is kept of who had a device when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Associations {
    /// The stays that were seen, in any order.
    pub holdings: Vec<Holding>,
    /// The last refresh that was noted.
    pub refreshed: Option<Timestamp>,
    /// The periods of the last import.
    pub imported: Vec<Period>,
    /// When they were imported.
    pub imported_at: Option<Timestamp>,
    /// The patients that were named.
    pub named: Vec<Named>,
}

/// What a refresh saw that is not kept yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Stays that are over, with their end.
    pub closed: Vec<Holding>,
    /// Stays that have begun.
    pub opened: Vec<Holding>,
}

impl Changes {
    /// True where the refresh saw nothing new.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.opened.is_empty()
    }
}

impl Associations {
    /// Takes over what a refresh saw. What is closed or begun already stays as it is.
    pub fn note(&mut self, changes: &Changes, refreshed: Timestamp) {
        let place = |h: &Holding| (h.device, h.kind, h.number);
        let closed: HashMap<_, _> = changes.closed.iter().map(|h| (place(h), h.until)).collect();
        let mut present = HashSet::with_capacity(self.holdings.len());
        for holding in &mut self.holdings {
            present.insert(place(holding));
            if holding.until.is_none() {
                holding.until = closed.get(&place(holding)).copied().flatten();
            }
        }
        let opened = changes.opened.iter().filter(|h| !present.contains(&place(h)));
        self.holdings.extend(opened.cloned());
        self.refreshed = self.refreshed.max(Some(refreshed));
    }

    /// The last stay of each device and kind.
    fn last(&self) -> HashMap<(Mac, DeviceKind), &Holding> {
        let mut last: HashMap<_, &Holding> = HashMap::with_capacity(self.holdings.len());
        for holding in &self.holdings {
            let known = last.entry((holding.device, holding.kind)).or_insert(holding);
            if known.number < holding.number {
                *known = holding;
            }
        }
        last
    }
}

impl Registry {
    /// What this registry, read until `seen`, adds to what is kept: a stay ends with the last refresh that saw it, and
    /// the next begins with the first that sees it.
    ///
    /// A device that names nobody, or several, ends a stay and begins none. A patient who is deleted keeps the devices
    /// that name him, so that they are not somebody else's; one whom nobody ever saw gets none.
    #[must_use]
    pub fn changes(&self, kept: &Associations, seen: Timestamp) -> Changes {
        let last = kept.last();
        let mut changes = Changes::default();
        for (place, holding) in &last {
            if holding.until.is_none() && self.named(*place) != Some(holding.patient) {
                changes.closed.push(Holding {
                    until: Some(kept.last_seen(holding)),
                    ..(*holding).clone()
                });
            }
        }
        for ((device, kind), settled) in &self.by_kind {
            let Ok(patient) = *settled else { continue };
            let before = last.get(&(*device, *kind));
            if before.is_some_and(|h| h.until.is_none() && h.patient == patient) {
                continue;
            }
            changes.opened.push(Holding {
                device: *device,
                kind: *kind,
                number: before.map_or(1, |h| h.number.saturating_add(1)),
                patient,
                from: seen,
                until: None,
            });
        }
        changes.closed.sort_unstable();
        changes.opened.sort_unstable();
        changes
    }

    /// Whom the device names, whether or not he is there.
    fn named(&self, place: (Mac, DeviceKind)) -> Option<PatientId> {
        let there = self.by_kind.get(&place).and_then(|settled| settled.ok());
        there.or_else(|| self.stranded.get(&place).copied())
    }
}

impl Associations {
    /// The last refresh that saw a stay which is not over.
    pub(super) fn last_seen(&self, holding: &Holding) -> Timestamp {
        self.refreshed.map_or(holding.from, |at| at.max(holding.from))
    }
}
