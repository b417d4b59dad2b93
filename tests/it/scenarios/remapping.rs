//! Another mapping for what is stored.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rand::RngExt;
use serde_json::{Value, json};
use stardust_scenarios::binary::{self, repository};
use stardust_scenarios::books::{Stored, queue_empty, settled};
use stardust_scenarios::http::Connection;
use stardust_scenarios::registry::Registry;
use stardust_scenarios::snapshot::Snapshot;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, topics, wait, ward, words};

use super::dead_letters::parser;

const BEDS: u8 = 10;
/// 50 of each kind, and 50 heartbeats.
const MESSAGES: u64 = 500;

/// The catalogue with another divisor of the perfusion index, another word for a unit, uric acid taken for creatinine,
/// and temperatures below 40 °C refused.
pub(super) fn other_mapping(folder: &Path) -> String {
    let mut text = std::fs::read_to_string(repository().join("services/domain/catalogue.json")).unwrap();
    for (old, new) in [
        (r#""divisor": 10"#, r#""divisor": 100"#),
        (
            r#""mg/dL": { "words": "mg/dL" }"#,
            r#""mg/dL": { "words": "mg per dL" }"#,
        ),
        (
            r#"{ "names": ["uric_acid"], "quantity": "uric acid" }]"#,
            r#"{ "names": ["uric_acid"], "quantity": "creatinine" }]"#,
        ),
        (
            r#""hard": ["25", "45"], "plausible": ["34", "42"]"#,
            r#""hard": ["40", "45"], "plausible": ["40", "42"]"#,
        ),
    ] {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    let file = folder.join("other.json");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

pub(super) fn numbers(json: &str) -> Value {
    let mut value: Value = serde_json::from_str(json).expect("one JSON object");
    value.as_object_mut().expect("an object").remove("dry_run");
    value
}

fn send(stack: &Stack) {
    let from = ward::now() - 14 * 86_400;
    let lines: String = (0..MESSAGES)
        .map(|n| ward::mixture(n, BEDS, from) + "\n")
        .collect();
    let mut connection = Connection::open(stack.door()).expect("the door");
    let headers = [("content-type", "application/x-ndjson")];
    let answer = connection.request("POST", "/api/ava4/data/batch", &headers, lines.as_bytes());
    assert_eq!(answer.expect("the door answers").status, 200);
}

/// How many Observations have each status.
fn statuses(observations: &BTreeMap<String, Value>) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for observation in observations.values() {
        *count
            .entry(observation["status"].as_str().expect("a status").to_owned())
            .or_default() += 1;
    }
    count
}

fn exported(stack: &Stack, what: &str) -> BTreeMap<String, Value> {
    let text = stack.run(&["export", what]).good().stdout;
    text.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).expect("a JSON line");
            (value["id"].as_str().expect("an id").to_owned(), value)
        })
        .collect()
}

/// Waits until the recorder has as many amendments as there are readings that changed.
fn amendments(stack: &Stack, mapping: &str, readings: usize) -> BTreeMap<String, Value> {
    wait::until("the amendments are in the audit trail", || {
        let audit = exported(stack, "audit");
        let amended: BTreeMap<String, Value> = audit
            .into_iter()
            .filter(|(_, event)| event["outcome"]["detail"].to_string().contains("\"amended\""))
            .collect();
        assert!(amended.len() <= readings, "{} of {readings}", amended.len());
        let all = amended.len() == readings && amended.values().all(|e| e.to_string().contains(mapping));
        all.then_some(amended)
    })
}

fn balanced(stack: &Stack) {
    let books = stack.run(&["reconcile", "--json"]).good();
    assert!(books.stdout.contains("\"balanced\":true"), "{}", books.stdout);
    stack.run(&["audit", "verify"]).good();
}

