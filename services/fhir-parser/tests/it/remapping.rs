//! Stored readings under another mapping.

use stardust_fhir_parser::{ReleaseError, Remapped, Remapper, Selection};
use stardust_pipeline::store::ObservationDocument;

use super::letters::changed;
use super::*;

fn other_words() -> Arc<Mapping> {
    changed(
        r#""display": "Systolic blood pressure""#,
        r#""display": "Systolic""#,
    )
}

impl Bench {
    fn remapper(&self, mapping: Arc<Mapping>) -> Remapper<stardust_embedded::EmbeddedLog, EmbeddedStore> {
        Remapper {
            log: self.file.log(),
            store: self.file.store(),
            rules: Rules {
                mapping,
                ..self.rules.clone()
            },
            holder: "test".to_owned(),
            now: || Timestamp::from_seconds(RECEIVED + 5_000),
            stopping: self.going.subscribe(),
        }
    }

    async fn remap(&self, mapping: Arc<Mapping>) -> Remapped {
        let everything = Selection::default();
        self.remapper(mapping).run(&everything, 10, false).await.unwrap()
    }

    async fn stored(&self) -> Vec<ObservationDocument> {
        let raw = self.rules.topics.raw.as_str();
        self.file
            .store()
            .observations_at(raw, 3, 0, 1_000_000)
            .await
            .unwrap()
    }

    /// Everything on a topic.
    async fn on(&self, topic: &Topic) -> Vec<NewRecord> {
        let budget = Budget {
            records: 1_000,
            bytes: 8 << 20,
            wait: std::time::Duration::from_millis(1),
        };
        let mut found = Vec::new();
        for bounds in self.file.log().bounds(topic).await.unwrap() {
            let page = self.file.log().read(topic, bounds.partition, 0, budget).await;
            found.extend(page.unwrap().into_iter().map(|r| NewRecord {
                topic: r.topic,
                key: r.key.unwrap_or_default(),
                value: r.value,
            }));
        }
        found
    }
}

#[tokio::test]
async fn a_redelivery_rebuilds_what_was_amended() {
    let bench = Bench::ready(Some(PATIENT)).await;
    let batch = [bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))];
    let first = bench.work(&batch).await;
    let before = bench.stored().await;
    let done = bench.remap(other_words()).await;
    assert_eq!(
        (done.readings, done.observations, done.amended, done.unchanged),
        (1, 2, 1, 1)
    );
    assert_eq!(
        done.samples[0].differences[0].path,
        "component[0].code.coding[0].display"
    );

    let after = bench.stored().await;
    let version = other_words().version().to_owned();
    assert_eq!(
        (after[0].status.as_str(), after[0].mapping_version.as_str()),
        ("amended", version.as_str())
    );
    assert_eq!(after[0].legacy, before[0].legacy, "the legacy document stays");
    assert_eq!(after[0].raw_item, before[0].raw_item);
    assert_eq!(after[1], before[1]);
    let published = bench.observations(&bench.on(&bench.rules.topics.observations).await);
    assert_eq!(published.len(), 1);
    assert_eq!(published[0].resource, after[0].resource);
    let events = bench.on(&bench.rules.topics.audit).await;
    assert_eq!(bench.outcomes(&events), [(receipt(1), "amended".to_owned())]);
    let event: AuditRecord<'_> = bench.rules.wire.decode(Subject::Audit, &events[0].value).unwrap();
    let wanted = stardust_domain::ids::uuid_of(&format!("audit|1|{}|0|amended|{version}", receipt(1)));
    assert_eq!(event.id, wanted.to_string());

    // Under the old mapping and under the new one, with the device in other hands.
    bench.registry.send_replace(registry(Some(OTHER)));
    let again = bench.observations(&bench.work(&batch).await);
    assert_eq!(again[0].resource, after[0].resource);
    assert_eq!(again.len(), bench.observations(&first).len());
    assert_eq!(bench.stored().await, after);
    let nothing = bench.remap(other_words()).await;
    assert_eq!((nothing.amended, nothing.unchanged), (0, 2));
    assert_eq!(
        bench.on(&bench.rules.topics.audit).await.len(),
        1,
        "nothing was published"
    );
}

#[tokio::test]
async fn where_the_log_is_away_the_store_stays_as_it_is() {
    // Without topics nothing can be published.
    let bench = bench(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))])
        .await;
    let before = bench.stored().await;
    let remapper = bench.remapper(other_words());
    let everything = Selection::default();
    let stop = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        bench.going.send_replace(true);
    };
    let (failed, ()) = tokio::join!(remapper.run(&everything, 0, false), stop);
    assert!(
        matches!(failed, Err(ReleaseError::Stopped)),
        "it waits until somebody says stop: {failed:?}"
    );
    bench.going.send_replace(false);
    assert_eq!(bench.stored().await, before);
    bench
        .file
        .log()
        .create(&bench.rules.topics.specs())
        .await
        .unwrap();
    assert_eq!(bench.remap(other_words()).await.amended, 1);
}

