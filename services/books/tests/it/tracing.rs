//! Where one reading is, and how it came there.

use std::time::Duration;

use stardust_books::{Reach, Step, Trace, Traced};
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Budget, Log, Topic};
use stardust_pipeline::spool::Spool;
use tokio::time::Instant;

use crate::bench::{Bench, KNOWN, PATIENT, STRANGER, message, now, pressure, receipt};

fn reach(since: Option<Timestamp>) -> Reach {
    Reach {
        records: 1_000,
        spooled: 1_000,
        since,
        until: Instant::now() + Duration::from_secs(60),
    }
}

async fn traced(bench: &Bench, id: &str) -> Option<Traced> {
    bench.tracer().trace(id, reach(None)).await.unwrap()
}

async fn trace(bench: &Bench, id: &str) -> Trace {
    match traced(bench, id).await {
        Some(Traced::Receipt(trace)) => *trace,
        other => panic!("{other:?}"),
    }
}

fn steps<'a>(trace: &'a Trace, name: &str) -> Vec<&'a Step> {
    trace.steps.iter().filter(|s| s.step == name).collect()
}

fn names(trace: &Trace) -> Vec<&'static str> {
    trace.steps.iter().map(|s| s.step).collect()
}

#[tokio::test]
async fn a_stored_reading_shows_every_place_that_it_came_through() {
    let bench = Bench::new(None).await;
    let at = now();
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    bench.work().await;
    let id = receipt(1, at);
    let found = trace(&bench, &id).await;
    assert_eq!((found.state, found.receipt_id.as_str()), ("stored", id.as_str()));
    assert_eq!(found.gateway.as_deref(), Some("020000aa0001"));
    assert_eq!(found.request_id.as_deref(), Some("request-1"));
    assert_eq!((found.readings.len(), found.readings[0].outcome), (1, "stored"));
    assert_eq!(
        names(&found),
        [
            "received",
            "published",
            "parsed",
            "stored",
            "emitted",
            "stored",
            "emitted",
            "emitted",
            "legacy",
            "emitted",
            "audited"
        ],
        "{found:#?}"
    );
    assert_eq!(steps(&found, "published")[0].result, "worked");
    assert_eq!(steps(&found, "parsed")[0].result, "created");
    assert_eq!(steps(&found, "legacy")[0].result, "in blood_pressure_histories");
    assert_eq!((found.audit[0].seq, found.audit[0].item), (1, Some(0)));
    assert!(found.notes.is_empty(), "{:?}", found.notes);

    // What a step names is there.
    for step in steps(&found, "emitted") {
        let (topic, offset) = (Topic::new(step.topic.as_ref().unwrap()), step.offset.unwrap());
        let one = Budget {
            records: 1,
            bytes: 1,
            wait: Duration::from_secs(5),
        };
        let record = bench
            .file
            .log()
            .read(&topic, step.partition.unwrap(), offset, one)
            .await
            .unwrap();
        assert_eq!(record[0].offset, offset);
        assert_eq!(
            step.time,
            Timestamp::from_millis(record[0].timestamp_ms).instant()
        );
    }

    let by_observation = trace(&bench, &found.observations[0].observation_id).await;
    assert_eq!(by_observation, found);
    let text = serde_json::to_string(&found).unwrap();
    // As words: ids and times have any digits in them.
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    for value in ["131", "80", "70", PATIENT] {
        assert!(!words.contains(&value), "{value} in {text}");
    }
}

#[tokio::test]
async fn what_has_not_got_far_says_how_far() {
    let bench = Bench::new(None).await;
    let at = now();
    assert_eq!(traced(&bench, &receipt(9, at)).await, None);
    assert_eq!(traced(&bench, "no such thing").await, None);

    let spooled = (1, at, message(at, &[pressure(at, KNOWN, 131)]));
    bench
        .file
        .spool(1 << 20)
        .append(vec![bench.record(&spooled)])
        .await
        .unwrap();
    let found = trace(&bench, &receipt(1, at)).await;
    assert_eq!(
        (found.state, names(&found)),
        ("spooled", vec!["received", "spooled"])
    );

    let heartbeat =
        r#"{"mac":"02:00:00:AA:00:01","time":1772323200,"type":"HB_Msg","data":{"msg":"Online"}}"#;
    bench
        .publish(&[
            (2, at, message(at, &[pressure(at, KNOWN, 132)])),
            (3, at, heartbeat.to_owned()),
        ])
        .await;
    let found = trace(&bench, &receipt(2, at)).await;
    assert_eq!(
        (found.state, names(&found)),
        ("queued", vec!["received", "published"])
    );
    assert_eq!(found.steps[1].result, "waits for the parser");
    bench.parse().await;
    let found = trace(&bench, &receipt(3, at)).await;
    assert_eq!(
        (found.state, names(&found)),
        ("ignored", vec!["received", "published"])
    );
    // Stored, while router and recorder have not been there.
    let found = trace(&bench, &receipt(2, at)).await;
    assert_eq!(found.state, "stored");
    assert_eq!(
        steps(&found, "legacy")[0].result,
        "not in blood_pressure_histories yet"
    );
    assert_eq!(steps(&found, "parsed")[0].result, "created", "the topic tells");
    assert!(steps(&found, "audited").is_empty());
}

