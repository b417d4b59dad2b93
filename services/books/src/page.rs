//! What a page of the books says: the sums of a stretch whose hour is over.
//!
//! Outcomes that cannot change any more are counted. Units that still can (parked, dead, lost) are named, and what
//! became of them is looked up whenever the books are read: a page is written once and stays right.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ledger::{Open, RowKey, Tally};
use crate::report::Fault;
use crate::stretch::{Stretch, Sums};

const FAULTS: usize = 20;

/// The content of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageSums {
    pub(crate) observations: u64,
    pub(crate) legacy: u64,
    pub(crate) no_place: u64,
    pub(crate) audit: u64,
    /// What was still wrong when the page had to be closed.
    pub(crate) faults_total: u64,
    pub(crate) faults: Vec<Fault>,
    pub(crate) rows: Vec<PageRow>,
}

/// A gateway and hour on a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageRow {
    pub(crate) gateway: String,
    pub(crate) hour: String,
    pub(crate) stored: u64,
    pub(crate) duplicate: u64,
    pub(crate) ignored: u64,
    pub(crate) redelivered: u64,
    pub(crate) open: Vec<PageUnit>,
}

/// A unit whose outcome could still change: receipt, item, and the id of its main Observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PageUnit(pub(crate) String, pub(crate) Option<i32>, pub(crate) Option<Uuid>);

impl PageSums {
    pub(crate) fn of(stretch: Stretch) -> Self {
        let Sums {
            observations,
            legacy,
            no_place,
            audit,
            mut faults,
            ..
        } = stretch.sums;
        let rows: BTreeMap<RowKey, Tally> = stretch.ledger.close();
        let faults_total = faults.len() as u64;
        faults.truncate(FAULTS);
        Self {
            observations,
            legacy,
            no_place,
            audit,
            faults_total,
            faults,
            rows: rows
                .into_iter()
                .map(|((gateway, hour), tally)| PageRow {
                    gateway,
                    hour,
                    stored: tally.counts.stored,
                    duplicate: tally.counts.duplicate,
                    ignored: tally.counts.ignored,
                    redelivered: tally.counts.redelivered,
                    open: tally.open.into_iter().map(PageUnit::from).collect(),
                })
                .collect(),
        }
    }
}

impl From<Open> for PageUnit {
    fn from(open: Open) -> Self {
        Self(open.receipt, open.item, open.main)
    }
}
