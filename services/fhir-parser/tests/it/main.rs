//! The parser's unit of work over a real store: who wins, what is rebuilt, what comes of copies.
#![allow(clippy::unwrap_used, clippy::panic)]

mod histories;
mod letters;
mod remapping;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_embedded::{Embedded, EmbeddedStore};
use stardust_fhir_parser::{Counters, Filter, Parser, Releaser, Rules};
use stardust_pipeline::log::{Budget, Log, LogRecord, NewRecord, Topic};
use stardust_pipeline::store::{LetterState, Shelf, Store};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::Stage;
use stardust_wire::{AuditRecord, LetterRecord, ObservationRecord, RawRecord, Subject, Wire};
use tokio::sync::watch;

const RECEIVED: i64 = 1_772_323_200;
const PATIENT: &str = "65a000000000000000000001";
const OTHER: &str = "65a000000000000000000002";

struct Bench {
    _folder: tempfile::TempDir,
    file: Embedded,
    rules: Rules,
    registry: watch::Sender<Arc<Registry>>,
    /// Says stop to what a command does.
    going: watch::Sender<bool>,
}

fn registry(owner: Option<&str>) -> Arc<Registry> {
    let patients = [PATIENT, OTHER].map(|id| json!({"_id": {"$oid": id}}));
    let device = json!({"patient_id": {"$oid": owner.unwrap_or_default()}, "mac_bps": "020000bb0001"});
    let boxes = [json!({"mac_address": "02:00:00:AA:00:01", "patient_id": {"$oid": PATIENT}})];
    Arc::new(Registry::from_documents(boxes, owner.map(|_| device), patients).0)
}

fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    }
}

async fn bench(owner: Option<&str>) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let file = Embedded::open_exclusive(folder.path(), "test").unwrap();
    file.store().prepare().await.unwrap();
    let (registry, view) = watch::channel(registry(owner));
    let rules = Rules {
        wire: Wire::builtin().unwrap(),
        mapping: Arc::new(Mapping::builtin(settings()).unwrap()),
        registry: view,
        topics: Topics::default(),
        legacy_routing: true,
    };
    Bench {
        _folder: folder,
        file,
        rules,
        registry,
        going: watch::Sender::new(false),
    }
}

impl Bench {
    fn parser(&self) -> Parser<EmbeddedStore> {
        let counters = Arc::new(Counters::register(&prometheus::Registry::new()).unwrap());
        Parser::new(self.file.store(), self.rules.clone(), counters, || {
            Timestamp::from_seconds(0)
        })
    }

    fn record(&self, offset: i64, receipt: &str, body: &str) -> LogRecord {
        let raw = RawRecord {
            receipt_id: receipt.to_owned(),
            request_id: "r".to_owned(),
            received_at: RECEIVED * 1_000_000,
            source: "http".to_owned(),
            content_type: None,
            gateway: Some("020000aa0001".to_owned()),
            migration_run: None,
            items: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        LogRecord {
            topic: self.rules.topics.raw.clone(),
            partition: 3,
            offset,
            timestamp_ms: RECEIVED * 1_000 + offset,
            key: Some(Bytes::from_static(b"020000aa0001")),
            value: Bytes::from(self.rules.wire.encode(Subject::Raw, &raw).unwrap()),
        }
    }

    /// Works a batch with a parser that has just started.
    async fn work(&self, batch: &[LogRecord]) -> Vec<NewRecord> {
        self.parser().work(batch).await.unwrap()
    }

    fn outcomes(&self, outputs: &[NewRecord]) -> Vec<(String, String)> {
        outputs
            .iter()
            .filter(|o| o.topic == self.rules.topics.audit)
            .map(|o| {
                let event: AuditRecord<'_> = self.rules.wire.decode(Subject::Audit, &o.value).unwrap();
                (event.receipt_id.into_owned(), event.outcome.into_owned())
            })
            .collect()
    }

    fn count(&self, outputs: &[NewRecord], topic: &Topic) -> usize {
        outputs.iter().filter(|o| o.topic == *topic).count()
    }

    fn observations(&self, outputs: &[NewRecord]) -> Vec<ObservationRecord<'static>> {
        outputs
            .iter()
            .filter(|o| o.topic == self.rules.topics.observations)
            .map(|o| self.rules.wire.decode(Subject::Observations, &o.value).unwrap())
            .collect()
    }
}

fn receipt(n: u8) -> String {
    uuid::Uuid::from_u128(u128::from(n)).to_string()
}

