//! The synchronous fallback over a real local log: stored before the answer, forwarded once, switched at any moment.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use stardust_embedded::{Embedded, EmbeddedLog};
use stardust_ingest::{Fallback, Journaled, Local, Mode};
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Budget, Commit, LogError, LogRecord, NewRecord, Topic};
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::relay::Relay;
use stardust_pipeline::settled::{Settled, Told};
use stardust_pipeline::store::StoreError;
use stardust_pipeline::worker::{self, Stage, StageError, WorkerConfig};
use stardust_wire::{LetterRecord, RawRecord, Subject, Wire};
use tokio::sync::watch;

use crate::client::{Answer, Client, post, post_with, request};
use crate::fakes;
use crate::stack::{Options, Stack, message, start, until};

/// What the broker does with a transaction.
#[derive(Clone, Copy, PartialEq)]
enum Broker {
    Up,
    Away,
    /// Takes it, and nobody hears of it.
    Unheard,
    /// Takes no raw record.
    RefusesRaw,
}

struct Published {
    broker: Broker,
    records: Vec<NewRecord>,
    place: Option<i64>,
}

/// A broker that keeps records and place together.
#[derive(Clone)]
struct FakeRelay(Arc<Mutex<Published>>);

impl FakeRelay {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Published {
            broker: Broker::Up,
            records: Vec::new(),
            place: None,
        })))
    }

    fn set(&self, broker: Broker) {
        self.0.lock().unwrap().broker = broker;
    }

    /// Topics and numbers of what was published, in order.
    fn published(&self) -> Vec<(String, u64)> {
        let published = self.0.lock().unwrap();
        published
            .records
            .iter()
            .map(|r| (r.topic.to_string(), number(&r.topic, &r.value)))
            .collect()
    }
}

/// The number in the message of a raw record, or in what our stage made of it.
fn number(topic: &Topic, value: &Bytes) -> u64 {
    let wire = Wire::builtin().unwrap();
    let body = if topic.as_str().ends_with(".raw") {
        wire.decode::<RawRecord>(Subject::Raw, value).unwrap().body
    } else if topic.as_str().ends_with(".dead") {
        wire.decode::<LetterRecord>(Subject::Dead, value).unwrap().body
    } else {
        value.clone()
    };
    serde_json::from_slice::<serde_json::Value>(&body).unwrap()["n"]
        .as_u64()
        .unwrap()
}

impl Relay for FakeRelay {
    async fn next(&mut self) -> Result<Option<i64>, LogError> {
        let published = self.0.lock().unwrap();
        match published.broker {
            Broker::Away => Err(LogError::Unavailable("away".to_owned())),
            _ => Ok(published.place),
        }
    }

    async fn forward(&mut self, records: Vec<NewRecord>, next: i64) -> Result<Commit, LogError> {
        let mut published = self.0.lock().unwrap();
        let raw = records.iter().any(|r| r.topic.as_str().ends_with(".raw"));
        match published.broker {
            Broker::Away => return Err(LogError::Unavailable("away".to_owned())),
            Broker::RefusesRaw if raw => return Err(LogError::Refused("too large".to_owned())),
            _ => {}
        }
        published.records.extend(records);
        published.place = Some(next);
        if published.broker == Broker::Unheard {
            published.broker = Broker::Up;
            return Ok(Commit::Again);
        }
        Ok(Commit::Done)
    }
}

/// Makes one output of each record, while the store is there.
struct Echo {
    store: watch::Receiver<bool>,
}

impl Stage for Echo {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        if !*self.store.borrow() {
            return Err(StoreError::Unavailable("away".to_owned()).into());
        }
        let wire = Wire::builtin().unwrap();
        let output = |record: &LogRecord| NewRecord {
            topic: Topic::new("fhir.observations"),
            key: record.key.clone().unwrap(),
            value: wire
                .decode::<RawRecord>(Subject::Raw, &record.value)
                .unwrap()
                .body,
        };
        Ok(batch.iter().map(output).collect())
    }
    fn committed(&mut self) {}
    fn reset(&mut self) {}
}