#[tokio::test]
async fn without_a_raw_item_the_raw_topic_is_asked() {
    let elsewhere = bench(Some(PATIENT)).await;
    let bench = Bench::ready(Some(PATIENT)).await;
    let raw = bench.rules.topics.raw.clone();
    let body = pressure(&[&item(131, 71), &item(133, 72)]);
    let record = bench.record(0, &receipt(1), &body);
    let sent = NewRecord {
        topic: raw.clone(),
        key: record.key.clone().unwrap(),
        value: record.value.clone(),
    };
    let ack = bench.file.log().publish(vec![sent]).await.remove(0).unwrap();
    elsewhere
        .work(&[LogRecord {
            partition: ack.partition,
            offset: ack.offset,
            ..record
        }])
        .await;
    let store = elsewhere.file.store();
    let mut documents = store
        .observations_at(raw.as_str(), ack.partition, 0, 9)
        .await
        .unwrap();
    assert_eq!(documents.len(), 4);
    for document in &mut documents {
        document.raw_item.clear();
    }
    bench.file.store().insert_observations(&documents).await.unwrap();
    // And one whose record is not in the log.
    let mut lost = documents[0].clone();
    lost.id = uuid::Uuid::from_u128(7);
    lost.writer.position.offset = 500;
    bench.file.store().insert_observations(&[lost]).await.unwrap();

    let done = bench.remap(other_words()).await;
    assert_eq!(
        (done.readings, done.amended, done.unchanged, done.not_remappable),
        (3, 2, 2, 1)
    );
}

#[tokio::test]
async fn a_selection_leaves_the_others_alone() {
    let bench = Bench::ready(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))])
        .await;
    let received = Timestamp::from_seconds(RECEIVED);
    for (selection, readings) in [
        (
            Selection {
                since: Some(received),
                ..Selection::default()
            },
            1,
        ),
        (
            Selection {
                until: Some(received),
                ..Selection::default()
            },
            0,
        ),
        (
            Selection {
                gateway: "020000aa0001".parse().ok(),
                ..Selection::default()
            },
            1,
        ),
        (
            Selection {
                gateway: "020000aa0002".parse().ok(),
                ..Selection::default()
            },
            0,
        ),
        (
            Selection {
                kind: Some("heart-rate".to_owned()),
                ..Selection::default()
            },
            1,
        ),
        (
            Selection {
                kind: Some("glucose".to_owned()),
                ..Selection::default()
            },
            0,
        ),
    ] {
        let remapper = bench.remapper(other_words());
        let done = remapper.run(&selection, 0, true).await.unwrap();
        assert_eq!(done.readings, readings, "{selection:?}");
        assert_eq!(done.amended, readings);
    }
    assert_eq!(bench.stored().await[0].status, "final", "dry runs");
}

#[tokio::test]
async fn a_quantity_that_is_good_by_now_comes_beside_and_its_letter_closes() {
    let bench = Bench::ready(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 350)]))])
        .await;
    let id = format!("{}:0:PR", receipt(1));
    assert_eq!(
        bench.letter(Shelf::Dead, &id).await.unwrap().state,
        LetterState::Open
    );
    let limit = r#""hard": ["20", "300"], "plausible": ["30", "220"]"#;
    let higher = changed(limit, r#""hard": ["20", "400"], "plausible": ["30", "220"]"#);
    let dry = bench.remapper(higher.clone());
    let dry = dry.run(&Selection::default(), 0, true).await.unwrap();
    assert_eq!((dry.beside, dry.letters, dry.amended), (1, 1, 0));
    assert_eq!(
        bench.letter(Shelf::Dead, &id).await.unwrap().state,
        LetterState::Open
    );
    let done = bench.remap(higher.clone()).await;
    assert_eq!((done.beside, done.letters, done.amended), (1, 1, 0));
    assert_eq!(
        bench.letter(Shelf::Dead, &id).await.unwrap().state,
        LetterState::Closed
    );
    let stored = bench.stored().await;
    assert_eq!(stored.len(), 2);
    assert!(
        stored
            .iter()
            .any(|d| !d.main && d.legacy.is_none() && d.status == "preliminary")
    );
    let again = bench.remap(higher).await;
    assert_eq!((again.beside, again.letters, again.unchanged), (0, 0, 2));
}