pub fn what_changes_is_amended_once_whatever_dies(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(BEDS));
    send(&stack);
    let before = settled(&stack);
    let untouched = Snapshot::take(&stack, "before");
    let mapping = other_mapping(stack.folder());
    let remap = |stack: &Stack, more: &[&str]| {
        stack
            .run(&[&["remap", "--json", "--mapping", &mapping], more].concat())
            .good()
    };

    // By the mapping in force nothing changes.
    let builtin = repository()
        .join("services/domain/catalogue.json")
        .display()
        .to_string();
    let same = numbers(
        &stack
            .run(&["remap", "--json", "--mapping", &builtin])
            .good()
            .stdout,
    );
    assert_eq!(
        (&same["amended"], &same["entered_in_error"], &same["beside"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(same["unchanged"], json!(before.observations.len()), "{same}");

    // 50 perfusion indices and 100 glucoses are amended; 50 temperatures go; 50 uric acids become creatinines.
    let looked = remap(&stack, &["--dry-run"]);
    assert!(
        !words::has(&looked.stdout, "0.41"),
        "no measured value: {}",
        looked.stdout
    );
    let dry = numbers(&looked.stdout);
    assert_eq!(
        (&dry["amended"], &dry["entered_in_error"], &dry["beside"]),
        (&json!(150), &json!(100), &json!(50)),
        "{dry}"
    );
    assert_eq!(
        dry["fields"],
        json!({"valueQuantity.unit": 100, "valueQuantity.value": 50}),
        "{dry}"
    );
    let shown = stack
        .run(&[
            "remap",
            "--mapping",
            &mapping,
            "--dry-run",
            "--kind",
            "perfusion-index",
        ])
        .good()
        .stdout;
    assert!(
        shown.contains("final → amended") && shown.contains("--show-values") && !words::has(&shown, "0.41"),
        "{shown}"
    );
    let more = [
        "remap",
        "--mapping",
        &mapping,
        "--dry-run",
        "--kind",
        "perfusion-index",
        "--show-values",
    ];
    let shown = stack.run(&more).good().stdout;
    assert!(shown.contains("valueQuantity.value: 4.1 → 0.41"), "{shown}");
    let none = numbers(&remap(&stack, &["--dry-run", "--until", "2020-01-01T00:00:00Z"]).stdout);
    assert_eq!(none["observations"], 0);
    untouched.same(&Snapshot::take(&stack, "after the dry runs"));

    // Killed in the middle, whenever that is; then to its end, once the lease of the dead is over.
    for _ in 0..2 {
        let mut child = binary::command(stack.settings())
            .args(["remap", "--json", "--mapping", &mapping])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(200..900)));
        child.kill().expect("a signal");
        child.wait().expect("its end");
        std::thread::sleep(Duration::from_secs(20));
    }
    let last = numbers(&remap(&stack, &[]).stdout);
    let left: u64 = ["amended", "entered_in_error", "beside"]
        .iter()
        .map(|k| last[*k].as_u64().unwrap())
        .sum();
    assert!(left <= 300, "{last}");

    let after = exported(&stack, "observations");
    let expected = [
        ("final".to_owned(), before.observations.len() - 250 + 50),
        ("amended".to_owned(), 150),
        ("entered-in-error".to_owned(), 100),
    ];
    assert_eq!(statuses(&after), BTreeMap::from(expected));
    stays(&before, &after);
    let version = dry["mapping_version"].as_str().unwrap();
    let events = amendments(&stack, version, 250);
    for (id, event) in &events {
        let receipt = event["entity"].to_string();
        let ours = before.audit.values().find(|e| {
            let of = &e["entity"].as_array().unwrap().last().unwrap()["what"]["identifier"]["value"];
            receipt.contains(of.as_str().unwrap())
        });
        let receipt =
            &ours.unwrap()["entity"].as_array().unwrap().last().unwrap()["what"]["identifier"]["value"];
        let wanted = ids::id(&format!(
            "audit|1|{}|0|amended|{version}",
            receipt.as_str().unwrap()
        ));
        assert_eq!(id, &wanted);
        assert_eq!(
            (&event["action"], &event["code"]["coding"][0]["code"]),
            (&json!("U"), &json!("update"))
        );
    }
    newest_on_the_topic(&stack, &after);
    balanced(&stack);

    // Once more, and a dry run: there is nothing left to do.
    for arguments in [&["--dry-run"][..], &[]] {
        let nothing = numbers(&remap(&stack, arguments).stdout);
        assert_eq!(nothing["unchanged"], json!(after.len()), "{nothing}");
    }

    // A replay of everything rebuilds its outputs from what is stored, by whatever mapping.
    let amended = Snapshot::take(&stack, "amended");
    stack.terminate(parser(&stack));
    let group = stack.setting("FHIR_QUEUE_NAME").to_owned();
    wait::until("the offsets are set", || {
        let done = stack.run(&["replay", "--group", &group, "--to-earliest"]);
        (done.code == Some(0)).then_some(())
    });
    stack.start();
    queue_empty(&stack);
    balanced(&stack);
    amended.same(&Snapshot::take(&stack, "replayed"));
    newest_on_the_topic(&stack, &after);
}

/// The dry run's numbers are the run's, where nobody disturbs it.
pub fn a_dry_run_says_what_the_run_does(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(BEDS));
    send(&stack);
    settled(&stack);
    let mapping = other_mapping(stack.folder());
    for selection in [
        &["--gateway", "02:00:00:AA:00:03"][..],
        &["--kind", "glucose"],
        &[],
    ] {
        let arguments = [&["remap", "--json", "--mapping", &mapping], selection].concat();
        let dry = numbers(
            &stack
                .run(&[&arguments[..], &["--dry-run"]].concat())
                .good()
                .stdout,
        );
        let done = numbers(&stack.run(&arguments).good().stdout);
        assert_eq!(dry, done, "{selection:?}");
        assert!(done["amended"].as_u64() > Some(0), "{done}");
    }
    balanced(&stack);
}

/// What no mapping changes.
pub(super) fn lasts(id: &str, old: &Value, new: &Value) {
    for field in [
        "id",
        "identifier",
        "subject",
        "effectiveDateTime",
        "issued",
        "device",
    ] {
        assert_eq!(old[field], new[field], "{field} of {id}");
    }
}

/// Patient, times, identifier and legacy documents stay as they are.
fn stays(before: &Stored, after: &BTreeMap<String, Value>) {
    for (id, old) in &before.observations {
        let new = &after[id];
        lasts(id, old, new);
        assert_eq!(old["extension"], new["extension"], "extension of {id}");
        if new["status"] != "amended" {
            let mut old = old.clone();
            old["status"] = new["status"].clone();
            assert_eq!(&old, new);
        }
    }
}

/// The last record of each Observation on its topic has what is stored.
fn newest_on_the_topic(stack: &Stack, stored: &BTreeMap<String, Value>) {
    let mut newest = BTreeMap::new();
    for record in topics::records(stack, topics::OBSERVATIONS) {
        let resource: Value = serde_json::from_str(record.value["resource"].as_str().unwrap()).unwrap();
        newest.insert(record.value["id"].as_str().unwrap().to_owned(), resource);
    }
    assert_eq!(&newest, stored);
}
