//! What `stardust migrate` makes of an invented hospital: its registry, and FHIR documents of an older database.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, doc, oid::ObjectId};
use serde_json::Value;
use stardust_scenarios::binary;
use stardust_scenarios::hospital::dump::{self, Format};
use stardust_scenarios::hospital::extended::Spelling;
use stardust_scenarios::hospital::{Hospital, Plan};
use stardust_scenarios::ids;
use stardust_scenarios::stack::{Backend, Stack};

/// The hospital where the deployment reads it, and the arguments that say where.
fn admitted(stack: &Stack, hospital: &Hospital) -> Vec<String> {
    match stack.backend {
        Backend::Kafka => {
            let database = stack.setting("MONGODB_MAIN_DB");
            dump::load(hospital, &stack.database(), database, &mut |_, _| {});
            Vec::new()
        }
        Backend::Embedded => {
            let folder = stack.folder().join("hospital");
            dump::write(
                hospital,
                &folder,
                Format::Lines(Spelling::Relaxed),
                &mut |_, _| {},
            );
            vec!["--from".to_owned(), folder.display().to_string()]
        }
    }
}

fn migrate(stack: &Stack, from: &[String], more: &[&str]) -> Value {
    let mut arguments = vec!["migrate", "registry", "--json"];
    arguments.extend(from.iter().map(String::as_str));
    arguments.extend(more);
    serde_json::from_str(&stack.run(&arguments).good().stdout).expect("one JSON object")
}

