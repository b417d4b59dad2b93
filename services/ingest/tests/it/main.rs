//! The door over real HTTP on loopback, with a log and a spool that fail on demand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod batches;
mod client;
mod connections;
mod fakes;
mod fallback;
mod outages;
mod pages;
mod refusals;
mod rules;
mod schemas;
mod stack;
