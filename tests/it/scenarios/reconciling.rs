//! Books and traces: after the raw topic lost its records, and beside a parser at work.

use std::time::Duration;

use serde_json::{Value, json};
use stardust_embedded::Embedded;
use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::{Device, Registry, gateway, patient};
use stardust_scenarios::servers::kafka_tool;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{http, wait, ward, words};

const STRANGER: &str = "020000cc0001";

fn books(stack: &Stack) -> Value {
    serde_json::from_str(&stack.run(&["reconcile", "--json"]).good().stdout).expect("one JSON object")
}

/// What the books say of readings, whichever source told it.
fn content(mut books: Value) -> Value {
    books.as_object_mut().expect("an object").remove("booked");
    books
}

/// The raw topic loses everything, as when its retention is over.
pub(super) fn cut(stack: &Stack) {
    let topic = format!("{}ava4.readings.raw", stack.setting("TOPIC_PREFIX"));
    match stack.backend {
        Backend::Kafka => {
            let partitions: Vec<Value> = (0..4)
                .map(|partition| json!({"topic": topic, "partition": partition, "offset": -1}))
                .collect();
            let list = stack.folder().join("cut.json");
            std::fs::write(&list, json!({"version": 1, "partitions": partitions}).to_string()).unwrap();
            let list = list.display().to_string();
            kafka_tool(
                "DeleteRecordsCommand",
                &[
                    "--bootstrap-server",
                    stack.setting("KAFKA_BROKERS"),
                    "--offset-json-file",
                    &list,
                ],
            );
        }
        Backend::Embedded => {
            let file = rusqlite::Connection::open(stack.data_file()).unwrap();
            file.busy_timeout(Duration::from_secs(30)).unwrap();
            file.execute("UPDATE topics SET retention_ms = 0 WHERE name = ?1", [&topic])
                .unwrap();
            drop(file);
            let file = Embedded::open(stack.data(), "scenario").unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            // A record of this very millisecond is not too old yet.
            std::thread::sleep(Duration::from_millis(5));
            assert!(runtime.block_on(file.maintain()).unwrap().expired > 0);
        }
    }
}

