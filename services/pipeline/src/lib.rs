//! The ports of the pipeline, the worker loop and the semantics that every backend keeps.
//!
//! A backend implements [`log::Log`] (with [`log::Member`]), [`store::Store`] or [`spool::Spool`]; a service is
//! generic over them. Nothing here knows Kafka, MongoDB or SQLite.
#![warn(missing_docs)]

pub mod alike;
pub mod amend;
pub mod associations;
pub mod backoff;
#[cfg(feature = "contract")]
pub mod contract;
pub mod foreign;
pub mod history;
pub mod log;
pub mod partition;
pub mod patience;
pub mod publish;
pub mod pulse;
pub mod registry_feed;
pub mod relay;
pub mod replay;
pub mod resources;
pub mod runs;
pub mod settled;
pub mod spool;
pub mod store;
pub mod topics;
pub mod worker;
