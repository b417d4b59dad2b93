//! The rules from bytes to documents.
#![allow(missing_docs, dead_code, clippy::unwrap_used, clippy::panic)]

mod fixture;
mod samples;
