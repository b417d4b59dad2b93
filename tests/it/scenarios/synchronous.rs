//! The synchronous fallback: stored before the answer, switched at any moment, whatever is away or killed.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use stardust_scenarios::books::{Stored, settled};
use stardust_scenarios::http::{self, Answer};
use stardust_scenarios::load::{Acknowledged, Load, kept};
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::servers::{self, Server};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, wait, ward};

const BEDS: u8 = 6;
const OFF: &str = r#"{"enabled":false}"#;
const ON: &str = r#"{"enabled":true}"#;

fn synchronous(mut stack: Stack) -> Stack {
    stack.set("ENABLE_ASYNC_FHIR", "false");
    stack.learn(&Registry::ward(BEDS));
    stack
}

fn switch(stack: &Stack, body: &str) -> Answer {
    let json = [("content-type", "application/json")];
    http::once(stack.door(), "PUT", "/admin/queue/mode", &json, body.as_bytes()).expect("the door answers")
}

/// Nothing is left on the door's disk, everything is worked, and the books balance.
fn forwarded(stack: &Stack) -> Stored {
    wait::until("the local log is forwarded", || {
        (!stack.get("/health").text().contains("wait for the broker")).then_some(())
    });
    settled(stack)
}

fn all(acknowledged: &[Acknowledged], processing: &str) -> bool {
    acknowledged.iter().all(|a| a.processing == processing)
}

/// The messages of a ward in which everything happens that can happen.
fn ward_of_all_kinds(from: i64) -> Vec<String> {
    let mut messages: Vec<String> = (0..60).map(|n| ward::mixture(n, BEDS, from)).collect();
    // Sent again: duplicates, of whole messages and within one.
    messages.extend((0..12).map(|n| ward::mixture(n, BEDS, from)));
    let cuff = Device::Cuff.address(1);
    let fields = r#""bp_high":131,"bp_low":84,"PR":71"#;
    let twice = [
        ward::item(&cuff, from - 7, fields),
        ward::item(&cuff, from - 7, fields),
    ];
    messages.push(ward::message(&gateway(1), "BP_BIOLIGTH", from, &twice));
    // A letter, a letter of one quantity, an unknown device, an unknown attribute.
    messages.push(ward::temperature(1, from - 8, "99.9"));
    messages.push(ward::pressure(2, from - 9, 131, 84, 999));
    messages.push(ward::single(
        &gateway(1),
        "BP_BIOLIGTH",
        "020000ccffff",
        from,
        fields,
    ));
    messages.push(ward::single(&gateway(1), "NO_SUCH_THING", &cuff, from, fields));
    messages
}

/// What became of each item of each message, by the number of the message.
fn outcomes(stored: &Stored, receipts: &[String]) -> BTreeMap<String, usize> {
    let numbers: BTreeMap<&str, usize> = receipts.iter().map(String::as_str).zip(0..).collect();
    let mut found = BTreeMap::new();
    for event in stored.audit.values() {
        let text = event.to_string();
        let (receipt, number) = numbers
            .iter()
            .find(|(receipt, _)| text.contains(**receipt))
            .expect("an event of a receipt of ours");
        let what = event["outcome"]["detail"].to_string();
        // The receipt and all that comes of it differs from run to run, the outcome does not.
        *found
            .entry(format!("{number}: {}", what.replace(receipt, "-")))
            .or_default() += 1;
    }
    found
}

/// Resources without what a receipt gives them.
fn resources(stored: &Stored) -> BTreeMap<String, Value> {
    let mut resources = stored.observations.clone();
    for resource in resources.values_mut() {
        let fields = resource.as_object_mut().expect("a resource");
        fields.remove("issued");
        fields.remove("meta");
    }
    resources
}

