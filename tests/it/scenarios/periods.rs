//! Devices change hands: a reading is of who had the device at its time.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use stardust_scenarios::books::{Stored, settled};
use stardust_scenarios::registry::{Device, Registry, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, wait, ward};

use super::dead_letters::parser;
use super::letter_kills::{killed, quick};

const HOUR: i64 = 3_600;

/// A device that changed hands is associated with both, each with what is known of the time.
pub fn associations_have_the_periods_that_are_known(backend: Backend) {
    let mut registry = Registry::ward(2);
    let stack = Stack::started(backend, &registry);
    stack.accepted(ward::pressure(1, ward::now(), 131, 84, 71));
    settled(&stack);
    seen(&stack, &cuff(), 1);
    registry.give(&cuff(), &patient(2));
    stack.learn(&registry);
    seen(&stack, &cuff(), 2);
    // The files of the last import; a database has the documents itself.
    let files = stack.folder().join("registry").display().to_string();
    let mut migrate = vec!["migrate", "registry"];
    if backend == Backend::Embedded {
        migrate.extend(["--from", &files]);
    }
    let associations = || -> Vec<Value> {
        stack.run(&migrate).good();
        let exported = stack.run(&["export", "registry"]).good();
        let all = exported
            .lines()
            .into_iter()
            .map(|line| serde_json::from_str(line).expect("JSON"));
        let of_cuff = |r: &Value| {
            r["resourceType"] == "DeviceAssociation"
                && r["device"]["reference"] == json!(ids::device_reference(&cuff()))
        };
        all.filter(of_cuff).collect()
    };
    let of = |all: &[Value], bed: u8| {
        let subject = json!(format!("Patient/{}", patient(bed)));
        all.iter()
            .find(|a| a["subject"]["reference"] == subject)
            .cloned()
            .unwrap_or_default()
    };
    let all = associations();
    assert_eq!(all.len(), 2, "{all:?}");
    let (first, second) = (of(&all, 1), of(&all, 2));
    assert_eq!(
        first["period"]["start"],
        Value::Null,
        "who had it first has always had it: {first}"
    );
    assert!(first["period"]["end"].is_string(), "{first}");
    assert!(second["period"]["start"].is_string(), "{second}");
    assert_eq!(second["period"]["end"], Value::Null, "{second}");
    assert_eq!(associations(), all, "once more changes nothing");
}

fn cuff() -> String {
    Device::Cuff.address(1)
}

/// A reading of the cuff (or of another one) of the first bed; its receipt.
fn measured(stack: &Stack, address: &str, at: i64) -> String {
    let fields = r#""bp_high":131,"bp_low":84,"PR":71"#;
    stack.accepted(ward::single(&gateway(1), "BP_BIOLIGTH", address, at, fields))
}

fn whose(stored: &Stored, address: &str, at: i64, bed: u8) {
    let owner = json!(format!("Patient/{}", patient(bed)));
    for (kind, values) in [("blood-pressure", "131,84"), ("heart-rate", "71")] {
        let id = ids::observation(address, kind, at, values);
        assert_eq!(
            stored.observation(&id)["subject"]["reference"],
            owner,
            "{kind} at {at}"
        );
    }
    let main = ids::observation(address, "blood-pressure", at, "131,84");
    assert_eq!(stored.legacy_of(&main).1["patient_id"]["$oid"], patient(bed));
}

/// What `registry list` says of a device.
fn listed(stack: &Stack, address: &str) -> String {
    let all = stack.run(&["registry", "list"]).good().stdout;
    let from = all.split(&format!("device {address} blood-pressure")).nth(1);
    let from = from.unwrap_or_else(|| panic!("{address} is not listed: {all}"));
    from.split("\ndevice").next().unwrap_or_default().to_owned()
}

/// Waits until somebody has seen whose the devices are.
fn seen(stack: &Stack, address: &str, bed: u8) {
    let now = format!("patient {}", patient(bed));
    wait::until("the change is seen", || {
        listed(stack, address).contains(&now).then_some(())
    });
    // Another refresh, so that every parser knows it too.
    sleep(Duration::from_millis(2_500));
}

