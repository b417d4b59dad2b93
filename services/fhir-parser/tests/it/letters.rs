//! Dead letters on their way back, and letters that other services wrote.

use std::time::Duration;

use stardust_fhir_parser::{Forecast, Replayed, Replayer};
use stardust_pipeline::foreign;
use stardust_pipeline::store::Letter;
use stardust_wire::LetterItem;

use super::*;

/// The rules with something in the catalogue changed.
pub(super) fn changed(from: &str, to: &str) -> Arc<Mapping> {
    let catalogue = include_str!("../../../domain/catalogue.json");
    assert!(catalogue.contains(from));
    let mapping = Mapping::from_text(&catalogue.replacen(from, to, 1), settings()).unwrap();
    Arc::new(mapping)
}

fn higher_limits() -> Arc<Mapping> {
    changed(
        r#""hard": ["30", "300"], "plausible": ["60", "250"]"#,
        r#""hard": ["30", "2000"], "plausible": ["60", "250"]"#,
    )
}

fn one_more_alias() -> Arc<Mapping> {
    changed(r#""WBP_JUMPER""#, r#""WBP_JUMPER", "WBP_NEW""#)
}

impl Bench {
    pub(super) async fn ready(owner: Option<&str>) -> Self {
        let bench = bench(owner).await;
        bench
            .file
            .log()
            .create(&bench.rules.topics.specs())
            .await
            .unwrap();
        bench
    }

    pub(super) fn releaser(&self) -> Releaser<stardust_embedded::EmbeddedLog, EmbeddedStore> {
        Releaser {
            log: self.file.log(),
            store: self.file.store(),
            rules: self.rules.clone(),
            holder: "test".to_owned(),
        }
    }

    pub(super) fn replayer(&self) -> Replayer<stardust_embedded::EmbeddedLog, EmbeddedStore> {
        Replayer {
            log: self.file.log(),
            store: self.file.store(),
            rules: self.rules.clone(),
            holder: "test".to_owned(),
        }
    }

    async fn replay(&self) -> Replayed {
        self.replayer().run(&Filter::default(), false).await.unwrap()
    }

    /// What stands in the raw topic of the file, from the `skip`th record on, behind the originals of partition 3.
    pub(super) async fn sent(&self, skip: usize) -> Vec<LogRecord> {
        let log = self.file.log();
        let mut sent = Vec::new();
        for bounds in log.bounds(&self.rules.topics.raw).await.unwrap() {
            let budget = Budget {
                records: 1_000,
                bytes: 8 << 20,
                wait: Duration::from_millis(1),
            };
            let page = log.read(&self.rules.topics.raw, bounds.partition, 0, budget);
            sent.extend(page.await.unwrap());
        }
        for record in &mut sent {
            record.partition = 3;
            record.offset += 1_000;
        }
        sent.split_off(skip)
    }

    fn raw(&self, record: &LogRecord) -> RawRecord {
        self.rules.wire.decode(Subject::Raw, &record.value).unwrap()
    }

    pub(super) async fn letter(&self, shelf: Shelf, id: &str) -> Option<Letter> {
        let found = self.file.store().letters(shelf, &[id.to_owned()]).await.unwrap();
        found.into_iter().next().unwrap()
    }

    async fn state(&self, id: &str) -> Option<LetterState> {
        self.letter(Shelf::Dead, id).await.map(|l| l.state)
    }

    pub(super) fn said(&self, outputs: &[NewRecord]) -> Vec<String> {
        self.outcomes(outputs)
            .into_iter()
            .map(|(_, outcome)| outcome)
            .collect()
    }
}

#[tokio::test]
async fn after_a_change_of_the_rules_a_replay_leaves_one_good_result_and_closes_the_letter() {
    let mut bench = Bench::ready(Some(PATIENT)).await;
    let body = pressure(&[&item(131, 71), &item(999, 999), &item(998, 999)]);
    let original = [bench.record(0, &receipt(1), &body)];
    assert_eq!(
        bench.said(&bench.work(&original).await),
        ["created", "dead", "dead"]
    );

    let dry = bench.replayer().run(&Filter::default(), true).await.unwrap();
    assert_eq!((dry.matching, dry.sent, dry.records), (2, 2, 1));
    assert_eq!(
        dry.forecast,
        Forecast {
            dead: 2,
            ..Forecast::default()
        }
    );
    bench.rules.mapping = higher_limits();
    let dry = bench.replayer().run(&Filter::default(), true).await.unwrap();
    assert_eq!(
        dry.forecast,
        Forecast {
            good: 2,
            ..Forecast::default()
        }
    );
    assert!(bench.sent(0).await.is_empty(), "a dry run sends nothing");
    let id = format!("{}:1", receipt(1));
    assert_eq!(bench.state(&id).await, Some(LetterState::Open), "nor marks");

    let done = bench.replay().await;
    assert_eq!((done.sent, done.records), (2, 1), "one record for both items");
    assert_eq!(bench.state(&id).await, Some(LetterState::Releasing));
    let sent = bench.sent(0).await;
    let raw = bench.raw(&sent[0]);
    assert_eq!(
        (raw.source.as_str(), raw.items.as_deref()),
        ("replay", Some(&[1, 2][..]))
    );
    assert_eq!(
        (raw.receipt_id, raw.received_at, raw.body.as_ref()),
        (receipt(1), RECEIVED * 1_000_000, body.as_bytes())
    );
    let outputs = bench.work(&sent).await;
    assert_eq!(bench.said(&outputs), ["created", "created"]);
    assert_eq!(
        bench.work(&sent).await,
        outputs,
        "after a crash before the commit"
    );
    for item in [1, 2] {
        let state = bench.state(&format!("{}:{item}", receipt(1))).await;
        assert_eq!(state, Some(LetterState::Closed));
    }

    // Another copy of the replay, and the original itself, change nothing.
    let mut copy = sent.clone();
    copy[0].offset += 1;
    assert!(bench.work(&copy).await.is_empty());
    let again = bench.work(&original).await;
    assert_eq!(bench.said(&again), ["created"]);
    let left = bench.replay().await;
    assert_eq!((left.matching, left.quantities), (2, 2), "the impossible pulses");
}

#[tokio::test]
async fn a_replay_that_dies_again_keeps_one_open_letter_with_its_first_try() {
    let bench = Bench::ready(Some(PATIENT)).await;
    let original = bench.record(0, &receipt(1), &pressure(&[&item(999, 999)]));
    bench.work(std::slice::from_ref(&original)).await;
    let id = format!("{}:0", receipt(1));
    for round in 0..3 {
        assert_eq!(bench.replay().await.sent, 1);
        let sent = bench.sent(round).await;
        let outputs = bench.work(&sent).await;
        assert!(
            bench.said(&outputs).is_empty(),
            "the event of the first try stands"
        );
        assert_eq!(bench.work(&sent).await, outputs);
        let found = bench.letter(Shelf::Dead, &id).await.unwrap();
        assert_eq!(found.state, LetterState::Open);
        assert_eq!(found.first_try, Timestamp::from_millis(original.timestamp_ms));
        assert_eq!(found.last_try, Timestamp::from_millis(sent[0].timestamp_ms));
        let on_topic: Vec<LetterRecord> = outputs
            .iter()
            .map(|o| bench.rules.wire.decode(Subject::Dead, &o.value).unwrap())
            .collect();
        assert_eq!(on_topic.len(), 1);
        assert_eq!(
            (on_topic[0].first_try, on_topic[0].last_try),
            (original.timestamp_ms * 1_000, sent[0].timestamp_ms * 1_000)
        );
    }
}

#[tokio::test]
async fn a_message_that_was_dead_as_a_whole_falls_into_its_items() {
    let mut bench = Bench::ready(Some(PATIENT)).await;
    let body = pressure(&[&item(131, 71), &item(999, 999)]).replace("BP_BIOLIGTH", "WBP_NEW");
    bench.work(&[bench.record(0, &receipt(1), &body)]).await;
    let whole = format!("{}:-", receipt(1));
    assert_eq!(bench.state(&whole).await, Some(LetterState::Open));
    bench.rules.mapping = one_more_alias();
    bench.replay().await;
    let sent = bench.sent(0).await;
    assert_eq!(bench.raw(&sent[0]).items, None);
    let outputs = bench.work(&sent).await;
    assert_eq!(bench.said(&outputs), ["created", "dead"]);
    assert_eq!(bench.work(&sent).await, outputs);
    assert_eq!(bench.state(&whole).await, Some(LetterState::Closed));
    let item = format!("{}:1", receipt(1));
    assert_eq!(bench.state(&item).await, Some(LetterState::Open));

    // And back: by rules that do not know the attribute its item is none any more.
    bench.rules.mapping = Arc::new(Mapping::builtin(settings()).unwrap());
    bench.replay().await;
    bench.work(&bench.sent(1).await).await;
    assert_eq!(bench.state(&item).await, Some(LetterState::Closed));
    assert_eq!(bench.state(&whole).await, Some(LetterState::Open));
}

#[tokio::test]
async fn old_messages_sent_in_bulk_keep_their_source_and_their_ids() {
    let mut bench = Bench::ready(Some(PATIENT)).await;
    let old = |body: String| body.replace(&RECEIVED.to_string(), "1700000000");
    let (items, whole) = (pressure(&[&item(999, 999)]), pressure(&[&item(131, 71)]));
    for (n, body) in [(1, old(items)), (2, old(whole.replace("BP_BIOLIGTH", "WBP_NEW")))] {
        let mut record = bench.record(i64::from(n), &receipt(n), &body);
        let mut raw = bench.raw(&record);
        "backfill".clone_into(&mut raw.source);
        record.value = Bytes::from(bench.rules.wire.encode(Subject::Raw, &raw).unwrap());
        bench.work(&[record]).await;
    }
    let limits = r#""hard": ["30", "300"], "plausible": ["60", "250"]"#;
    let catalogue = include_str!("../../../domain/catalogue.json")
        .replacen(limits, &limits.replacen("300", "2000", 1), 1)
        .replacen(r#""WBP_JUMPER""#, r#""WBP_JUMPER", "WBP_NEW""#, 1);
    bench.rules.mapping = Arc::new(Mapping::from_text(&catalogue, settings()).unwrap());
    assert_eq!(bench.replay().await.sent, 2);
    let sent = bench.sent(0).await;
    let mut items: Vec<_> = sent
        .iter()
        .map(|r| bench.raw(r))
        .inspect(|raw| assert_eq!(raw.source, "backfill"))
        .map(|raw| raw.items)
        .collect();
    items.sort();
    assert_eq!(
        items,
        [Some(vec![-1]), Some(vec![0])],
        "both are to be judged again"
    );
    let outputs = bench.work(&sent).await;
    assert_eq!(bench.said(&outputs), ["created", "created"]);
    for observation in bench.observations(&outputs) {
        assert_eq!(observation.effective, 1_700_000_000_000_000, "its own old time");
    }
    let left = bench.replay().await;
    assert_eq!((left.matching, left.quantities), (1, 1), "the impossible pulse");
}

#[tokio::test]
async fn a_single_quantity_of_a_reading_that_lives_is_not_replayed() {
    let bench = Bench::ready(Some(PATIENT)).await;
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 350)]))])
        .await;
    let done = bench.replay().await;
    assert_eq!((done.matching, done.quantities, done.sent), (1, 1, 0));
    assert!(bench.sent(0).await.is_empty());
    let id = format!("{}:0:PR", receipt(1));
    assert_eq!(bench.state(&id).await, Some(LetterState::Open));
}

