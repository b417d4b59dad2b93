//! The migrator against its sources and the embedded backend.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod files;