fn pressure(items: &[&str]) -> String {
    format!(
        r#"{{"mac":"02:00:00:AA:00:01","time":{RECEIVED},"type":"reportAttribute","data":{{"attribute":"BP_BIOLIGTH","value":{{"device_list":[{}]}}}}}}"#,
        items.join(",")
    )
}

fn item(systolic: u32, pulse: u32) -> String {
    format!(
        r#"{{"scan_time":{RECEIVED},"ble_addr":"020000bb0001","bp_high":{systolic},"bp_low":80,"PR":{pulse}}}"#
    )
}

#[tokio::test]
async fn the_same_position_again_gives_the_same_outputs_whatever_the_rules_say_today() {
    let mut bench = bench(Some(PATIENT)).await;
    let batch = [bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))];
    let first = bench.work(&batch).await;
    assert_eq!(bench.outcomes(&first), [(receipt(1), "created".to_owned())]);
    assert_eq!(bench.observations(&first).len(), 2);
    assert_eq!(bench.count(&first, &bench.rules.topics.legacy), 1);
    assert_eq!(bench.work(&batch).await, first, "after a crash before the commit");

    bench.registry.send_replace(registry(Some(OTHER)));
    assert_eq!(bench.work(&batch).await, first, "the device has changed hands");
    bench.registry.send_replace(registry(None));
    assert_eq!(bench.work(&batch).await, first, "the device is gone");
    let known = r#""hard": ["30", "300"], "plausible": ["60", "250"]"#;
    let strict = include_str!("../../../domain/catalogue.json");
    assert!(strict.contains(known));
    let strict = strict.replace(known, r#""hard": ["30", "120"], "plausible": ["60", "120"]"#);
    let strict = Mapping::from_text(&strict, settings()).unwrap();
    assert_ne!(strict.version(), bench.rules.mapping.version());
    bench.rules.mapping = Arc::new(strict);
    assert_eq!(bench.work(&batch).await, first, "the limits are others");
}

#[tokio::test]
async fn another_receipt_is_a_duplicate_and_another_copy_is_nothing() {
    let bench = bench(Some(PATIENT)).await;
    let body = pressure(&[&item(131, 71)]);
    let batch = [
        bench.record(0, &receipt(1), &body),
        bench.record(1, &receipt(1), &body),
        bench.record(2, &receipt(2), &body),
    ];
    let outputs = bench.work(&batch).await;
    let expected = [
        (receipt(1), "created".to_owned()),
        (receipt(2), "duplicate".to_owned()),
    ];
    assert_eq!(bench.outcomes(&outputs), expected);
    assert_eq!(bench.observations(&outputs).len(), 2);
    // The same in later batches, by other members.
    assert!(
        bench
            .work(&[bench.record(7, &receipt(1), &body)])
            .await
            .is_empty()
    );
    let again = bench.work(&[bench.record(8, &receipt(2), &body)]).await;
    assert_eq!(bench.outcomes(&again), expected[1..]);
    assert_eq!(again.len(), 1);
}

#[tokio::test]
async fn a_duplicate_with_another_pulse_keeps_the_new_pulse() {
    let bench = bench(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))])
        .await;
    let batch = [bench.record(1, &receipt(2), &pressure(&[&item(131, 72)]))];
    let outputs = bench.work(&batch).await;
    assert_eq!(bench.outcomes(&outputs), [(receipt(2), "duplicate".to_owned())]);
    let kept = bench.observations(&outputs);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].code, "8867-4");
    assert_eq!(bench.work(&batch).await, outputs);
}

