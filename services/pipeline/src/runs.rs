//! Migration runs: what was started, how far it has come, and what it wrote.
//!
//! A run is one record. Whoever works on it saves its progress with the version that it read, so that of two processes
//! one goes on and the other hears of it. What a run wrote is found by its id in the wrapper of the Observations.

use std::future::Future;

use stardust_domain::time::Timestamp;
use uuid::Uuid;

use crate::store::{ObservationDocument, Shelf, StoreError, Writer};

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunState {
    /// Under way; or its process was killed, if nobody holds its lease.
    Running,
    /// Stopped on purpose or by an error: it can go on.
    Stopped,
    /// Done.
    Finished,
    /// Marked: nothing of it is stored any more, what is stored is being removed.
    RollingBack,
    /// Removed.
    RolledBack,
}

impl RunState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Running,
        Self::Stopped,
        Self::Finished,
        Self::RollingBack,
        Self::RolledBack,
    ];

    /// The stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Finished => "finished",
            Self::RollingBack => "rolling-back",
            Self::RolledBack => "rolled-back",
        }
    }

    /// The state with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| s.label() == label)
    }

    /// Whether the parser leaves the records of such a run alone.
    #[must_use]
    pub const fn is_retracted(self) -> bool {
        matches!(self, Self::RollingBack | Self::RolledBack)
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id: in raw records, wrappers and audit events.
    pub id: String,
    /// What is migrated: `histories`, ….
    pub kind: String,
    /// From where, in words without secrets: two runs with the same words read the same source.
    pub source: String,
    /// The state.
    pub state: RunState,
    /// When it was started.
    pub started: Timestamp,
    /// When it was last saved.
    pub updated: Timestamp,
    /// Rises by one with each save.
    pub version: i64,
    /// Its place in the source and its counts, as a JSON object (whose spelling may change). What should show in a list of runs stands under
    /// `counts`, a number for each label.
    pub progress: String,
}

/// An Observation that a run wrote, without content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDocument {
    /// The resource id.
    pub id: Uuid,
    /// True for the Observation of the reading's main kind.
    pub main: bool,
    /// The patient, 24 hex digits.
    pub patient: String,
    /// Who wrote it.
    pub writer: Writer,
    /// FHIR status.
    pub status: String,
    /// What it was made of.
    pub raw_item: String,
}

/// Runs and what they wrote. Cheap to clone.
pub trait Runs: Clone + Send + Sync + 'static {
    /// Adds a run; false where one has this id already.
    fn add_run(&self, run: &Run) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Saves state, time and progress of a run whose stored version is `run.version`, which then rises by one; false
    /// where it is another one, or the run is not there.
    fn save_run(&self, run: &Run) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// A run by its id.
    fn run(&self, id: &str) -> impl Future<Output = Result<Option<Run>, StoreError>> + Send;

    /// Every run, in the order of their starts.
    fn runs(&self) -> impl Future<Output = Result<Vec<Run>, StoreError>> + Send;

    /// Observations that a run wrote, in the order of their ids, after an id.
    fn written_by_run(
        &self,
        run: &str,
        after: Option<Uuid>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<RunDocument>, StoreError>> + Send;

    /// Removes Observations with these ids that this run wrote, and no others; says how many there were.
    fn remove_written(&self, run: &str, ids: &[Uuid])
    -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes letters by id, whatever their state; says how many there were.
    fn remove_letters(
        &self,
        shelf: Shelf,
        ids: &[String],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes the kept raw records of receipts.
    fn remove_raw(&self, receipts: &[String]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Observations with their content, by id; none where absent.
    fn observations_by_id(
        &self,
        ids: &[Uuid],
    ) -> impl Future<Output = Result<Vec<Option<ObservationDocument>>, StoreError>> + Send;
}

/// What a parser asks about runs. Cheap to clone.
pub trait Retractions: Clone + Send + Sync + 'static {
    /// Which of these runs are marked: their records are to be left alone.
    fn retracted(&self, runs: &[String]) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Removes every Observation that this run wrote; says how many there were.
    fn sweep(&self, run: &str) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Removes every letter whose writer stands at one of these places (topic, partition, offset), and the kept raw
    /// records of their receipts.
    fn sweep_letters(
        &self,
        places: &[(String, i32, i64)],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
