//! Avro records of every topic and the Confluent framing.
//!
//! A value on a topic is a zero byte, the schema id as four bytes big-endian, and the Avro datum. The schemas are the
//! files of `schemas/`, compiled in.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod codec;
mod records;
pub mod schemas;

pub use codec::{Wire, WireError};
pub use records::{
    AuditRecord, LegacyRecord, LetterItem, LetterRecord, ObservationRecord, RawRecord, StatusRecord,
};
pub use schemas::Subject;