pub fn a_whole_ward_gives_the_same_results(backend: Backend) {
    let from = ward::now() - 100_000;
    let mut results = Vec::new();
    for processing in ["queued", "stored"] {
        let mut stack = Stack::new(backend);
        if processing == "stored" {
            stack = synchronous(stack);
        } else {
            stack.learn(&Registry::ward(BEDS));
        }
        stack.start();
        assert_eq!(
            stack.get("/admin/queue/stats").json()["enabled"],
            processing == "queued"
        );
        let mut receipts = Vec::new();
        for message in ward_of_all_kinds(from) {
            let answer = stack.post(message);
            assert_eq!(answer.status, 200, "{}", answer.text());
            // A database that makes the answer wait for two seconds is away: the reading is stored a little later.
            let said = &answer.json()["processing"];
            let away = || said == "spooled" && stack.written().contains("the store is unavailable");
            assert!(said == processing || away(), "{said} instead of {processing}");
            receipts.push(answer.receipt());
        }
        let batch = format!(
            "[{},{}]",
            ward::pressure(3, from - 20, 128, 81, 66),
            ward::heartbeat(3, from)
        );
        let json = [("content-type", "application/json")];
        let answer = http::once(
            stack.door(),
            "POST",
            "/api/ava4/data/batch",
            &json,
            batch.as_bytes(),
        );
        let answer = answer.expect("the door answers").json();
        for item in answer["items"].as_array().expect("items") {
            assert_eq!(item["processing"], processing, "{answer}");
            receipts.push(item["receipt_id"].as_str().expect("a receipt").to_owned());
        }
        let stored = forwarded(&stack);
        kept(&stack, &[], &stored);
        let counts = [
            "received",
            "stored",
            "duplicate",
            "parked",
            "dead",
            "ignored",
            "redelivered",
            "no_place",
        ];
        let counts = counts.map(|name| stored.count(name));
        let legacy: Vec<String> = stored.legacy.keys().cloned().collect();
        results.push((counts, resources(&stored), legacy, outcomes(&stored, &receipts)));
    }
    assert_eq!(results[0], results[1], "asynchronous and synchronous");
}

pub fn switching_under_load_loses_and_doubles_nothing(backend: Backend) {
    let mut stack = Stack::new(backend);
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::from_millis(20));
    for round in 0..24 {
        sleep(Duration::from_millis(300));
        let (body, enabled) = if round % 2 == 0 { (OFF, false) } else { (ON, true) };
        let answer = switch(&stack, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json(), json!({"enabled": enabled, "changed": true}));
        assert_eq!(switch(&stack, body).json()["changed"], false);
        assert_eq!(stack.get("/admin/queue/stats").json()["enabled"], enabled);
    }
    let acknowledged = load.stop();
    for processing in ["queued", "stored"] {
        assert!(
            acknowledged.iter().filter(|a| a.processing == processing).count() > 20,
            "hardly any {processing}"
        );
    }
    let stored = forwarded(&stack);
    kept(&stack, &acknowledged, &stored);
    assert_eq!(
        stored.count("dead") + stored.count("parked"),
        0,
        "{}",
        stored.books
    );
    let door = stack
        .services
        .values()
        .find(|s| s.name == "up" || s.name == "ingest");
    assert!(
        door.expect("a door").written().contains("an operator switched"),
        "the log tells it"
    );
}