#[tokio::test]
async fn a_duplicate_is_told_by_the_topic_and_then_by_the_store() {
    let bench = Bench::new(None).await;
    let at = now();
    let reading = message(at, &[pressure(at, KNOWN, 131)]);
    bench.publish(&[(1, at, reading.clone()), (2, at, reading)]).await;
    bench.parse().await;
    assert_eq!(trace(&bench, &receipt(2, at)).await.state, "duplicate");
    bench.store_outputs().await;
    let found = trace(&bench, &receipt(2, at)).await;
    assert_eq!((found.state, found.readings[0].item), ("duplicate", Some(0)));
    assert_eq!(found.audit[0].outcome, "duplicate");
}

#[tokio::test]
async fn a_release_is_a_step_of_its_own() {
    let bench = Bench::new(None).await;
    let at = now();
    let items = [pressure(at, STRANGER, 131), pressure(at, KNOWN, 132)];
    bench.publish(&[(1, at, message(at, &items))]).await;
    bench.work().await;
    let id = receipt(1, at);
    let found = trace(&bench, &id).await;
    assert_eq!(found.state, "parked", "what waits comes first");
    assert_eq!(steps(&found, "parsed")[0].result, "parked: device unknown");
    assert_eq!(steps(&found, "letter")[0].result, "parked: device unknown, open");
    bench.release().await;
    bench.work().await;
    let found = trace(&bench, &id).await;
    assert_eq!(found.state, "stored");
    let published: Vec<&str> = steps(&found, "published")
        .iter()
        .map(|s| s.result.as_str())
        .collect();
    assert_eq!(published, ["worked", "release of item 0: worked"]);
    let parsed: Vec<(Option<i32>, &str)> = steps(&found, "parsed")
        .iter()
        .map(|s| (s.item, s.result.as_str()))
        .collect();
    assert_eq!(
        parsed,
        [
            (Some(0), "parked: device unknown"),
            (Some(1), "created"),
            (Some(0), "created")
        ]
    );
    assert_eq!(
        steps(&found, "letter")[0].result,
        "parked: device unknown, closed"
    );
}

#[tokio::test]
async fn the_store_still_tells_once_the_raw_record_is_gone() {
    let bench = Bench::new(Some(Duration::from_millis(5))).await;
    let at = now();
    let items = [pressure(at, KNOWN, 131), pressure(at, "", 120)];
    bench.publish(&[(1, at, message(at, &items))]).await;
    bench.work().await;
    let whole = trace(&bench, &receipt(1, at)).await;
    bench.cut().await;
    let found = trace(&bench, &receipt(1, at)).await;
    assert_eq!(found.readings, whole.readings);
    assert_eq!(found.audit, whole.audit);
    assert!(steps(&found, "published").is_empty());
    assert_eq!(
        steps(&found, "emitted"),
        steps(&whole, "emitted"),
        "those topics keep longer"
    );
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
}

#[tokio::test]
async fn a_request_id_leads_to_its_receipts() {
    let bench = Bench::new(None).await;
    let at = now();
    let later = Timestamp::from_seconds(at.seconds() + 1);
    let since = Some(Timestamp::from_seconds(at.seconds() - 60));
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    assert_eq!(traced(&bench, "request-1").await, None, "it carries no time");
    let found = bench.tracer().trace("request-1", reach(since)).await.unwrap();
    let Some(Traced::Receipt(one)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(one.receipt_id, receipt(1, at));
    bench
        .publish(&[(1, later, message(later, &[pressure(later, KNOWN, 132)]))])
        .await;
    let found = bench.tracer().trace("request-1", reach(since)).await.unwrap();
    let Some(Traced::Request(request)) = found else {
        panic!("{found:?}")
    };
    assert_eq!(request.receipts, [receipt(1, at), receipt(1, later)]);
}