/// The letter of a message that the log refused, as the door writes it.
fn from_the_door(bench: &Bench, offset: i64, body: &str) -> LogRecord {
    let raw = bench.raw(&bench.record(offset, &receipt(1), body));
    let refused = LetterItem {
        item_index: None,
        stage: "spool".to_owned(),
        reason: "refused by the log".to_owned(),
        field: None,
    };
    let version = bench.rules.mapping.version().to_owned();
    let letter = LetterRecord::of(raw, vec![refused], version);
    LogRecord {
        topic: bench.rules.topics.dead.clone(),
        value: Bytes::from(bench.rules.wire.encode(Subject::Dead, &letter).unwrap()),
        ..bench.record(offset, &receipt(1), body)
    }
}

#[tokio::test]
async fn a_letter_of_the_door_is_put_into_the_store_once_and_can_be_replayed() {
    let bench = Bench::ready(Some(PATIENT)).await;
    let body = pressure(&[&item(131, 71)]);
    let first = from_the_door(&bench, 4, &body);
    // The door may have written it twice.
    let batch = [first.clone(), from_the_door(&bench, 5, &body)];
    let outputs = bench.work(&batch).await;
    assert_eq!(bench.said(&outputs), ["dead"]);
    assert_eq!(outputs.len(), 1, "the letter stands on its topic already");
    assert_eq!(
        bench.work(&batch).await,
        outputs,
        "after a crash before the commit"
    );
    let id = format!("{}:-", receipt(1));
    let found = bench.letter(Shelf::Dead, &id).await.unwrap();
    assert_eq!(
        (found.stage.as_str(), found.reason.as_str()),
        ("spool", "refused by the log")
    );
    assert_eq!(found.writer.position.offset, 4);
    assert_eq!(found.first_try, Timestamp::from_seconds(RECEIVED));

    assert_eq!(bench.replay().await.sent, 1);
    let sent = bench.sent(0).await;
    let raw = bench.raw(&sent[0]);
    assert_eq!(
        (raw.source.as_str(), raw.items.as_deref()),
        ("http", Some(&[][..])),
        "it was never delivered before"
    );
    let outputs = bench.work(&sent).await;
    assert_eq!(bench.said(&outputs), ["created"]);
    assert_eq!(bench.state(&id).await, Some(LetterState::Closed));
    bench.work(&batch).await;
    assert_eq!(
        bench.state(&id).await,
        Some(LetterState::Closed),
        "the old record opens nothing"
    );
}

