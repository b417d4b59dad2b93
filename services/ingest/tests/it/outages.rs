//! The log goes away and comes back: nothing acknowledged is lost, and a gateway's order holds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use stardust_domain::registry::Registry;
use stardust_ingest::{NoSpool, follow};
use stardust_pipeline::log::{LogError, NewRecord, Topic};
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::Spool;
use stardust_wire::{LetterRecord, Subject, Wire};
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::client::{Client, post, request};
use crate::fakes::{FakeLog, FakeSpool, Mode, next};
use crate::stack::{Options, PARTITIONS, message, start, until};

#[tokio::test]
async fn while_the_log_is_away_messages_go_to_the_spool_and_later_to_the_log_in_order() {
    let stack = start(Options::default()).await;
    let spool = stack.spool.clone().unwrap();
    for mode in [Mode::Down, Mode::Full] {
        stack.log.set(mode);
        for n in 0..10 {
            let answer = post(stack.address, "/api/ava4/data", message(1, n)).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json()["processing"], "spooled");
        }
        assert_eq!(spool.len(), 10);
        stack.log.set(Mode::Up);
        until("the spool is empty", || spool.len() == 0).await;
    }
    let sent: Vec<_> = (0..10).chain(0..10).map(|n| message(1, n)).collect();
    let bodies: Vec<_> = stack.raw().into_iter().map(|raw| raw.body).collect();
    assert_eq!(bodies, sent);
    until("direct again", || stack.log.records().len() == 20).await;
    let answer = post(stack.address, "/api/ava4/data", message(1, 99)).await;
    assert_eq!(answer.json()["processing"], "queued");
}

#[tokio::test]
async fn a_log_that_never_answers_counts_as_away() {
    let stack = start(Options {
        confirm_within: Duration::from_millis(100),
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Silent);
    let answer = post(stack.address, "/api/ava4/data", message(1, 0)).await;
    assert_eq!(
        (answer.status, answer.json()["processing"].as_str()),
        (200, Some("spooled"))
    );
}

#[tokio::test]
async fn new_records_go_behind_what_an_earlier_run_left_in_the_spool() {
    let log = FakeLog::new(PARTITIONS);
    let spool = FakeSpool::new(10_000);
    let first = start(Options {
        log: log.clone(),
        spool: Some(spool.clone()),
        ..Options::default()
    })
    .await;
    log.set(Mode::Down);
    for n in 0..30 {
        post(first.address, "/api/ava4/data", message(1, n)).await;
    }
    assert!(first.running.stop(Duration::from_secs(5)).await);

    log.set(Mode::Hangs);
    let second = start(Options {
        log: log.clone(),
        spool: Some(spool.clone()),
        ..Options::default()
    })
    .await;
    let answer = post(second.address, "/api/ava4/data", message(1, 30)).await;
    assert_eq!(answer.json()["processing"], "spooled");
    log.set(Mode::Up);
    until("the spool is empty", || spool.len() == 0).await;
    let bodies: Vec<_> = second.raw().into_iter().map(|raw| raw.body).collect();
    let sent: Vec<_> = (0..31).map(|n| message(1, n)).collect();
    assert_eq!(bodies, sent);
}

/// The order of each gateway's acknowledged messages, over many seeded outages. Copies are allowed, where they come
/// only after the first; a gateway that sends one after the other must find them in the log in that order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateways_order_holds_through_failures_of_any_pattern() {
    for seed in 1..=6_u64 {
        let stack = start(Options::default()).await;
        stack.log.seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let gateways: Vec<_> = (0..8_u8)
            .map(|gateway| {
                let address = stack.address;
                tokio::spawn(async move {
                    let mut client = Client::connect(address).await;
                    let mut spooled = 0;
                    for n in 0..60 {
                        let body = message(gateway, n);
                        client
                            .write(&request("POST", "/api/ava4/data", &[], body.as_bytes()))
                            .await;
                        let answer = client.answer().await;
                        assert_eq!(answer.status, 200);
                        spooled += usize::from(answer.json()["processing"] == "spooled");
                    }
                    spooled
                })
            })
            .collect();
        let log = stack.log.clone();
        let weather = tokio::spawn(async move {
            let mut x = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
            loop {
                x = next(x);
                log.set(match x % 5 {
                    0 | 1 => Mode::Down,
                    2 => Mode::Up,
                    _ => Mode::Flaky(x % 400),
                });
                sleep(Duration::from_millis(x % 15)).await;
            }
        });
        let mut spooled = 0;
        for gateway in gateways {
            spooled += gateway.await.unwrap();
        }
        weather.abort();
        let _ = weather.await;
        assert!(spooled > 0, "seed {seed}: no outage was seen");
        stack.log.set(Mode::Up);
        let spool = stack.spool.clone().unwrap();
        until("the spool is empty", || spool.len() == 0).await;

        let mut order: HashMap<String, Vec<u64>> = HashMap::new();
        for raw in stack.raw() {
            let body: Value = serde_json::from_slice(&raw.body).unwrap();
            let seen = order.entry(raw.gateway.unwrap()).or_default();
            let n = body["n"].as_u64().unwrap();
            if !seen.contains(&n) {
                seen.push(n);
            }
        }
        assert_eq!(order.len(), 8);
        for (gateway, seen) in order {
            assert_eq!(
                seen,
                (0..60).collect::<Vec<_>>(),
                "seed {seed}, gateway {gateway}"
            );
        }
    }
}

