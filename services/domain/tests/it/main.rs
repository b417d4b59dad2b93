//! The rules from bytes to documents.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic)]

mod any_bytes;
mod calls;
mod catalogue;
mod clock;
mod codes;
mod fixture;
mod histories;
mod history_shapes;
mod history_values;
mod items;
mod legacy;
mod owners;
mod remapping;
mod samples;
mod values;
