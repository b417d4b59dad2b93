//! The books: every reading that was taken, and where it is; and the trace of one.
//!
//! The raw topic says what was received; the store says what became of it. Both are compared reading by reading: the
//! unit is (receipt, item), and each has one current outcome.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod close;
mod ledger;
mod letters;
mod line;
mod local;
mod page;
mod reconcile;
mod report;
mod stretch;
mod trace;

pub use close::Closed;
pub use reconcile::{BooksError, Groups, Reconciler};
pub use report::{Counts, Fault, Report, Row};
pub use trace::{
    AuditPart, LetterPart, ObservationPart, Reach, ReadingPart, RequestPart, Step, Trace, TraceError, Traced,
    Tracer,
};