#[tokio::test]
async fn a_full_spool_is_said_with_retry_after() {
    let stack = start(Options {
        spool: Some(FakeSpool::new(2)),
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Down);
    let mut statuses = Vec::new();
    for n in 0..4 {
        let answer = post(stack.address, "/api/ava4/data", message(1, n)).await;
        statuses.push(answer.status);
        if answer.status == 503 {
            assert_eq!(answer.error(), "SERVICE_UNAVAILABLE");
            assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
        }
    }
    assert_eq!(statuses, [200, 200, 503, 503]);
    // In a batch as many as fit are kept; the whole is to be sent again.
    let stack = start(Options {
        spool: Some(FakeSpool::new(2)),
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Down);
    let batch = format!("[{},{},{}]", message(1, 0), message(1, 1), message(1, 2));
    let answer = post(stack.address, "/api/ava4/data/batch", batch).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "SERVICE_UNAVAILABLE")
    );
    assert_ne!(answer.header("retry-after"), "");
}

#[tokio::test]
async fn without_a_spool_an_outage_is_said() {
    let _: Option<NoSpool> = None;
    let stack = start(Options {
        spool: None,
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Down);
    let answer = post(stack.address, "/api/ava4/data", message(1, 0)).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "SERVICE_UNAVAILABLE")
    );
    stack.log.set(Mode::Up);
    let answer = post(stack.address, "/api/ava4/data", message(1, 1)).await;
    assert_eq!(answer.json()["processing"], "queued");
}

fn letters(log: &FakeLog) -> Vec<LetterRecord> {
    let wire = Wire::builtin().unwrap();
    log.records()
        .iter()
        .filter(|record| record.topic.as_str() == "ava4.readings.dead")
        .map(|record| wire.decode(Subject::Dead, &record.value).unwrap())
        .collect()
}

#[tokio::test]
async fn a_record_that_the_log_never_takes_becomes_a_dead_letter() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Refuses);
    let answer = post(stack.address, "/api/ava4/data", message(1, 0)).await;
    assert_eq!(answer.status, 200);
    let found = letters(&stack.log);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].receipt_id, answer.json()["receipt_id"].as_str().unwrap());
    assert_eq!(found[0].body, message(1, 0));
    assert_eq!(found[0].items[0].stage, "spool");

    // The same from the spool, and what stands behind it goes on.
    stack.log.set(Mode::Down);
    post(stack.address, "/api/ava4/data", message(1, 1)).await;
    stack.log.set(Mode::Refuses);
    let spool = stack.spool.clone().unwrap();
    until("the spool is empty", || spool.len() == 0).await;
    assert_eq!(letters(&stack.log).len(), 2);

    stack.log.set(Mode::RefusesAll);
    let answer = post(stack.address, "/api/ava4/data", message(1, 2)).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (500, "INTERNAL_SERVER_ERROR")
    );
}

#[tokio::test]
async fn what_is_refused_only_for_its_neighbours_is_no_dead_letter() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Down);
    for n in 0..4 {
        post(stack.address, "/api/ava4/data", message(1, n)).await;
    }
    stack.log.set(Mode::RefusesTogether);
    let spool = stack.spool.clone().unwrap();
    until("the spool is empty", || spool.len() == 0).await;
    assert!(letters(&stack.log).is_empty());
    assert_eq!(stack.log.records().len(), 4);
}

