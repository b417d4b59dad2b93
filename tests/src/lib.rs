//! Drives the built binary from outside: over HTTP, its commands, its topics and signals.
//!
//! Nothing here knows what the program prints by chance: every expectation comes from its contract.

// All of this is test code: a broken assumption is a failed scenario.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod binary;
pub mod books;
pub mod client;
pub mod follow;
pub mod hospital;
pub mod http;
pub mod ids;
pub mod interrupted;
pub mod load;
pub mod mongo;
pub mod process;
pub mod registry;
pub mod servers;
pub mod snapshot;
pub mod stack;
pub mod topics;
pub mod trail;
pub mod wait;
pub mod ward;
pub mod words;