#[tokio::test]
async fn of_two_equal_items_in_one_message_the_second_is_a_duplicate() {
    let bench = bench(Some(PATIENT)).await;
    let batch = [bench.record(0, &receipt(1), &pressure(&[&item(131, 71), &item(131, 71)]))];
    let outputs = bench.work(&batch).await;
    let outcomes: Vec<String> = bench
        .outcomes(&outputs)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, ["created", "duplicate"]);
    assert_eq!(bench.work(&batch).await, outputs);
    // Once more after a crash, the device is gone meanwhile: it is what it was.
    bench.registry.send_replace(registry(None));
    let again = bench.work(&batch).await;
    assert_eq!(bench.outcomes(&again), bench.outcomes(&outputs));
    bench.registry.send_replace(registry(Some(PATIENT)));
    // A copy of the whole message changes nothing.
    assert!(
        bench
            .work(&[bench.record(5, &receipt(1), &pressure(&[&item(131, 71), &item(131, 71)]))])
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_reading_stored_in_part_is_finished_for_the_same_patient_whatever_the_registry_says() {
    let first = bench(Some(PATIENT)).await;
    let batch = [first.record(0, &receipt(1), &pressure(&[&item(131, 71)]))];
    let expected = first.work(&batch).await;
    let topic = first.rules.topics.raw.as_str();
    let mut stored = first.file.store().observations_at(topic, 3, 0, 0).await.unwrap();
    stored.retain(|document| !document.main);
    assert_eq!(stored.len(), 1, "the pulse goes before the pressure");

    for today in [None, Some(OTHER)] {
        let later = bench(today).await;
        later.file.store().insert_observations(&stored).await.unwrap();
        let outputs = later.work(&batch).await;
        assert_eq!(outputs, expected, "{today:?}");
        later.registry.send_replace(registry(Some(OTHER)));
        assert_eq!(later.work(&batch).await, expected, "and again after a crash");
    }
}

#[tokio::test]
async fn a_bad_item_and_a_bad_quantity_are_letters_and_the_rest_flows() {
    let bench = bench(Some(PATIENT)).await;
    let body = pressure(&[&item(131, 350), &item(999, 999), &item(120, 70)]);
    let batch = [bench.record(0, &receipt(1), &body)];
    let outputs = bench.work(&batch).await;
    let outcomes: Vec<String> = bench
        .outcomes(&outputs)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, ["created", "dead", "created"]);
    let letters: Vec<LetterRecord> = outputs
        .iter()
        .filter(|o| o.topic == bench.rules.topics.dead)
        .map(|o| bench.rules.wire.decode(Subject::Dead, &o.value).unwrap())
        .collect();
    assert_eq!(letters.len(), 1, "one record for each raw record");
    assert_eq!(letters[0].body, body);
    let items: Vec<_> = letters[0]
        .items
        .iter()
        .map(|i| (i.item_index, i.field.as_deref()))
        .collect();
    assert_eq!(items, [(Some(0), Some("PR")), (Some(1), Some("bp_high"))]);
    assert_eq!(bench.work(&batch).await, outputs);
    let store = bench.file.store();
    let ids = [format!("{}:1", receipt(1)), format!("{}:0:PR", receipt(1))];
    let kept = store.letters(Shelf::Dead, &ids).await.unwrap();
    assert!(kept.iter().all(Option::is_some), "{kept:?}");
}

#[tokio::test]
async fn a_parked_reading_is_released_once_its_device_is_known() {
    let bench = bench(None).await;
    let log = bench.file.log();
    log.create(&bench.rules.topics.specs()).await.unwrap();
    let body = pressure(&[&item(131, 71), &item(999, 999)]);
    let original = [bench.record(0, &receipt(1), &body)];
    let outputs = bench.work(&original).await;
    let outcomes: Vec<String> = bench
        .outcomes(&outputs)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, ["parked", "dead"]);
    assert_eq!(bench.count(&outputs, &bench.rules.topics.parked), 1);

    let releaser = bench.releaser();
    let nothing = releaser.run(&Filter::default(), false, false).await.unwrap();
    assert_eq!((nothing.waiting, nothing.released), (1, 0));
    bench.registry.send_replace(registry(Some(PATIENT)));
    let dry = releaser.run(&Filter::default(), false, true).await.unwrap();
    assert_eq!(dry.released, 1);
    let done = releaser.run(&Filter::default(), false, false).await.unwrap();
    assert_eq!(done.released, 1);

    let mut released = Vec::new();
    for bounds in log.bounds(&bench.rules.topics.raw).await.unwrap() {
        let budget = Budget {
            records: 10,
            bytes: 1 << 20,
            wait: std::time::Duration::from_secs(1),
        };
        released.extend(
            log.read(&bench.rules.topics.raw, bounds.partition, 0, budget)
                .await
                .unwrap(),
        );
    }
    assert_eq!(released.len(), 1);
    // It stands behind the original in the same partition.
    released[0].partition = 3;
    released[0].offset = 9;
    let created = bench.work(&released).await;
    assert_eq!(
        bench.outcomes(&created),
        [(receipt(1), "created".to_owned())],
        "only the parked item is judged again"
    );
    let id = [format!("{}:0", receipt(1))];
    let letter = bench
        .file
        .store()
        .letters(Shelf::Parked, &id)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
    assert_eq!(letter.state, LetterState::Closed);
    // Neither the original nor the release changes anything when they come again.
    assert_eq!(bench.work(&released).await, created);
    let dead = bench.work(&original).await;
    let outcomes: Vec<String> = bench
        .outcomes(&dead)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, ["dead"]);
}

