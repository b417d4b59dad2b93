//! Why a migration ends before its end.

use stardust_pipeline::history::SourceError;
use stardust_pipeline::log::LogError;
use stardust_pipeline::store::StoreError;
use stardust_wire::WireError;

/// A migration cannot go on. What it has saved stays, and it goes on there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The source.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record does not fit its schema.
    #[error("a record cannot be written: {0}")]
    Wire(#[from] WireError),
    /// The run is not as it must be for this.
    #[error("{0}")]
    Run(String),
    /// Another process works on the same source.
    #[error("another process works on this source ({0}); wait for its end, or stop it")]
    Busy(String),
    /// Another process has taken over.
    #[error("another process took over, or the run was rolled back meanwhile; nothing is lost")]
    TakenOver,
    /// A task ended in a panic.
    #[error("a step ended in a panic: {0}")]
    Broken(String),
}

impl MigrateError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Source(e) => e.tag(),
            Self::Log(e) => e.tag(),
            Self::Store(e) => e.tag(),
            Self::Wire(_) => "wire",
            Self::Run(_) => "run",
            Self::Busy(_) => "busy",
            Self::TakenOver => "taken_over",
            Self::Broken(_) => "broken",
        }
    }

    /// Whether waiting can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        match self {
            Self::Source(e) => e.is_retriable(),
            Self::Log(e) => e.is_retriable(),
            Self::Store(e) => e.is_retriable(),
            Self::Busy(_) => true,
            _ => false,
        }
    }
}
