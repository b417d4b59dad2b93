//! What the registry says of devices and gateways.

use serde_json::{Value, json};
use stardust_domain::outcome::{ParkReason, Source};
use stardust_domain::reading::{Envelope, Judged, Verdict};
use stardust_domain::registry::Registry;

use crate::fixture::*;

fn judge_with(registry: &Registry, body: &str) -> Judged {
    mapping().judge(
        &Envelope {
            receipt: "r",
            received_at: RECEIVED,
            source: Source::Http,
            items: None,
            body: body.as_bytes(),
        },
        registry,
    )
}

fn registry_of(boxes: &[Value], devices: &[Value]) -> Registry {
    Registry::from_documents(
        boxes.to_vec(),
        devices.to_vec(),
        [
            json!({"_id": {"$oid": PATIENT}}),
            json!({"_id": {"$oid": "65a000000000000000000002"}}),
        ],
    )
    .0
}

fn notes(judged: &Judged) -> Vec<String> {
    let observation = observations(&judged.readings[0]).remove(0);
    observation["note"]
        .as_array()
        .map(|notes| {
            notes
                .iter()
                .map(|n| n["text"].as_str().unwrap().to_owned())
                .collect()
        })
        .unwrap_or_default()
}

#[test]
fn a_known_device_decides_whatever_is_known_of_the_gateway() {
    let registry = registry_of(
        &[],
        &[json!({"mac_bps": "020000bb0001", "patient_id": {"$oid": PATIENT}})],
    );
    let judged = judge_with(&registry, SAMPLES[0]);
    assert!(matches!(judged.readings[0].verdict, Verdict::Emit(p) if p.to_string() == PATIENT));
    assert_eq!(notes(&judged), ["The gateway is not registered."]);
}

#[test]
fn a_device_registered_as_another_kind_is_noted() {
    let registry = registry_of(
        &[json!({"mac_address": GATEWAY})],
        &[json!({"mac_gluc": "020000bb0001", "patient_id": {"$oid": PATIENT}})],
    );
    assert_eq!(
        notes(&judge_with(&registry, SAMPLES[0])),
        ["The device is registered as another kind of device."]
    );
}

#[test]
fn a_reading_without_a_patient_parks_with_its_ids_and_its_refused_quantities() {
    let one_device = |patient: Value| json!({"mac_bps": "020000bb0001", "patient_id": patient});
    for (devices, reason) in [
        (vec![], ParkReason::DeviceUnknown),
        (vec![one_device(json!(null))], ParkReason::PatientUnknown),
        (vec![one_device(json!("unknown"))], ParkReason::PatientUnknown),
        (
            vec![one_device(json!({"$oid": "65a0000000000000000000ff"}))],
            ParkReason::PatientUnknown,
        ),
        (
            vec![
                one_device(json!({"$oid": PATIENT})),
                one_device(json!({"$oid": "65a000000000000000000002"})),
            ],
            ParkReason::PatientAmbiguous,
        ),
    ] {
        let body = SAMPLES[0].replace("\"PR\":71", "\"PR\":350");
        let judged = judge_with(&registry_of(&[], &devices), &body);
        let reading = &judged.readings[0];
        assert_eq!(reading.verdict, Verdict::Park(reason));
        assert!(reading.observations.is_empty() && reading.legacy.is_none());
        assert_eq!(reading.observation_ids.len(), 1);
        assert_eq!(reading.main_id, Some(reading.observation_ids[0]));
        assert_eq!(reading.dead_quantities.len(), 1);
        assert!(!reading.raw_item.is_empty());
    }
}

#[test]
fn a_call_belongs_to_the_patient_of_the_box() {
    let body = call("HEART_RATE", r#"{"value":71}"#);
    let reading = one(judge(&body));
    let observation = observations(&reading).remove(0);
    assert_eq!(observation["subject"]["reference"], format!("Patient/{PATIENT}"));
    assert!(observation.get("device").is_none() && reading.device.is_none());
    assert_eq!(
        observation["extension"][0]["valueReference"]["identifier"]["value"],
        "02-00-00-AA-00-01"
    );
    assert_eq!(
        observation["identifier"][0]["value"],
        "obs|1|020000aa0001|heart-rate|1772323140|71"
    );
    for (boxes, reason) in [
        (vec![], ParkReason::DeviceUnknown),
        (
            vec![json!({"mac_address": GATEWAY, "patient_id": null})],
            ParkReason::PatientUnknown,
        ),
        (
            vec![
                json!({"mac_address": GATEWAY, "patient_id": {"$oid": PATIENT}}),
                json!({"mac_address": GATEWAY, "patient_id": {"$oid": "65a000000000000000000002"}}),
            ],
            ParkReason::PatientAmbiguous,
        ),
    ] {
        let judged = judge_with(&registry_of(&boxes, &[]), &body);
        assert_eq!(judged.readings[0].verdict, Verdict::Park(reason));
        assert_eq!(judged.readings[0].item, Some(0));
    }
}

#[test]
fn the_same_reading_through_two_gateways_is_one_observation() {
    let other = SAMPLES[0].replace("02:00:00:AA:00:01", "02:00:00:AA:00:02");
    assert_eq!(
        one(judge(SAMPLES[0])).observation_ids,
        one(judge(other)).observation_ids
    );
}