#[tokio::test]
async fn a_spooled_record_that_goes_nowhere_is_kept_and_does_not_hold_the_others_up() {
    let stack = start(Options::default()).await;
    let spool = stack.spool.clone().unwrap();
    stack.log.set(Mode::Down);
    post(stack.address, "/api/ava4/data", message(1, 0)).await;
    stack.log.set(Mode::RefusesAll);
    let stuck = || {
        let families = stack.counters.gather();
        families
            .iter()
            .find(|f| f.name() == "stardust_door_spool_stuck_records")
            .map_or(0.0, |f| f.get_metric()[0].get_gauge().get_value())
    };
    until("it is set aside", || stuck() > 0.5).await;
    stack.log.set(Mode::Up);
    let answer = post(stack.address, "/api/ava4/data", message(1, 1)).await;
    assert_eq!(answer.json()["processing"], "queued");
    assert_eq!(spool.len(), 1);
}

#[tokio::test]
async fn a_client_of_the_log_that_broke_ends_the_process_after_the_records_are_safe() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Broken);
    let answer = post(stack.address, "/api/ava4/data", message(1, 0)).await;
    assert_eq!(answer.json()["processing"], "spooled");
    let failed = timeout(Duration::from_secs(5), stack.running.failed())
        .await
        .unwrap();
    assert!(matches!(failed, LogError::Fatal(_)));
}

#[tokio::test]
async fn the_keys_of_a_spool_are_counted() {
    let spool = FakeSpool::new(100);
    let record = |key: &'static str| NewRecord {
        topic: Topic::new("t"),
        key: Bytes::from_static(key.as_bytes()),
        value: Bytes::new(),
    };
    spool
        .append(vec![record("a"), record("b"), record("a")])
        .await
        .unwrap();
    let mut keys = spool.keys().await.unwrap();
    keys.sort();
    assert_eq!(
        keys,
        [(Bytes::from_static(b"a"), 2), (Bytes::from_static(b"b"), 1)]
    );
}

#[tokio::test]
async fn one_partition_that_is_away_does_not_hold_the_others_up() {
    let stack = start(Options::default()).await;
    let spool = stack.spool.clone().unwrap();
    let partition = |gateway: u8| partition_of(format!("020000aa00{gateway:02x}").as_bytes(), PARTITIONS);
    let other = (2..40).find(|g| partition(*g) != partition(1)).unwrap();
    stack.log.set(Mode::Down);
    let many: Vec<_> = (0..900).map(|n| message(1, n)).collect();
    let answer = post(
        stack.address,
        "/api/ava4/data/batch",
        format!("[{}]", many.join(",")),
    )
    .await;
    assert_eq!(answer.status, 200);
    for n in 0..20 {
        post(stack.address, "/api/ava4/data", message(other, n)).await;
    }
    assert_eq!(spool.len(), 920);
    stack.log.set(Mode::DownFor(partition(1)));
    until("the others went", || spool.len() == 900).await;
    let answer = post(stack.address, "/api/ava4/data", message(other, 20)).await;
    assert_eq!(answer.json()["processing"], "queued");
    let answer = post(stack.address, "/api/ava4/data", message(1, 900)).await;
    assert_eq!(answer.json()["processing"], "spooled");

    stack.log.set(Mode::Up);
    until("all went", || spool.len() == 0).await;
    let of = |gateway: u8| {
        let name = format!("02:00:00:AA:00:{gateway:02X}");
        stack
            .raw()
            .into_iter()
            .map(|raw| String::from_utf8(raw.body.to_vec()).unwrap())
            .filter(|body| body.contains(&name))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(1), (0..=900).map(|n| message(1, n)).collect::<Vec<_>>());
    assert_eq!(of(other), (0..=20).map(|n| message(other, n)).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_registry_is_followed_from_its_first_reading_on() {
    let (first, ready) = oneshot::channel::<()>();
    let (feed, changes) = watch::channel(Arc::new(Registry::default()));
    let mut view = follow(async move {
        ready.await.ok()?;
        Some(changes)
    });
    assert!(view.borrow().is_none());
    first.send(()).unwrap();
    view.changed().await.unwrap();
    assert!(view.borrow_and_update().is_some());
    let newer = Arc::new(Registry::default());
    feed.send_replace(Arc::clone(&newer));
    view.changed().await.unwrap();
    assert!(Arc::ptr_eq(view.borrow().as_ref().unwrap(), &newer));
}