pub fn a_parked_reading_is_released_into_the_usual_way(backend: Backend) {
    let mut stack = synchronous(Stack::new(backend));
    stack.start();
    let now = ward::now() - 50;
    let unknown = ward::single(
        &gateway(1),
        "BP_BIOLIGTH",
        "020000cc0001",
        now,
        r#""bp_high":137,"bp_low":83"#,
    );
    let answer = stack.post(unknown);
    assert_eq!(answer.json()["processing"], "stored", "the wait is in the store");
    let receipt = answer.receipt();
    let stored = forwarded(&stack);
    stored.counts(&[("parked", 1)]);
    let mut registry = Registry::ward(BEDS);
    registry.add_device(
        Device::Cuff.field(),
        "02:00:00:CC:00:01",
        Some(&stardust_scenarios::registry::patient(1)),
    );
    stack.learn(&registry);
    // A letter on its way back is still one.
    wait::until("the reading is released", || {
        let books: Value = serde_json::from_str(&stack.run(&["reconcile", "--json"]).stdout).ok()?;
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
    let stored = forwarded(&stack);
    stored.counts(&[("stored", 1)]);
    assert!(stored.audited(&receipt, Some(0), "parked") && stored.audited(&receipt, Some(0), "created"));
    let id = ids::observation("020000cc0001", "blood-pressure", now, "137,83");
    stored.observation(&id);
}

pub fn kill_9_loses_and_doubles_nothing(backend: Backend) {
    let mut stack = synchronous(Stack::new(backend));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::from_millis(10));
    let mut names = stack.names();
    // What is killed most is what holds the local log.
    names.extend([names[0]; 5]);
    for (round, name) in names.into_iter().enumerate() {
        let before = load.count();
        wait::until("messages are acknowledged", || {
            (load.count() > before + 20).then_some(())
        });
        sleep(Duration::from_millis(37 * round as u64 % 200));
        stack.kill9(name);
        // Every second start is in the other mode: what the local log holds is worked all the same.
        let enabled = if round % 2 == 0 { "true" } else { "false" };
        stack.start_one(name, &[("ENABLE_ASYNC_FHIR", enabled)]);
        load.moved(stack.door());
        if round % 2 == 0 {
            sleep(Duration::from_millis(200));
            assert_eq!(switch(&stack, OFF).status, 200);
        }
    }
    stack.wait_ready();
    let acknowledged = load.stop();
    let stored = forwarded(&stack);
    kept(&stack, &acknowledged, &stored);
    assert_eq!(
        stored.count("dead") + stored.count("parked"),
        0,
        "{}",
        stored.books
    );
}

pub fn no_broker_is_needed() {
    let broker = Server::kafka();
    let mut stack = Stack::bare(Backend::Kafka);
    stack.set("KAFKA_BROKERS", broker.address());
    stack.set("MONGODB_URI", &servers::mongodb());
    let mut stack = synchronous(stack);
    stack.start();
    let load = Load::start(stack.door(), 3, BEDS, u64::MAX, Duration::from_millis(40));
    wait::until("messages are acknowledged", || (load.count() > 50).then_some(()));
    broker.kill9();
    let at_the_outage = load.count();
    wait::until("readings are stored without a broker", || {
        (load.count() > at_the_outage + 50).then_some(())
    });
    // The door is killed over its local log, and starts without a broker.
    stack.kill9("ingest");
    stack.start_one("ingest", &[]);
    load.moved(stack.door());
    let after_the_kill = load.count();
    wait::until("a door that starts without a broker stores readings", || {
        (load.count() > after_the_kill + 30).then_some(())
    });
    let acknowledged = load.stop();
    assert!(all(&acknowledged, "stored"), "the broker does not matter");
    let exported = stack.run(&["export", "observations"]).good().stdout;
    for id in acknowledged.iter().flat_map(|a| &a.observation_ids) {
        assert!(exported.contains(id), "{id} was said to be stored");
    }
    let health = stack.get("/health").text();
    assert!(health.contains("wait for the broker"), "{health}");
    broker.again();
    stack.wait_ready();
    let stored = forwarded(&stack);
    kept(&stack, &acknowledged, &stored);
}

pub fn a_store_that_is_away_is_waited_for_two_seconds() {
    let database = Server::mongo();
    let mut stack = Stack::bare(Backend::Kafka);
    stack.set("KAFKA_BROKERS", &servers::brokers());
    stack.set("MONGODB_URI", database.address());
    let mut stack = synchronous(stack);
    stack.start();
    let mut receipts = vec![stack.accepted(ward::pressure(1, ward::now() - 500, 120, 80, 60))];
    database.kill9();
    for n in 1..4 {
        let answer = stack.post(ward::pressure(1, ward::now() - 500 + n, 120, 80, 60));
        assert_eq!(
            (answer.status, &answer.json()["processing"]),
            (200, &json!("spooled"))
        );
        receipts.push(answer.receipt());
    }
    // The usual way again: what waits is worked when the store is back all the same.
    assert_eq!(switch(&stack, ON).status, 200);
    let answer = stack.post(ward::pressure(1, ward::now() - 400, 120, 80, 60));
    assert_eq!(answer.json()["processing"], "queued");
    receipts.push(answer.receipt());
    database.again();
    let stored = forwarded(&stack);
    stored.counts(&[("stored", receipts.len() as u64)]);
    for receipt in &receipts {
        assert!(
            stored.audited(receipt, Some(0), "created"),
            "{receipt} was acknowledged"
        );
    }
    assert_eq!(switch(&stack, OFF).status, 200);
    let answer = stack.post(ward::pressure(1, ward::now() - 300, 120, 80, 60));
    assert_eq!(answer.json()["processing"], "stored");
    forwarded(&stack).counts(&[("stored", receipts.len() as u64 + 1)]);
}
