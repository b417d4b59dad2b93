//! The periods of the devices, ready to be asked for a time.

use std::collections::{HashMap, HashSet};

use super::association::{Associations, Holding, Period};
use super::{DeviceKind, Owner, Registry};
use crate::ids::{Mac, PatientId};
use crate::outcome::ParkReason;
use crate::time::Timestamp;

/// Around a change that was only seen: people write a change down a little before or after it, and clocks differ.
const TOLERANCE_MICROS: i64 = 5 * 60 * 1_000_000;

/// What holds from one instant to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Patient(PatientId),
    /// The device changed hands around then.
    Uncertain,
    /// What the registry says now.
    AsRegistered,
}

/// What holds from each instant on, microseconds; the first is open in the past.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Timeline(Vec<(i64, Who)>);

impl Timeline {
    fn at(&self, micros: i64) -> Who {
        let next = self.0.partition_point(|(from, _)| *from <= micros);
        next.checked_sub(1)
            .and_then(|at| self.0.get(at))
            .map_or(Who::AsRegistered, |(_, who)| *who)
    }

    /// From `from` on it is `who`, whatever was to hold from later on.
    fn turn(&mut self, from: i64, who: Who) {
        while self
            .0
            .last()
            .is_some_and(|(start, _)| *start >= from && *start != i64::MIN)
        {
            self.0.pop();
        }
        if self.0.last().is_none_or(|(_, before)| *before != who) {
            self.0.push((from, who));
        }
    }
}

/// A stretch of a device with one patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    patient: PatientId,
    from: i64,
    until: Option<i64>,
    /// Seen until then at least.
    seen: i64,
}

/// The periods under which a registry answers. Devices that never changed hands have none: of them the registry as it
/// is says all.
#[derive(Debug, Clone, Default)]
pub(super) struct Timelines {
    seen: HashMap<(Mac, DeviceKind), Timeline>,
    /// Periods with an end, by start: the last instant that does not count any more, and the patient.
    said: HashMap<Mac, Vec<(i64, i64, PatientId)>>,
    named: HashMap<(Mac, i64), PatientId>,
}

impl Timelines {
    pub(super) fn new(kept: &Associations, registry: &Registry) -> Self {
        let mut holdings: HashMap<(Mac, DeviceKind), Vec<&Holding>> = HashMap::new();
        for holding in &kept.holdings {
            let place = (holding.device, holding.kind);
            holdings.entry(place).or_default().push(holding);
        }
        let given: HashMap<Mac, &Period> = kept
            .imported
            .iter()
            .filter(|p| p.end.is_none())
            .map(|p| (p.device, p))
            .collect();
        let noted: HashSet<(Mac, DeviceKind)> = holdings.keys().copied().collect();
        let mut used = HashSet::new();
        let mut seen = HashMap::new();
        for ((device, kind), mut stays) in holdings {
            stays.sort_unstable_by_key(|h| h.number);
            let runs = runs(kept, &stays);
            let given = given
                .get(&device)
                .and_then(|p| given_run(&runs, p, kept.imported_at).map(|at| (at, p.start)));
            if given.is_some() {
                used.insert(device);
            }
            let now = registry.by_kind.get(&(device, kind));
            let simple = runs.len() == 1
                && given.is_none_or(|(_, start)| start.is_none())
                && runs[0].until.is_none()
                && now == Some(&Ok(runs[0].patient));
            if !simple {
                seen.insert((device, kind), timeline(&runs, given, now.copied()));
            }
        }
        // Whom nobody has noted yet may be noted as another's: what is answered has to be kept.
        if kept.refreshed.is_some() {
            for (place, _) in registry.by_kind.iter().filter(|(_, settled)| settled.is_ok()) {
                if !noted.contains(place) {
                    seen.insert(*place, Timeline(vec![(i64::MIN, Who::Uncertain)]));
                }
            }
        }
        let mut said: HashMap<Mac, Vec<(i64, i64, PatientId)>> = HashMap::new();
        for period in &kept.imported {
            // One without an end has moved the start of a stay; where nobody saw any, it stands for itself.
            if period.end.is_none() && used.contains(&period.device) {
                continue;
            }
            let from = period.start.map_or(i64::MIN, Timestamp::micros);
            let until = period.end.map_or(i64::MAX, Timestamp::micros);
            said.entry(period.device)
                .or_default()
                .push((from, until, period.patient));
        }
        said.values_mut().for_each(|periods| periods.sort_unstable());
        let named = kept.named.iter();
        Self {
            seen,
            said,
            named: named.map(|n| ((n.device, n.at.seconds()), n.patient)).collect(),
        }
    }

