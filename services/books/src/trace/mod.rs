//! Traces: where one receipt, request or Observation is, and each step that it took. No values.
//!
//! The store tells what became of the readings, at any age. The log adds where the raw record and the outputs stand, as
//! long as it keeps them: they are looked for from the times that the store names on, never through a whole topic. Only
//! a request id that carries no time of its own is looked for in everything since [`Reach::since`].

mod answer;
mod facts;
mod find;
mod gather;
mod outputs;
mod steps;

use std::time::Duration;

use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Budget, Log, LogError, LogRecord, Topic};
use stardust_pipeline::spool::{Spool, SpoolError};
use stardust_pipeline::store::{Store, StoreError};
use stardust_pipeline::topics::Topics;
use stardust_wire::Wire;
use tokio::time::Instant;

pub use answer::{AuditPart, LetterPart, ObservationPart, ReadingPart, RequestPart, Step, Trace, Traced};

use crate::reconcile::Groups;

/// Log, store or spool could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// How far is looked.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Most records of one partition that are looked at from a time on.
    pub records: usize,
    /// Most records of the spool.
    pub spooled: usize,
    /// Ids that carry no time: in everything published since; none: not at all.
    pub since: Option<Timestamp>,
    /// When to stop looking through the log.
    pub until: Instant,
}

/// Finds and traces.
#[derive(Debug, Clone)]
pub struct Tracer<L, S, P> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The door's spool, where this process can read it.
    pub spool: Option<P>,
    /// The codec.
    pub wire: Wire,
    /// The topics.
    pub topics: Topics,
    /// The groups.
    pub groups: Groups,
}

impl<L: Log, S: Store, P: Spool> Tracer<L, S, P> {
    /// Where a receipt, a request or an Observation is; none where nobody knows it.
    ///
    /// # Errors
    /// As log, store and spool have them.
    pub async fn trace(&self, id: &str, reach: Reach) -> Result<Option<Traced>, TraceError> {
        Ok(match self.find(id, reach).await? {
            None => None,
            Some(find::Found::Receipt(receipt, at)) => Some(Traced::Receipt(Box::new(
                self.receipt(&receipt, at, reach).await?,
            ))),
            Some(find::Found::Request(mut receipts)) => {
                if receipts.len() == 1
                    && let Some((receipt, at)) = receipts.pop()
                {
                    let trace = self.receipt(&receipt, at, reach).await?;
                    return Ok(Some(Traced::Receipt(Box::new(trace))));
                }
                Some(Traced::Request(answer::request(id, &receipts)))
            }
        })
    }

    /// Shows the records of a partition from a time on, until one answers false, the end, or the reach ends.
    async fn scan(
        &self,
        topic: &Topic,
        partition: i32,
        from_ms: i64,
        reach: Reach,
        mut more: impl FnMut(&LogRecord) -> bool,
    ) -> Result<(), TraceError> {
        let Some(mut from) = self.log.offset_at(topic, partition, from_ms).await? else {
            return Ok(());
        };
        let mut seen = 0;
        while seen < reach.records && Instant::now() < reach.until {
            let budget = Budget {
                records: 500.min(reach.records - seen),
                bytes: 4 << 20,
                wait: Duration::from_millis(500),
            };
            let page = self.log.read(topic, partition, from, budget).await?;
            let Some(last) = page.last() else { break };
            from = last.offset + 1;
            seen += page.len();
            if !page.iter().all(&mut more) {
                break;
            }
        }
        Ok(())
    }
}
