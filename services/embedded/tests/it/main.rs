//! The embedded backend against the promises, and against kills, damage and a second process.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it finds a fault"
)]

mod contract;
