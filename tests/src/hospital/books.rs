//! The books: what must become of everything that was made.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Plan;
use super::collection::Collection;
use super::entry::{Entry, Fate};
use super::people::People;
use crate::ward;

/// Whose entries a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A patient who is in `patients`.
    Known,
    /// Nobody who is there: its readings are parked.
    Unknown,
    /// A hospital: its readings have no patient.
    Hospital,
}

/// What must become of one entry, by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Kinds of the readings that must be stored.
    pub stored: Vec<&'static str>,
    /// Kinds of the readings that must be parked (`patient unknown`).
    pub parked: Vec<&'static str>,
    /// Reasons of the dead letters.
    pub dead: Vec<&'static str>,
    /// Fields that are no readings.
    pub nothing: usize,
    /// It stands in its document already.
    pub duplicate: bool,
}

impl Verdict {
    /// As one object of a verdicts file.
    pub fn json(&self) -> Value {
        json!({
            "stored": self.stored, "parked": self.parked, "dead": self.dead, "nothing": self.nothing,
            "duplicate": self.duplicate,
        })
    }
}

/// First and last.
#[derive(Debug, Clone, Copy, Default)]
struct Span(Option<(i64, i64)>);

impl Span {
    fn add(&mut self, at: i64) {
        let (first, last) = self.0.unwrap_or((at, at));
        self.0 = Some((first.min(at), last.max(at)));
    }

    fn json(self) -> Value {
        match self.0 {
            Some((first, last)) => json!({"oldest": ward::local(first), "newest": ward::local(last)}),
            None => Value::Null,
        }
    }
}

type Counts = BTreeMap<&'static str, u64>;

/// The books of one collection. Numbers are of readings unless their name says otherwise.
#[derive(Debug, Clone, Default)]
pub struct CollectionBooks {
    /// Documents, ours among them.
    pub documents: u64,
    /// Documents with source `stardust`: skipped, with all that is in them.
    pub own: u64,
    /// Documents by shape.
    pub shapes: Counts,
    /// Documents by the spelling of their patient.
    pub patients: Counts,
    /// Entries of the documents that are not ours.
    pub entries: u64,
    /// Entries that stand in the same document already, to the letter: nothing comes of them.
    pub duplicates: u64,
    /// To be stored.
    pub stored: u64,
    /// Those by kind.
    pub kinds: Counts,
    /// Those that need a note, by note.
    pub notes: Counts,
    /// Those that equal one of another document in patient, kind, time and value: stored all the same.
    pub suspected: u64,
    /// Entries whose readings have a sub-device.
    pub with_device: u64,
    /// Dead letters by reason.
    pub dead: Counts,
    /// Entries with a dead letter, by reason.
    pub dead_entries: Counts,
    /// To be parked, by reason.
    pub parked: Counts,
    /// Entries with something parked.
    pub parked_entries: u64,
    /// Fields that stand for no value, by what they hold.
    pub nothing: Counts,
    /// Entries of which nothing comes, since all their fields stand for no value.
    pub entries_of_nothing: u64,
    times: Span,
    stored_times: Span,
}

fn add(counts: &mut Counts, name: &'static str) {
    *counts.entry(name).or_default() += 1;
}

impl CollectionBooks {
    /// Books an entry that is not a repetition.
    pub fn entry(&mut self, entry: &Entry, owner: Owner, device: bool) -> Verdict {
        let mut verdict = Verdict::default();
        self.entries += 1;
        for fate in &entry.fates {
            match (fate, owner) {
                (Fate::Reading(kind, note), Owner::Known) => {
                    self.stored += 1;
                    add(&mut self.kinds, kind);
                    note.iter().for_each(|note| add(&mut self.notes, note));
                    verdict.stored.push(kind);
                }
                (Fate::Reading(kind, _), Owner::Unknown) => {
                    add(&mut self.parked, "patient unknown");
                    verdict.parked.push(kind);
                }
                (Fate::Reading(..), Owner::Hospital) => {
                    add(&mut self.dead, "no patient");
                    verdict.dead.push("no patient");
                }
                (Fate::Dead(reason), _) => {
                    add(&mut self.dead, reason);
                    verdict.dead.push(reason);
                }
                (Fate::Nothing(what), _) => {
                    add(&mut self.nothing, what);
                    verdict.nothing += 1;
                }
            }
        }
        let mut reasons = verdict.dead.clone();
        reasons.dedup();
        reasons
            .into_iter()
            .for_each(|reason| add(&mut self.dead_entries, reason));
        self.parked_entries += u64::from(!verdict.parked.is_empty());
        let nothing = verdict.stored.is_empty() && verdict.parked.is_empty() && verdict.dead.is_empty();
        self.entries_of_nothing += u64::from(nothing);
        if let Some(at) = entry.at {
            self.times.add(at);
            if !verdict.stored.is_empty() {
                self.stored_times.add(at);
                self.with_device += u64::from(device);
            }
        }
        verdict
    }

    /// Books an entry that stands in its document already.
    pub fn repeated(&mut self) -> Verdict {
        self.entries += 1;
        self.duplicates += 1;
        Verdict {
            duplicate: true,
            ..Verdict::default()
        }
    }

    /// All of it.
    pub fn json(&self) -> Value {
        json!({
            "documents": self.documents, "own": self.own, "shapes": self.shapes, "patient_spellings": self.patients,
            "entries": self.entries, "duplicates": self.duplicates, "readings": self.stored, "kinds": self.kinds,
            "notes": self.notes, "suspected_duplicates": self.suspected, "entries_with_device": self.with_device,
            "dead": self.dead, "dead_entries": self.dead_entries, "parked": self.parked,
            "parked_entries": self.parked_entries, "placeholders": self.nothing,
            "entries_of_placeholders": self.entries_of_nothing, "times": self.times.json(),
            "stored_times": self.stored_times.json(),
        })
    }
}

/// The books of a hospital.
#[derive(Debug, Clone)]
pub struct Books {
    plan: Plan,
    registry: Value,
    /// By collection, as they are made.
    pub collections: BTreeMap<Collection, CollectionBooks>,
}

impl Books {
    pub(super) fn new(plan: Plan, people: &People) -> Self {
        Self {
            plan,
            registry: people.books(),
            collections: BTreeMap::new(),
        }
    }

    /// As they are written beside the dump.
    pub fn json(&self) -> Value {
        let collections: serde_json::Map<String, Value> = self
            .collections
            .iter()
            .map(|(collection, books)| (collection.name().to_owned(), books.json()))
            .collect();
        let sum = |of: fn(&CollectionBooks) -> u64| self.collections.values().map(of).sum::<u64>();
        json!({
            "seed": self.plan.seed,
            "registry": self.registry,
            "collections": collections,
            "totals": {
                "documents": sum(|b| b.documents), "own": sum(|b| b.own), "entries": sum(|b| b.entries),
                "duplicates": sum(|b| b.duplicates), "readings": sum(|b| b.stored),
                "suspected_duplicates": sum(|b| b.suspected),
                "dead": sum(|b| b.dead.values().sum()), "parked": sum(|b| b.parked.values().sum()),
                "placeholders": sum(|b| b.nothing.values().sum()),
            },
        })
    }
}
