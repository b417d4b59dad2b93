//! Audit records into the store, chained by hash.
//!
//! ```text
//! batch ─▶ decode ─▶ chain (one a partition) ─▶ append ─▶ heads ─▶ keeper: notes them, signs them
//! ```
//! An event's hash covers the hash before it, its place, its id and its content, so that a changed, removed, inserted
//! or reordered event breaks the chain. The chain goes on after a restart: its head is read from the store.
//!
//! A hash alone does not stop somebody who writes all the hashes anew from the change on, or who removes the last events
//! and the note of the head. A signature does: whoever has no key cannot make the signed hashes fit. What came after
//! the last signature, a removed end together with the signatures that covered it, and an event that is appended by
//! somebody who may write to the store, show only in what was kept elsewhere: the log lines of the signatures name each
//! chain, place and hash.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod canonical;
mod chain;
mod counters;
mod cut;
mod heads;
mod keeper;
mod key;
mod recorder;
mod verify;
mod walk;

#[cfg(test)]
mod tests_event;

pub use chain::{START, link};
pub use counters::Counters;
pub use cut::{ChainCut, Cutter};
pub use heads::Heads;
pub use keeper::{Keeper, Signer};
pub use key::{KeyError, PublicKey, SigningKey};
pub use recorder::Recorder;
pub use verify::{Broken, ChainReport, Place, verify};
