//! Where a receipt is now: in the store, or on its way there.

use serde_json::{Value, json};
use stardust_pipeline::log::{Budget, Log};
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::{LetterState, ReceiptDocuments, Shelf, Store};
use stardust_wire::{RawRecord, Subject};
use std::time::Duration;
use uuid::Uuid;

use crate::fallback;
use crate::ports::Ports;

/// How far a receipt is looked for in a partition, from the time it was given on.
const SEARCH: Budget = Budget {
    records: 500,
    bytes: 4 << 20,
    wait: Duration::from_millis(500),
};
const SPOOL_SEARCH: usize = 1_000;

/// Where a receipt is; none where nobody knows it. No values.
pub async fn find(ports: &Ports, receipt_id: &str) -> anyhow::Result<Option<Value>> {
    let stored = ports.store.of_receipt(receipt_id).await?;
    if !(stored.observations.is_empty() && stored.letters.is_empty() && stored.audit.is_empty()) {
        return Ok(Some(worked(receipt_id, &stored)));
    }
    if let Some(found) = in_log(ports, receipt_id).await? {
        return Ok(Some(found));
    }
    if let Some(found) = in_spool(ports, receipt_id).await? {
        return Ok(Some(found));
    }
    Ok(fallback::find(ports, receipt_id).await?)
}

/// In the raw topic: the receipt's own time (it is a UUIDv7) says from where on.
async fn in_log(ports: &Ports, receipt_id: &str) -> anyhow::Result<Option<Value>> {
    let Some(given) = receipt_id.parse::<Uuid>().ok().and_then(|id| id.get_timestamp()) else {
        return Ok(None);
    };
    let (seconds, nanos) = given.to_unix();
    let given_ms = i64::try_from(seconds)?.saturating_mul(1_000) + i64::from(nanos / 1_000_000);
    let raw = &ports.topics.raw;
    let committed = ports.log.committed(&ports.groups.parser, raw).await?;
    for bounds in ports.log.bounds(raw).await? {
        let Some(from) = ports
            .log
            .offset_at(raw, bounds.partition, given_ms - 1_000)
            .await?
        else {
            continue;
        };
        for record in ports.log.read(raw, bounds.partition, from, SEARCH).await? {
            let decoded = ports.wire.decode::<RawRecord>(Subject::Raw, &record.value);
            if !decoded.is_ok_and(|r| r.receipt_id == receipt_id) {
                continue;
            }
            let done = committed.iter().any(|(partition, next)| {
                *partition == record.partition && next.is_some_and(|n| n > record.offset)
            });
            return Ok(Some(json!({
                "receipt_id": receipt_id,
                // Worked without a trace in the store: a heartbeat, an acknowledgement, an empty list.
                "state": if done { "ignored" } else { "queued" },
                "topic": raw.as_str(), "partition": record.partition, "offset": record.offset,
                "observations": [], "letters": [], "audit": [],
            })));
        }
    }
    Ok(None)
}

async fn in_spool(ports: &Ports, receipt_id: &str) -> anyhow::Result<Option<Value>> {
    let Some(spool) = &ports.spool else {
        return Ok(None);
    };
    let found = spool.front(SPOOL_SEARCH).await?.iter().any(|spooled| {
        let decoded = ports
            .wire
            .decode::<RawRecord>(Subject::Raw, &spooled.record.value);
        decoded.is_ok_and(|r| r.receipt_id == receipt_id)
    });
    Ok(found.then(|| {
        json!({"receipt_id": receipt_id, "state": "spooled", "observations": [], "letters": [], "audit": []})
    }))
}

fn worked(receipt_id: &str, found: &ReceiptDocuments) -> Value {
    let item = |item: i32| Some(item).filter(|i| *i >= 0);
    let observations: Vec<Value> = found
        .observations
        .iter()
        .map(|(id, writer, main)| {
            json!({
                "observation_id": id, "item": item(writer.position.item), "main": main,
                "topic": writer.position.topic, "partition": writer.position.partition,
                "offset": writer.position.offset,
            })
        })
        .collect();
    let letters: Vec<Value> = found
        .letters
        .iter()
        .map(|l| {
            json!({
                "shelf": if l.shelf == Shelf::Dead { "dead" } else { "parked" },
                "item": item(l.writer.position.item), "stage": l.stage, "reason": l.reason,
                "field": l.field, "state": l.state.label(), "partition": l.writer.position.partition,
                "offset": l.writer.position.offset, "first_try": l.first_try.instant(),
                "last_try": l.last_try.instant(),
            })
        })
        .collect();
    let audit: Vec<Value> = found
        .audit
        .iter()
        .map(|e| json!({"event_id": e.id, "outcome": e.outcome, "recorded": e.recorded.instant()}))
        .collect();
    let open = |shelf| {
        found
            .letters
            .iter()
            .any(|l| l.shelf == shelf && !l.partial && l.state != LetterState::Closed)
    };
    let duplicate = found.audit.iter().any(|e| e.outcome == "duplicate");
    let state = if open(Shelf::Parked) {
        "parked"
    } else if found.observations.iter().any(|(_, _, main)| *main) {
        "stored"
    } else if open(Shelf::Dead) {
        "dead"
    } else if duplicate {
        "duplicate"
    } else {
        "done"
    };
    json!({
        "receipt_id": receipt_id, "state": state,
        "observations": observations, "letters": letters, "audit": audit,
    })
}
