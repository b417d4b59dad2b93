//! What a comparison found.

use std::collections::BTreeMap;

use serde::Serialize;

/// Differences that are named; the others are counted.
const NAMED: usize = 100;

/// What was found of one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Entries that were published, by the source as it is now.
    pub entries: u64,
    /// Readings in them.
    pub readings: u64,
    /// Readings whose Observations this run wrote.
    pub stored: u64,
    /// Readings whose Observations another run wrote.
    pub stored_before: u64,
    /// Readings that wait for the registry.
    pub waiting: u64,
    /// Readings that are dead letters.
    pub rejected: u64,
    /// Readings that a remap withdrew, and that the rules of now refuse.
    pub withdrawn: u64,
    /// Readings of which the store knows nothing, while the parser is behind.
    pub unworked: u64,
    /// Differences.
    pub different: u64,
}

/// A difference. It names no values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The collection.
    pub collection: String,
    /// The document.
    pub document: String,
    /// The receipt of the entry.
    pub receipt_id: String,
    /// The item.
    pub item: Option<i32>,
    /// What is not as it should be.
    pub what: String,
}

/// The whole comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// By collection.
    pub collections: BTreeMap<String, Compared>,
    /// Observations that the run wrote.
    pub observations: u64,
    /// How many differences there are.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// Readings that the parser has not worked yet.
    pub unworked: u64,
}

impl Verified {
    /// Whether everything is as it should be.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        self.different == 0 && self.unworked == 0
    }

    /// Notes a difference.
    pub(crate) fn name(&mut self, difference: Difference) {
        self.different += 1;
        if self.differences.len() < NAMED {
            self.differences.push(difference);
        }
    }
}
