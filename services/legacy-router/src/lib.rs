//! Legacy records into the history collections of AMY.
//!
//! ```text
//! batch ─▶ decode ─▶ insert if absent ─▶ (values that can never work: dead letters)
//! ```
#![warn(missing_docs)]
#![forbid(unsafe_code)]

use bytes::Bytes;
use prometheus::{IntCounterVec, Opts, Registry};
use stardust_domain::outcome::{DeadReason, Stage as Step};
use stardust_pipeline::foreign;
use stardust_pipeline::log::{LogRecord, NewRecord};
use stardust_pipeline::store::{LegacyContent, LegacyDocument, Store, StoreError};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::{Stage, StageError};
use stardust_wire::{LegacyRecord, Subject, Wire};

/// Counts by result.
#[derive(Debug, Clone)]
pub struct Counters(IntCounterVec);

impl Counters {
    /// Registers the counters.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let documents = IntCounterVec::new(
            Opts::new(
                "stardust_router_documents_total",
                "Legacy documents by result, once durable",
            ),
            &["result"],
        )?;
        registry.register(Box::new(documents.clone()))?;
        Ok(Self(documents))
    }
}

/// Writes legacy documents.
pub struct Router<S> {
    store: S,
    wire: Wire,
    topics: Topics,
    counters: Counters,
    open: Vec<&'static str>,
}

impl<S: Store> Router<S> {
    /// A router.
    pub fn new(store: S, wire: Wire, topics: Topics, counters: Counters) -> Self {
        Self {
            store,
            wire,
            topics,
            counters,
            open: Vec::new(),
        }
    }

    fn dead(&self, record: &LogRecord, step: Step) -> Result<NewRecord, StageError> {
        let letter = foreign::letter(record, step, DeadReason::Unreadable);
        tracing::warn!(
            partition = record.partition,
            offset = record.offset,
            "❌ a legacy record can never be written ({step}): dead letter"
        );
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

    /// One by one: only the document that the store refuses is dead, not its neighbours.
    async fn singly(
        &mut self,
        records: &[&LogRecord],
        documents: &[LegacyDocument],
        outputs: &mut Vec<NewRecord>,
    ) -> Result<(), StageError> {
        for (record, document) in records.iter().zip(documents) {
            match self.store.insert_legacy(std::slice::from_ref(document)).await {
                Ok(new) => self.count(&new),
                Err(StoreError::Refused(_)) => {
                    outputs.push(self.dead(record, Step::Store)?);
                    self.open.push("dead");
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    fn count(&mut self, new: &[bool]) {
        self.open
            .extend(new.iter().map(|new| if *new { "stored" } else { "present" }));
    }
}

impl<S: Store> Stage for Router<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        self.open.clear();
        let mut outputs = Vec::new();
        let mut records = Vec::with_capacity(batch.len());
        let mut documents = Vec::with_capacity(batch.len());
        for record in batch {
            match self
                .wire
                .decode::<LegacyRecord<'_>>(Subject::Legacy, &record.value)
            {
                Ok(r) => {
                    records.push(record);
                    documents.push(LegacyDocument {
                        content: LegacyContent {
                            collection: r.collection.into_owned(),
                            id: r.id.into_owned(),
                            document: r.document.into_owned(),
                        },
                        receipt_id: r.receipt_id.into_owned(),
                    });
                }
                Err(_) => {
                    outputs.push(self.dead(record, Step::Payload)?);
                    self.open.push("dead");
                }
            }
        }
        match self.store.insert_legacy(&documents).await {
            Ok(new) => self.count(&new),
            Err(StoreError::Refused(_)) => self.singly(&records, &documents, &mut outputs).await?,
            Err(e) => return Err(e.into()),
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
