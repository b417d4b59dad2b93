//! Output records of a receipt, on the topics that still have them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use stardust_pipeline::log::{Log, LogError, LogRecord, Topic};
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::Store;
use stardust_wire::{AuditRecord, LegacyRecord, LetterRecord, ObservationRecord, Subject};

use super::{Reach, TraceError, Tracer};

/// A record on an output topic.
#[derive(Debug, Clone)]
pub(super) struct Emitted {
    pub(super) topic: Topic,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) at_ms: i64,
    /// Id of what it carries; of a letter the receipt.
    pub(super) id: String,
    /// Of an audit record: outcome and reason.
    pub(super) outcome: Option<(String, Option<String>)>,
}

/// Records to look for: on a topic, under a key, from a time on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: Topic,
    pub(super) key: String,
    pub(super) from_ms: i64,
}

/// What is looked for: the ids in each place. An empty set: whatever the receipt has there.
pub(super) type Wanted = BTreeMap<Place, HashSet<String>>;

impl<L: Log, S: Store, P: Spool> Tracer<L, S, P> {
    /// Looks for output records; what is not found in reach is left out.
    pub(super) async fn emitted(
        &self,
        receipt: &str,
        wanted: &Wanted,
        reach: Reach,
    ) -> Result<Vec<Emitted>, TraceError> {
        let mut found: BTreeMap<(Topic, i32, i64), Emitted> = BTreeMap::new();
        for (place, ids) in wanted {
            let partitions = match self.log.bounds(&place.topic).await {
                Ok(bounds) => i32::try_from(bounds.len()).unwrap_or(1),
                Err(LogError::UnknownTopic(_)) => continue,
                Err(e) => return Err(e.into()),
            };
            let partition = partition_of(place.key.as_bytes(), partitions);
            let mut left = ids.clone();
            self.scan(&place.topic, partition, place.from_ms, reach, |record| {
                if let Some(emitted) = self.of(record, receipt) {
                    left.remove(&emitted.id);
                    let at = (record.topic.clone(), record.partition, record.offset);
                    found.insert(at, emitted);
                }
                ids.is_empty() || !left.is_empty()
            })
            .await?;
        }
        Ok(found.into_values().collect())
    }

    /// The record, if it belongs to the receipt.
    fn of(&self, record: &LogRecord, receipt: &str) -> Option<Emitted> {
        let topics = &self.topics;
        let (of, id, outcome) = if record.topic == topics.observations {
            let r: ObservationRecord<'_> = self.wire.decode(Subject::Observations, &record.value).ok()?;
            (r.receipt_id.into_owned(), r.id.into_owned(), None)
        } else if record.topic == topics.legacy {
            let r: LegacyRecord<'_> = self.wire.decode(Subject::Legacy, &record.value).ok()?;
            (r.receipt_id.into_owned(), r.id.into_owned(), None)
        } else if record.topic == topics.audit {
            let r: AuditRecord<'_> = self.wire.decode(Subject::Audit, &record.value).ok()?;
            let outcome = (r.outcome.into_owned(), r.reason.map(Cow::into_owned));
            (r.receipt_id.into_owned(), r.id.into_owned(), Some(outcome))
        } else {
            let subject = if record.topic == topics.parked {
                Subject::Parked
            } else {
                Subject::Dead
            };
            let r: LetterRecord = self.wire.decode(subject, &record.value).ok()?;
            (r.receipt_id.clone(), r.receipt_id, None)
        };
        (of == receipt).then(|| Emitted {
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
            at_ms: record.timestamp_ms,
            id,
            outcome,
        })
    }
}
