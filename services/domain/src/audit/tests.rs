use super::*;
use crate::outcome::DeadReason;
use crate::reading::DeadQuantity;
use crate::time::Timestamp;
use serde_json::{Value as Json, json};

fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".into(),
    }
}

fn facts<'a>() -> AuditFacts<'a> {
    AuditFacts {
        receipt: "0196a5b0-0000-7000-8000-000000000001",
        item: Some(0),
        outcome: AuditOutcome::Created,
        reason: None,
        dead_quantities: &[],
        recorded: Timestamp::from_millis(1_772_323_200_123),
        gateway: "020000aa0001".parse().ok(),
        migration_run: None,
        patient: "65a000000000000000000001".parse().ok(),
        observations: &[],
        mapping_version: "5e0c",
    }
}

fn written(facts: &AuditFacts<'_>) -> Json {
    let audit = audit_event(&settings(), facts);
    let json: Json = serde_json::from_str(&audit.json).unwrap();
    assert_eq!(json["id"], json!(audit.id));
    json
}

#[test]
fn a_created_reading_names_its_observations_then_its_receipt() {
    let observations = [uuid_of("one"), uuid_of("two")];
    let json = written(&AuditFacts {
        observations: &observations,
        ..facts()
    });
    let system = "urn:stardust:audit";
    assert_eq!(
        json,
        json!({
            "resourceType": "AuditEvent",
            "id": uuid_of("audit|1|0196a5b0-0000-7000-8000-000000000001|0|created"),
            "category": [{ "coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
                "code": "rest", "display": "RESTful Operation" }] }],
            "code": { "coding": [{
                "system": "http://hl7.org/fhir/restful-interaction", "code": "create", "display": "create" }] },
            "action": "C",
            "recorded": "2026-03-01T00:00:00.123Z",
            "outcome": {
                "code": { "system": "http://hl7.org/fhir/issue-severity", "code": "success",
                          "display": "Operation Successful" },
                "detail": [{ "coding": [{ "system": system, "code": "created" }] }] },
            "patient": { "reference": "Patient/65a000000000000000000001" },
            "agent": [{ "who": { "type": "Device", "identifier": {
                "type": { "coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers",
                    "code": "ETHMAC" }] },
                "system": "http://hl7.org/fhir/sid/eui-48/ethernet", "value": "02-00-00-AA-00-01" } } }],
            "source": { "observer": { "identifier": {
                "system": "urn:stardust:service", "value": "fhir-parser" } } },
            "entity": [
                { "what": { "reference": format!("Observation/{}", observations[0]) } },
                { "what": { "reference": format!("Observation/{}", observations[1]) } },
                { "what": { "identifier": { "system": "urn:stardust:receipt",
                                            "value": "0196a5b0-0000-7000-8000-000000000001" } },
                  "detail": [
                    { "type": { "coding": [{ "system": system, "code": "item" }] }, "valueInteger": 0 },
                    { "type": { "coding": [{ "system": system, "code": "mapping-version" }] },
                      "valueString": "5e0c" }] }]
        })
    );
}

#[test]
fn a_dead_message_is_an_error_with_its_reason_and_no_item() {
    let json = written(&AuditFacts {
        item: None,
        outcome: AuditOutcome::Dead,
        reason: Some("unreadable"),
        gateway: None,
        patient: None,
        ..facts()
    });
    assert_eq!(
        json["id"],
        json!(uuid_of("audit|1|0196a5b0-0000-7000-8000-000000000001|-|dead"))
    );
    assert_eq!(json["outcome"]["code"]["code"], "error");
    assert_eq!(json["outcome"]["detail"][0]["coding"][0]["code"], "dead");
    assert_eq!(json["outcome"]["detail"][1]["coding"][0]["code"], "unreadable");
    assert_eq!(json["agent"][0]["who"], json!({ "display": "unknown gateway" }));
    assert_eq!(json.get("patient"), None);
    assert_eq!(json["entity"].as_array().unwrap().len(), 1);
    assert_eq!(json["entity"][0]["detail"].as_array().unwrap().len(), 1);
}

#[test]
fn a_parked_reading_is_not_a_success() {
    let json = written(&AuditFacts {
        outcome: AuditOutcome::Parked,
        reason: Some("device unknown"),
        patient: None,
        ..facts()
    });
    assert_eq!(json["outcome"]["code"]["code"], "error");
    assert_eq!(
        json["outcome"]["detail"][1]["coding"][0]["code"],
        "device unknown"
    );
}

#[test]
fn a_refused_quantity_is_a_detail_that_names_field_and_rule() {
    let dead = [DeadQuantity {
        field: "pi".into(),
        reason: DeadReason::ValueImpossible,
    }];
    let json = written(&AuditFacts {
        dead_quantities: &dead,
        ..facts()
    });
    assert_eq!(json["outcome"]["code"]["code"], "success");
    assert_eq!(
        json["outcome"]["detail"][1],
        json!({ "coding": [{ "system": "urn:stardust:audit", "code": "value impossible" }],
                "text": "pi: value impossible" })
    );
}

#[test]
fn a_change_is_an_update_and_its_id_holds_what_changed_it() {
    let amended = written(&AuditFacts {
        outcome: AuditOutcome::Amended,
        ..facts()
    });
    assert_eq!(
        (&amended["action"], &amended["code"]["coding"][0]["code"]),
        (&json!("U"), &json!("update"))
    );
    let receipt = "0196a5b0-0000-7000-8000-000000000001";
    assert_eq!(
        amended["id"],
        json!(uuid_of(&format!("audit|1|{receipt}|0|amended|5e0c")))
    );

    let back = written(&AuditFacts {
        outcome: AuditOutcome::RolledBack,
        gateway: None,
        migration_run: Some("run-7"),
        ..facts()
    });
    assert_eq!(
        back["id"],
        json!(uuid_of(&format!("audit|1|{receipt}|0|rolled-back|run-7")))
    );
    assert_eq!(
        back["agent"][0]["who"],
        json!({ "identifier": { "system": "urn:stardust:migration-run", "value": "run-7" } })
    );
}

#[test]
fn the_same_facts_are_the_same_bytes_and_odd_text_stays_json() {
    let dead = [DeadQuantity {
        field: "p\"i\n".into(),
        reason: DeadReason::ValueNotNumeric,
    }];
    let odd = AuditFacts {
        dead_quantities: &dead,
        ..facts()
    };
    assert_eq!(audit_event(&settings(), &odd), audit_event(&settings(), &odd));
    assert_eq!(
        written(&odd)["outcome"]["detail"][1]["text"],
        "p\"i\n: value not numeric"
    );
}

#[test]
fn a_timestamp_beyond_the_calendar_still_makes_an_event() {
    let json = written(&AuditFacts {
        recorded: Timestamp::from_micros(i64::MAX),
        ..facts()
    });
    assert_eq!(json["recorded"], "1970-01-01T00:00:00.000Z");
}

/// `cargo test --release -p stardust-domain -- --ignored --nocapture audit_events_a_second`
#[test]
#[ignore = "a measurement, not a check"]
fn audit_events_a_second() {
    let (settings, observations) = (settings(), [uuid_of("one"), uuid_of("two")]);
    let facts = AuditFacts {
        observations: &observations,
        ..facts()
    };
    let start = std::time::Instant::now();
    for _ in 0..200_000 {
        std::hint::black_box(audit_event(&settings, std::hint::black_box(&facts)));
    }
    println!("{:?} each", start.elapsed() / 200_000);
}
