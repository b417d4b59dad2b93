//! What stands on the output topics: read_committed, through a stranger's client where there is a broker.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use stardust_embedded::Embedded;
use stardust_pipeline::log::{Budget, Log, LogRecord, Topic};
use stardust_wire::{AuditRecord, LegacyRecord, ObservationRecord, Subject, Wire};

use crate::client;
use crate::stack::{Backend, Stack};

/// The Observations.
pub const OBSERVATIONS: &str = "fhir.observations";
/// The legacy documents.
pub const LEGACY: &str = "legacy.histories";
/// The AuditEvents.
pub const AUDIT: &str = "audit.events";

/// A record.
#[derive(Debug, Clone)]
pub struct Record {
    /// The partition.
    pub partition: i64,
    /// The key.
    pub key: Option<String>,
    /// The decoded value.
    pub value: Value,
}

/// All committed records of a topic (named without its prefix), in the order of each partition.
pub fn records(stack: &Stack, topic: &str) -> Vec<Record> {
    let name = format!("{}{topic}", stack.setting("TOPIC_PREFIX"));
    match stack.backend {
        Backend::Embedded => embedded(stack, &name, topic),
        Backend::Kafka => {
            let schemas = format!("http://{}", stack.door());
            let text = client::script(
                "read_topics.py",
                &[stack.setting("KAFKA_BROKERS"), &schemas, &name],
            );
            text.lines().map(record).collect()
        }
    }
}

fn record(line: &str) -> Record {
    let mut line: Value = serde_json::from_str(line).expect("a JSON line");
    Record {
        partition: line["partition"].as_i64().expect("a partition"),
        key: line["key"].as_str().map(str::to_owned),
        value: line["value"].take(),
    }
}

/// How often each id stands on a topic.
pub fn ids(stack: &Stack, topic: &str) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for record in records(stack, topic) {
        let id = record.value["id"].as_str().expect("an id").to_owned();
        *count.entry(id).or_default() += 1;
    }
    count
}

/// The file's own log: a second process may read it.
fn embedded(stack: &Stack, name: &str, topic: &str) -> Vec<Record> {
    let file = Embedded::open(stack.data(), "scenario").expect("the data folder opens beside its process");
    let log = file.log();
    let wire = Wire::builtin().expect("the schemas");
    let budget = Budget {
        records: 1_000,
        bytes: 64 << 20,
        wait: Duration::from_millis(1),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let found: Vec<LogRecord> = runtime.block_on(async {
        let topic = Topic::new(name);
        let mut found = Vec::new();
        for bounds in log.bounds(&topic).await.expect("the topic's bounds") {
            let mut from = bounds.low;
            while from < bounds.high {
                let page = log
                    .read(&topic, bounds.partition, from, budget)
                    .await
                    .expect("a page");
                let Some(last) = page.last() else { break };
                from = last.offset + 1;
                found.extend(page);
            }
        }
        found
    });
    found
        .iter()
        .map(|r| Record {
            partition: i64::from(r.partition),
            key: r.key.as_ref().map(|k| String::from_utf8_lossy(k).into_owned()),
            value: value(&wire, topic, &r.value),
        })
        .collect()
}

fn value(wire: &Wire, topic: &str, bytes: &[u8]) -> Value {
    match topic {
        OBSERVATIONS => {
            let r: ObservationRecord<'_> = wire.decode(Subject::Observations, bytes).expect("an Observation");
            json!({"id": r.id, "receipt_id": r.receipt_id, "patient": r.patient, "device": r.device, "gateway": r.gateway, "code": r.code, "resource": r.resource})
        }
        LEGACY => {
            let r: LegacyRecord<'_> = wire.decode(Subject::Legacy, bytes).expect("a legacy document");
            json!({"id": r.id, "receipt_id": r.receipt_id, "collection": r.collection, "document": r.document})
        }
        AUDIT => {
            let r: AuditRecord<'_> = wire.decode(Subject::Audit, bytes).expect("an AuditEvent");
            json!({"id": r.id, "receipt_id": r.receipt_id, "outcome": r.outcome, "patient": r.patient, "gateway": r.gateway, "event": r.event})
        }
        other => panic!("{other} has no reader here"),
    }
}
