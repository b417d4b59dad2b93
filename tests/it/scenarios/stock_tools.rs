//! What a stranger reads from the topics with tools that know nothing of us.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use stardust_scenarios::binary::repository;
use stardust_scenarios::books::settled;
use stardust_scenarios::client::{python, script};
use stardust_scenarios::registry::{Registry, gateway, patient};
use stardust_scenarios::servers::kafka_tool;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{topics, ward};

const BEDS: u8 = 2;

pub fn read_and_decode_the_output_topics() {
    let stack = Stack::started(Backend::Kafka, &Registry::ward(BEDS));
    let start = ward::now() - 2_000;
    for n in 0..40 {
        stack.accepted(ward::mixture(n, BEDS, start));
    }
    let stored = settled(&stack);
    for (topic, in_store) in [
        (topics::OBSERVATIONS, stored.observations.len()),
        (topics::LEGACY, stored.legacy.len()),
        (topics::AUDIT, stored.audit.len()),
    ] {
        assert_eq!(console_consumer(&stack, topic, in_store), in_store, "{topic}");
    }
    for record in topics::records(&stack, topics::OBSERVATIONS) {
        let value = &record.value;
        let resource: Value = serde_json::from_str(value["resource"].as_str().unwrap()).expect("FHIR JSON");
        assert_eq!(&resource, stored.observation(value["id"].as_str().unwrap()));
        assert_eq!(
            record.key.as_deref(),
            value["patient"].as_str(),
            "the key is the patient"
        );
        // The first LOINC code; what has none there has a code of our own system.
        let codings = resource["code"]["coding"].as_array().unwrap();
        let loinc = codings.iter().find(|c| c["system"] == "http://loinc.org");
        let code = loinc.or(codings.last()).unwrap();
        assert_eq!(value["code"], code["code"], "{value}");
        for field in [
            "receipt_id",
            "device",
            "gateway",
            "effective",
            "recorded",
            "mapping_version",
        ] {
            assert!(!value[field].is_null(), "{field} in {value}");
        }
    }
    for record in topics::records(&stack, topics::LEGACY) {
        let document: Value =
            serde_json::from_str(record.value["document"].as_str().unwrap()).expect("Extended JSON");
        let (collection, in_store) = &stored.legacy[record.value["id"].as_str().unwrap()];
        assert_eq!(
            (record.value["collection"].as_str(), &document),
            (Some(collection.as_str()), in_store)
        );
        assert!(
            record.key.is_some_and(|k| [patient(1), patient(2)].contains(&k)),
            "the key is the patient"
        );
    }
    for record in topics::records(&stack, topics::AUDIT) {
        let event: Value = serde_json::from_str(record.value["event"].as_str().unwrap()).expect("FHIR JSON");
        assert_eq!(event["id"], record.value["id"]);
        assert!(stored.audit.contains_key(event["id"].as_str().unwrap()));
        assert_eq!(
            record.key.as_deref(),
            record.value["gateway"].as_str(),
            "the key is the gateway"
        );
    }
}

/// How many records Kafka's own console consumer reads.
fn console_consumer(stack: &Stack, topic: &str, most: usize) -> usize {
    let name = format!("{}{topic}", stack.setting("TOPIC_PREFIX"));
    let text = kafka_tool(
        "ConsoleConsumer",
        &[
            "--bootstrap-server",
            stack.setting("KAFKA_BROKERS"),
            "--topic",
            &name,
            "--from-beginning",
            "--isolation-level",
            "read_committed",
            "--timeout-ms",
            "10000",
            "--max-messages",
            &most.to_string(),
            "--formatter-property",
            "print.value=false",
            "--formatter-property",
            "print.offset=true",
        ],
    );
    text.lines().filter(|l| l.starts_with("Offset:")).count()
}

pub fn letters_and_heartbeats_can_be_read() {
    let stack = Stack::started(Backend::Kafka, &Registry::ward(1));
    let now = ward::now() - 5;
    stack.accepted(ward::heartbeat(1, now));
    let dead = stack.accepted(ward::temperature(1, now, "99.9"));
    let parked = stack.accepted(ward::single(
        &gateway(1),
        "BP_BIOLIGTH",
        "020000ccffff",
        now,
        r#""bp_high":131,"bp_low":84"#,
    ));
    settled(&stack).counts(&[("ignored", 1), ("dead", 1), ("parked", 1)]);
    let raw = topics::records(&stack, "ava4.readings.raw");
    assert_eq!(raw.len(), 3);
    for record in &raw {
        assert_eq!(
            record.key.as_deref(),
            Some("020000aa0001"),
            "the key is the gateway"
        );
        assert_eq!(record.value["source"], "http");
        assert_eq!(record.value["items"], Value::Null, "all items");
        assert!(
            record.value["body"].as_str().is_some_and(|b| b.starts_with('{')),
            "the bytes as they came"
        );
    }
    let status = topics::records(&stack, "ava4.device.status");
    assert_eq!(status.len(), 1);
    assert_eq!(status[0].key.as_deref(), Some("020000aa0001"));
    assert_eq!(
        (&status[0].value["gateway"], &status[0].value["imei"]),
        (&json!("020000aa0001"), &json!("990000000000001"))
    );
    for (topic, receipt, reason) in [
        ("ava4.readings.dead", dead, "value impossible"),
        ("ava4.readings.parked", parked, "device unknown"),
    ] {
        let letters = topics::records(&stack, topic);
        assert_eq!(letters.len(), 1, "{topic}");
        let letter = &letters[0].value;
        assert_eq!(letter["receipt_id"], json!(receipt));
        assert_eq!(
            (&letter["items"][0]["item_index"], &letter["items"][0]["reason"]),
            (&json!(0), &json!(reason))
        );
        assert!(
            letter["body"].as_str().is_some_and(|b| b.starts_with('{')),
            "untouched bytes"
        );
    }
}

/// A Confluent-compatible registry that numbers schemas from 4711.
struct SchemaRegistry {
    process: Child,
    url: String,
}

impl SchemaRegistry {
    fn start() -> Self {
        let script = repository().join("tests/clients/schema_registry.py");
        let mut process = Command::new(python())
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            process,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for SchemaRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub fn schemas_of_a_registry_are_used() {
    let registry = SchemaRegistry::start();
    let mut stack = Stack::new(Backend::Kafka);
    stack.set("SCHEMA_REGISTRY_URL", &registry.url);
    stack.learn(&Registry::ward(1));
    stack.start();
    stack.accepted(ward::pressure(1, ward::now(), 131, 84, 71));
    let stored = settled(&stack);
    let prefix = stack.setting("TOPIC_PREFIX");
    let names = [topics::OBSERVATIONS, topics::LEGACY, topics::AUDIT].map(|t| format!("{prefix}{t}"));
    let text = script(
        "read_topics.py",
        &[
            stack.setting("KAFKA_BROKERS"),
            &registry.url,
            &names[0],
            &names[1],
            &names[2],
        ],
    );
    let records: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(
        records.len(),
        stored.observations.len() + stored.legacy.len() + stored.audit.len()
    );
    for record in records {
        assert!(
            record["schema_id"].as_u64().is_some_and(|id| id >= 4_711),
            "{record}"
        );
    }
}
