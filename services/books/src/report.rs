//! What a reconciliation says.

use serde::{Deserialize, Serialize};

use crate::ledger::Outcome;

/// Readings by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Readings (and messages without readings) that were taken.
    pub received: u64,
    /// Stored as new Observations.
    pub stored: u64,
    /// Equal to a reading that was stored before from another receipt.
    pub duplicate: u64,
    /// Waiting for their device or patient.
    pub parked: u64,
    /// In the dead letters.
    pub dead: u64,
    /// Heartbeats, acknowledgements, empty lists.
    pub ignored: u64,
    /// Not worked yet.
    pub waiting: u64,
    /// Further copies of a receipt: outside the balance.
    pub redelivered: u64,
    /// Taken and worked, but found nowhere.
    pub lost: u64,
}

impl Counts {
    /// One more reading.
    pub(crate) const fn add(&mut self, outcome: Outcome) {
        self.received += 1;
        *match outcome {
            Outcome::Waiting => &mut self.waiting,
            Outcome::Lost => &mut self.lost,
            Outcome::Ignored => &mut self.ignored,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::Dead => &mut self.dead,
            Outcome::Parked => &mut self.parked,
            Outcome::Stored => &mut self.stored,
        } += 1;
    }

    /// Adds other counts.
    pub(crate) const fn merge(&mut self, other: &Self) {
        self.received += other.received;
        self.stored += other.stored;
        self.duplicate += other.duplicate;
        self.parked += other.parked;
        self.dead += other.dead;
        self.ignored += other.ignored;
        self.waiting += other.waiting;
        self.redelivered += other.redelivered;
        self.lost += other.lost;
    }

    /// Whether every reading that was taken and worked has exactly one outcome.
    #[must_use]
    pub const fn balanced(&self) -> bool {
        self.lost == 0
            && self.received - self.waiting
                == self.stored + self.duplicate + self.parked + self.dead + self.ignored
    }
}

/// The counts of one gateway and hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The gateway, `-` where there is none.
    pub gateway: String,
    /// The hour of the receipt, UTC: `2026-03-01T00:00Z`.
    pub hour: String,
    /// The counts.
    #[serde(flatten)]
    pub counts: Counts,
}

/// A reading whose documents do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The receipt.
    pub receipt_id: String,
    /// The item; none for a message as a whole.
    pub item: Option<i32>,
    /// What is missing.
    pub what: String,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The books balance and the documents agree by id.
    pub balanced: bool,
    /// Totals.
    #[serde(flatten)]
    pub totals: Counts,
    /// Observations of the stored readings (a reading may have several).
    pub observations: u64,
    /// Legacy documents found.
    pub legacy: u64,
    /// Stored readings that have no place in the legacy database.
    pub no_place: u64,
    /// Audit events found.
    pub audit: u64,
    /// Readings that the raw topic does not have any more: told by the pages of the books.
    pub booked: u64,
    /// How many faults there are in all.
    pub faults_total: u64,
    /// The first of them.
    pub faults: Vec<Fault>,
    /// What the books cannot know, in words.
    pub notes: Vec<String>,
    /// By gateway and hour.
    pub rows: Vec<Row>,
}
