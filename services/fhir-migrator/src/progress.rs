//! How far a run has come: kept with it, so that it can go on anywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stardust_pipeline::history::Collection;
use stardust_pipeline::runs::Run;

use crate::MigrateError;
use crate::tally::{Tally, sum};

/// How far a run has come in each collection, in the order in which they are worked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The collections.
    pub collections: Vec<CollectionProgress>,
}

/// How far a run has come in one collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollectionProgress {
    /// The name.
    pub name: String,
    /// False where the source does not have it.
    pub present: bool,
    /// Its size, in the units of the source.
    pub size: u64,
    /// How much of it is done.
    pub read: u64,
    /// Where to go on; none at the start.
    pub place: Option<String>,
    /// It was read to its end.
    pub done: bool,
    /// Why it was not.
    pub trouble: Option<String>,
    /// The counts up to `place`.
    pub tally: Tally,
}

/// What the record of a run holds. The counts are for lists of runs. The rest is one text: its labels come from documents
/// and are no field names that every database takes.
#[derive(Serialize, Deserialize)]
struct Kept {
    counts: BTreeMap<String, u64>,
    histories: String,
}

impl Progress {
    /// At the start, for these of `names` that there are.
    #[must_use]
    pub fn start(names: &[&str], found: &[Collection]) -> Self {
        let of = |name: &str| {
            let found = found.iter().find(|c| c.name == name);
            CollectionProgress {
                name: name.to_owned(),
                present: found.is_some(),
                size: found.map_or(0, |c| c.size),
                done: found.is_none(),
                ..CollectionProgress::default()
            }
        };
        Self {
            collections: names.iter().map(|name| of(name)).collect(),
        }
    }

    /// From the record of a run.
    ///
    /// # Errors
    /// Where another kind of run, or another version, wrote it.
    pub fn of(run: &Run) -> Result<Self, MigrateError> {
        serde_json::from_str::<Kept>(&run.progress)
            .and_then(|kept| serde_json::from_str(&kept.histories))
            .map_err(|_| MigrateError::Run(format!("the record of run {} cannot be read", run.id)))
    }

    /// As the record of a run holds it.
    #[must_use]
    pub fn text(&self) -> String {
        let total = self.total();
        let counts = [
            ("documents", total.documents),
            ("entries", total.entries),
            ("published", total.published),
            ("duplicates", total.duplicates),
            ("readings", total.readings()),
            ("rejected", sum(&total.rejected)),
            ("waiting", sum(&total.parked)),
        ];
        let kept = Kept {
            counts: counts
                .into_iter()
                .map(|(label, n)| (label.to_owned(), n))
                .collect(),
            // Writing numbers and texts as JSON cannot fail.
            histories: serde_json::to_string(self).unwrap_or_default(),
        };
        serde_json::to_string(&kept).unwrap_or_default()
    }

    /// The counts of all collections.
    #[must_use]
    pub fn total(&self) -> Tally {
        let mut total = Tally::default();
        for collection in &self.collections {
            total.add(collection.tally.clone());
        }
        total
    }

    /// Whether every collection was read to its end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.collections.iter().all(|c| c.done)
    }

    /// (done, all) in the units of the source.
    #[must_use]
    pub fn read(&self) -> (u64, u64) {
        let read = self.collections.iter().map(|c| c.read).sum();
        let size: u64 = self.collections.iter().map(|c| c.size.max(c.read)).sum();
        (read, size)
    }
}
