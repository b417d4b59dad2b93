//! Raw records of a migration: what comes of them, of copies, of releases, replays and of a run that is rolled back.

use stardust_domain::history::{CONTENT_TYPE, Entry, HistoryDocument};
use stardust_pipeline::runs::{Run, RunState, Runs};

use super::*;

const RUN: &str = "run-1";
const DOCUMENT: &str = "5b99101dda84585aaa23dbf9";

/// A document of a patient around these entries.
fn document(patient: &str, entries: &str) -> String {
    format!(r#"{{"_id":{{"$oid":"{DOCUMENT}"}},"patient_id":{{"$oid":"{patient}"}},"data":[{entries}]}}"#)
}

fn body_entries(text: &str) -> Vec<Entry> {
    HistoryDocument::read("AMY", "body_data_histories", text)
        .unwrap()
        .entries()
        .collect()
}

const GOOD: &str = r#"{"weight":71.4,"height":172,"bmi":0,"body_data_import_date":1614556800}"#;
const BAD: &str = r#"{"weight":0.4,"height":"180","body_data_import_date":1614556900}"#;
const NOTHING: &str = r#"{"weight":0,"body_data_import_date":null}"#;

impl Bench {
    fn entry(&self, offset: i64, run: &str, entry: &Entry) -> LogRecord {
        let raw = RawRecord {
            receipt_id: entry.receipt_id.to_string(),
            request_id: run.to_owned(),
            received_at: RECEIVED * 1_000_000,
            source: "migration".to_owned(),
            content_type: Some(CONTENT_TYPE.to_owned()),
            gateway: None,
            migration_run: Some(run.to_owned()),
            items: None,
            body: Bytes::copy_from_slice(entry.body.as_bytes()),
        };
        LogRecord {
            topic: self.rules.topics.raw.clone(),
            partition: 3,
            offset,
            timestamp_ms: RECEIVED * 1_000 + offset,
            key: Some(Bytes::from_static(PATIENT.as_bytes())),
            value: Bytes::from(self.rules.wire.encode(Subject::Raw, &raw).unwrap()),
        }
    }

    fn entries(&self, run: &str, text: &str) -> Vec<LogRecord> {
        let entries = body_entries(text);
        (0..)
            .zip(&entries)
            .map(|(offset, entry)| self.entry(offset, run, entry))
            .collect()
    }

    async fn mark(&self, id: &str, state: RunState) {
        let run = Run {
            id: id.to_owned(),
            kind: "histories".to_owned(),
            source: "test".to_owned(),
            state,
            started: Timestamp::from_seconds(RECEIVED),
            updated: Timestamp::from_seconds(RECEIVED),
            version: 1,
            progress: "{}".to_owned(),
        };
        if !self.file.store().add_run(&run).await.unwrap() {
            let stored = self.file.store().run(id).await.unwrap().unwrap();
            let run = Run {
                version: stored.version,
                ..run
            };
            assert!(self.file.store().save_run(&run).await.unwrap());
        }
    }

    async fn written(&self, run: &str) -> usize {
        self.file
            .store()
            .written_by_run(run, None, 100)
            .await
            .unwrap()
            .len()
    }
}

#[tokio::test]
async fn an_entry_becomes_observations_and_audit_events_of_its_document_and_nothing_legacy() {
    let bench = Bench::ready(None).await;
    let batch = bench.entries(RUN, &document(PATIENT, &[GOOD, BAD, NOTHING, "7"].join(",")));
    let outputs = bench.work(&batch).await;
    assert_eq!(
        bench.said(&outputs),
        ["created", "created", "dead", "created", "dead"]
    );
    assert_eq!(bench.count(&outputs, &bench.rules.topics.legacy), 0);
    assert_eq!(bench.count(&outputs, &bench.rules.topics.dead), 2);
    let observations = bench.observations(&outputs);
    assert_eq!(observations.len(), 3);
    assert!(
        observations
            .iter()
            .all(|o| o.patient == PATIENT && o.gateway.is_none())
    );
    for audit in outputs.iter().filter(|o| o.topic == bench.rules.topics.audit) {
        assert_eq!(audit.key, DOCUMENT.as_bytes(), "in the order of the document");
        let record: AuditRecord<'_> = bench.rules.wire.decode(Subject::Audit, &audit.value).unwrap();
        let event: Value = serde_json::from_str(&record.event).unwrap();
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"], RUN);
        assert_eq!(record.gateway, None);
    }
    assert_eq!(bench.written(RUN).await, 3);
    let at = bench
        .file
        .store()
        .observations_at(bench.rules.topics.raw.as_str(), 3, 0, 9)
        .await
        .unwrap();
    for document in &at {
        assert_eq!(
            (document.source.as_str(), document.migration_run.as_deref()),
            ("migration", Some(RUN))
        );
        assert!(document.legacy.is_none() && document.raw_item.starts_with(r#"{"history":{"#));
    }
    assert_eq!(
        bench.work(&batch).await,
        outputs,
        "after a crash before the commit"
    );
}

#[tokio::test]
async fn equal_entries_and_a_second_run_change_nothing() {
    let bench = Bench::ready(None).await;
    let text = document(PATIENT, &[GOOD, GOOD].join(","));
    let first = bench.work(&bench.entries(RUN, &text)).await;
    assert_eq!(bench.said(&first), ["created", "created"], "of one of the two");
    let mut again = bench.entries("run-2", &text);
    for record in &mut again {
        record.offset += 10;
    }
    assert!(bench.work(&again).await.is_empty());
    assert_eq!((bench.written(RUN).await, bench.written("run-2").await), (2, 0));
}

#[tokio::test]
async fn a_parked_entry_is_released_under_its_patients_key_once_the_patient_is_there() {
    let unknown = "65a0000000000000000000ff";
    let bench = Bench::ready(None).await;
    let outputs = bench.work(&bench.entries(RUN, &document(unknown, GOOD))).await;
    assert_eq!(bench.said(&outputs), ["parked", "parked"]);
    let parked: Vec<_> = outputs
        .iter()
        .filter(|o| o.topic == bench.rules.topics.parked)
        .collect();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].key, DOCUMENT.as_bytes());

    let patients = [json!({"_id": {"$oid": unknown}})];
    bench
        .registry
        .send_replace(Arc::new(Registry::from_documents([], [], patients).0));
    let releaser = bench.releaser();
    let released = releaser.run(&Filter::default(), false, false).await.unwrap();
    assert_eq!((released.waiting, released.released), (2, 2));
    let sent = bench.sent(0).await;
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].key.as_deref(), Some(unknown.as_bytes()));
    let raw: RawRecord = bench.rules.wire.decode(Subject::Raw, &sent[0].value).unwrap();
    assert_eq!(
        (raw.source.as_str(), raw.migration_run.as_deref()),
        ("migration", Some(RUN))
    );
    assert_eq!(raw.items.as_deref(), Some(&[0, 1][..]));
    let outputs = bench.work(&sent).await;
    assert_eq!(bench.said(&outputs), ["created", "created"]);
    assert_eq!(bench.written(RUN).await, 2);
    let open = bench
        .file
        .store()
        .letters_after(
            Shelf::Parked,
            &[LetterState::Open, LetterState::Releasing],
            None,
            10,
        )
        .await
        .unwrap();
    assert!(open.is_empty());
}

