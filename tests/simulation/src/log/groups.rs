//! Groups: who is a member, and who has which partition since when.

use std::collections::{BTreeMap, BTreeSet};

use stardust_pipeline::log::{Budget, LogRecord, Topic};

use super::state::{LogState, Place, record};
use crate::dice::Dice;

/// A member's place in its group.
#[derive(Debug)]
pub(crate) struct Seat {
    /// `<group>/<instance>/<worker>`: also its transactional id.
    pub(crate) name: String,
    pub(crate) process: u64,
    topics: Vec<Topic>,
    /// Its process is dead; the group notices at this time.
    gone_at_ms: Option<i64>,
}

/// Who has a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(crate) member: u64,
    /// Changes with each owner.
    pub(crate) epoch: u64,
}

/// How a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Membership {
    Seated,
    /// Put out; it may join again.
    Removed,
    /// Another one has its name.
    Fenced,
}

/// A part of a batch: the place, the claim under which it was taken, and the offset after its last record.
pub(crate) type Span = (Place, u64, i64);

#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) seats: BTreeMap<u64, Seat>,
    pub(crate) committed: BTreeMap<Place, i64>,
    pub(crate) claims: BTreeMap<Place, Claim>,
    fenced: BTreeSet<u64>,
    epoch: u64,
}

impl Group {
    pub(crate) fn standing(&self, member: u64) -> Membership {
        if self.seats.contains_key(&member) {
            Membership::Seated
        } else if self.fenced.contains(&member) {
            Membership::Fenced
        } else {
            Membership::Removed
        }
    }

    pub(crate) fn assignment(&self, member: u64) -> Vec<Place> {
        let own = self.claims.iter().filter(|(_, claim)| claim.member == member);
        own.map(|(place, _)| place.clone()).collect()
    }

    pub(crate) fn holds(&self, member: u64, open: &[Span]) -> bool {
        open.iter().all(|(place, epoch, _)| {
            let claim = Claim {
                member,
                epoch: *epoch,
            };
            self.claims.get(place) == Some(&claim)
        })
    }

    fn give(&mut self, place: &Place, member: u64) {
        if self.claims.get(place).is_some_and(|claim| claim.member == member) {
            return;
        }
        self.epoch += 1;
        let epoch = self.epoch;
        self.claims.insert(place.clone(), Claim { member, epoch });
    }

    /// Those who may have a place, with how many they have.
    fn loads(&self, topic: &Topic) -> Vec<(usize, u64)> {
        let able = self.seats.iter().filter(|(_, seat)| seat.topics.contains(topic));
        able.map(|(member, _)| {
            let load = self.claims.values().filter(|c| c.member == *member).count();
            (load, *member)
        })
        .collect()
    }
}

impl LogState {
    /// Joins; whoever had this name before is fenced, and what it had open is ended.
    pub(crate) fn join(
        &mut self,
        group: &str,
        name: &str,
        process: u64,
        topics: &[Topic],
        now_ms: i64,
    ) -> u64 {
        self.abort_of(name, now_ms);
        let member = self.next_serial();
        let seat = Seat {
            name: name.to_owned(),
            process,
            topics: topics.to_vec(),
            gone_at_ms: None,
        };
        let known = self.groups.entry(group.to_owned()).or_default();
        let before: Vec<u64> = known
            .seats
            .iter()
            .filter(|(_, seat)| seat.name == name)
            .map(|(member, _)| *member)
            .collect();
        for old in before {
            known.seats.remove(&old);
            known.fenced.insert(old);
        }
        known.seats.insert(member, seat);
        self.share(group);
        member
    }

    /// Puts a member out.
    pub(crate) fn remove(&mut self, group: &str, member: u64) {
        let seat = self.groups.get_mut(group).and_then(|g| g.seats.remove(&member));
        if seat.is_some() {
            self.share(group);
        }
    }

    /// The members of a dead process stay until their sessions end.
    pub(crate) fn process_died(&mut self, process: u64, gone_at_ms: i64) {
        for group in self.groups.values_mut() {
            for seat in group.seats.values_mut().filter(|seat| seat.process == process) {
                seat.gone_at_ms = Some(gone_at_ms);
            }
        }
    }

