//! The simulated store: insert if absent, one document at a time, and nothing forgotten.

mod associations;
mod client;
pub(crate) mod state;

pub use client::SimStore;
