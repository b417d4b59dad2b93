//! The commands, one a file.

pub mod audit;
pub mod dead_letters;
pub mod export;
pub mod letters;
pub mod map;
pub mod migrate;
pub mod parked;
pub mod patience;
pub mod reconcile;
pub mod registry;
pub mod remap;
pub mod replay;
pub mod serve;
pub mod topics;
pub mod trace;

pub use stardust::arguments::{gateway, head, time};
