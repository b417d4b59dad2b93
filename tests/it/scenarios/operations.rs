//! What operators look at: health, queue, receipts, metrics, schemas, topics, logs.

use serde_json::{Value, json};
use stardust_scenarios::binary::{self, Done, repository};
use stardust_scenarios::books::settled;
use stardust_scenarios::http;
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, wait, ward, words};

pub fn what_operators_look_at(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(1));
    let now = ward::now() - 30;
    let stored_receipt = stack.accepted(ward::pressure(1, now, 137, 83, 73));
    let dead_receipt = stack.accepted(ward::temperature(1, now + 1, "99.9"));
    let unknown = ward::single(
        &gateway(1),
        "BP_BIOLIGTH",
        "020000ccffff",
        now,
        r#""bp_high":137,"bp_low":83"#,
    );
    let parked_receipt = stack.accepted(unknown);
    let stored = settled(&stack);
    stored.counts(&[("stored", 1), ("dead", 1), ("parked", 1)]);

    queue(&stack);
    receipts(&stack, [&stored_receipt, &dead_receipt, &parked_receipt]);
    health(&stack);
    pages(&stack);
    schemas(&stack);
    commands(&stack);

    // The statistics, as scripts look for them, when the parser stops.
    let parser = if backend == Backend::Kafka {
        "fhir-parser"
    } else {
        "up"
    };
    let log = stack.services[parser].log.clone();
    stack.terminate(parser);
    let written = std::fs::read_to_string(log).unwrap();
    let at = written
        .rfind("📊 FHIR Parser Statistics:")
        .expect("the statistics");
    for line in [
        "   Uptime: 0:0",
        "   Processed: ",
        "   Errors: ",
        "   Queue size: ",
        "   Last processed: 20",
    ] {
        assert!(written[at..].contains(line), "`{line}` in {}", &written[at..]);
    }
    assert!(!words::has(&written, "99.9"), "a measured value in the log");
    stack.start();
}

