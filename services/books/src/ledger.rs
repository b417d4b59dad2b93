//! The ledger: one current outcome for each unit of a stretch.

use std::collections::{BTreeMap, HashMap};

use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;
use uuid::Uuid;

use crate::line::{Line, Unit};
use crate::report::Counts;

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

impl Outcome {
    /// Whether nothing changes it any more.
    pub(crate) const fn is_settled(self) -> bool {
        matches!(self, Self::Stored | Self::Duplicate | Self::Ignored)
    }
}

/// Gateway and hour of the receipt, as they are written.
pub(crate) type RowKey = (String, String);

/// A unit whose outcome can still change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    pub(crate) receipt: String,
    pub(crate) item: Option<i32>,
    pub(crate) main: Option<Uuid>,
}

/// The units of a gateway and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    /// Those that wait, are dead or lost; the counts have them too.
    pub(crate) open: Vec<Open>,
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
    open: HashMap<Unit, Open>,
    rows: Vec<((Option<Mac>, i64), u64)>,
    index: HashMap<(Option<Mac>, i64), u32>,
}

impl Ledger {
    fn row(&mut self, line: &Line) -> u32 {
        let key = (line.gateway, line.received.seconds().div_euclid(3_600));
        *self.index.entry(key).or_insert_with(|| {
            self.rows.push((key, 0));
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// Notes one copy of a unit.
    pub(crate) fn note(&mut self, line: &Line, outcome: Outcome) {
        let row = self.row(line);
        let entry = self.units.entry(line.unit).or_insert(Entry {
            outcome,
            row,
            copies: 0,
        });
        entry.outcome = entry.outcome.max(outcome);
        entry.copies += 1;
        if !outcome.is_settled() && outcome != Outcome::Waiting {
            self.open.entry(line.unit).or_insert_with(|| Open {
                receipt: line.receipt.clone(),
                item: line.item,
                main: line.main,
            });
        }
    }

    /// Notes a further copy of a unit that was counted in an earlier stretch.
    pub(crate) fn redelivered(&mut self, line: &Line) {
        let row = self.row(line);
        if let Some(row) = usize::try_from(row).ok().and_then(|at| self.rows.get_mut(at)) {
            row.1 += 1;
        }
    }

    /// How many units there are.
    pub(crate) fn len(&self) -> usize {
        self.units.len()
    }

    /// How many of them can still change.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// The tallies by gateway and hour.
    pub(crate) fn close(mut self) -> BTreeMap<RowKey, Tally> {
        let mut tallies: Vec<Tally> = self
            .rows
            .iter()
            .map(|(_, redelivered)| Tally {
                counts: Counts {
                    redelivered: *redelivered,
                    ..Counts::default()
                },
                open: Vec::new(),
            })
            .collect();
        for (unit, entry) in &self.units {
            let Some(tally) = usize::try_from(entry.row).ok().and_then(|at| tallies.get_mut(at)) else {
                continue;
            };
            tally.counts.add(entry.outcome);
            tally.counts.redelivered += u64::from(entry.copies.saturating_sub(1));
            if !entry.outcome.is_settled() {
                tally.open.extend(self.open.remove(unit));
            }
        }
        self.rows
            .iter()
            .zip(tallies)
            .map(|(((gateway, hour), _), mut tally)| {
                tally
                    .open
                    .sort_by(|a, b| (&a.receipt, a.item).cmp(&(&b.receipt, b.item)));
                let gateway = gateway.map_or_else(|| "-".to_owned(), |mac| mac.to_string());
                ((gateway, written(*hour)), tally)
            })
            .collect()
    }
}

fn written(hour: i64) -> String {
    let instant = Timestamp::from_seconds(hour.saturating_mul(3_600)).instant();
    instant.map_or_else(|| "-".to_owned(), |text| format!("{}Z", &text[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::unit;

    fn line(receipt: &str, item: Option<i32>) -> Line {
        Line {
            unit: unit(receipt, item),
            receipt: receipt.to_owned(),
            item,
            gateway: Some("020000aa0001".parse().unwrap()),
            received: Timestamp::from_seconds(7_200),
            main: None,
            copy: true,
            ignored: false,
        }
    }

    #[test]
    fn a_unit_counts_once_whatever_its_copies() {
        let mut ledger = Ledger::default();
        ledger.note(&line("a", Some(0)), Outcome::Stored);
        ledger.note(&line("a", Some(1)), Outcome::Duplicate);
        ledger.note(&line("a", Some(1)), Outcome::Duplicate);
        ledger.redelivered(&line("z", Some(0)));
        let rows = ledger.close();
        let expected = Counts {
            received: 2,
            stored: 1,
            duplicate: 1,
            redelivered: 2,
            ..Counts::default()
        };
        let row = &rows[&("020000aa0001".to_owned(), "1970-01-01T02:00Z".to_owned())];
        assert_eq!((row.counts, row.open.len()), (expected, 0));
        assert!(row.counts.balanced());
    }

    #[test]
    fn what_can_still_change_is_named() {
        let mut ledger = Ledger::default();
        for (item, outcome) in [
            (0, Outcome::Parked),
            (1, Outcome::Dead),
            (2, Outcome::Ignored),
            (3, Outcome::Waiting),
        ] {
            ledger.note(&line("a", Some(item)), outcome);
        }
        let rows = ledger.close();
        let open: Vec<_> = rows.values().flat_map(|t| &t.open).map(|o| o.item).collect();
        assert_eq!(open, [Some(0), Some(1)]);
    }

    #[test]
    fn what_is_found_nowhere_breaks_the_balance() {
        let mut ledger = Ledger::default();
        ledger.note(&line("a", None), Outcome::Lost);
        assert!(ledger.close().values().all(|row| !row.counts.balanced()));
    }
}
