//! Bugs on purpose: the simulator has to find each of them.
//!
//! They live in the simulated ports and in a wrapper around a stage, never in the services.

use stardust_pipeline::log::{LogRecord, NewRecord, Topic};
use stardust_pipeline::worker::{Stage, StageError};
use stardust_wire::{ObservationRecord, Subject, Wire};

use crate::store::SimStore;
use crate::world::World;

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident = $label:literal),+ $(,)?) => {
        /// A planted bug.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Bug {
            $($(#[$doc])* $name),+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its name on the command line.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label),+
                }
            }
        }
    };
}

bugs! {
    /// The door's log confirms records that only then are on their way.
    AcknowledgedBeforeDurable = "acknowledged-before-durable",
    /// The spool keeps records in memory until the forwarder looks at it.
    SpooledInMemory = "spooled-in-memory",
    /// A member commits offsets when it delivers, and outputs without them.
    OffsetsBeforeWork = "offsets-before-work",
    /// The ids of Observations have a random part.
    RandomId = "random-id",
    /// A stage answers an error of the store with no outputs: the batch is skipped.
    SkippedOnError = "skipped-on-error",
    /// Outputs are published on their own, before the transaction with the offsets.
    OutputOutsideTransaction = "output-outside-transaction",
    /// A member does not hear of what was taken from it, and the broker does not ask.
    RevokeLost = "revoke-lost",
    /// A record that the forwarder reads again has another receipt.
    ForwardedWithoutId = "forwarded-without-id",
    /// A process keeps the registry that it read first.
    StaleRegistry = "stale-registry",
    /// The spool gives the newest record first.
    SpoolBackwards = "spool-backwards",
    /// The store takes an audit event for a place that is taken.
    ForkedChain = "forked-chain",
    /// A member that the group put out does not join again.
    DeafAfterRemoval = "deaf-after-removal",
}

impl Bug {
    /// The bug with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|bug| bug.label() == label)
    }
}

/// A stage with what is planted in it.
pub(crate) struct Doctored<S> {
    pub(crate) stage: S,
    pub(crate) world: World,
    pub(crate) store: SimStore,
    pub(crate) wire: Wire,
    pub(crate) observations: Topic,
}

impl<S> Doctored<S> {
    /// The outputs under the ids that were stored.
    fn renamed(&self, output: NewRecord) -> Option<NewRecord> {
        let value = if output.topic == self.observations {
            let mut record: ObservationRecord =
                self.wire.decode(Subject::Observations, &output.value).ok()?;
            let Some(salted) = self.store.salted(&record.id.parse().ok()?) else {
                return Some(output);
            };
            record.resource = record.resource.replace(&*record.id, &salted.to_string()).into();
            record.id = salted.to_string().into();
            self.wire.encode(Subject::Observations, &record).ok()?
        } else {
            return Some(output);
        };
        Some(NewRecord {
            value: value.into(),
            ..output
        })
    }
}

impl<S: Stage> Stage for Doctored<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        let done = self.stage.work(batch).await;
        if self.world.has(Bug::SkippedOnError) && done.is_err() {
            return Ok(Vec::new());
        }
        if self.world.has(Bug::RandomId) {
            return Ok(done?.into_iter().filter_map(|o| self.renamed(o)).collect());
        }
        done
    }

    fn committed(&mut self) {
        self.stage.committed();
    }

    fn reset(&mut self) {
        self.stage.reset();
    }
}
