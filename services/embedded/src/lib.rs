//! Log, store and spool in one SQLite file.
//!
//! [`Embedded::open`] checks the file and starts one writer thread; [`Embedded::log`], [`Embedded::store`] and
//! [`Embedded::spool`] give cheap handles. See the crate's `README.md` for the invariants.
#![warn(missing_docs)]

mod bells;
mod clock;
mod embedded;
mod error;
mod file;
mod log;
mod readers;
mod schema;
mod shared;
mod spool;
mod store;
mod upkeep;
mod writer;

pub use embedded::Embedded;
pub use error::OpenError;
pub use log::{EmbeddedLog, EmbeddedMember};
pub use spool::EmbeddedSpool;
pub use store::EmbeddedStore;
pub use upkeep::Removed;
