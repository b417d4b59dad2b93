//! What a report says of documents and entries, dry run or not.

use std::collections::BTreeMap;

use super::document::{HistoryDocument, Shape};
use super::entry::Entry;
use crate::alike::{Alike, alike};
use crate::mapping::Mapping;
use crate::outcome::Source;
use crate::reading::{Envelope, Verdict};
use crate::registry::Registry;
use crate::time::Timestamp;

/// Most field names without a place that are told apart.
const MOST_NAMES: usize = 100;
/// What stands for the others.
const OTHER_NAMES: &str = "(others)";

/// Counts of one collection. Equal for a dry run and the real one: both come from judging the very bodies that are
/// published, against the registry of the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Documents.
    pub documents: u64,
    /// Documents by form.
    pub shapes: BTreeMap<Shape, u64>,
    /// Documents that this pipeline wrote: skipped.
    pub own: u64,
    /// Entries of the others.
    pub entries: u64,
    /// Entries that equal one before them in their document: one receipt, so that nothing comes of them. None of the
    /// counts below has them.
    pub repeated: u64,
    /// Entries without a reading: every value says "none".
    pub without_readings: u64,
    /// Readings that become an Observation.
    pub emitted: u64,
    /// Readings that wait, by reason.
    pub parked: BTreeMap<&'static str, u64>,
    /// Readings that are refused, by reason.
    pub dead: BTreeMap<&'static str, u64>,
    /// Values that say "none", by field and how (`weight`, `zero`): no readings.
    pub nothing: BTreeMap<(&'static str, &'static str), u64>,
    /// Readings of which something odd is to be told: the lines of the report.
    pub lines: BTreeMap<&'static str, u64>,
    /// Values that no reading takes up, by the name of their field.
    pub left_over: BTreeMap<String, u64>,
    /// The earliest time of a reading that becomes an Observation or waits.
    pub earliest: Option<Timestamp>,
    /// The latest.
    pub latest: Option<Timestamp>,
}

impl Account {
    /// Counts a document; its entries are counted one by one.
    pub fn document(&mut self, document: &HistoryDocument<'_>) {
        self.documents += 1;
        *self.shapes.entry(document.shape()).or_default() += 1;
        self.own += u64::from(document.is_own());
    }

    /// Counts an entry by judging its body; what its readings measure, each once.
    pub fn entry(
        &mut self,
        entry: &Entry,
        mapping: &Mapping,
        registry: &Registry,
        published_at: Timestamp,
    ) -> Vec<Alike> {
        let mut measured = Vec::new();
        self.entries += 1;
        if entry.repeated {
            self.repeated += 1;
            return measured;
        }
        let examined = mapping.examine(
            &Envelope {
                receipt: "",
                received_at: published_at,
                source: Source::Migration,
                items: None,
                body: entry.body.as_bytes(),
            },
            registry,
        );
        self.without_readings += u64::from(examined.readings.is_empty());
        for reading in &examined.readings {
            let counted = match &reading.verdict {
                Verdict::Emit(_) => &mut self.emitted,
                Verdict::Park(reason) => self.parked.entry(reason.label()).or_default(),
                Verdict::Dead(death) => self.dead.entry(death.reason.label()).or_default(),
            };
            *counted += 1;
            if let (Verdict::Emit(patient), Some(at)) = (&reading.verdict, reading.effective) {
                let found = reading
                    .observations
                    .iter()
                    .filter_map(|o| alike(*patient, at, &o.json));
                for one in found {
                    // Fields of one entry that hold the same are no copies of each other.
                    if !measured.contains(&one) {
                        measured.push(one);
                    }
                }
            }
            if !matches!(reading.verdict, Verdict::Dead(_)) {
                self.earliest = self.earliest.into_iter().chain(examined.at).min();
                self.latest = self.latest.max(examined.at);
            }
        }
        for nothing in examined.nothing {
            *self.nothing.entry(nothing).or_default() += 1;
        }
        for line in examined.lines {
            *self.lines.entry(line).or_default() += 1;
        }
        for name in examined.left_over {
            let known = self.left_over.len() < MOST_NAMES || self.left_over.contains_key(&name);
            let name = if known { name } else { OTHER_NAMES.to_owned() };
            *self.left_over.entry(name).or_default() += 1;
        }
        measured
    }

    /// All readings: emitted, parked and dead.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.emitted + self.parked.values().sum::<u64>() + self.dead.values().sum::<u64>()
    }

    /// Adds the counts of other documents.
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.own += other.own;
        self.entries += other.entries;
        self.repeated += other.repeated;
        self.without_readings += other.without_readings;
        self.emitted += other.emitted;
        merge(&mut self.shapes, other.shapes);
        merge(&mut self.parked, other.parked);
        merge(&mut self.dead, other.dead);
        merge(&mut self.nothing, other.nothing);
        merge(&mut self.lines, other.lines);
        merge(&mut self.left_over, other.left_over);
        self.earliest = self.earliest.into_iter().chain(other.earliest).min();
        self.latest = self.latest.max(other.latest);
    }
}

fn merge<K: Ord>(counts: &mut BTreeMap<K, u64>, others: BTreeMap<K, u64>) {
    for (key, count) in others {
        *counts.entry(key).or_default() += count;
    }
}