#[tokio::test]
async fn a_letter_of_an_output_record_is_kept_and_is_no_reading() {
    let bench = Bench::ready(Some(PATIENT)).await;
    let refused = bench.record(7, &receipt(1), "{}");
    let letter = foreign::letter(
        &refused,
        stardust_domain::outcome::Stage::Store,
        stardust_domain::outcome::DeadReason::Unreadable,
    );
    let record = LogRecord {
        topic: bench.rules.topics.dead.clone(),
        value: Bytes::from(bench.rules.wire.encode(Subject::Dead, &letter).unwrap()),
        ..refused.clone()
    };
    assert!(
        bench.work(&[record]).await.is_empty(),
        "no event: it is no reading"
    );
    let id = format!("{}:-", letter.receipt_id);
    assert_eq!(bench.state(&id).await, Some(LetterState::Open));
    let kept = bench
        .file
        .store()
        .kept_raw(&letter.receipt_id)
        .await
        .unwrap()
        .unwrap();
    let kept: RawRecord = bench.rules.wire.decode(Subject::Raw, &kept).unwrap();
    assert_eq!(kept.body, refused.value);
    let done = bench.replay().await;
    assert_eq!((done.matching, done.foreign, done.sent), (1, 1, 0));
}

#[tokio::test]
async fn the_parsers_own_letters_are_left_where_they_are() {
    let bench = Bench::ready(Some(PATIENT)).await;
    let outputs = bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(999, 999)]))])
        .await;
    let own = outputs
        .iter()
        .find(|o| o.topic == bench.rules.topics.dead)
        .unwrap();
    let record = LogRecord {
        topic: own.topic.clone(),
        value: own.value.clone(),
        ..bench.record(9, &receipt(1), "")
    };
    let id = format!("{}:0", receipt(1));
    let before = bench.letter(Shelf::Dead, &id).await;
    assert!(bench.work(&[record]).await.is_empty());
    assert_eq!(bench.letter(Shelf::Dead, &id).await, before);
}