fn exported(stack: &Stack) -> Vec<Value> {
    let done = stack.run(&["export", "registry"]).good();
    done.lines()
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

pub fn the_registry_becomes_resources(backend: Backend) {
    let stack = Stack::new(backend);
    let hospital = Hospital::new(Plan::new(5, 2_000).with_every_oddity());
    let from = admitted(&stack, &hospital);
    let books = hospital.people.books();
    // The embedded file has to be there for a command that only looks.
    stack.run(&["topics", "create"]).good();

    let dry = migrate(&stack, &from, &["--dry-run"]);
    assert_eq!(exported(&stack), Vec::<Value>::new(), "a dry run writes nothing");
    let done = migrate(&stack, &from, &[]);
    assert_eq!(
        (&dry["resources"], &dry["remarks"]),
        (&done["resources"], &done["remarks"])
    );
    assert_eq!(dry["oddities"], done["oddities"]);
    for (collection, books) in [
        ("patients", &books["patients"]),
        ("hospitals", &books["hospitals"]),
    ] {
        assert_eq!(done["documents"][collection], books["documents"]);
    }
    let new = |kind: &str| done["resources"][kind]["new"].as_u64().expect("a number");
    let of = |books: &Value| books.as_u64().expect("a number");
    assert_eq!(new("Patient"), of(&books["patients"]["resources"]));
    assert_eq!(new("Organization"), of(&books["hospitals"]["resources"]));
    assert_eq!(new("Device"), of(&books["gateways"]) + of(&books["sub_devices"]));
    assert_eq!(
        new("DeviceAssociation"),
        of(&books["sub_devices_with_one_patient"]) + of(&books["gateways_with_one_patient"])
    );
    assert_eq!(
        done["remarks"]["document is deleted"],
        books["patients"]["deleted"]
    );
    assert_eq!(
        done["remarks"]["sub-device of several patients"],
        books["sub_devices_with_two_patients"]
    );
    for (oddity, count) in books["oddities"].as_object().expect("counts") {
        assert_eq!(&done["oddities"][oddity], count, "{oddity}");
    }

    let stored = exported(&stack);
    let known: BTreeSet<String> = stored
        .iter()
        .map(|r| {
            format!(
                "{}/{}",
                r["resourceType"].as_str().unwrap(),
                r["id"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(known.len(), stored.len(), "each once");
    for mac in hospital
        .people
        .device_macs
        .iter()
        .chain(&hospital.people.gateway_macs)
    {
        assert!(known.contains(&ids::device_reference(mac)), "{mac}");
    }
    for patient in &hospital.people.active {
        assert!(known.contains(&format!("Patient/{patient}")));
    }
    for resource in &stored {
        for (member, target) in [
            ("subject", "Patient/"),
            ("device", "Device/"),
            ("managingOrganization", "Organization/"),
        ] {
            if let Some(reference) = resource[member]["reference"].as_str() {
                assert!(
                    reference.starts_with(target) && known.contains(reference),
                    "{reference} is there"
                );
            }
        }
    }

    let again = migrate(&stack, &from, &[]);
    for (kind, counts) in again["resources"].as_object().expect("kinds") {
        assert_eq!(
            (&counts["new"], &counts["changed"]),
            (&0.into(), &0.into()),
            "{kind} is unchanged"
        );
        assert_eq!(counts["unchanged"], done["resources"][kind]["new"], "{kind}");
    }
    assert_eq!(exported(&stack), stored);
    if backend == Backend::Kafka {
        changes_and_strangers(&stack, &hospital);
    }
}

/// What has changed in a document is changed; what somebody else stored stays.
fn changes_and_strangers(stack: &Stack, hospital: &Hospital) {
    let (main, fhir) = (stack.setting("MONGODB_MAIN_DB"), stack.setting("MONGODB_FHIR_DB"));
    let database = stack.database();
    let [changed, taken, ..] = hospital.people.active[..] else {
        panic!("a hospital has patients")
    };
    let wrapper = |id: ObjectId| {
        let all = database.documents(fhir, "fhir_patients");
        all.into_iter()
            .find(|d| d.get_str("_id").is_ok_and(|text| text == id.to_hex()))
            .unwrap()
    };
    let before = wrapper(changed);
    assert_eq!(before.get_str("resource_type").unwrap(), "Patient");
    assert_eq!(before.get_str("source_system").unwrap(), "stardust");
    assert_eq!(before.get_str("patient_id").unwrap(), changed.to_hex());
    assert_eq!(before.get_str("fhir_version").unwrap(), "5.0.0");
    assert_eq!(
        database.update(
            main,
            "patients",
            &changed.to_hex(),
            doc! {"$set": {"last_name": "Renamed"}}
        ),
        1
    );
    let theirs = doc! {"_id": taken.to_hex(), "resource_type": "Patient", "source_system": "another"};
    assert_eq!(delete_text(&database, fhir, &taken.to_hex()), 1);
    database.insert(fhir, "fhir_patients", std::slice::from_ref(&theirs));
    let done = migrate(stack, &[], &[]);
    let patients = &done["resources"]["Patient"];
    assert_eq!(
        (&patients["changed"], &patients["not_ours"], &patients["new"]),
        (&1.into(), &1.into(), &0.into())
    );
    let after = wrapper(changed);
    let family = |d: &Document| {
        let names = d
            .get_document("resource_data")
            .unwrap()
            .get_array("name")
            .unwrap();
        names[0]
            .as_document()
            .unwrap()
            .get_str("family")
            .unwrap()
            .to_owned()
    };
    assert_eq!(family(&after), "Renamed");
    assert_eq!(before.get("created_at"), after.get("created_at"));
    assert!(before.get_datetime("updated_at").unwrap() < after.get_datetime("updated_at").unwrap());
    assert_eq!(wrapper(taken), theirs);
}

/// Deletes the document whose `_id` is this text, which could be an ObjectId's.
fn delete_text(database: &stardust_scenarios::mongo::Database, name: &str, id: &str) -> usize {
    let mut all = database.documents(name, "fhir_patients");
    let before = all.len();
    all.retain(|d| d.get_str("_id").is_ok_and(|text| text != id));
    database.replace(name, "fhir_patients", &all);
    before - all.len()
}

const OBSERVATIONS: i32 = 1_500;

/// An Observation as an older program stored it.
fn older(number: i32) -> Document {
    let id = format!("old-{number:06}");
    // Some have ids of one type, some of another.
    let key = if number % 3 == 0 {
        Bson::String(id.clone())
    } else {
        let mut bytes = [9; 12];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        Bson::ObjectId(ObjectId::from_bytes(bytes))
    };
    let code = if number % 100 == 0 { "33747-0" } else { "8867-4" };
    doc! {
        "_id": key, "resource_type": "Observation", "resource_id": &id, "fhir_version": "5.0.0",
        "resource_data": {
            "resourceType": "Observation", "id": &id, "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "effectiveDateTime": if number % 50 == 0 { "2024-01-01T00:00:00+00:00Z" } else { "2024-01-01T00:00:00+07:00" },
            "valueQuantity": {"value": f64::from(number) / 10.0, "unit": "/min"},
        },
        "source_system": "older",
    }
}

pub fn fhir_documents_move_and_a_kill_changes_nothing() {
    let stack = Stack::new(Backend::Kafka);
    let (main, fhir) = (stack.setting("MONGODB_MAIN_DB"), stack.setting("MONGODB_FHIR_DB"));
    let database = stack.database();
    let observations: Vec<Document> = (0..OBSERVATIONS).map(older).collect();
    for part in observations.chunks(1_000) {
        database.insert(main, "fhir_observations", part);
    }
    let location = doc! {"_id": "l1", "resource_type": "Location"};
    database.insert(main, "fhir_locations", std::slice::from_ref(&location));
    database.index(
        main,
        "fhir_observations",
        doc! {"source_system": 1, "resource_id": 1},
    );
    // The target lives: one document is the same, one is another.
    let live = doc! {"_id": observations[0].get("_id").unwrap().clone(), "resource_type": "Observation", "live": true};
    database.insert(
        fhir,
        "fhir_observations",
        &[live.clone(), observations[1].clone()],
    );

    let copy = ["migrate", "fhir-database", "--json"];
    let report = |more: &[&str]| -> Value {
        let arguments = [&copy[..], more].concat();
        serde_json::from_str(&stack.run(&arguments).good().stdout).expect("one JSON object")
    };
    let file = stack.folder().join("resources.ndjson");
    let dry = report(&["--dry-run", "--resources", &file.display().to_string()]);
    let planned = &dry["collections"]["fhir_observations"];
    assert_eq!(planned["documents"], OBSERVATIONS);
    assert_eq!(planned["copied"], OBSERVATIONS - 2);
    assert_eq!(
        (&planned["present"], &planned["conflict"]),
        (&1.into(), &1.into())
    );
    assert_eq!(
        planned["findings"]["code that is not of LOINC, or of another meaning"],
        OBSERVATIONS / 100
    );
    assert_eq!(planned["findings"]["time without one offset"], OBSERVATIONS / 50);
    assert_eq!(
        dry["collections"]["fhir_locations"]["findings"]["no resource_data"],
        1
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap().lines().count(),
        observations.len()
    );
    assert_eq!(
        database.documents(fhir, "fhir_observations").len(),
        2,
        "a dry run writes nothing"
    );

    let mut killed = binary::command(stack.settings())
        .args(copy)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let patience = Instant::now() + Duration::from_secs(120);
    while database.count(fhir, "fhir_observations") < 200 {
        assert!(Instant::now() < patience, "nothing is copied");
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().expect("it runs");
    killed.wait().expect("it ended");
    let there = database.count(fhir, "fhir_observations");
    assert!(there < observations.len() as u64, "killed in the middle: {there}");
    let names: Vec<String> = database.indexes(fhir, "fhir_observations");
    assert!(
        names.iter().any(|name| name.contains("source_system")),
        "indexes come first: {names:?}"
    );

    let done = report(&[]);
    let counts = &done["collections"]["fhir_observations"];
    let sum = |counts: &Value| {
        ["copied", "present", "conflict"]
            .iter()
            .map(|of| counts[of].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (sum(counts), &counts["conflict"]),
        (observations.len() as u64, &1.into())
    );
    assert_eq!(counts["findings"], planned["findings"]);
    let runs = stack.run(&["migrate", "list"]).good();
    assert_eq!(runs.lines().len(), 1, "it went on: {}", runs.stdout);
    assert!(runs.stdout.contains("fhir-database finished"), "{}", runs.stdout);

    let of = |name: &str| {
        let mut all = database.documents(name, "fhir_observations");
        all.sort_by_key(|d| format!("{:?}", d.get("_id")));
        all
    };
    let mut expected = observations.clone();
    expected.sort_by_key(|d| format!("{:?}", d.get("_id")));
    assert_eq!(of(main), expected, "the source is kept");
    let at = expected
        .iter()
        .position(|d| d.get("_id") == live.get("_id"))
        .unwrap();
    expected[at] = live;
    assert_eq!(of(fhir), expected, "everything is there, and the live one stayed");
    assert_eq!(database.documents(fhir, "fhir_locations"), [location]);

    let again = report(&[]);
    let counts = &again["collections"]["fhir_observations"];
    assert_eq!(
        (&counts["copied"], &counts["present"]),
        (&0.into(), &(OBSERVATIONS - 1).into())
    );
    assert_eq!(of(fhir), expected, "again changes nothing");
}

pub fn fhir_documents_need_a_database() {
    let stack = Stack::bare(Backend::Embedded);
    let done = stack.run(&["migrate", "fhir-database", "--dry-run"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("MONGODB_URI"), "{}", done.stderr);
}