fn started(backend: Backend, registry: &Registry) -> Stack {
    let mut stack = Stack::new(backend);
    quick(&mut stack);
    stack.learn(registry);
    stack.start();
    stack
}

/// A ward of two whose first cuff (and another one) has just changed hands.
fn handed_over(backend: Backend) -> (Stack, Registry) {
    let mut registry = Registry::ward(2);
    let stack = started(backend, &registry);
    seen(&stack, &cuff(), 1);
    registry.give(&cuff(), &patient(2));
    stack.learn(&registry);
    seen(&stack, &cuff(), 2);
    (stack, registry)
}

/// Waits until so many readings wait, and nothing is under way.
fn wait_for(stack: &Stack, parked: u64) {
    wait::until("as many wait as should", || {
        let books: Value = serde_json::from_str(&stack.run(&["reconcile", "--json"]).stdout).ok()?;
        (books["parked"] == parked && books["waiting"] == 0).then_some(())
    });
}

fn reasons(stored: &Stored) -> Vec<&str> {
    stored
        .parked
        .iter()
        .filter_map(|l| l["reason"].as_str())
        .collect()
}

/// Writes `periods.json` into a folder of its own.
fn periods(stack: &Stack, all: &[Value]) -> String {
    let folder: PathBuf = stack.folder().join("periods");
    std::fs::create_dir_all(&folder).unwrap();
    let lines: String = all.iter().map(|p| format!("{p}\n")).collect();
    std::fs::write(folder.join("periods.json"), lines).unwrap();
    folder.display().to_string()
}

pub fn a_late_reading_goes_to_who_had_the_device_then(backend: Backend) {
    let mut registry = Registry::ward(2);
    let mut stack = started(backend, &registry);
    let start = ward::now();
    measured(&stack, &cuff(), start - 20);
    seen(&stack, &cuff(), 1);
    settled(&stack).counts(&[("stored", 1)]);
    registry.give(&cuff(), &patient(2));
    stack.learn(&registry);
    seen(&stack, &cuff(), 2);

    measured(&stack, &cuff(), start - HOUR);
    // A crash in the middle changes nothing.
    stack.kill9(parser(&stack));
    if backend == Backend::Kafka {
        measured(&stack, &cuff(), start - 2 * HOUR);
    }
    stack.start();
    if backend == Backend::Embedded {
        measured(&stack, &cuff(), start - 2 * HOUR);
    }
    let around = ward::now();
    measured(&stack, &cuff(), around);
    // As far ahead as a clock may be: later than five minutes after the change.
    let after = ward::now() + 299;
    measured(&stack, &cuff(), after);
    let stored = settled(&stack);
    stored.counts(&[
        ("stored", 4),
        ("parked", 1),
        ("redelivered", stored.count("redelivered")),
    ]);
    assert_eq!(reasons(&stored), ["association uncertain"]);
    for at in [start - 20, start - HOUR, start - 2 * HOUR] {
        whose(&stored, &cuff(), at, 1);
    }
    whose(&stored, &cuff(), after, 2);

    // The same reading once more is a duplicate of that of the former owner.
    measured(&stack, &cuff(), start - HOUR);
    let stored = settled(&stack);
    assert_eq!(stored.count("duplicate"), 1);
    whose(&stored, &cuff(), start - HOUR, 1);
    let list = listed(&stack, &cuff());
    assert!(list.contains("association uncertain"), "{list}");
}

