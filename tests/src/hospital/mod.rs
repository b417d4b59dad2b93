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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::extended::{Spelling, line};
    use super::*;

    fn all(plan: Plan) -> (String, Books) {
        let hospital = Hospital::new(plan);
        let mut text = String::new();
        let mut books = hospital.books();
        for (_, documents) in hospital.people.collections() {
            for document in documents {
                text.push_str(&line(document, Spelling::Canonical));
            }
        }
        for collection in Collection::ALL {
            let mut documents = hospital.documents(collection);
            let mut ids = BTreeSet::new();
            for made in documents.by_ref() {
                assert!(
                    ids.insert(made.document.get_object_id("_id").unwrap()),
                    "ids differ"
                );
                text.push_str(&line(&made.document, Spelling::Canonical));
            }
            books.collections.insert(collection, documents.books);
        }
        (text, books)
    }

    #[test]
    fn a_seed_is_one_hospital_and_another_seed_another() {
        let plan = Plan::new(7, 500).with_every_oddity();
        let (text, books) = all(plan);
        assert!(all(plan).0 == text && all(plan).1.json() == books.json());
        assert!(all(Plan { seed: 8, ..plan }).0 != text);
    }

    #[test]
    fn every_shape_spelling_and_reason_occurs_in_the_smallest_hospital() {
        let (text, books) = all(Plan::new(1, 100).with_every_oddity());
        let pressure = &books.collections[&Collection::Pressure];
        assert_eq!(
            pressure.shapes.keys().copied().collect::<Vec<_>>(),
            ["A", "B", "B2", "C", "D", "E"]
        );
        for spelling in [
            "ObjectId",
            "document of $oid",
            "hex text",
            "JSON text",
            "repr of ObjectId",
            "null",
            "unknown",
        ] {
            assert!(pressure.patients.contains_key(spelling), "{spelling}");
        }
        assert!(pressure.duplicates > 0, "a repetition");
        let reasons: BTreeSet<_> = books
            .collections
            .values()
            .flat_map(|b| b.dead.keys().copied())
            .collect();
        let expected = [
            "no patient",
            "unit unknown",
            "unknown time",
            "unreadable",
            "value impossible",
        ];
        assert_eq!(reasons.into_iter().collect::<Vec<_>>(), expected);
        for (collection, books) in &books.collections {
            assert!(books.own > 0 && books.stored > 0, "{}", collection.name());
        }
        for odd in [
            "Infinity",
            r#""$numberLong":"-"#,
            "1970",
            "2099",
            "cretinines",
            "@",
        ] {
            assert!(text.contains(odd), "{odd}");
        }
    }

    #[test]
    fn a_large_hospital_has_the_proportions_of_the_exports() {
        let (_, books) = all(Plan::new(3, 56_000));
        let near = |what: &str, is: u64, was: u64| {
            assert!(
                is * 10 > was * 7 && is * 10 < was * 14,
                "{what}: {is}, and {was} in the exports"
            );
        };
        let sugar = &books.collections[&Collection::Sugar];
        let body = &books.collections[&Collection::Body];
        near("glucose in mmol/L", sugar.notes["unit inferred"], 493);
        near("body repetitions", body.duplicates, 303);
        near("bmi without end", body.nothing["infinity"], 313);
        near("body without a date", body.dead_entries["unknown time"], 152 + 4);
        near(
            "entries",
            books.collections.values().map(|b| b.entries).sum(),
            56_000,
        );
    }
}
