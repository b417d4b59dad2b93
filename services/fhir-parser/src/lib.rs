//! Raw records to Observations, legacy and audit records.
//!
//! ```text
//! batch ─▶ decode ─▶ judge ─▶ recall (stored at this position?) ─▶ store ─▶ settle ─▶ outputs
//!                                                                   │
//!                                    Observations, letters ─────────┘
//! ```
//! The store is written first, by deterministic ids, and the outputs are committed together with the offsets.
//! Whatever happens in between, the batch comes again and meets its own documents.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod back;
mod counters;
mod decode;
mod filter;
mod letters;
mod naming;
mod outputs;
mod release;
mod remap;
mod replay;
mod retract;
mod settle;
mod share;
mod sheaf;
mod stage;
mod statistics;

use std::sync::Arc;

use stardust_domain::mapping::Mapping;
use stardust_domain::registry::Registry;
use stardust_pipeline::topics::Topics;
use stardust_wire::Wire;
use tokio::sync::watch;

pub use back::ReleaseError;
pub use counters::Counters;
pub use filter::{Filter, Pages, WAITING};
pub use naming::Naming;
pub use release::{Released, Releaser};
pub use remap::{Remapped, Remapper, Sample, Selection};
pub use replay::{Forecast, Replayed, Replayer, is_foreign};
pub use share::Recent;
pub use stage::{Parser, as_new};
pub use statistics::statistics;

/// The rules and the seams of a parser.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The codec.
    pub wire: Wire,
    /// The mapping.
    pub mapping: Arc<Mapping>,
    /// The registry as it is now.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Names of the topics.
    pub topics: Topics,
    /// Whether legacy records are emitted (`ENABLE_LEGACY_ROUTING`).
    pub legacy_routing: bool,
}
