//! The recorder's unit of work.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use stardust_domain::outcome::{DeadReason, Stage as Step};
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::{LogRecord, NewRecord};
use stardust_pipeline::store::{ChainHead, ChainedEvent, Store, StoreError};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::{Stage, StageError};
use stardust_wire::{AuditRecord, Subject, Wire};
use uuid::Uuid;

use crate::canonical::canonical;
use crate::chain::{START, link_canonical};
use crate::counters::Counters;
use crate::heads::Heads;

/// Records audit events.
pub struct Recorder<S> {
    store: S,
    wire: Wire,
    topics: Topics,
    counters: Counters,
    heads: Heads,
    /// The heads of the chains that this member has written to since its assignment changed.
    held: BTreeMap<i32, ChainHead>,
    open: Vec<&'static str>,
}

/// An event that is not recorded yet.
struct Fresh {
    /// Which record of the batch it came in.
    at: usize,
    event: ChainedEvent,
    canonical: Vec<u8>,
}

impl<S: Store> Recorder<S> {
    /// A recorder.
    pub fn new(store: S, wire: Wire, topics: Topics, counters: Counters) -> Self {
        Self {
            store,
            wire,
            topics,
            counters,
            heads: Heads::default(),
            held: BTreeMap::new(),
            open: Vec::new(),
        }
    }

    /// Tells these how far the chains have come.
    #[must_use]
    pub fn telling(self, heads: Heads) -> Self {
        Self { heads, ..self }
    }

    fn decode(&self, at: usize, record: &LogRecord) -> Option<Fresh> {
        let decoded: AuditRecord<'static> = self.wire.decode(Subject::Audit, &record.value).ok()?;
        Some(Fresh {
            at,
            canonical: canonical(&decoded.event)?,
            event: ChainedEvent {
                id: decoded.id.parse().ok()?,
                resource: decoded.event.into_owned(),
                outcome: decoded.outcome.into_owned(),
                receipt_id: decoded.receipt_id.into_owned(),
                patient: decoded.patient.and_then(|p| p.parse().ok()),
                gateway: decoded.gateway.and_then(|g| g.parse().ok()),
                recorded: Timestamp::from_micros(decoded.recorded),
                chain: record.partition,
                seq: 0,
                prev: String::new(),
                hash: String::new(),
            },
        })
    }

    fn dead(&mut self, record: &LogRecord, step: Step) -> Result<NewRecord, StageError> {
        tracing::warn!(
            partition = record.partition,
            offset = record.offset,
            "❌ an audit record can never be recorded ({step}): dead letter"
        );
        self.open.push("dead");
        let letter = foreign::letter(record, step, DeadReason::Unreadable);
        let value = self
            .wire
            .encode(Subject::Dead, &letter)
            .map_err(|e| StageError::Broken(format!("a dead letter does not fit its schema: {e}")))?;
        Ok(NewRecord {
            topic: self.topics.dead.clone(),
            key: Bytes::from(letter.receipt_id),
            value: Bytes::from(value),
        })
    }

    /// Appends to all chains whose heads are known in one call; those that it did not append to are left.
    ///
    /// While this member holds a chain its head is known, and an event that was recorded before is the exception: so it
    /// appends at once, and asks what is present only where the store says that a place or an id is taken.
    async fn append_held(&mut self, chains: &mut BTreeMap<i32, Batch>) -> Result<(), StoreError> {
        let mut heads = Vec::new();
        let mut together = Vec::new();
        for (chain, batch) in &mut *chains {
            // Taken out meanwhile: after a failure, or where this future is dropped, nobody knows how far the chain came.
            if let Some(head) = self.held.remove(chain) {
                let (head, mut chained) = chain_up(head, &mut batch.fresh);
                together.append(&mut chained);
                heads.push((*chain, head));
            }
        }
        if heads.is_empty() {
            return Ok(());
        }
        match self.store.append_audit(&together).await {
            Ok(()) => {
                for (chain, head) in heads {
                    if let Some(batch) = chains.remove(&chain) {
                        self.appended(chain, head, batch.fresh.len(), batch.all);
                    }
                }
                Ok(())
            }
            Err(StoreError::Conflict(_) | StoreError::Refused(_)) => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// Appends what is new to a chain whose head has to be asked for; says which records of the batch the store refuses
    /// for good.
    async fn append_asking(&mut self, chain: i32, batch: Batch) -> Result<Vec<usize>, StageError> {
        let Batch { mut fresh, all } = batch;
        let start = self.ask(chain, &mut fresh).await?;
        let (head, chained) = chain_up(start, &mut fresh);
        match self.store.append_audit(&chained).await {
            Ok(()) => {
                self.appended(chain, head, fresh.len(), all);
                Ok(Vec::new())
            }
            Err(StoreError::Refused(_)) => self.singly(chain, fresh, all).await,
            Err(e) => Err(e.into()),
        }
    }

    /// The head of the chain as the store has it; leaves only the events that it does not have.
    async fn ask(&self, chain: i32, events: &mut Vec<Fresh>) -> Result<ChainHead, StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|e| e.event.id).collect();
        let mut present = self.store.audit_present(&ids).await?.into_iter();
        events.retain(|_| !present.next().unwrap_or(false));
        Ok(self.store.chain_head(chain).await?.unwrap_or_else(|| ChainHead {
            seq: 0,
            hash: START.to_owned(),
        }))
    }

