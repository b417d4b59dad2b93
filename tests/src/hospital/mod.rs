//! An invented hospital: a database like the one that exists, with its five shapes and all its oddities, and the books
//! of what must become of every entry.
//!
//! Everything follows from a seed. The books are written where an oddity is made, from the rules of the migration: the
//! program's own judgement is never asked, so that the two can be compared.

pub mod books;
pub mod chance;
pub mod collection;
pub mod documents;
pub mod dump;
pub mod entry;
pub mod extended;
pub mod people;

use books::Books;
use chance::Chance;
use collection::Collection;
use documents::Documents;
use people::People;

/// How large, and which one.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Another seed is another hospital.
    pub seed: u64,
    /// Entries in all histories together, those of our own documents left out.
    pub entries: u64,
    /// Every oddity at least once, however small the hospital is; otherwise only where there are 5,000 entries or more.
    pub every_oddity: bool,
}

impl Plan {
    /// A hospital with so many entries.
    pub fn new(seed: u64, entries: u64) -> Self {
        Self {
            seed,
            entries,
            every_oddity: entries >= 5_000,
        }
    }

    /// The same, with every oddity at least once.
    #[must_use]
    pub fn with_every_oddity(self) -> Self {
        Self {
            every_oddity: true,
            ..self
        }
    }
}

/// The hospital.
pub struct Hospital {
    /// How large, and which one.
    pub plan: Plan,
    /// Patients, boxes, devices, watches and hospitals.
    pub people: People,
}

impl Hospital {
    /// The hospital of a plan.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            people: People::new(&mut Chance::new(plan.seed, 0), plan),
        }
    }

    /// The documents of one collection, one at a time: a collection never stands in memory.
    pub fn documents(&self, collection: Collection) -> Documents<'_> {
        Documents::new(self, collection)
    }

    /// Books with what the registry holds; those of the histories are added as they are made.
    pub fn books(&self) -> Books {
        Books::new(self.plan, &self.people)
    }
}
