//! The ledger: one current outcome for each unit.

use std::collections::{BTreeMap, HashMap};

use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;
use uuid::Uuid;

use crate::report::{Counts, Row};

/// (receipt, item): the item is -1 for a message as a whole.
pub(crate) type Unit = (u128, i32);

/// The unit of a receipt and an item.
pub(crate) fn unit(receipt: &str, item: Option<i32>) -> Unit {
    // Receipts are UUIDs; whatever else stands there is folded into one.
    let receipt = receipt
        .parse::<Uuid>()
        .unwrap_or_else(|_| stardust_domain::ids::uuid_of(receipt));
    (receipt.as_u128(), item.unwrap_or(-1))
}

/// An outcome, the strongest last: a reading that was parked and released is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    Waiting,
    Lost,
    Ignored,
    Duplicate,
    Dead,
    Parked,
    Stored,
}

struct Entry {
    outcome: Outcome,
    row: u32,
    copies: u32,
}

/// Units with their outcomes, by gateway and hour.
#[derive(Default)]
pub(crate) struct Ledger {
    units: HashMap<Unit, Entry>,
    rows: Vec<(Option<Mac>, i64)>,
    index: HashMap<(Option<Mac>, i64), u32>,
}

impl Ledger {
    /// Notes one copy of a unit. `copy` is false for a release or replay, which is no further delivery.
    pub(crate) fn note(
        &mut self,
        unit: Unit,
        gateway: Option<Mac>,
        received: Timestamp,
        outcome: Outcome,
        copy: bool,
    ) {
        let key = (gateway, received.seconds().div_euclid(3_600));
        let row = *self.index.entry(key).or_insert_with(|| {
            self.rows.push(key);
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        });
        let entry = self.units.entry(unit).or_insert(Entry {
            outcome,
            row,
            copies: 0,
        });
        entry.outcome = entry.outcome.max(outcome);
        entry.copies += u32::from(copy);
    }

    /// The current outcome of a unit.
    pub(crate) fn outcome(&self, unit: &Unit) -> Option<Outcome> {
        self.units.get(unit).map(|e| e.outcome)
    }

    /// Totals and rows.
    pub(crate) fn close(&self) -> (Counts, Vec<Row>) {
        let mut rows = vec![Counts::default(); self.rows.len()];
        let mut totals = Counts::default();
        for entry in self.units.values() {
            let further = u64::from(entry.copies.saturating_sub(1));
            let row = usize::try_from(entry.row).ok().and_then(|at| rows.get_mut(at));
            for counts in [Some(&mut totals), row].into_iter().flatten() {
                counts.received += 1;
                counts.redelivered += further;
                *match entry.outcome {
                    Outcome::Waiting => &mut counts.waiting,
                    Outcome::Lost => &mut counts.lost,
                    Outcome::Ignored => &mut counts.ignored,
                    Outcome::Duplicate => &mut counts.duplicate,
                    Outcome::Dead => &mut counts.dead,
                    Outcome::Parked => &mut counts.parked,
                    Outcome::Stored => &mut counts.stored,
                } += 1;
            }
        }
        let sorted: BTreeMap<(String, i64), Counts> = self
            .rows
            .iter()
            .zip(rows)
            .map(|((gateway, hour), counts)| {
                (
                    (
                        gateway.map_or_else(|| "-".to_owned(), |mac| mac.to_string()),
                        *hour,
                    ),
                    counts,
                )
            })
            .collect();
        let rows = sorted
            .into_iter()
            .map(|((gateway, hour), counts)| Row {
                gateway,
                hour: written(hour),
                counts,
            })
            .collect();
        (totals, rows)
    }
}

fn written(hour: i64) -> String {
    let instant = Timestamp::from_seconds(hour.saturating_mul(3_600)).instant();
    instant.map_or_else(|| "-".to_owned(), |text| format!("{}Z", &text[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_counts_once_whatever_its_copies() {
        let mut ledger = Ledger::default();
        let (gateway, at) = (
            Some("020000aa0001".parse().unwrap()),
            Timestamp::from_seconds(7_200),
        );
        ledger.note(unit("a", Some(0)), gateway, at, Outcome::Parked, true);
        ledger.note(unit("a", Some(0)), gateway, at, Outcome::Stored, false);
        ledger.note(unit("a", Some(1)), gateway, at, Outcome::Duplicate, true);
        ledger.note(unit("a", Some(1)), gateway, at, Outcome::Duplicate, true);
        let (totals, rows) = ledger.close();
        let expected = Counts {
            received: 2,
            stored: 1,
            duplicate: 1,
            redelivered: 1,
            ..Counts::default()
        };
        assert_eq!(totals, expected);
        assert!(totals.balanced());
        assert_eq!(
            (rows[0].gateway.as_str(), rows[0].hour.as_str()),
            ("020000aa0001", "1970-01-01T02:00Z")
        );
        assert_eq!(rows[0].counts, expected);
    }

    #[test]
    fn what_is_found_nowhere_breaks_the_balance() {
        let mut ledger = Ledger::default();
        ledger.note(
            unit("a", None),
            None,
            Timestamp::from_seconds(0),
            Outcome::Lost,
            true,
        );
        assert!(!ledger.close().0.balanced());
    }
}
