//! Audit records into the store, chained by hash.
//!
//! ```text
//! batch ─▶ decode ─▶ leave out what is recorded ─▶ chain (one a partition) ─▶ append
//! ```
//! An event's hash covers the hash before it, its place, its id and its content, so that a changed, removed, inserted
//! or reordered event breaks the chain. The chain goes on after a restart: its head is read from the store.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod chain;
mod recorder;
mod verify;

pub use chain::{START, link};
pub use recorder::{Counters, Recorder};
pub use verify::{Broken, ChainReport, verify};