    /// Puts out whose session has ended; whether there was any.
    pub(crate) fn expire(&mut self, now_ms: i64) -> bool {
        let mut gone = Vec::new();
        for (name, group) in &self.groups {
            for (member, seat) in &group.seats {
                if seat.gone_at_ms.is_some_and(|at| at <= now_ms) {
                    gone.push((name.clone(), *member));
                }
            }
        }
        for (group, member) in &gone {
            self.remove(group, *member);
        }
        !gone.is_empty()
    }

    fn places(&self, group: &str) -> Vec<Place> {
        let Some(known) = self.groups.get(group) else {
            return Vec::new();
        };
        let topics: BTreeSet<&Topic> = known.seats.values().flat_map(|seat| &seat.topics).collect();
        let mut places = Vec::new();
        for topic in topics {
            let count = self.parts(topic).map_or(0, <[_]>::len);
            places.extend((0..).take(count).map(|partition| (topic.clone(), partition)));
        }
        places
    }

    /// Shares the partitions evenly; who has one keeps it where that is even.
    pub(crate) fn share(&mut self, group: &str) {
        let places = self.places(group);
        let Some(known) = self.groups.get_mut(group) else {
            return;
        };
        let seats: BTreeSet<u64> = known.seats.keys().copied().collect();
        known.claims.retain(|_, claim| seats.contains(&claim.member));
        for place in &places {
            let loads = known.loads(&place.0);
            let least = loads.iter().min().copied();
            let most = known.claims.get(place).map(|claim| claim.member);
            match (least, most) {
                (Some((_, member)), None) => known.give(place, member),
                (Some((least, member)), Some(owner)) => {
                    let load = loads
                        .iter()
                        .find(|(_, m)| *m == owner)
                        .map_or(0, |(load, _)| *load);
                    if load > least + 1 {
                        known.give(place, member);
                    }
                }
                (None, _) => {}
            }
        }
    }

    /// Gives every partition of a group to a member that chance picks.
    pub(crate) fn shuffle(&mut self, group: &str, dice: &mut Dice) {
        let places = self.places(group);
        let Some(known) = self.groups.get_mut(group) else {
            return;
        };
        let seats: Vec<u64> = known.seats.keys().copied().collect();
        if seats.is_empty() {
            return;
        }
        for place in &places {
            let member = seats[dice.index(seats.len())];
            // A partition may also come back to the one that had it.
            if dice.coin() {
                known.claims.remove(place);
            }
            known.give(place, member);
        }
    }

    /// The next records of a member's partitions, those of `held_back` left out.
    pub(crate) fn take(
        &self,
        group: &str,
        member: u64,
        budget: Budget,
        first: usize,
        mut held_back: impl FnMut() -> bool,
    ) -> (Vec<LogRecord>, Vec<Span>) {
        let (mut records, mut open): (Vec<LogRecord>, Vec<Span>) = (Vec::new(), Vec::new());
        let Some(known) = self.groups.get(group) else {
            return (records, open);
        };
        let mine: Vec<(&Place, u64)> = known
            .claims
            .iter()
            .filter(|(_, claim)| claim.member == member)
            .map(|(place, claim)| (place, claim.epoch))
            .collect();
        let mut bytes = 0;
        for turn in 0..mine.len() {
            let (place, epoch) = mine[(first + turn) % mine.len()];
            let Ok(part) = self.part(place) else { continue };
            let next = self.next_of(group, place);
            let mut committed = part.committed(next).peekable();
            if committed.peek().is_none() || self.unsettled(group, place) || held_back() {
                continue;
            }
            let mut after = None;
            for (offset, entry) in committed {
                if records.len() >= budget.records || (bytes >= budget.bytes && !records.is_empty()) {
                    break;
                }
                bytes += entry.value.len();
                records.push(record(&place.0, place.1, offset, entry));
                after = Some(offset + 1);
            }
            if let Some(after) = after {
                open.push((place.clone(), epoch, after));
            }
        }
        (records, open)
    }
}