pub fn books_outlive_the_raw_topic(backend: Backend) {
    let mut registry = Registry::ward(2);
    let stack = Stack::started(backend, &registry);
    let at = ward::now() - 60;
    let stored = stack.accepted(ward::pressure(1, at, 137, 83, 73));
    // The same again, one that is impossible, one of a stranger's, and a heartbeat.
    stack.accepted(ward::pressure(1, at, 137, 83, 73));
    stack.accepted(ward::temperature(2, at, "99.9"));
    let fields = r#""bp_high":131,"bp_low":84"#;
    let waiting = stack.accepted(ward::single(&gateway(2), "BP_BIOLIGTH", STRANGER, at, fields));
    stack.accepted(ward::heartbeat(2, at));
    let before = settled(&stack);
    before.counts(&[
        ("stored", 1),
        ("duplicate", 1),
        ("dead", 1),
        ("parked", 1),
        ("ignored", 1),
    ]);
    let before = books(&stack);
    let said = stack.run(&["reconcile", "--close"]).good();
    assert!(said.stdout.contains("The books balance."), "{}", said.stdout);
    assert_eq!(
        content(books(&stack)),
        content(before.clone()),
        "what is there is read"
    );
    let whole: Value = trace(&stack, &stored);

    cut(&stack);
    let after = books(&stack);
    assert_eq!(after["booked"], 5);
    assert_eq!(content(after), content(before.clone()));
    let told = trace(&stack, &stored);
    assert_eq!(told["readings"], whole["readings"]);
    assert_eq!(told["state"], "stored");
    assert_eq!(told["audit"], whole["audit"]);
    assert_eq!(steps(&told, "published").len(), 0, "the raw record is gone");
    assert_eq!(told["notes"].as_array().unwrap().len(), 1, "{told}");

    // What was parked when its hour was closed is counted where it goes, in the hour in which it came.
    registry.add_device("mac_bps", STRANGER, Some(&patient(1)));
    stack.learn(&registry);
    wait::until("what waited is released", || {
        let books = books(&stack);
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
    let released = books(&stack);
    assert_eq!(
        (&released["stored"], &released["received"]),
        (&json!(2), &json!(5))
    );
    assert_eq!(
        released["rows"].as_array().unwrap().len(),
        before["rows"].as_array().unwrap().len(),
        "{released}"
    );
    assert_eq!(trace(&stack, &waiting)["state"], "stored");
    settled(&stack);

    // And once the release is gone too.
    stack.run(&["reconcile", "--close"]).good();
    cut(&stack);
    assert_eq!(content(books(&stack)), content(released));
}

pub fn books_balance_at_any_moment(backend: Backend) {
    let beds = 5;
    let mut registry = Registry::ward(beds);
    let stack = Stack::started(backend, &registry);
    let at = ward::now() - 60;
    let fields = r#""bp_high":131,"bp_low":84"#;
    let load = Load::start(stack.door(), 4, beds, 300, Duration::from_millis(20));
    let mut received = 0;
    for n in 0..5 {
        wait::until("work is under way", || (load.count() > 30 + 40 * n).then_some(()));
        let stranger = format!("020000cc{n:04}");
        stack.accepted(ward::single(&gateway(1), "BP_BIOLIGTH", &stranger, at, fields));
        if n > 0 {
            // What waits moves while the books are made.
            registry.add_device("mac_bps", &format!("020000cc{:04}", n - 1), Some(&patient(1)));
            stack.learn(&registry);
        }
        let arguments: &[&str] = if n == 2 {
            &["reconcile", "--json", "--close"]
        } else {
            &["reconcile", "--json"]
        };
        let books: Value = serde_json::from_str(&stack.run(arguments).good().stdout).expect("JSON");
        let now = books["received"].as_u64().unwrap();
        assert!(now >= received, "{now} after {received}");
        received = now;
    }
    registry.add_device("mac_bps", "020000cc0004", Some(&patient(1)));
    stack.learn(&registry);
    let acknowledged = load.finish();
    wait::until("what waited is released", || {
        let books = books(&stack);
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    // One message of the load in ten carries two readings, one none.
    assert_eq!(stored.count("stored"), 300 + 5);
}

fn trace(stack: &Stack, id: &str) -> Value {
    serde_json::from_str(&stack.run(&["trace", id, "--json"]).good().stdout).expect("one JSON object")
}

fn steps<'a>(trace: &'a Value, name: &str) -> Vec<&'a Value> {
    let steps = trace["steps"].as_array().expect("steps");
    steps.iter().filter(|s| s["step"] == name).collect()
}

pub fn a_trace_shows_each_step(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let at = ward::now() - 60;
    let items = [
        ward::item(&Device::Cuff.address(1), at, r#""bp_high":137,"bp_low":83"#),
        ward::item(STRANGER, at, r#""bp_high":137,"bp_low":83"#),
        ward::item("", at, r#""bp_high":137,"bp_low":83"#),
    ];
    let body = ward::message(&gateway(1), "BP_BIOLIGTH", at, &items);
    let headers = [
        ("content-type", "application/json"),
        ("x-request-id", "ward-1/number-7"),
    ];
    let answer = http::once(stack.door(), "POST", "/api/ava4/data", &headers, body.as_bytes()).unwrap();
    let (receipt, observation) = (answer.receipt(), answer.observation_ids()[0].clone());
    settled(&stack).counts(&[("stored", 1), ("parked", 1), ("dead", 1)]);

    let told = trace(&stack, &receipt);
    assert_eq!(
        (&told["receipt_id"], &told["state"]),
        (&json!(receipt), &json!("parked"))
    );
    assert_eq!(told["request_id"], "ward-1/number-7");
    let readings: Vec<(i64, &str, Option<&str>)> = told["readings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| {
            (
                r["item"].as_i64().unwrap(),
                r["outcome"].as_str().unwrap(),
                r["reason"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        readings,
        [
            (0, "stored", None),
            (1, "parked", Some("device unknown")),
            (2, "dead", Some("address missing")),
        ]
    );
    for (step, count) in [
        ("received", 1),
        ("published", 1),
        ("parsed", 3),
        ("stored", 1),
        // An Observation, a legacy document, three AuditEvents, a letter on either topic.
        ("emitted", 7),
        ("legacy", 1),
        ("audited", 3),
        ("letter", 2),
    ] {
        assert_eq!(steps(&told, step).len(), count, "{step} in {told:#}");
    }
    for step in ["published", "emitted"] {
        for step in steps(&told, step) {
            assert!(
                step["time"].is_string()
                    && step["topic"].is_string()
                    && step["partition"].is_i64()
                    && step["offset"].is_i64(),
                "{step}"
            );
        }
    }
    assert_eq!(told["notes"], json!([]), "everything was found");
    assert!(!words::has(&told.to_string(), "137"), "a value in {told}");

    // The same by HTTP, and from the Observation and the request.
    let page = stack.get(&format!("/api/ava4/receipts/{receipt}"));
    assert_eq!((page.status, page.json()), (200, told.clone()));
    let page = stack.get(&format!("/api/ava4/receipts/{observation}"));
    assert_eq!((page.status, page.json()), (200, told.clone()));
    assert_eq!(trace(&stack, &observation), told);
    assert_eq!(trace(&stack, "ward-1/number-7"), told);
    let text = stack.run(&["trace", &receipt]).good().stdout;
    for part in [
        &receipt,
        "published",
        "parked: device unknown",
        "chain ",
        "address missing",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }

    for unknown in ["01a2063c-9352-76d5-b5e8-6fbb8545b1e2", "nothing"] {
        let done = stack.run(&["trace", unknown]);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(1), ""),
            "{}",
            done.stderr
        );
        assert!(done.stderr.contains("--since"), "a way out in {}", done.stderr);
    }
}
