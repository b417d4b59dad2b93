//! Shared parts of the load generator and the bare baselines: who sends, what is sent, what it cost.

pub mod client;
pub mod drive;
pub mod latency;
pub mod process;
pub mod readable;
pub mod topics;
pub mod verify;
pub mod ward;
