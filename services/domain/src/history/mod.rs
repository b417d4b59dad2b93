//! Documents of the history collections that exist: from a document to Observations.
//!
//! ```text
//! document ─ HistoryDocument::read ─▶ entries, one at a time ─▶ body of a raw record ─ judge ─▶ readings
//!                                       (hash, receipt id)            │
//!                                                             Account::entry: what a report says of it
//! ```
//! A document comes as the text of one JSON object in any kind of Extended JSON: canonical, relaxed, or as old versions of
//! `mongoexport` wrote it. What leaves is canonical, with the keys in order, so that the same entry has the same hash
//! wherever it was read. (One thing is lost on the way: relaxed Extended JSON writes a small `long` like an `int`. Export
//! with `--jsonFormat=canonical` where a collection is read from files and from the database.)
//!
//! Whoever migrates does this:
//!
//! ```
//! use stardust_domain::history::{Account, HistoryDocument};
//! # use stardust_domain::mapping::{Mapping, Settings};
//! # use stardust_domain::registry::Registry;
//! # use stardust_domain::time::Timestamp;
//! # let mapping = Mapping::builtin(Settings { zone: "+07:00".parse()?, identifier_base: "urn:stardust:".into() })?;
//! # let (registry, published_at) = (Registry::default(), Timestamp::from_seconds(1_772_323_200));
//! let text = r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"patient_id":{"$oid":"65a000000000000000000001"},
//!     "data":[{"step":4200,"step_import_date":{"$date":"2021-03-01T00:00:00Z"}}]}"#;
//! let document = HistoryDocument::read("AMY", "step_histories", text)?;
//! let mut account = Account::default();
//! account.document(&document);
//! for entry in document.entries() {
//!     account.entry(&entry, &mapping, &registry, published_at);
//!     // Publish with the key `document.topic_key()`: `entry.receipt_id`, `entry.body`.
//!     assert!(!entry.repeated);
//! }
//! assert_eq!((account.entries, account.parked.values().sum::<u64>()), (1, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//! The parser judges the same bodies by the same code ([`crate::mapping::Mapping::judge`] of a record whose source is
//! `migration`), so that a dry run counts what the real run does.
//!
//! A reading is one field of an entry that holds a value (systolic and diastolic are one). Its item is the place of the
//! field in the table of its collection (`fields.rs`), which never changes: what is parked today is found tomorrow.

mod account;
mod again;
mod body;
mod document;
mod entry;
mod examine;
mod fields;
mod number;
mod observation;
mod rules;
mod times;
mod value;

pub use account::Account;
pub(crate) use again::again;
pub use body::{Keys, database_of, kept, keys_of};
pub use document::{DocumentError, Entries, HistoryDocument, Shape};
pub use entry::Entry;
pub(crate) use examine::{Examined, Whose, examine};
pub use fields::COLLECTIONS;

/// `content_type` of the raw records of a migration.
pub const CONTENT_TYPE: &str = "application/vnd.stardust.history+json";