pub fn an_uncertain_reading_is_released_by_an_imported_period(backend: Backend) {
    let (mut stack, _) = handed_over(backend);
    let now = ward::now();
    let (before, after) = (now - 100, now - 10);
    let receipts = [before, after].map(|at| measured(&stack, &cuff(), at));
    let stored = settled(&stack);
    stored.counts(&[("parked", 2)]);
    assert_eq!(reasons(&stored), ["association uncertain"; 2]);

    let change = ward::local(now - 50);
    let old = json!({"device": cuff(), "patient_id": {"$oid": patient(1)}, "end": &change});
    let new = json!({"device": cuff(), "patient_id": patient(2), "start": &change});
    // What is not right is refused as a whole.
    for (second, rule) in [
        (
            json!({"device": cuff(), "patient_id": patient(2)}),
            "entry 2: overlaps entry 1",
        ),
        (
            json!({"device": cuff(), "patient_id": patient(1), "start": &change}),
            "entry 2: end is missing",
        ),
        (
            json!({"device": "x", "patient_id": patient(2)}),
            "entry 2: device is missing",
        ),
    ] {
        let folder = periods(&stack, &[old.clone(), second]);
        let refused = stack.run(&["registry", "import", &folder]);
        assert_eq!(refused.code, Some(1), "{}", refused.stderr);
        let named = refused.stderr.contains("periods.json") && refused.stderr.contains(rule);
        assert!(named, "{}", refused.stderr);
    }
    wait_for(&stack, 2);

    let folder = periods(&stack, &[old, new]);
    for after in [5, 20, 60, 150] {
        killed(
            &stack,
            &["registry", "import", &folder],
            Duration::from_millis(after),
        );
    }
    stack.kill9(parser(&stack));
    stack.run(&["registry", "import", &folder]).good();
    stack.start();
    wait_for(&stack, 0);
    let stored = settled(&stack);
    stored.counts(&[("stored", 2), ("redelivered", stored.count("redelivered"))]);
    whose(&stored, &cuff(), before, 1);
    whose(&stored, &cuff(), after, 2);
    for receipt in &receipts {
        let both = stored.audited(receipt, Some(0), "parked") && stored.audited(receipt, Some(0), "created");
        assert!(both, "{receipt} keeps its receipt and has both events");
    }
    let list = stack.run(&["registry", "list"]).good().stdout;
    assert_eq!(list.matches("\nimported ").count(), 2, "{list}");
}

pub fn an_uncertain_reading_goes_to_the_patient_who_is_named(backend: Backend) {
    let (mut stack, mut registry) = handed_over(backend);
    let other = Device::Cuff.address(2);
    registry.give(&other, &patient(1));
    stack.learn(&registry);
    seen(&stack, &other, 1);
    let now = ward::now();
    let times: Vec<i64> = (0..40).map(|n| now - 60 + n).collect();
    for at in &times {
        measured(&stack, &cuff(), *at);
    }
    measured(&stack, &other, now - 30);
    let stored = settled(&stack);
    stored.counts(&[("parked", 41)]);
    assert_eq!(reasons(&stored), ["association uncertain"; 41]);

    let release = ["parked", "release", "--patient"];
    let named = |id: &str, more: &[&str]| {
        let arguments: Vec<&str> = release
            .into_iter()
            .chain([id])
            .chain(more.iter().copied())
            .collect();
        stack.run(&arguments)
    };
    let (right, cuff) = (patient(1), cuff());
    let refused = named(&right, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("2 devices"), "{}", refused.stderr);
    let refused = named(&patient(9), &["--device", &cuff]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("no patient"), "{}", refused.stderr);
    let dry = named(&right, &["--device", &cuff, "--dry-run"]).good();
    assert!(
        dry.stdout.contains("the patient of 40 readings"),
        "{}",
        dry.stdout
    );
    stack.run(&["parked", "release"]).good();
    wait_for(&stack, 41);

    let command = ["parked", "release", "--device", &cuff, "--patient", &right];
    for after in [20, 60, 150, 400] {
        killed(&stack, &command, Duration::from_millis(after));
        stack.kill9(parser(&stack));
        stack.start();
    }
    stack.run(&command).good();
    // Only that of the other cuff.
    wait_for(&stack, 1);
    let stored = settled(&stack);
    stored.counts(&[
        ("stored", 40),
        ("parked", 1),
        ("redelivered", stored.count("redelivered")),
    ]);
    for at in &times {
        whose(&stored, &cuff, *at, 1);
    }
    assert_eq!(stored.observations.len(), 80);
}
