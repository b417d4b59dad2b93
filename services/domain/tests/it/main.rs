//! The rules from bytes to documents.
#![allow(missing_docs, dead_code)]

mod fixture;
mod samples;