#[tokio::test]
async fn what_a_process_marked_and_never_sent_is_released_once_the_rest_is_worked() {
    const GROUP: &str = "parser";
    let bench = Bench::ready(None).await;
    let log = bench.file.log();
    bench
        .work(&[bench.record(0, &receipt(1), &pressure(&[&item(131, 71)]))])
        .await;
    bench.registry.send_replace(registry(Some(PATIENT)));
    // A record that nobody has worked yet: the mark could be of a release that stands behind it.
    let before = bench.record(0, &receipt(2), &pressure(&[&item(120, 70)]));
    let published = NewRecord {
        topic: before.topic.clone(),
        key: before.key.clone().unwrap(),
        value: before.value.clone(),
    };
    let at = log.publish(vec![published]).await.remove(0).unwrap();
    let id = [format!("{}:0", receipt(1))];
    bench
        .file
        .store()
        .mark_releasing(Shelf::Parked, &id)
        .await
        .unwrap();
    let releaser = bench.releaser();
    let (_stop, stopping) = watch::channel(false);
    let watching = tokio::spawn(releaser.watch(GROUP.to_owned(), Duration::from_millis(5), stopping));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.sent(0).await.len(), 1, "it may still be on its way");
    log.set_offsets(GROUP, &bench.rules.topics.raw, &[(at.partition, at.offset + 1)])
        .await
        .unwrap();
    while bench.sent(0).await.len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    watching.abort();
    let sent = bench.sent(1).await;
    assert_eq!(bench.raw(&sent[0]).receipt_id, receipt(1));
}
