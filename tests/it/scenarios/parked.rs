//! Readings whose device or patient nobody knows yet.

use serde_json::{Value, json};
use stardust_scenarios::books::{Stored, read, settled};
use stardust_scenarios::registry::{Device, Registry, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, wait, ward, words};

const UNKNOWN: &str = "020000cc0001";
const AMBIGUOUS: &str = "020000cc0002";
const NO_PATIENT: &str = "020000cc0003";
const STRANGER: &str = "020000cc0004";
const NAMELESS: &str = "020000cc0005";

fn registry() -> Registry {
    let mut registry = Registry::ward(2);
    for owner in [patient(1), patient(2)] {
        registry.add_device("mac_bps", AMBIGUOUS, Some(&owner));
    }
    registry.add_device("mac_bps", NO_PATIENT, None);
    registry.add_device("mac_bps", STRANGER, Some(&patient(9)));
    registry.add_device("mac_bps", NAMELESS, None);
    registry.devices.last_mut().unwrap()["patient_id"] = json!("unknown");
    registry
}

fn repaired(mut registry: Registry) -> Registry {
    registry.add_device("mac_bps", UNKNOWN, Some(&patient(1)));
    registry.keep_first(AMBIGUOUS);
    registry.give(NO_PATIENT, &patient(1));
    registry.add_patient(&patient(9));
    registry.give(NAMELESS, &patient(2));
    registry
}

struct Sent {
    receipt: String,
    at: i64,
}

fn send(stack: &Stack) -> Sent {
    let at = ward::now() - 20;
    let good = ward::item(&Device::Cuff.address(1), at, r#""bp_high":131,"bp_low":84"#);
    let waiting = [UNKNOWN, AMBIGUOUS, NO_PATIENT, STRANGER, NAMELESS]
        .map(|a| ward::item(a, at, r#""bp_high":131,"bp_low":84"#));
    // Its pulse is impossible: a letter at once, and not again at the release.
    let half = ward::item(UNKNOWN, at + 1, r#""bp_high":130,"bp_low":80,"PR":350"#);
    let items: Vec<String> = [good].into_iter().chain(waiting).chain([half]).collect();
    let answer = stack.post(ward::message(&gateway(1), "BP_BIOLIGTH", at, &items));
    assert_eq!(answer.observation_ids().len(), 7, "whoever the patient");
    Sent {
        receipt: answer.receipt(),
        at,
    }
}

fn parked(stored: &Stored, sent: &Sent) {
    stored.counts(&[("stored", 1), ("parked", 6)]);
    for (item, reason) in [
        (1, "device unknown"),
        (2, "patient ambiguous"),
        (3, "patient unknown"),
        (4, "patient unknown"),
        (5, "patient unknown"),
        (6, "device unknown"),
    ] {
        let line = stored
            .parked
            .iter()
            .find(|l| l["item_index"] == item)
            .unwrap_or_else(|| panic!("{item} does not wait"));
        assert_eq!(line["reason"], json!(reason), "{line}");
        assert_eq!(line["receipt_id"], json!(sent.receipt));
        assert!(stored.audited(&sent.receipt, Some(item), "parked"));
    }
    assert_eq!(stored.dead.len(), 1, "the impossible pulse");
}

fn released(stored: &Stored, sent: &Sent) {
    stored.counts(&[("stored", 7), ("redelivered", stored.count("redelivered"))]);
    assert_eq!(stored.parked.len(), 0);
    assert_eq!(stored.dead.len(), 1, "not again at the release");
    for (address, owner) in [
        (UNKNOWN, 1),
        (AMBIGUOUS, 1),
        (NO_PATIENT, 1),
        (STRANGER, 9),
        (NAMELESS, 2),
    ] {
        let id = ids::observation(address, "blood-pressure", sent.at, "131,84");
        let subject = &stored.observation(&id)["subject"]["reference"];
        assert_eq!(
            *subject,
            Value::String(format!("Patient/{}", patient(owner))),
            "{address}"
        );
    }
    for item in 1..7 {
        let both = stored.audited(&sent.receipt, Some(item), "parked")
            && stored.audited(&sent.receipt, Some(item), "created");
        assert!(both, "item {item} keeps its receipt and has both events");
    }
}

/// Waits until the books have no parked reading: a letter on its way back is still one.
fn none_parked(stack: &Stack) {
    wait::until("what waited is released", || {
        let books: Value = serde_json::from_str(&stack.run(&["reconcile", "--json"]).stdout).ok()?;
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
}

pub fn released_by_themselves_once_the_registry_knows(backend: Backend) {
    let registry = registry();
    let stack = Stack::started(backend, &registry);
    let sent = send(&stack);
    parked(&settled(&stack), &sent);
    stack.learn(&repaired(registry));
    none_parked(&stack);
    released(&settled(&stack), &sent);
    let trace = stack.get(&format!("/api/ava4/receipts/{}", sent.receipt));
    assert_eq!(trace.status, 200);
    assert!(
        !words::has(&trace.text(), "131"),
        "a receipt shows no values: {}",
        trace.text()
    );
}

pub fn released_by_command(backend: Backend) {
    let registry = registry();
    let mut stack = Stack::started(backend, &registry);
    let sent = send(&stack);
    parked(&settled(&stack), &sent);
    let listed = stack.run(&["parked", "list"]).good().stdout;
    assert_eq!(listed.matches(&sent.receipt).count(), 6, "{listed}");
    assert_eq!(
        stack
            .run(&["parked", "list", "--reason", "device unknown"])
            .good()
            .stdout
            .matches(&sent.receipt)
            .count(),
        2
    );
    assert_eq!(
        stack
            .run(&["parked", "list", "--gateway", "02:00:00:aa:00:77"])
            .good()
            .stdout
            .matches(&sent.receipt)
            .count(),
        0
    );

    // Beside a parser at work the command has its turn too.
    stack.run(&["parked", "release"]).good();
    parked(&settled(&stack), &sent);

    // Nobody but the command may release: the parser stands still meanwhile.
    let parser = if backend == Backend::Kafka {
        "fhir-parser"
    } else {
        "up"
    };
    stack.terminate(parser);
    stack.learn(&repaired(registry));
    stack.run(&["parked", "release", "--dry-run"]).good();
    assert_eq!(
        stack.run(&["export", "parked"]).good().lines().len(),
        6,
        "a dry run changes nothing"
    );
    stack
        .run(&["parked", "release", "--reason", "patient ambiguous"])
        .good();
    assert_eq!(
        stack
            .run(&["parked", "list"])
            .good()
            .stdout
            .matches("(open)")
            .count(),
        5,
        "one is on its way"
    );
    stack.run(&["parked", "release"]).good();
    stack.start();
    none_parked(&stack);
    released(&settled(&stack), &sent);
    let again = read(&stack);
    released(&again, &sent);
}