#[tokio::test]
async fn what_was_worked_ahead_of_a_copy_is_said_once() {
    let bench = bench(Some(PATIENT)).await;
    let (heartbeat, twice) = (
        format!(
            r#"{{"mac":"02:00:00:AA:00:01","time":{RECEIVED},"type":"HB_Msg","data":{{"msg":"Online"}}}}"#
        ),
        pressure(&[&item(131, 71)]),
    );
    let bodies = [
        &twice,
        &pressure(&[&item(131, 72), &item(999, 999), &item(140, 71), &item(140, 71)]),
        &heartbeat,
    ];
    let mut ahead = Vec::new();
    for (n, body) in (0_u8..).zip(bodies) {
        ahead.push(LogRecord {
            topic: Topic::new("sync/door"),
            partition: 0,
            ..bench.record(n.into(), &receipt(n), body)
        });
    }
    let mut outputs = bench.parser().ahead_of_a_copy().work(&ahead).await.unwrap();
    let again = bench.parser().ahead_of_a_copy().work(&ahead).await.unwrap();
    assert_eq!(again, outputs, "after a crash before the commit");
    let copies: Vec<LogRecord> = (0_u8..)
        .zip(bodies)
        .map(|(n, body)| bench.record(70 + i64::from(n), &receipt(n), body))
        .collect();
    outputs.extend(bench.work(&copies).await);
    let mut outcomes = bench.outcomes(&outputs);
    outcomes.sort();
    let expected = [
        (0, "created"),
        (1, "created"),
        (1, "dead"),
        (1, "duplicate"),
        (1, "duplicate"),
    ];
    assert_eq!(
        outcomes,
        expected.map(|(n, outcome)| (receipt(n), outcome.to_owned()))
    );
    assert_eq!(
        bench.observations(&outputs).len(),
        4,
        "two pressures and two pulses"
    );
    let topics = &bench.rules.topics;
    let counts = [&topics.legacy, &topics.dead, &topics.status].map(|topic| bench.count(&outputs, topic));
    assert_eq!(counts, [2, 1, 1], "legacy documents, letters, heartbeats");
}

#[tokio::test]
async fn an_offset_that_a_new_log_gives_again_does_not_hide_its_record() {
    let bench = bench(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))])
        .await;
    let batch = [bench.record(0, &receipt(2), &pressure(&[&item(140, 80)]))];
    let outputs = bench.work(&batch).await;
    assert_eq!(bench.outcomes(&outputs), [(receipt(2), "created".to_owned())]);
    assert_eq!(bench.work(&batch).await, outputs);
}

#[tokio::test]
async fn a_value_that_is_not_ours_is_a_dead_letter_with_its_bytes() {
    let bench = bench(Some(PATIENT)).await;
    let mut record = bench.record(0, &receipt(1), "{}");
    record.value = Bytes::from_static(b"\x00hello\xff");
    let good = bench.record(1, &receipt(2), &pressure(&[&item(131, 71)]));
    let outputs = bench.work(&[record.clone(), good]).await;
    let outcomes: Vec<String> = bench
        .outcomes(&outputs)
        .into_iter()
        .map(|(_, outcome)| outcome)
        .collect();
    assert_eq!(outcomes, ["dead", "created"]);
    let letter = outputs
        .iter()
        .find(|o| o.topic == bench.rules.topics.dead)
        .unwrap();
    let letter: LetterRecord = bench.rules.wire.decode(Subject::Dead, &letter.value).unwrap();
    assert_eq!(letter.body, record.value);
}

#[tokio::test]
async fn decimals_reach_the_store_with_their_digits() {
    let bench = bench(Some(PATIENT)).await;
    let body = format!(
        r#"{{"mac":"02:00:00:AA:00:01","time":{RECEIVED},"type":"reportAttribute","data":{{"attribute":"MGSS_REF_CHOL","value":{{"device_list":[{{"scan_time":{RECEIVED},"ble_addr":"020000bb0001","cholesterol":"4.60"}}]}}}}}}"#
    );
    let outputs = bench.work(&[bench.record(0, &receipt(1), &body)]).await;
    let resource = &bench.observations(&outputs)[0].resource;
    assert!(resource.contains("\"value\":4.60"), "the digits that came");
    let stored: Value = serde_json::from_str(resource).unwrap();
    assert_eq!(
        stored["subject"]["reference"],
        json!(format!("Patient/{PATIENT}"))
    );
}