#[tokio::test]
async fn a_dead_entry_is_replayed_by_other_rules() {
    let mut bench = Bench::ready(None).await;
    let outputs = bench.work(&bench.entries(RUN, &document(PATIENT, BAD))).await;
    assert_eq!(bench.said(&outputs), ["dead", "created"]);
    let catalogue = include_str!("../../../domain/catalogue.json");
    let known = r#""hard": ["0.5", "500"]"#;
    assert!(catalogue.contains(known));
    let lower = catalogue.replacen(known, r#""hard": ["0.1", "500"]"#, 1);
    bench.rules.mapping = Arc::new(Mapping::from_text(&lower, settings()).unwrap());
    let done = bench.replayer().run(&Filter::default(), false).await.unwrap();
    assert_eq!((done.sent, done.records), (1, 1));
    let outputs = bench.work(&bench.sent(0).await).await;
    assert_eq!(bench.said(&outputs), ["created"]);
    let weight = &bench.observations(&outputs)[0];
    let resource: Value = serde_json::from_str(&weight.resource).unwrap();
    assert_eq!(
        (&resource["valueQuantity"]["value"], &resource["status"]),
        (&json!(0.4), &json!("preliminary"))
    );
}

#[tokio::test]
async fn records_of_a_run_that_is_rolled_back_are_left_alone_and_of_others_not() {
    let bench = Bench::ready(None).await;
    bench.mark(RUN, RunState::RollingBack).await;
    bench.mark("run-2", RunState::Running).await;
    let first = bench.entries(RUN, &document(PATIENT, GOOD));
    let mut second = bench.entries("run-2", &document(PATIENT, BAD));
    second[0].offset = 1;
    let outputs = bench.work(&[first, second].concat()).await;
    assert_eq!(bench.said(&outputs), ["dead", "created"]);
    assert_eq!((bench.written(RUN).await, bench.written("run-2").await), (0, 1));
    // A run after it may write what it had written.
    let mut third = bench.entries("run-3", &document(PATIENT, GOOD));
    third[0].offset = 2;
    assert_eq!(bench.said(&bench.work(&third).await), ["created", "created"]);
}

#[tokio::test]
async fn a_released_entry_of_a_run_that_is_rolled_back_does_not_wait_for_ever() {
    let unknown = "65a0000000000000000000ff";
    let bench = Bench::ready(None).await;
    bench.work(&bench.entries(RUN, &document(unknown, GOOD))).await;
    let patients = [json!({"_id": {"$oid": unknown}})];
    bench
        .registry
        .send_replace(Arc::new(Registry::from_documents([], [], patients).0));
    let releaser = bench.releaser();
    releaser.run(&Filter::default(), false, false).await.unwrap();
    bench.mark(RUN, RunState::RolledBack).await;
    assert!(bench.work(&bench.sent(0).await).await.is_empty());
    let waiting = [LetterState::Open, LetterState::Releasing];
    let open = bench
        .file
        .store()
        .letters_after(Shelf::Parked, &waiting, None, 10)
        .await
        .unwrap();
    assert!(open.is_empty());
}
