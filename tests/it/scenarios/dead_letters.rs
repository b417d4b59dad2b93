//! Dead letters: listed, shown, sent back after a change of the mapping; and those that the log refused.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use stardust_scenarios::binary::{self, repository};
use stardust_scenarios::books::{Stored, queue_empty, read, settled};
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::servers::{self, Server};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{client, http, ids, topics, wait, ward, words};

/// The catalogue with a higher limit of the systolic pressure and one more name of the cuff.
pub fn mended_mapping(folder: &Path) -> String {
    let text = std::fs::read_to_string(repository().join("services/domain/catalogue.json")).unwrap();
    let limit = r#""hard": ["30", "300"], "plausible": ["60", "250"]"#;
    let alias = r#""WBP_JUMPER""#;
    assert!(text.contains(limit) && text.contains(alias));
    let text = text
        .replacen(limit, &limit.replacen("300", "2000", 1), 1)
        .replacen(alias, r#""WBP_JUMPER", "WBP_NEW""#, 1);
    let file = folder.join("catalogue.json");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

pub fn parser(stack: &Stack) -> &'static str {
    match stack.backend {
        Backend::Embedded => "up",
        Backend::Kafka => "fhir-parser",
    }
}

/// A pressure that no rule accepts before the limit is mended.
pub fn impossible(bed: u8, at: i64) -> String {
    let fields = r#""bp_high":777,"bp_low":84"#;
    let address = Device::Cuff.address(bed);
    ward::single(&gateway(bed), "BP_BIOLIGTH", &address, at, fields)
}

pub fn mended_id(bed: u8, at: i64) -> String {
    ids::observation(&Device::Cuff.address(bed), "blood-pressure", at, "777,84")
}

/// Open dead letters, as `list --json` names them.
pub fn listed(stack: &Stack, filters: &[&str]) -> Vec<Value> {
    let arguments = [&["dead-letters", "list", "--json"], filters].concat();
    let done = stack.run(&arguments).good();
    done.stdout
        .lines()
        .map(|l| serde_json::from_str(l).expect("a JSON object a line"))
        .collect()
}

/// Nothing stands on the output topics twice.
pub fn once_on_the_topics(stack: &Stack, stored: &Stored) {
    for topic in [topics::OBSERVATIONS, topics::LEGACY, topics::AUDIT] {
        let ids = topics::ids(stack, topic);
        let doubled: Vec<_> = ids.iter().filter(|(_, n)| **n > 1).collect();
        assert!(doubled.is_empty(), "{topic}: {doubled:?}");
        let in_store = match topic {
            topics::OBSERVATIONS => stored.observations.len(),
            topics::LEGACY => stored.legacy.len(),
            _ => stored.audit.len(),
        };
        assert_eq!(ids.len(), in_store, "{topic}");
    }
}

pub fn listed_shown_and_replayed_after_a_change_of_the_mapping(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(2));
    let now = ward::now() - 50;
    // Beside the value a name that would paint a terminal: valid JSON, whose C1 control character is left as it is.
    let first = impossible(1, now).replace("\"from\":\"BLE\"", "\"from\":\"BLE\u{9b}31m\u{202e}\"");
    let dead = stack.accepted(&first);
    let other = stack.accepted(impossible(2, now));
    let items = [777, 131].map(|high| {
        let fields = format!(r#""bp_high":{high},"bp_low":85"#);
        ward::item(&Device::Cuff.address(1), now + 1, &fields)
    });
    let whole = stack.accepted(ward::message(&gateway(1), "WBP_NEW", now, &items));
    let partial = stack.accepted(ward::pressure(1, now + 2, 131, 84, 350));
    let stored = settled(&stack);
    stored.counts(&[("stored", 1), ("dead", 3)]);

    filters(&stack, [&dead, &other, &whole, &partial], now);
    shown(&stack, &dead, &first);

    // By the rules of today it dies again: one open letter with its first try, and no second event.
    let before = listed(&stack, &["--receipt", &dead]);
    let dry = stack.run(&[
        "dead-letters",
        "replay",
        "--receipt",
        &dead,
        "--dry-run",
        "--json",
    ]);
    let dry: Value = serde_json::from_str(&dry.good().stdout).unwrap();
    assert_eq!(
        (&dry["sent"], &dry["forecast"]["dead"]),
        (&json!(1), &json!(1)),
        "{dry}"
    );
    assert_eq!(
        listed(&stack, &["--receipt", &dead]),
        before,
        "a dry run changes nothing"
    );
    stack.run(&["dead-letters", "replay", "--receipt", &dead]).good();
    let after = wait::until("it has died again", || {
        let mut found = listed(&stack, &["--receipt", &dead]);
        assert_eq!(found.len(), 1);
        found
            .pop()
            .filter(|l| l["state"] == "open" && l["last_try"] != before[0]["last_try"])
    });
    assert_eq!(after["first_try"], before[0]["first_try"]);
    assert_eq!(after["reason"], before[0]["reason"]);
    settled(&stack).counts(&[("stored", 1), ("dead", 3)]);

    let mapping = mended_mapping(stack.folder());
    stack.set("MAPPING_FILE", &mapping);
    stack.terminate(parser(&stack));
    stack.start();
    let dry = stack.run(&["dead-letters", "replay", "--dry-run"]).good().stdout;
    assert!(dry.contains("3 would be stored"), "{dry}");
    let done = stack.run(&["dead-letters", "replay"]).good().stdout;
    assert!(done.contains("4 dead letters match: 3 went back"), "{done}");
    assert!(done.contains("1 stay: single quantities"), "{done}");
    wait::until("the letters are closed", || {
        (listed(&stack, &[]).len() == 1).then_some(())
    });
    let stored = settled(&stack);
    stored.counts(&[("stored", 5)]);
    for (bed, receipt) in [(1, &dead), (2, &other)] {
        stored.observation(&mended_id(bed, now));
        assert!(stored.audited(receipt, Some(0), "dead") && stored.audited(receipt, Some(0), "created"));
    }
    for item in [0, 1] {
        assert!(stored.audited(&whole, Some(item), "created"), "{item}");
    }
    once_on_the_topics(&stack, &stored);

    // Nothing but the single quantity is left, and the command says why that stays.
    let again = stack.run(&["dead-letters", "replay"]);
    assert_eq!(again.code, Some(1), "{}", again.stdout);
    assert!(again.stdout.contains("first receipt wins"), "{}", again.stdout);
    assert_eq!(listed(&stack, &[])[0]["id"], json!(format!("{partial}:0:PR")));
    let closed = stack.run(&["dead-letters", "show", &dead]).good().stdout;
    assert!(closed.contains("closed"), "{closed}");
    once_on_the_topics(&stack, &read(&stack));
    assert!(!stack.tells("777"), "a measured value in a log");
}

fn filters(stack: &Stack, [dead, other, whole, partial]: [&str; 4], now: i64) {
    let receipts = |filters: &[&str]| {
        let mut found: Vec<String> = listed(stack, filters)
            .iter()
            .map(|l| l["receipt_id"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found
    };
    let sorted = |all: &[&str]| {
        let mut all: Vec<String> = all.iter().map(|r| (*r).to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(receipts(&[]), sorted(&[dead, other, whole, partial]));
    assert_eq!(
        receipts(&["--reason", "value impossible"]),
        sorted(&[dead, other, partial])
    );
    assert_eq!(receipts(&["--reason", "unknown attribute"]), [whole]);
    assert_eq!(receipts(&["--gateway", "02:00:00:aa:00:02"]), [other]);
    assert_eq!(receipts(&["--receipt", partial]), [partial]);
    assert!(receipts(&["--stage", "spool"]).is_empty());
    let (then, later) = ((now - 1).to_string(), (now + 3_600).to_string());
    assert_eq!(receipts(&["--since", &then, "--until", &later]).len(), 4);
    assert!(receipts(&["--until", &then]).is_empty());
    assert!(receipts(&["--since", &later]).is_empty());
    let wrong = stack.run(&["dead-letters", "list", "--reason", "bad luck"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("unknown attribute"), "{}", wrong.stderr);
    let people = stack.run(&["dead-letters", "list"]).good().stdout;
    assert!(
        people.contains("4 dead letters: 1 unknown attribute, 3 value impossible"),
        "{people}"
    );
    assert!(!words::has(&people, "777"), "a list shows no values");
}

fn shown(stack: &Stack, receipt: &str, body: &str) {
    let id = format!("{receipt}:0");
    let text = stack.run(&["dead-letters", "show", &id]).good().stdout;
    assert!(text.contains("\\u{9b}31m\\u{202e}"), "{text}");
    assert!(
        !text
            .chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
        "{text:?}"
    );
    assert!(text.contains(r#""bp_high":777"#), "an operator sees the value");
    let object = stack
        .run(&["dead-letters", "show", receipt, "--json"])
        .good()
        .stdout;
    let object: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["body"], json!(body));
    assert_eq!(object["letters"][0]["id"], json!(id));
    let raw = binary::command(stack.settings())
        .args(["dead-letters", "show", &id, "--raw"])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(raw.stdout, body.as_bytes(), "untouched");
    let unknown = stack.run(&["dead-letters", "show", "00000000-0000-0000-0000-000000000000:0"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("dead-letters list"), "{}", unknown.stderr);
}

/// Posts messages through the route for many.
fn post_all(stack: &Stack, messages: &[String]) {
    for some in messages.chunks(500) {
        let body = format!("[{}]", some.join(","));
        let json = [("content-type", "application/json")];
        let answer = http::once(
            stack.door(),
            "POST",
            "/api/ava4/data/batch",
            &json,
            body.as_bytes(),
        )
        .unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

pub fn an_unusual_share_is_said_and_stops_nobody(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(25));
    let start = ward::now() - 5_000;
    let parser = &stack.services[parser(&stack)];
    let health = || http::once(parser.address, "GET", "/health/ready", &[], b"").unwrap();
    let bad = |beds: u8, readings: i64, from: i64| -> Vec<String> {
        (1..=beds)
            .flat_map(|bed| (0..readings).map(move |n| impossible(bed, from + n)))
            .collect()
    };
    // Of few gateways: their trouble, not that of the pipeline.
    post_all(&stack, &bad(5, 110, start));
    queue_empty(&stack);
    assert_eq!(health().json()["components"]["dead-letters"]["status"], "healthy");
    assert!(parser.metric("stardust_parser_recent_dead_ratio") > 0.99);

    post_all(&stack, &bad(25, 2, start + 500));
    queue_empty(&stack);
    let unusual = wait::until("health says so", || {
        let health = health();
        let said = health.json()["components"]["dead-letters"].clone();
        (said["status"] == "degraded").then_some((health, said))
    });
    assert_eq!(unusual.0.status, 200, "it stops nobody");
    assert_eq!(unusual.0.json()["status"], "degraded");
    assert!(
        unusual.1["detail"].as_str().unwrap().contains("from 25 gateways"),
        "{}",
        unusual.1
    );
    assert!((parser.metric("stardust_parser_recent_dead_unusual") - 1.0).abs() < 0.1);

    let good: Vec<String> = (0..600)
        .map(|n| ward::pressure(1, start + 1_000 + n, 120, 80, 60))
        .collect();
    post_all(&stack, &good);
    let stored = settled(&stack);
    stored.counts(&[("stored", 600), ("dead", 600)]);
    wait::until("it is over by itself", || {
        (health().json()["components"]["dead-letters"]["status"] == "healthy").then_some(())
    });
    assert!(parser.metric("stardust_parser_recent_dead_unusual") < 0.1);
}

/// Sets how large a record of the raw topic may be; none: as large as other topics allow.
fn largest_raw_record(stack: &Stack, bytes: &str) {
    let topic = format!("{}ava4.readings.raw", stack.setting("TOPIC_PREFIX"));
    let setting = format!("max.message.bytes={bytes}");
    client::script(
        "alter_topic.py",
        &[stack.setting("KAFKA_BROKERS"), &topic, &setting],
    );
}

pub fn what_the_log_refuses_for_good_is_in_the_books_and_comes_back() {
    let broker = Server::kafka();
    let mut stack = Stack::bare(Backend::Kafka);
    stack.set("KAFKA_BROKERS", broker.address());
    stack.set("MONGODB_URI", &servers::mongodb());
    stack.learn(&Registry::ward(2));
    stack.start();
    let now = ward::now() - 50;
    let good = stack.accepted(ward::pressure(1, now, 120, 80, 60));
    largest_raw_record(&stack, "20000");
    // Compression must not make it small.
    let noise: String = (0..1_500_u64).map(|n| ids::id(&n.to_string())).collect();
    let large = |bed, at| {
        let body = ward::pressure(bed, at, 131, 84, 71);
        body.replace("\"device\":\"BP_BIOLIGTH\"", &format!("\"device\":\"{noise}\""))
    };
    let refused = stack.accepted(large(1, now + 1));
    let small = stack.accepted(ward::pressure(1, now + 2, 121, 80, 60));

    // The same on its way through the spool.
    broker.kill9();
    let spooled = stack.post(large(2, now + 3));
    assert_eq!(spooled.json()["processing"], "spooled", "{}", spooled.text());
    broker.again();
    wait::until("the spool is empty", || {
        (!stack.get("/health").text().contains("wait for the broker")).then_some(())
    });
    stack.wait_ready();
    wait::until("both letters are in the store", || {
        (listed(&stack, &["--stage", "spool"]).len() == 2).then_some(())
    });
    let stored = settled(&stack);
    stored.counts(&[("stored", 2), ("dead", 2)]);
    for receipt in [&good, &small] {
        assert!(stored.audited(receipt, Some(0), "created"));
    }
    for receipt in [&refused, &spooled.receipt()] {
        let letter = stored.dead.iter().find(|l| l["receipt_id"] == json!(receipt));
        let letter = letter.expect("its letter is exported");
        assert_eq!(letter["reason"], json!("refused by the log"));
        assert!(stored.audited(receipt, None, "dead"));
        let trace = stack.get(&format!("/api/ava4/receipts/{receipt}"));
        assert_eq!((trace.status, &trace.json()["state"]), (200, &json!("dead")));
    }

    // It is refused again, and says so; then the topic takes it.
    let again = stack.run(&["dead-letters", "replay", "--stage", "spool"]);
    assert_eq!(again.code, Some(1), "{}", again.stdout);
    assert!(
        again.stdout.contains("2 stay: the log refuses"),
        "{}",
        again.stdout
    );
    settled(&stack).counts(&[("stored", 2), ("dead", 2)]);
    largest_raw_record(&stack, "4194304");
    stack.run(&["dead-letters", "replay"]).good();
    wait::until("the letters are closed", || {
        listed(&stack, &[]).is_empty().then_some(())
    });
    let stored = settled(&stack);
    stored.counts(&[("stored", 4)]);
    once_on_the_topics(&stack, &stored);
}