fn queue(stack: &Stack) {
    let answer = stack.get("/admin/queue/stats");
    assert_eq!(answer.status, 200);
    let stats = answer.json();
    let mut keys: Vec<&String> = stats.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["enabled", "queue_name", "queue_size", "status"]);
    assert_eq!(
        (&stats["enabled"], &stats["queue_size"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(stats["queue_name"], stack.setting("FHIR_QUEUE_NAME"));
}

fn receipts(stack: &Stack, [stored, dead, parked]: [&str; 3]) {
    for (receipt, word) in [(stored, "stored"), (dead, "dead"), (parked, "parked")] {
        let answer = stack.get(&format!("/api/ava4/receipts/{receipt}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains(word), "{word} in {}", answer.text());
        assert!(
            !words::has(&answer.text(), "137") && !words::has(&answer.text(), "99.9"),
            "a value in {}",
            answer.text()
        );
    }
    let id = ids::observation(&Device::Cuff.address(1), "heart-rate", ward::now(), "1");
    assert_eq!(stack.get(&format!("/api/ava4/receipts/{id}")).status, 404);
}

fn health(stack: &Stack) {
    for service in stack.services.values() {
        for path in ["/health", "/health/live", "/health/ready"] {
            let answer = http::once(service.address, "GET", path, &[], b"").unwrap();
            assert_eq!(answer.status, 200, "{} {path}: {}", service.name, answer.text());
            assert!(answer.json().is_object(), "{}", answer.text());
        }
        let metrics = http::once(service.address, "GET", "/metrics", &[], b"").unwrap();
        assert_eq!(metrics.status, 200);
        assert!(metrics.headers["content-type"].starts_with("text/plain"));
        let text = metrics.text();
        assert!(
            text.contains("# HELP ") && text.contains("# TYPE "),
            "{}: {text}",
            service.name
        );
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            assert!(
                !line.contains("020000") && !line.contains("02:00:00"),
                "a device in a label: {line}"
            );
        }
    }
}

fn pages(stack: &Stack) {
    let page = stack.get("/");
    assert_eq!(page.status, 200);
    assert!(page.headers["content-type"].starts_with("text/html"));
    let openapi = stack.get("/openapi.json").json();
    assert!(
        openapi["openapi"].as_str().is_some_and(|v| v.starts_with("3.")),
        "{openapi}"
    );
    for path in [
        "/api/ava4/data",
        "/api/ava4/data/batch",
        "/api/ava4/receipts/{receipt_id}",
        "/health",
        "/admin/queue/stats",
        "/metrics",
    ] {
        assert!(openapi["paths"].get(path).is_some(), "{path} is described");
    }
}

fn schemas(stack: &Stack) {
    let subjects = http::strings(&stack.get("/subjects").json());
    assert_eq!(subjects.len(), 7, "{subjects:?}");
    for subject in subjects {
        let versions = stack.get(&format!("/subjects/{subject}/versions")).json();
        assert!(
            versions.as_array().is_some_and(|v| !v.is_empty()),
            "{subject}: {versions}"
        );
        let latest = stack.get(&format!("/subjects/{subject}/versions/latest")).json();
        let by_id = stack.get(&format!("/schemas/ids/{}", latest["id"])).json();
        assert_eq!(latest["schema"], by_id["schema"], "{subject}");
        let schema: Value = serde_json::from_str(by_id["schema"].as_str().unwrap()).expect("a schema");
        assert_eq!(schema["type"], "record");
    }
    assert_eq!(stack.get("/schemas/ids/999999").status, 404);
}

fn commands(stack: &Stack) {
    let described = stack.run(&["topics", "describe"]).good().stdout;
    let raw = format!("{}ava4.readings.raw", stack.setting("TOPIC_PREFIX"));
    assert!(described.contains(&raw), "{described}");
    stack.run(&["topics", "create"]).good();
    assert_eq!(
        stack.run(&["topics", "describe"]).good().stdout,
        described,
        "existing topics stay as they are"
    );
    let listed = stack.run(&["registry", "list"]).good().stdout;
    assert!(
        listed
            .to_lowercase()
            .replace([':', '-'], "")
            .contains(&Device::Cuff.address(1)),
        "{listed}"
    );
    let config = stack.run(&["config"]).good().stdout;
    assert!(config.contains("REGISTRY_REFRESH_SECONDS=1"), "{config}");
    assert!(stack.run(&["reconcile"]).good().stdout.contains("balance"));
}

/// Whoever reads the output may have seen enough: no command panics for it, and each ends as it would have.
pub fn a_reader_that_goes_is_no_fault(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(2));
    let receipt = stack.accepted(ward::pressure(1, ward::now(), 131, 84, 71));
    stack.accepted(ward::pressure(2, ward::now(), 999, 84, 71));
    settled(&stack);
    let mapping = repository()
        .join("services/domain/catalogue.json")
        .display()
        .to_string();
    for arguments in [
        &["config"][..],
        &["export", "observations"],
        &["registry", "list"],
        &["reconcile"],
        &["trace", &receipt],
        &["dead-letters", "list"],
        &["parked", "list"],
        &["topics", "describe"],
        &["audit", "verify"],
        &["migrate", "list"],
        &["remap", "--mapping", &mapping, "--dry-run"],
        &["map"],
    ] {
        let message = stack.folder().join("message.ndjson");
        std::fs::write(&message, ward::pressure(1, ward::now(), 131, 84, 71)).expect("the disk has room");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let done: Done = binary::command(stack.settings())
            .args(arguments)
            .stdin(std::fs::File::open(&message).expect("it is there"))
            .stdout(writer)
            .output()
            .expect("the binary starts")
            .into();
        assert_eq!(done.code, Some(0), "{arguments:?}: {}", done.stderr);
        assert!(
            !done.stderr.contains("panicked") && !done.stderr.contains("error"),
            "{arguments:?}: {}",
            done.stderr
        );
    }
    // Nobody reads the errors either.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let status = binary::command(stack.settings())
        .args(["trace", "nobody-knows-it"])
        .stdout(writer.try_clone().expect("a pipe"))
        .stderr(writer)
        .status()
        .expect("the binary starts");
    assert_eq!(status.code(), Some(1));
}

pub fn without_legacy_routing_the_books_still_balance(backend: Backend) {
    let mut stack = Stack::new(backend);
    stack.set("ENABLE_LEGACY_ROUTING", "false");
    stack.learn(&Registry::ward(1));
    stack.start();
    for n in 0..10 {
        stack.accepted(ward::mixture(n, 1, ward::now() - 1_000));
    }
    let stored = settled(&stack);
    assert_eq!(stored.legacy.len(), 0);
    assert_eq!(stored.count("stored"), 10, "{}", stored.books);
    // Switched on later, only what comes then is routed.
    stack.terminate_all();
    stack.set("ENABLE_LEGACY_ROUTING", "true");
    stack.start();
    stack.accepted(ward::pressure(1, ward::now(), 131, 84, 71));
    wait::until("the reading is routed", || {
        (settled(&stack).legacy.len() == 1).then_some(())
    });
}
