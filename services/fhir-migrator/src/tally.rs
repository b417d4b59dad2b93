//! What is counted of a collection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stardust_domain::history::Account;
use stardust_domain::time::Timestamp;

/// Counts by label.
pub type Counts = BTreeMap<String, u64>;

/// The counts of one collection: what the domain says of its documents, and what became of the records. Kept with the
/// run from start to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Documents that could be read.
    pub documents: u64,
    /// What stands where a document should, and is none.
    pub unreadable: u64,
    /// Documents by form.
    pub shapes: Counts,
    /// Documents that this pipeline wrote: skipped.
    pub own: u64,
    /// Entries of the others.
    pub entries: u64,
    /// Entries that went to the log (in a dry run: would go), each as one record.
    pub published: u64,
    /// Entries that equal one before them in their document: nothing comes of them.
    pub duplicates: u64,
    /// Entries that the log refused for good, since they are too large for a record.
    pub refused: u64,
    /// Entries without a reading: every value says "none".
    pub without_readings: u64,
    /// Readings that become an Observation.
    pub emitted: u64,
    /// Those of them that equal another one in patient, kind, time and value: stored all the same.
    pub suspected: u64,
    /// Readings that wait, by reason.
    pub parked: Counts,
    /// Readings that are rejected, by reason.
    pub rejected: Counts,
    /// Values that say "none", by field and how.
    pub placeholders: Counts,
    /// Readings that something odd is to be told of.
    pub notes: Counts,
    /// Values that no reading takes up, by field.
    pub left_over: Counts,
    /// The earliest time of a reading that is stored or waits, microseconds.
    pub oldest: Option<i64>,
    /// The latest.
    pub newest: Option<i64>,
}

fn add<K: ToString>(counts: &mut Counts, others: impl IntoIterator<Item = (K, u64)>) {
    for (label, count) in others {
        *counts.entry(label.to_string()).or_default() += count;
    }
}

/// The sum of counts.
#[must_use]
pub fn sum(counts: &Counts) -> u64 {
    counts.values().sum()
}

impl From<Account> for Tally {
    fn from(account: Account) -> Self {
        let mut tally = Self {
            documents: account.documents,
            own: account.own,
            entries: account.entries,
            duplicates: account.repeated,
            without_readings: account.without_readings,
            emitted: account.emitted,
            oldest: account.earliest.map(Timestamp::micros),
            newest: account.latest.map(Timestamp::micros),
            ..Self::default()
        };
        let shapes = account.shapes.iter().map(|(shape, n)| (shape.label(), *n));
        add(&mut tally.shapes, shapes);
        add(&mut tally.parked, account.parked);
        add(&mut tally.rejected, account.dead);
        let placeholders = account.nothing.iter();
        add(
            &mut tally.placeholders,
            placeholders.map(|((field, how), n)| (format!("{field}: {how}"), *n)),
        );
        add(&mut tally.notes, account.lines);
        add(&mut tally.left_over, account.left_over);
        tally
    }
}

impl Tally {
    /// Adds the counts of other documents.
    pub fn add(&mut self, other: Self) {
        self.documents += other.documents;
        self.unreadable += other.unreadable;
        self.own += other.own;
        self.entries += other.entries;
        self.published += other.published;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.without_readings += other.without_readings;
        self.emitted += other.emitted;
        self.suspected += other.suspected;
        add(&mut self.shapes, other.shapes);
        add(&mut self.parked, other.parked);
        add(&mut self.rejected, other.rejected);
        add(&mut self.placeholders, other.placeholders);
        add(&mut self.notes, other.notes);
        add(&mut self.left_over, other.left_over);
        self.oldest = self.oldest.into_iter().chain(other.oldest).min();
        self.newest = self.newest.max(other.newest);
    }

    /// All readings: stored, waiting and rejected.
    #[must_use]
    pub fn readings(&self) -> u64 {
        self.emitted + sum(&self.parked) + sum(&self.rejected)
    }

    /// Whether every entry is accounted for.
    #[must_use]
    pub const fn balances(&self) -> bool {
        self.entries == self.published + self.duplicates + self.refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_come_back_from_their_text() {
        let mut tally = Tally {
            entries: 3,
            published: 2,
            duplicates: 1,
            oldest: Some(5),
            newest: Some(6),
            placeholders: BTreeMap::from([("a.$b: zero".to_owned(), 1)]),
            ..Tally::default()
        };
        tally.add(tally.clone());
        tally.add(Tally::default());
        assert_eq!((tally.entries, tally.oldest, tally.newest), (6, Some(5), Some(6)));
        assert_eq!(sum(&tally.placeholders), 2);
        assert!(tally.balances());
        let text = serde_json::to_string(&tally).unwrap();
        assert_eq!(serde_json::from_str::<Tally>(&text).unwrap(), tally);
    }
}