    /// Whom somebody named for this device and time.
    fn told(&self, device: Mac, at: Timestamp) -> Option<PatientId> {
        if !self.named.is_empty()
            && let Some(patient) = self.named.get(&(device, at.seconds()))
        {
            return Some(*patient);
        }
        let periods = self.said.get(&device)?;
        let next = periods.partition_point(|(from, _, _)| *from <= at.micros());
        let (_, until, patient) = periods.get(next.checked_sub(1)?)?;
        (at.micros() < *until).then_some(*patient)
    }
}

/// Stays of one patient in a row are one stretch: nobody else had the device in between.
fn runs(kept: &Associations, stays: &[&Holding]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::with_capacity(stays.len());
    for (at, stay) in stays.iter().enumerate() {
        // A stay that was never closed ended where the next was seen.
        let until = stay
            .until
            .or_else(|| stays.get(at + 1).map(|next| next.from.max(stay.from)));
        let (until, seen) = (
            until.map(Timestamp::micros),
            until.unwrap_or_else(|| kept.last_seen(stay)).micros(),
        );
        match runs.last_mut() {
            Some(run) if run.patient == stay.patient => (run.until, run.seen) = (until, seen),
            _ => runs.push(Run {
                patient: stay.patient,
                from: stay.from.micros(),
                until,
                seen,
            }),
        }
    }
    runs
}

/// The stretch whose start a period without an end tells: the one in force when it was imported or, where the registry
/// was imported with it, the next of this patient.
fn given_run(runs: &[Run], period: &Period, imported_at: Option<Timestamp>) -> Option<usize> {
    let imported_at = imported_at?.micros();
    let in_force = runs.iter().rposition(|run| run.from <= imported_at).unwrap_or(0);
    let mut later = runs.iter().enumerate().skip(in_force);
    later
        .find(|(_, run)| run.patient == period.patient)
        .map(|(at, _)| at)
}

fn timeline(
    runs: &[Run],
    given: Option<(usize, Option<Timestamp>)>,
    now: Option<Result<PatientId, ParkReason>>,
) -> Timeline {
    let mut timeline = Timeline::default();
    let given = |at| given.filter(|(run, _)| *run == at).map(|(_, start)| start);
    for (at, run) in runs.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| runs.get(before));
        match (given(at), before) {
            (Some(None), _) | (None, None) => timeline.turn(i64::MIN, Who::Patient(run.patient)),
            (Some(Some(start)), before) => {
                if before.is_none() {
                    timeline.turn(i64::MIN, Who::Uncertain);
                }
                timeline.turn(start.micros(), Who::Patient(run.patient));
            }
            (None, Some(before)) => {
                let last = before.until.unwrap_or(before.seen);
                timeline.turn(last.saturating_sub(TOLERANCE_MICROS), Who::Uncertain);
                let first = run.from.saturating_add(TOLERANCE_MICROS);
                timeline.turn(first.saturating_add(1), Who::Patient(run.patient));
            }
        }
    }
    let Some(last) = runs.last() else { return timeline };
    let after = match now {
        // The same patient once more, although that is not noted yet.
        Some(Ok(patient)) if patient == last.patient => return timeline,
        Some(Ok(_)) => Who::Uncertain,
        Some(Err(_)) | None => Who::AsRegistered,
    };
    timeline.turn(last.seen.saturating_sub(TOLERANCE_MICROS), after);
    timeline
}

impl Registry {
    /// This registry, answering by these periods.
    #[must_use]
    pub fn under(mut self, kept: &Associations) -> Self {
        self.timelines = Timelines::new(kept, &self);
        self
    }

