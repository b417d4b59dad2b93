//! The recorder's unit of work.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use prometheus::{IntCounterVec, Opts, Registry};
use stardust_domain::outcome::{DeadReason, Stage as Step};
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::{LogRecord, NewRecord};
use stardust_pipeline::store::{ChainHead, ChainedEvent, Store};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::{Stage, StageError};
use stardust_wire::{AuditRecord, Subject, Wire};
use uuid::Uuid;

use crate::chain::{START, link};

/// Counts by outcome.
#[derive(Debug, Clone)]
pub struct Counters(IntCounterVec);

impl Counters {
    /// Registers the counters.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let events = IntCounterVec::new(
            Opts::new(
                "stardust_recorder_events_total",
                "Audit events by result, once durable",
            ),
            &["result"],
        )?;
        registry.register(Box::new(events.clone()))?;
        Ok(Self(events))
    }
}

/// Records audit events.
pub struct Recorder<S> {
    store: S,
    wire: Wire,
    topics: Topics,
    counters: Counters,
    open: Vec<&'static str>,
}

/// An event that is not recorded yet.
struct Fresh {
    id: Uuid,
    record: AuditRecord<'static>,
}

impl<S: Store> Recorder<S> {
    /// A recorder.
    pub fn new(store: S, wire: Wire, topics: Topics, counters: Counters) -> Self {
        Self {
            store,
            wire,
            topics,
            counters,
            open: Vec::new(),
        }
    }

    fn decode(&self, record: &LogRecord) -> Option<Fresh> {
        let decoded: AuditRecord<'static> = self.wire.decode(Subject::Audit, &record.value).ok()?;
        let id = decoded.id.parse().ok()?;
        serde_json::from_str::<serde::de::IgnoredAny>(&decoded.event).ok()?;
        Some(Fresh { id, record: decoded })
    }

    fn dead(&self, record: &LogRecord) -> Result<NewRecord, StageError> {
        tracing::warn!(
            partition = record.partition,
            offset = record.offset,
            "❌ an audit record cannot be read: dead letter"
        );
        let letter = foreign::letter(record, Step::Payload, DeadReason::Unreadable);
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

    /// Appends what is new to the chain of one partition.
    async fn append(&mut self, chain: i32, events: Vec<Fresh>) -> Result<(), StageError> {
        let ids: Vec<Uuid> = events.iter().map(|e| e.id).collect();
        let present = self.store.audit_present(&ids).await?;
        let mut seen = HashSet::new();
        let fresh: Vec<Fresh> = events
            .into_iter()
            .zip(present)
            .filter_map(|(event, present)| (!present && seen.insert(event.id)).then_some(event))
            .collect();
        self.open.extend(std::iter::repeat_n("recorded", fresh.len()));
        self.open
            .extend(std::iter::repeat_n("present", ids.len() - fresh.len()));
        if fresh.is_empty() {
            return Ok(());
        }
        let mut head = self.store.chain_head(chain).await?.unwrap_or_else(|| ChainHead {
            seq: 0,
            hash: START.to_owned(),
        });
        let mut chained = Vec::with_capacity(fresh.len());
        for Fresh { id, record } in fresh {
            let seq = head.seq + 1;
            let hash = link(&head.hash, chain, seq, id, &record.event)
                .ok_or_else(|| StageError::Broken("an audit event is no JSON".to_owned()))?;
            chained.push(ChainedEvent {
                id,
                resource: record.event.into_owned(),
                outcome: record.outcome.into_owned(),
                receipt_id: record.receipt_id.into_owned(),
                patient: record.patient.and_then(|p| p.parse().ok()),
                gateway: record.gateway.and_then(|g| g.parse().ok()),
                recorded: Timestamp::from_micros(record.recorded),
                chain,
                seq,
                prev: std::mem::replace(&mut head.hash, hash.clone()),
                hash,
            });
            head.seq = seq;
        }
        Ok(self.store.append_audit(&chained).await?)
    }
}

impl<S: Store> Stage for Recorder<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        self.open.clear();
        let mut outputs = Vec::new();
        let mut chains: BTreeMap<i32, Vec<Fresh>> = BTreeMap::new();
        for record in batch {
            if let Some(fresh) = self.decode(record) {
                chains.entry(record.partition).or_default().push(fresh);
            } else {
                outputs.push(self.dead(record)?);
                self.open.push("dead");
            }
        }
        for (chain, events) in chains {
            self.append(chain, events).await?;
        }
        Ok(outputs)
    }

    fn committed(&mut self) {
        for result in self.open.drain(..) {
            self.counters.0.with_label_values(&[result]).inc();
        }
    }

    fn reset(&mut self) {
        self.open.clear();
    }
}