struct Bench {
    folder: tempfile::TempDir,
    file: Embedded,
    stack: Stack,
    relay: FakeRelay,
    mode: Mode,
    settled: Settled,
    store: watch::Sender<bool>,
    local: Local<EmbeddedLog>,
    stop: watch::Sender<bool>,
}

async fn local(file: &Embedded, limit_bytes: u64) -> Local<EmbeddedLog> {
    let topics = [Topic::new("sync/door"), Topic::new("sync/earlier")];
    Local::open(file.log(), topics.to_vec(), Topic::new("journal/1"), limit_bytes)
        .await
        .unwrap()
}

/// A door in the synchronous mode; its worker does not run yet.
async fn bench(folder: tempfile::TempDir, relay: FakeRelay, limit_bytes: u64) -> Bench {
    let file = Embedded::open(folder.path(), "door").unwrap();
    let local = local(&file, limit_bytes).await;
    let mut stack = start(Options::default()).await;
    let (mode, settled) = (Mode::new(false), Settled::default());
    let fallback = Fallback {
        within: Duration::from_millis(300),
        ..Fallback::new(mode.clone(), settled.clone())
    };
    let both = Some((local.clone(), relay.clone()));
    stack.door.fall_back(&mut stack.running, fallback, both);
    Bench {
        folder,
        file,
        stack,
        relay,
        mode,
        settled,
        store: watch::Sender::new(true),
        local,
        stop: watch::Sender::new(false),
    }
}

async fn fresh() -> Bench {
    bench(tempfile::tempdir().unwrap(), FakeRelay::new(), 1 << 30).await
}

impl Bench {
    fn start_worker(&self) {
        let echo = Echo {
            store: self.store.subscribe(),
        };
        let stage = Journaled::new(echo, &self.local, Topic::new("ava4.readings.raw"));
        let config = WorkerConfig {
            group: Local::<EmbeddedLog>::GROUP.to_owned(),
            topics: self.local.raw().to_vec(),
            worker: 0,
            budget: Budget {
                records: 10,
                bytes: 1 << 20,
                wait: Duration::from_millis(50),
            },
            gather: Duration::ZERO,
            drain: Duration::from_secs(1),
            backoff: Backoff::new(Duration::from_millis(1), Duration::from_millis(20)),
        };
        let run = worker::run(
            self.local.log().clone(),
            config,
            Told::new(stage, self.settled.clone()),
            self.stop.subscribe(),
            Arc::new(Pulse::new("fallback")),
        );
        tokio::spawn(run);
    }

    async fn send(&self, number: usize) -> Answer {
        post(self.stack.address, "/api/ava4/data", message(1, number)).await
    }

    async fn processing(&self, number: usize) -> String {
        let answer = self.send(number).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["processing"].as_str().unwrap().to_owned()
    }

    /// Ends everything but the disk and the broker.
    async fn end(self) -> (tempfile::TempDir, FakeRelay) {
        self.stop.send_replace(true);
        self.stack.running.stop(Duration::from_secs(10)).await;
        self.file.close().await;
        (self.folder, self.relay)
    }
}