    /// The patient of a sub-device of this kind at a time. What somebody told of that time decides; else the stays that
    /// were seen; else the registry as it is. Kinds as in [`Self::owner`].
    ///
    /// # Errors
    /// The reason to park where there is none, or it cannot be told who.
    pub fn owner_at(&self, device: Mac, kind: DeviceKind, at: Timestamp) -> Result<Owner, ParkReason> {
        let own = self.by_kind.contains_key(&(device, kind)) || self.timelines.has(device, kind);
        if let Some(patient) = self.timelines.told(device, at) {
            let other_kind = !own && self.any_kind.contains_key(&device);
            return self.if_there(patient, other_kind);
        }
        if self.timelines.seen.is_empty() {
            return self.owner(device, kind);
        }
        if own {
            return self.of_kind(device, kind, at);
        }
        let mut moved = DeviceKind::ALL.iter().filter(|k| self.timelines.has(device, **k));
        if moved.next().is_none() {
            return self.owner(device, kind);
        }
        self.of_any_kind(device, at)
    }

    fn of_kind(&self, device: Mac, kind: DeviceKind, at: Timestamp) -> Result<Owner, ParkReason> {
        let timeline = self.timelines.seen.get(&(device, kind));
        match timeline.map_or(Who::AsRegistered, |t| t.at(at.micros())) {
            Who::Patient(patient) => self.if_there(patient, false),
            Who::Uncertain => Err(ParkReason::AssociationUncertain),
            Who::AsRegistered => self.owner(device, kind),
        }
    }

    /// As the registry is settled over all kinds: naming nobody takes nothing from the other.
    fn of_any_kind(&self, device: Mac, at: Timestamp) -> Result<Owner, ParkReason> {
        let mut found: Option<PatientId> = None;
        let mut reason = ParkReason::DeviceUnknown;
        for kind in DeviceKind::ALL {
            if !self.by_kind.contains_key(&(device, *kind)) && !self.timelines.has(device, *kind) {
                continue;
            }
            match self.of_kind(device, *kind, at) {
                Ok(owner) if found.is_some_and(|p| p != owner.patient) => {
                    return Err(ParkReason::PatientAmbiguous);
                }
                Ok(owner) => found = Some(owner.patient),
                Err(why @ (ParkReason::AssociationUncertain | ParkReason::PatientAmbiguous)) => {
                    return Err(why);
                }
                Err(why) => reason = why,
            }
        }
        let other_kind = true;
        found.map(|patient| Owner { patient, other_kind }).ok_or(reason)
    }

    fn if_there(&self, patient: PatientId, other_kind: bool) -> Result<Owner, ParkReason> {
        if self.has_patient(patient) {
            Ok(Owner { patient, other_kind })
        } else {
            Err(ParkReason::PatientUnknown)
        }
    }
}

/// What holds of a device until a time; the last stretch is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Until then, not included.
    pub until: Option<Timestamp>,
    /// Whose it is, or why that cannot be told.
    pub whose: Result<PatientId, ParkReason>,
}

impl Registry {
    /// The stretches of every device that is or was registered, by address and kind: for listings.
    #[must_use]
    pub fn histories(&self) -> Vec<(Mac, DeviceKind, Vec<Stretch>)> {
        let mut places: Vec<_> = self.by_kind.keys().chain(self.timelines.seen.keys()).collect();
        places.sort_unstable();
        places.dedup();
        let stretches = |device: Mac, kind: DeviceKind| {
            let as_registered = Timeline(vec![(i64::MIN, Who::AsRegistered)]);
            let all = &self
                .timelines
                .seen
                .get(&(device, kind))
                .unwrap_or(&as_registered)
                .0;
            let ends = all
                .iter()
                .skip(1)
                .map(|(from, _)| Some(Timestamp::from_micros(*from)));
            let whose = |who| match who {
                Who::Patient(patient) => self.if_there(patient, false).map(|owner| owner.patient),
                Who::Uncertain => Err(ParkReason::AssociationUncertain),
                Who::AsRegistered => self.owner(device, kind).map(|owner| owner.patient),
            };
            let stretch = |((_, who), until): (&(i64, Who), _)| Stretch {
                until,
                whose: whose(*who),
            };
            all.iter().zip(ends.chain([None])).map(stretch).collect()
        };
        places
            .into_iter()
            .map(|(device, kind)| (*device, *kind, stretches(*device, *kind)))
            .collect()
    }
}

impl Timelines {
    fn has(&self, device: Mac, kind: DeviceKind) -> bool {
        self.seen.contains_key(&(device, kind))
    }
}
