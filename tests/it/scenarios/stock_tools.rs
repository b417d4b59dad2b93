//! What a stranger reads from the topics with tools that know nothing of us.

use serde_json::Value;
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::{Registry, patient};
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
