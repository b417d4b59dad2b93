//! Migrated entries in the books, and a run that is rolled back.

use std::time::Duration;

use bytes::Bytes;
use stardust_books::{Counts, Reach, Traced};
use stardust_domain::history::{CONTENT_TYPE, HistoryDocument};
use stardust_pipeline::log::{Log, NewRecord};
use stardust_pipeline::runs::{Retractions, Run, RunState, Runs};
use stardust_pipeline::store::{LetterState, Shelf, Store};
use stardust_wire::{RawRecord, Subject};

use tokio::time::Instant;

use crate::bench::{Bench, now};

const RUN: &str = "run-1";
/// Two readings, one of them dead; one that is neither; one that is no entry; the first again.
const ENTRIES: &str = r#"{"weight":71.4,"height":1.72,"body_data_import_date":1614556800},{"weight":0},7,{"weight":71.4,"height":1.72,"body_data_import_date":1614556800}"#;

async fn publish(bench: &Bench, patient: &str) {
    let text = format!(r#"{{"_id":"d","patient_id":"{patient}","data":[{ENTRIES}]}}"#);
    let document = HistoryDocument::read("AMY", "body_data_histories", &text).unwrap();
    let records = document.entries().map(|entry| {
        let raw = RawRecord {
            receipt_id: entry.receipt_id.to_string(),
            request_id: RUN.to_owned(),
            received_at: now().micros() - 3_600_000_000,
            source: "migration".to_owned(),
            content_type: Some(CONTENT_TYPE.to_owned()),
            gateway: None,
            migration_run: Some(RUN.to_owned()),
            items: None,
            body: Bytes::from(entry.body),
        };
        NewRecord {
            topic: bench.topics().raw.clone(),
            key: Bytes::copy_from_slice(document.topic_key().as_bytes()),
            value: Bytes::from(bench.rules.wire.encode(Subject::Raw, &raw).unwrap()),
        }
    });
    for acked in bench.file.log().publish(records.collect()).await {
        acked.unwrap();
    }
}

#[tokio::test]
async fn migrated_entries_balance_without_a_gateway_and_without_legacy_documents() {
    let bench = Bench::new(None).await;
    publish(&bench, "65a000000000000000000001").await;
    bench.work().await;
    let report = bench.report().await;
    assert!(report.balanced, "{report:?}");
    let expected = Counts {
        received: 4,
        stored: 1,
        dead: 2,
        ignored: 1,
        redelivered: 2,
        ..Counts::default()
    };
    assert_eq!(report.totals, expected, "{report:?}");
    assert_eq!(
        (report.observations, report.legacy, report.no_place, report.audit),
        (1, 0, 1, 3)
    );
    assert!(report.rows.iter().all(|row| row.gateway == "-"));
}

#[tokio::test]
async fn a_trace_finds_a_migrated_entry_and_its_outputs() {
    let bench = Bench::new(None).await;
    publish(&bench, "65a000000000000000000001").await;
    bench.work().await;
    let text = format!(r#"{{"_id":"d","patient_id":"65a000000000000000000001","data":[{ENTRIES}]}}"#);
    let document = HistoryDocument::read("AMY", "body_data_histories", &text).unwrap();
    let receipt = document.entries().next().unwrap().receipt_id.to_string();
    let reach = Reach {
        records: 1_000,
        spooled: 1_000,
        since: None,
        until: Instant::now() + Duration::from_secs(60),
    };
    let Some(Traced::Receipt(trace)) = bench.tracer().trace(&receipt, reach).await.unwrap() else {
        panic!("nobody knows the receipt");
    };
    assert_eq!((trace.state, trace.gateway), ("stored", None));
    let outcomes: Vec<_> = trace.readings.iter().map(|r| (r.item, r.outcome)).collect();
    assert_eq!(outcomes, [(Some(0), "stored"), (Some(1), "dead")]);
    let steps: Vec<&str> = trace.steps.iter().map(|s| s.step).collect();
    assert!(
        steps.contains(&"parsed") && steps.contains(&"audited"),
        "{steps:?}"
    );
}

#[tokio::test]
async fn of_a_run_that_is_rolled_back_the_books_expect_nothing() {
    let bench = Bench::new(None).await;
    publish(&bench, "65a000000000000000000001").await;
    bench.work().await;
    let store = bench.file.store();
    let run = Run {
        id: RUN.to_owned(),
        kind: "histories".to_owned(),
        source: "test".to_owned(),
        state: RunState::RollingBack,
        started: now(),
        updated: now(),
        version: 1,
        progress: "{}".to_owned(),
    };
    assert!(store.add_run(&run).await.unwrap());
    assert_eq!(store.sweep(RUN).await.unwrap(), 1);
    let open = [LetterState::Open];
    let letters = store.letters_after(Shelf::Dead, &open, None, 10).await.unwrap();
    let ids: Vec<String> = letters.into_iter().map(|letter| letter.id).collect();
    assert_eq!(store.remove_letters(Shelf::Dead, &ids).await.unwrap(), 2);
    let report = bench.report().await;
    assert!(report.balanced, "{report:?}");
    assert_eq!(
        (report.totals.stored, report.totals.ignored),
        (0, 3),
        "{report:?}"
    );
}
