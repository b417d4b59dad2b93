//! The simulated log: Kafka's rules about transactions, generations and fencing, in memory.

mod client;
mod groups;
mod member;
pub(crate) mod state;

pub use client::SimLog;
pub use member::SimMember;