    /// One by one: only the event that the store refuses is dead, and it takes no place in the chain.
    async fn singly(
        &mut self,
        chain: i32,
        mut events: Vec<Fresh>,
        all: usize,
    ) -> Result<Vec<usize>, StageError> {
        // Some stores keep what stood before the one that they refused.
        let asked = events.len();
        let mut head = self.ask(chain, &mut events).await?;
        let (mut recorded, mut refused) = (asked - events.len(), Vec::new());
        for event in &mut events {
            let (next, chained) = chain_up(head.clone(), std::slice::from_mut(event));
            match self.store.append_audit(&chained).await {
                Ok(()) => {
                    head = next;
                    recorded += 1;
                }
                Err(StoreError::Refused(_)) => refused.push(event.at),
                Err(e) => return Err(e.into()),
            }
        }
        self.appended(chain, head, recorded, all - refused.len());
        Ok(refused)
    }

    fn appended(&mut self, chain: i32, head: ChainHead, recorded: usize, all: usize) {
        if head.seq > 0 {
            self.heads.set(chain, &head);
        }
        self.held.insert(chain, head);
        self.open.extend(std::iter::repeat_n("recorded", recorded));
        self.open.extend(std::iter::repeat_n("present", all - recorded));
    }
}

/// The records of a batch that belong to one chain.
#[derive(Default)]
struct Batch {
    /// Their events, each once.
    fresh: Vec<Fresh>,
    /// How many records they are.
    all: usize,
}

/// Gives events their places after a head; the head after them.
fn chain_up(mut head: ChainHead, events: &mut [Fresh]) -> (ChainHead, Vec<ChainedEvent>) {
    let mut chained = Vec::with_capacity(events.len());
    for Fresh { event, canonical, .. } in events {
        head.seq += 1;
        event.seq = head.seq;
        event.prev = head.hash;
        event.hash = link_canonical(event, canonical);
        head.hash = event.hash.clone();
        chained.push(event.clone());
    }
    (head, chained)
}

impl<S: Store> Stage for Recorder<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        self.open.clear();
        let mut outputs = Vec::new();
        let mut chains: BTreeMap<i32, Batch> = BTreeMap::new();
        let mut seen = HashSet::new();
        for (at, record) in batch.iter().enumerate() {
            if let Some(fresh) = self.decode(at, record) {
                let chain = chains.entry(record.partition).or_default();
                chain.all += 1;
                if seen.insert((record.partition, fresh.event.id)) {
                    chain.fresh.push(fresh);
                }
            } else {
                outputs.push(self.dead(record, Step::Payload)?);
            }
        }
        self.append_held(&mut chains).await?;
        for (chain, events) in chains {
            for at in self.append_asking(chain, events).await? {
                outputs.push(self.dead(&batch[at], Step::Store)?);
            }
        }
        Ok(outputs)
    }

    fn committed(&mut self) {
        for result in self.open.drain(..) {
            self.counters.count(result);
        }
    }

    fn reset(&mut self) {
        self.open.clear();
        self.held.clear();
    }
}
