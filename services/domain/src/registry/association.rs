//! Who had a device when: what is kept of it, and how refreshes of the registry extend it.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{DeviceKind, Registry, Stay};
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

    /// The stays that are known, with their periods where these are. An imported period takes the place of what refreshes
    /// saw of the same device and patient: its start that of the stay which lasts, the whole of it that of those which are
    /// over.
    #[must_use]
    pub fn stays(&self) -> Vec<Stay> {
        let mut stays = BTreeSet::new();
        let mut told: Vec<&Period> = self.imported.iter().collect();
        for holding in &self.holdings {
            let of_it = |p: &&Period| p.device == holding.device && p.patient == holding.patient;
            let mut start = Some(holding.from).filter(|_| holding.number > 1);
            if holding.until.is_some() && told.iter().any(|p| of_it(p) && p.end.is_some()) {
                continue;
            }
            if holding.until.is_none()
                && let Some(moved) = self.imported.iter().find(|p| of_it(p) && p.end.is_none())
            {
                start = moved.start;
                told.retain(|p| *p != moved);
            }
            stays.insert(Stay {
                device: holding.device,
                patient: holding.patient,
                start,
                end: holding.until,
            });
        }
        stays.extend(told.into_iter().map(|period| Stay {
            device: period.device,
            patient: period.patient,
            start: period.start,
            end: period.end,
        }));
        stays.into_iter().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    const AT: fn(i64) -> Timestamp = Timestamp::from_seconds;

    fn patient(n: u8) -> PatientId {
        format!("65a0000000000000000000{n:02}").parse().unwrap()
    }

    fn device(n: u8) -> Mac {
        format!("020000bb00{n:02}").parse().unwrap()
    }

    fn holding(of: u8, number: u32, who: u8, from: i64, until: Option<i64>) -> Holding {
        Holding {
            device: device(of),
            kind: DeviceKind::BloodPressure,
            number,
            patient: patient(who),
            from: AT(from),
            until: until.map(AT),
        }
    }

    #[test]
    fn stays_have_the_times_that_are_known() {
        let period = |of, who, start: Option<i64>, end: Option<i64>| Period {
            device: device(of),
            patient: patient(who),
            start: start.map(AT),
            end: end.map(AT),
        };
        let kept = Associations {
            holdings: vec![
                holding(1, 1, 1, 100, Some(200)),
                holding(1, 2, 2, 210, None),
                holding(2, 1, 1, 100, Some(200)),
                holding(2, 2, 2, 210, None),
            ],
            imported: vec![
                period(2, 1, Some(50), Some(150)),
                period(2, 2, Some(150), None),
                period(3, 1, None, Some(90)),
            ],
            ..Associations::default()
        };
        let stay = |of, who, start: Option<i64>, end: Option<i64>| Stay {
            device: device(of),
            patient: patient(who),
            start: start.map(AT),
            end: end.map(AT),
        };
        assert_eq!(
            kept.stays(),
            [
                stay(1, 1, None, Some(200)),
                stay(1, 2, Some(210), None),
                stay(2, 1, Some(50), Some(150)),
                stay(2, 2, Some(150), None),
                stay(3, 1, None, Some(90)),
            ]
        );
    }
}