fn each_once(published: &[(String, u64)], numbers: std::ops::Range<u64>) {
    for topic in ["fhir.observations", "ava4.readings.raw"] {
        let mut found: Vec<u64> = published
            .iter()
            .filter(|(t, _)| t == topic)
            .map(|(_, n)| *n)
            .collect();
        found.sort_unstable();
        assert_eq!(found, numbers.clone().collect::<Vec<_>>(), "{topic}");
    }
    for n in numbers {
        let place = |topic: &str| published.iter().position(|(t, m)| t == topic && *m == n);
        assert!(
            place("fhir.observations") < place("ava4.readings.raw"),
            "the output of {n} stands before its copy"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_comes_after_the_store_and_all_is_forwarded_once() {
    let bench = fresh().await;
    bench.start_worker();
    for n in 0..20 {
        assert_eq!(bench.processing(n).await, "stored");
    }
    let batch = format!("[{},{}]", message(2, 20), message(3, 21));
    let answer = post(bench.stack.address, "/api/ava4/data/batch", batch)
        .await
        .json();
    assert_eq!(
        [
            &answer["items"][0]["processing"],
            &answer["items"][1]["processing"]
        ],
        ["stored", "stored"]
    );
    until("all is forwarded", || bench.relay.published().len() == 44).await;
    each_once(&bench.relay.published(), 0..22);
    assert!(bench.stack.log.records().is_empty(), "nothing went the usual way");
    until("nothing is held", || bench.local.held().level().records == 0).await;
    assert_eq!(bench.local.held().level().bytes, 0);
    let metrics = crate::client::get(bench.stack.address, "/metrics").await;
    let counted = r#"stardust_door_messages_total{result="stored"} 22"#;
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_messages_are_spooled_and_worked_later_in_either_mode() {
    let bench = fresh().await;
    bench.store.send_replace(false);
    bench.start_worker();
    for n in 0..3 {
        assert_eq!(bench.processing(n).await, "spooled");
    }
    assert!(bench.mode.switch(true));
    bench.store.send_replace(true);
    until("all is forwarded", || bench.relay.published().len() == 6).await;
    each_once(&bench.relay.published(), 0..3);
    assert_eq!(bench.processing(3).await, "queued");
    assert_eq!(bench.stack.raw().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_disk_is_worked_and_forwarded_once_after_a_restart() {
    let relay = FakeRelay::new();
    relay.set(Broker::Away);
    let first = bench(tempfile::tempdir().unwrap(), relay.clone(), 1 << 30).await;
    // The worker is dead, so is the broker.
    assert_eq!(first.processing(0).await, "spooled");
    assert_eq!(first.processing(1).await, "spooled");
    let (folder, relay) = first.end().await;

    let second = bench(folder, relay, 1 << 30).await;
    assert_eq!(second.local.held().level().records, 2, "counted at the start");
    second.start_worker();
    assert_eq!(second.processing(2).await, "stored");
    assert!(second.relay.published().is_empty());
    let (folder, relay) = second.end().await;

    // Forwarded, but the process ends before it hears of it.
    relay.0.lock().unwrap().broker = Broker::Unheard;
    let third = bench(folder, relay, 1 << 30).await;
    third.start_worker();
    until("the broker has it", || third.relay.published().len() == 6).await;
    let (folder, relay) = third.end().await;
    let fourth = bench(folder, relay, 1 << 30).await;
    fourth.start_worker();
    assert_eq!(fourth.processing(3).await, "stored");
    until("all is forwarded", || fourth.relay.published().len() == 8).await;
    each_once(&fourth.relay.published(), 0..4);
    until("nothing is held", || fourth.local.held().level().records == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_the_broker_refuses_is_a_dead_letter_and_the_rest_goes_on() {
    let bench = fresh().await;
    bench.relay.set(Broker::RefusesRaw);
    bench.start_worker();
    for n in 0..3 {
        assert_eq!(bench.processing(n).await, "stored");
    }
    until("all is forwarded", || bench.relay.published().len() == 6).await;
    let mut letters: Vec<u64> = bench
        .relay
        .published()
        .into_iter()
        .filter(|(topic, _)| topic == "ava4.readings.dead")
        .map(|(_, n)| n)
        .collect();
    letters.sort_unstable();
    assert_eq!(letters, [0, 1, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_local_log_is_told_and_empties() {
    let relay = FakeRelay::new();
    relay.set(Broker::Away);
    let bench = bench(tempfile::tempdir().unwrap(), relay, 2_000).await;
    bench.start_worker();
    let mut taken = 0;
    let refused = loop {
        let answer = bench.send(taken).await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 100, "2 kB hold no hundred messages");
    };
    assert_eq!(
        (refused.status, refused.error().as_str()),
        (503, "SERVICE_UNAVAILABLE")
    );
    assert!(!refused.header("retry-after").is_empty());
    bench.relay.set(Broker::Up);
    until("all is forwarded", || bench.relay.published().len() == 2 * taken).await;
    until("there is room", || bench.local.held().level().bytes == 0).await;
    assert_eq!(bench.processing(taken).await, "stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_over_a_log_on_its_own_disk_only_waits() {
    let mut stack = start(Options::default()).await;
    let (mode, settled) = (Mode::new(false), Settled::default());
    let fallback = Fallback {
        within: Duration::from_millis(300),
        ..Fallback::new(mode.clone(), settled.clone())
    };
    let nothing = None::<(Local<EmbeddedLog>, FakeRelay)>;
    stack.door.fall_back(&mut stack.running, fallback, nothing);
    let send = |n| post(stack.address, "/api/ava4/data", message(1, n));
    assert_eq!(send(0).await.json()["processing"], "spooled", "nobody works it");
    let raw = Topic::new("ava4.readings.raw");
    let ends = (0..crate::stack::PARTITIONS).map(|partition| ((raw.clone(), partition), 100));
    settled.advance(ends);
    assert_eq!(send(1).await.json()["processing"], "stored");
    stack.log.set(fakes::Mode::Down);
    assert_eq!(send(2).await.json()["processing"], "spooled");
    stack.log.set(fakes::Mode::Up);
    mode.switch(true);
    until("the spool is empty", || stack.spool.as_ref().unwrap().len() == 0).await;
    assert_eq!(send(3).await.json()["processing"], "queued");
    assert_eq!(stack.raw().len(), 4);
}

async fn put(bench: &Bench, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut client = Client::connect(bench.stack.address).await;
    client
        .write(&request("PUT", "/admin/queue/mode", headers, body.as_bytes()))
        .await;
    client.answer().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_switches_and_nonsense_is_refused() {
    let bench = fresh().await;
    let typed = [("content-type", "application/json")];
    for (body, answer) in [
        (r#"{"enabled":true}"#, json!({"enabled": true, "changed": true})),
        (r#"{"enabled":true}"#, json!({"enabled": true, "changed": false})),
        (
            r#" {"enabled": false} "#,
            json!({"enabled": false, "changed": true}),
        ),
    ] {
        let said = put(&bench, &typed, body).await;
        assert_eq!((said.status, said.json()), (200, answer));
        assert!(!said.header("x-request-id").is_empty());
    }
    assert!(!bench.mode.is_async());
    let metrics = crate::client::get(bench.stack.address, "/metrics").await;
    assert!(metrics.text().contains("stardust_door_async_enabled 0"));
    let far = [typed[0], ("x-forwarded-for", "192.0.2.7")];
    let lines = [("content-type", "application/x-ndjson")];
    for (headers, body, status, code) in [
        (&far[..], r#"{"enabled":true}"#, 403, "FORBIDDEN"),
        (&lines[..], r#"{"enabled":true}"#, 415, "UNSUPPORTED_MEDIA_TYPE"),
        (&typed[..], "", 400, "INVALID_JSON"),
        (&typed[..], "true", 400, "INVALID_JSON"),
        (&typed[..], "{}", 422, "VALIDATION_MISSING_FIELD"),
        (&typed[..], r#"{"enabled":"yes"}"#, 422, "INVALID_TYPE"),
    ] {
        let said = put(&bench, headers, body).await;
        assert_eq!((said.status, said.error().as_str()), (status, code), "{body}");
    }
    assert!(!bench.mode.is_async(), "none of them did anything");
    let said = post_with(bench.stack.address, "/admin/queue/mode", &typed, "{}").await;
    assert_eq!((said.status, said.header("allow")), (405, "PUT"));
    let without = start(Options::default()).await;
    let mut client = Client::connect(without.address).await;
    let body = br#"{"enabled":false}"#;
    client
        .write(&request("PUT", "/admin/queue/mode", &typed, body))
        .await;
    assert_eq!(client.answer().await.status, 404, "a door without a fallback");
}
