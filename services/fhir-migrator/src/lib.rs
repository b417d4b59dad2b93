//! History documents of an existing database into the raw topic.
//!
//! ```text
//! database or files ─▶ documents ─▶ entries ─▶ ava4.readings.raw ─▶ (the parser, as for every reading)
//!        │                              │
//!   place in the source           counts by the rules ──▶ record of the run, in the store
//! ```
//! A run is a record in the store. All its records have its start as their receipt time, so that a second look at the
//! source judges as the first one did.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod claim;
mod cursor;
mod differing;
mod entries;
mod error;
mod feed;
pub mod files;
mod gauges;
mod histories;
mod progress;
pub mod report;
mod rollback;
mod suspects;
mod tally;
mod verified;
mod verify;

pub use error::MigrateError;
pub use gauges::Gauges;
pub use histories::{Again, HISTORIES, Migrator, Outcome, run_id};
pub use progress::{CollectionProgress, Progress};
pub use rollback::{Rollback, RolledBack};
pub use tally::{Counts, Tally, sum};
pub use verified::{Compared, Difference, Verified};
