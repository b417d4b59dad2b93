//! The books over a real log and store, worked by the real services.
#![allow(clippy::unwrap_used, clippy::panic)]

mod bench;
mod closing;
mod histories;
mod letters;
mod tracing;
