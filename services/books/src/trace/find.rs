//! From an id to the receipt that it belongs to.

use stardust_pipeline::log::{Log, LogError, LogRecord};
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::Store;
use stardust_wire::{RawRecord, Subject};
use uuid::Uuid;

use super::{Reach, TraceError, Tracer};

/// A record can be stamped a little before its receipt was: clocks are set.
pub(super) const EARLIER_MS: i64 = 2_000;
/// Receipts of one request that are named.
const RECEIPTS: usize = 1_000;

/// Where a raw record is.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// On the raw topic.
    Log(LogRecord, RawRecord),
    /// In the door's spool.
    Spool(RawRecord),
}

/// What an id stands for.
pub(super) enum Found {
    /// A receipt, and where its raw record was met on the way.
    Receipt(String, Option<Box<Raw>>),
    /// A request: a receipt for each of its messages.
    Request(Vec<(String, Option<Box<Raw>>)>),
}

/// The time that a UUIDv7 carries, milliseconds since the epoch.
pub(super) fn given_ms(id: &str) -> Option<i64> {
    let id = id.parse::<Uuid>().ok()?;
    if id.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    let seconds = i64::try_from(seconds).ok()?;
    Some(seconds.saturating_mul(1_000) + i64::from(nanos / 1_000_000))
}

impl<L: Log, S: Store, P: Spool> Tracer<L, S, P> {
    pub(super) async fn find(&self, id: &str, reach: Reach) -> Result<Option<Found>, TraceError> {
        let stored = self.store.of_receipt(id).await?;
        if !(stored.observations.is_empty() && stored.letters.is_empty() && stored.audit.is_empty()) {
            return Ok(Some(Found::Receipt(id.to_owned(), None)));
        }
        if let Ok(observation) = id.parse::<Uuid>() {
            let writer = self
                .store
                .observation_writers(&[observation])
                .await?
                .pop()
                .flatten();
            if let Some(writer) = writer.filter(|w| !w.receipt_id.is_empty()) {
                return Ok(Some(Found::Receipt(writer.receipt_id, None)));
            }
        }
        if let Some(found) = self.spooled(id, reach).await? {
            return Ok(Some(found));
        }
        // The time in the id says from where on.
        if let Some(given) = given_ms(id)
            && let Some(found) = self.published(id, given - EARLIER_MS, reach).await?
        {
            return Ok(Some(found));
        }
        match reach.since {
            None => Ok(None),
            Some(since) => {
                let all = Reach {
                    records: usize::MAX,
                    ..reach
                };
                self.published(id, since.millis(), all).await
            }
        }
    }

    async fn spooled(&self, id: &str, reach: Reach) -> Result<Option<Found>, TraceError> {
        let Some(spool) = &self.spool else {
            return Ok(None);
        };
        let mut request = Vec::new();
        for spooled in spool.front(reach.spooled).await? {
            let Ok(raw) = self.wire.decode::<RawRecord>(Subject::Raw, &spooled.record.value) else {
                continue;
            };
            if raw.receipt_id == id {
                return Ok(Some(Found::Receipt(
                    raw.receipt_id.clone(),
                    Some(Box::new(Raw::Spool(raw))),
                )));
            }
            if raw.request_id == id {
                request.push((raw.receipt_id.clone(), Some(Box::new(Raw::Spool(raw)))));
            }
        }
        Ok((!request.is_empty()).then_some(Found::Request(request)))
    }

    /// On the raw topic, from a time on.
    async fn published(&self, id: &str, from_ms: i64, reach: Reach) -> Result<Option<Found>, TraceError> {
        let raw_topic = &self.topics.raw;
        let bounds = match self.log.bounds(raw_topic).await {
            Ok(bounds) => bounds,
            Err(LogError::UnknownTopic(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let mut receipt = None;
        let mut request: Vec<(String, Option<Box<Raw>>)> = Vec::new();
        for b in bounds {
            self.scan(raw_topic, b.partition, from_ms, reach, |record| {
                if let Ok(raw) = self.wire.decode::<RawRecord>(Subject::Raw, &record.value) {
                    if raw.receipt_id == id {
                        receipt = Some(Box::new(Raw::Log(record.clone(), raw)));
                    } else if raw.request_id == id
                        && request.len() < RECEIPTS
                        && !request.iter().any(|(r, _)| *r == raw.receipt_id)
                    {
                        request.push((
                            raw.receipt_id.clone(),
                            Some(Box::new(Raw::Log(record.clone(), raw))),
                        ));
                    }
                }
                receipt.is_none()
            })
            .await?;
            if receipt.is_some() {
                return Ok(Some(Found::Receipt(id.to_owned(), receipt)));
            }
        }
        Ok((!request.is_empty()).then_some(Found::Request(request)))
    }
}
