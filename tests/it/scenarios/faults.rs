//! Planted faults: the checks that every scenario ends with must notice what is wrong.

use mongodb::bson::doc;
use rusqlite::Connection;
use serde_json::Value;
use stardust_scenarios::books::{Stored, key_of, settled};
use stardust_scenarios::ids;
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward;

pub fn what_is_missing_or_changed_is_noticed(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(2));
    let start = ward::now() - 5_000;
    let receipts: Vec<String> = (0..16)
        .map(|n| stack.accepted(ward::mixture(n, 2, start)))
        .collect();
    let stored = settled(&stack);
    stored.counts(&[("stored", 16)]);
    // Nothing is written any more that could hide what is done now.
    stack.terminate_all();
    assert_eq!(faults(&stack), (Some(0), 0));

    let changed = ids::audit(&receipts[3], Some(0), "created");
    change_audit(&stack, &changed);
    let verified = stack.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert!(
        verified.stdout.contains(&changed),
        "the first bad link is named: {}",
        verified.stdout
    );

    let (collection, legacy) = legacy_of(&stored, &receipts[0]);
    delete(&stack, "legacy", &collection, &legacy);
    assert_eq!(faults(&stack), (Some(1), 1), "a legacy document is missing");
    delete(
        &stack,
        "observations",
        "fhir_observations",
        &main_of(&stored, &receipts[1]),
    );
    assert_eq!(faults(&stack), (Some(1), 2), "an Observation is missing");
    delete(
        &stack,
        "audit",
        "fhir_audit_events",
        &ids::audit(&receipts[2], Some(0), "created"),
    );
    assert_eq!(faults(&stack), (Some(1), 3), "an AuditEvent is missing");
}

/// The exit code of `reconcile`, and how many faults it names.
fn faults(stack: &Stack) -> (Option<i32>, u64) {
    let done = stack.run(&["reconcile", "--json", "--patience", "1"]);
    let books: Value =
        serde_json::from_str(done.stdout.trim()).unwrap_or_else(|e| panic!("{e}: {}", done.stderr));
    assert_eq!(books["balanced"] == true, done.code == Some(0), "{books}");
    (done.code, books["faults_total"].as_u64().unwrap())
}

/// The main Observation of a receipt's first reading, as its AuditEvent names it.
fn main_of(stored: &Stored, receipt: &str) -> String {
    let event = &stored.audit[&ids::audit(receipt, Some(0), "created")];
    let reference = event["entity"][0]["what"]["reference"].as_str().unwrap();
    reference.trim_start_matches("Observation/").to_owned()
}

fn legacy_of(stored: &Stored, receipt: &str) -> (String, String) {
    let id = ids::legacy(&key_of(stored.observation(&main_of(stored, receipt))));
    (stored.legacy[&id].0.clone(), id)
}

fn file(stack: &Stack) -> Connection {
    Connection::open(stack.data_file()).expect("the file opens")
}

fn delete(stack: &Stack, table: &str, collection: &str, id: &str) {
    match stack.backend {
        Backend::Embedded => {
            let gone = file(stack)
                .execute(&format!("DELETE FROM {table} WHERE id = ?1"), [id])
                .unwrap();
            assert_eq!(gone, 1, "{id} was in {table}");
        }
        Backend::Kafka => {
            let database = if table == "legacy" {
                "MONGODB_MAIN_DB"
            } else {
                "MONGODB_FHIR_DB"
            };
            assert_eq!(
                stack.database().delete(stack.setting(database), collection, id),
                1,
                "{id} was in {collection}"
            );
        }
    }
}

/// Another outcome, as somebody would write it who has something to hide.
fn change_audit(stack: &Stack, id: &str) {
    match stack.backend {
        Backend::Embedded => {
            let sql =
                "UPDATE audit SET resource = replace(resource, '\"success\"', '\"warning\"') WHERE id = ?1";
            assert_eq!(file(stack).execute(sql, [id]).unwrap(), 1);
        }
        Backend::Kafka => {
            let change = doc! {"$set": {"resource_data.outcome.code.code": "warning"}};
            let changed =
                stack
                    .database()
                    .update(stack.setting("MONGODB_FHIR_DB"), "fhir_audit_events", id, change);
            assert_eq!(changed, 1);
        }
    }
}
