use serde_json::{Value, json};

use super::*;

const ANNA: &str = "65a000000000000000000001";
const BORIS: &str = "65a000000000000000000002";
const CUFF: &str = "02:00:00:BB:00:01";
const BOX: &str = "02:00:00:AA:00:01";

fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

fn patient(text: &str) -> PatientId {
    text.parse().unwrap()
}

fn both_patients() -> Vec<Value> {
    vec![
        json!({ "_id": { "$oid": ANNA } }),
        json!({ "_id": { "$oid": BORIS } }),
    ]
}

fn with_devices(devices: Vec<Value>, patients: Vec<Value>) -> (Registry, ImportReport) {
    Registry::from_documents([], devices, patients)
}

fn with_boxes(boxes: Vec<Value>, patients: Vec<Value>) -> (Registry, ImportReport) {
    Registry::from_documents(boxes, [], patients)
}

fn owner(registry: &Registry, device: &str, kind: DeviceKind) -> Result<Owner, ParkReason> {
    registry.owner(mac(device), kind)
}

fn own(id: &str) -> Result<Owner, ParkReason> {
    Ok(Owner {
        patient: patient(id),
        other_kind: false,
    })
}

fn other(id: &str) -> Result<Owner, ParkReason> {
    Ok(Owner {
        patient: patient(id),
        other_kind: true,
    })
}

fn known(id: &str) -> Gateway {
    Gateway::Known(Ok(patient(id)))
}

#[test]
fn the_patients_field_and_the_device_document_both_count() {
    for kind in DeviceKind::ALL {
        let by_patient = json!({ "_id": { "$oid": ANNA }, (kind.patient_field()): "020000bb0001" });
        let (registry, report) = with_devices(vec![], vec![by_patient]);
        assert_eq!(owner(&registry, CUFF, *kind), own(ANNA), "{kind:?}");
        assert_eq!((report.devices, report.devices_with_patient), (1, 1));
        for field in kind.device_fields() {
            let by_device = json!({ (*field): " 02-00-00-bb-00-01 ", "patient_id": ANNA });
            let (registry, report) = with_devices(vec![by_device], both_patients());
            assert_eq!(owner(&registry, CUFF, *kind), own(ANNA), "{field}");
            assert_eq!(report.count(Oddity::AddressBlanks), 1);
            assert_eq!(report.count(Oddity::PatientIdHexText), 1);
        }
    }
}

#[test]
fn an_unregistered_device_is_unknown() {
    let (registry, _) = with_devices(vec![], both_patients());
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::DeviceUnknown)
    );
    assert_eq!(registry.gateway(mac(BOX)), Gateway::Unknown);
}

#[test]
fn a_device_under_another_kind_is_of_that_patient_and_says_so() {
    let devices = vec![json!({ "mac_ua": CUFF, "patient_id": { "$oid": ANNA } })];
    let (registry, _) = with_devices(devices, both_patients());
    assert_eq!(owner(&registry, CUFF, DeviceKind::Cholesterol), other(ANNA));
    assert_eq!(owner(&registry, CUFF, DeviceKind::UricAcid), own(ANNA));
}

#[test]
fn the_own_kind_decides_before_any_other() {
    let devices = vec![
        json!({ "mac_ua": CUFF, "patient_id": ANNA }),
        json!({ "mac_chol": CUFF, "patient_id": BORIS }),
    ];
    let (registry, report) = with_devices(devices, both_patients());
    assert_eq!(owner(&registry, CUFF, DeviceKind::UricAcid), own(ANNA));
    assert_eq!(owner(&registry, CUFF, DeviceKind::Cholesterol), own(BORIS));
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::Glucose),
        Err(ParkReason::PatientAmbiguous)
    );
    assert_eq!((report.devices, report.devices_with_patient), (1, 1));
}

#[test]
fn the_own_kind_without_a_patient_does_not_borrow_one_from_another_kind() {
    let devices = vec![
        json!({ "mac_ua": CUFF, "patient_id": null }),
        json!({ "mac_chol": CUFF, "patient_id": ANNA }),
    ];
    let (registry, _) = with_devices(devices, both_patients());
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::UricAcid),
        Err(ParkReason::PatientUnknown)
    );
}

#[test]
fn two_patients_under_one_kind_are_ambiguous_wherever_they_stand() {
    let two_documents = vec![
        json!({ "mac_bps": CUFF, "patient_id": ANNA }),
        json!({ "mac_dusun_bps": CUFF, "patient_id": BORIS }),
    ];
    let (registry, report) = with_devices(two_documents, both_patients());
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::PatientAmbiguous)
    );
    assert_eq!(report.count(Oddity::DeviceAmbiguous), 1);

    let document = vec![json!({ "mac_bps": CUFF, "patient_id": ANNA })];
    let patients = vec![
        json!({ "_id": { "$oid": ANNA } }),
        json!({ "_id": { "$oid": BORIS }, "blood_pressure_mac_address": CUFF }),
    ];
    let (registry, _) = with_devices(document, patients);
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::PatientAmbiguous)
    );
}

#[test]
fn a_device_named_twice_for_one_patient_is_that_patients() {
    let devices = vec![
        json!({ "mac_bps": CUFF, "mac_dusun_bps": CUFF, "patient_id": { "$oid": ANNA } }),
        json!({ "mac_bps": CUFF, "patient_id": null }),
    ];
    let patients = vec![json!({ "_id": { "$oid": ANNA }, "blood_pressure_mac_address": CUFF })];
    let (registry, report) = with_devices(devices, patients);
    assert_eq!(owner(&registry, CUFF, DeviceKind::BloodPressure), own(ANNA));
    assert_eq!(report.count(Oddity::PatientIdMissing), 1);
}

#[test]
fn a_registered_device_without_a_patient_waits_for_one() {
    for id in [
        json!(null),
        json!("unknown"),
        json!("65a0"),
        json!("65a000000000000000000009"),
    ] {
        let devices = vec![json!({ "mac_bps": CUFF, "patient_id": id })];
        let (registry, report) = with_devices(devices, both_patients());
        assert_eq!(
            owner(&registry, CUFF, DeviceKind::BloodPressure),
            Err(ParkReason::PatientUnknown),
            "{id}"
        );
        assert_eq!((report.devices, report.devices_with_patient), (1, 0));
    }
    let devices = vec![json!({ "mac_bps": CUFF })];
    let (registry, _) = with_devices(devices, both_patients());
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::PatientUnknown)
    );
}

#[test]
fn a_deleted_device_document_registers_nothing() {
    let devices = vec![json!({ "mac_bps": CUFF, "patient_id": ANNA, "is_deleted": true })];
    let (registry, report) = with_devices(devices, both_patients());
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::DeviceUnknown)
    );
    assert_eq!(report.count(Oddity::Deleted), 1);
}

#[test]
fn readings_of_a_deleted_patient_wait() {
    let deleted = json!({ "_id": { "$oid": ANNA }, "is_deleted": true, "blood_pressure_mac_address": CUFF });
    let devices = vec![json!({ "mac_gluc": "020000bb0003", "patient_id": ANNA })];
    let (registry, report) = with_devices(devices, vec![deleted]);
    assert_eq!(
        owner(&registry, CUFF, DeviceKind::BloodPressure),
        Err(ParkReason::PatientUnknown)
    );
    assert_eq!(
        owner(&registry, "020000bb0003", DeviceKind::Glucose),
        Err(ParkReason::PatientUnknown)
    );
    assert_eq!(report.count(Oddity::PatientNotFound), 1);
    assert!(!registry.has_patient(patient(ANNA)));
}

#[test]
fn a_device_passed_on_by_a_deleted_patient_is_the_new_patients() {
    let patients = vec![
        json!({ "_id": { "$oid": ANNA }, "is_deleted": true, "blood_pressure_mac_address": CUFF }),
        json!({ "_id": { "$oid": BORIS }, "blood_pressure_mac_address": CUFF }),
    ];
    let (registry, _) = with_devices(vec![], patients);
    assert_eq!(owner(&registry, CUFF, DeviceKind::BloodPressure), own(BORIS));
}

#[test]
fn a_box_gives_the_patient_of_an_api_call_whether_active_or_not() {
    let boxes = vec![json!({ "mac_address": BOX, "patient_id": { "$oid": ANNA }, "is_active": false })];
    let (registry, report) = with_boxes(boxes, both_patients());
    assert_eq!(registry.gateway(mac(BOX)), known(ANNA));
    assert_eq!(report.gateways, 1);
}

#[test]
fn a_box_without_a_patient_is_known() {
    for id in [json!(null), json!("unknown"), json!("65a000000000000000000009")] {
        let boxes = vec![json!({ "mac_address": BOX, "patient_id": id })];
        let (registry, _) = with_boxes(boxes, both_patients());
        assert_eq!(
            registry.gateway(mac(BOX)),
            Gateway::Known(Err(ParkReason::PatientUnknown))
        );
    }
}

#[test]
fn a_box_twice_is_ambiguous_unless_both_name_one_patient_or_one_is_deleted() {
    let of =
        |id: Value, deleted: bool| json!({ "mac_address": BOX, "patient_id": id, "is_deleted": deleted });
    let ambiguous = Gateway::Known(Err(ParkReason::PatientAmbiguous));
    for (first, second, expected) in [
        (of(json!(ANNA), false), of(json!(BORIS), false), ambiguous),
        (of(json!(ANNA), false), of(json!(null), false), ambiguous),
        (
            of(json!(ANNA), false),
            of(json!({ "$oid": ANNA }), false),
            known(ANNA),
        ),
        (of(json!(ANNA), true), of(json!(BORIS), false), known(BORIS)),
        (of(json!(ANNA), false), of(json!(BORIS), true), known(ANNA)),
        (of(json!(ANNA), true), of(json!(BORIS), true), Gateway::Unknown),
    ] {
        let (registry, _) = with_boxes(vec![first, second], both_patients());
        assert_eq!(registry.gateway(mac(BOX)), expected);
    }
}

#[test]
fn the_box_counts_where_the_patients_document_disagrees() {
    let patients = || {
        vec![
            json!({ "_id": { "$oid": ANNA } }),
            json!({ "_id": { "$oid": BORIS }, "ava_mac_address": BOX }),
        ]
    };
    let boxes = vec![json!({ "mac_address": BOX, "patient_id": ANNA })];
    let (registry, report) = with_boxes(boxes, patients());
    assert_eq!(registry.gateway(mac(BOX)), known(ANNA));
    assert_eq!(report.count(Oddity::GatewayDisputed), 1);

    let boxes = vec![json!({ "mac_address": BOX, "patient_id": null })];
    let (registry, _) = with_boxes(boxes, patients());
    assert_eq!(
        registry.gateway(mac(BOX)),
        Gateway::Known(Err(ParkReason::PatientUnknown))
    );

    let boxes = vec![json!({ "mac_address": BOX, "patient_id": BORIS, "is_deleted": true })];
    let (registry, _) = with_boxes(boxes, patients());
    assert_eq!(registry.gateway(mac(BOX)), Gateway::Unknown);
}

#[test]
fn a_gateway_that_only_patients_name_is_known() {
    let patients = vec![
        json!({ "_id": { "$oid": ANNA }, "ava_mac_address": BOX }),
        json!({ "_id": { "$oid": BORIS }, "ava_mac_address": "020000aa0002" }),
        json!({ "_id": { "$oid": "65a000000000000000000003" }, "ava_mac_address": "020000aa0002" }),
    ];
    let (registry, _) = with_boxes(vec![], patients);
    assert_eq!(registry.gateway(mac(BOX)), known(ANNA));
    assert_eq!(
        registry.gateway(mac("020000aa0002")),
        Gateway::Known(Err(ParkReason::PatientAmbiguous))
    );
}

#[test]
fn bad_documents_are_counted_and_the_good_ones_kept() {
    let boxes = vec![
        json!(7),
        json!({ "patient_id": ANNA }),
        json!({ "mac_address": BOX, "patient_id": ANNA }),
    ];
    let patients = vec![
        json!({ "_id": 7 }),
        json!({ "_id": { "$oid": ANNA }, "uric_mac_address": "" }),
    ];
    let (registry, report) = with_boxes(boxes, patients);
    assert_eq!(registry.gateway(mac(BOX)), known(ANNA));
    for oddity in [
        Oddity::NotAnObject,
        Oddity::BoxWithoutAddress,
        Oddity::PatientUnusable,
        Oddity::AddressEmpty,
    ] {
        assert_eq!(report.count(oddity), 1, "{oddity}");
    }
    assert_eq!(
        (report.box_documents, report.patient_documents, report.patients),
        (3, 2, 1)
    );
}

#[test]
fn listings_are_in_order() {
    let devices =
        vec![json!({ "mac_ua": "020000bb0002", "mac_bps": CUFF, "mac_chol": CUFF, "patient_id": ANNA })];
    let (registry, _) = with_devices(devices, both_patients());
    let listed: Vec<_> = registry
        .devices()
        .into_iter()
        .map(|(mac, kind, _)| format!("{mac} {}", kind.label()))
        .collect();
    assert_eq!(
        listed,
        [
            "020000bb0001 blood-pressure",
            "020000bb0001 cholesterol",
            "020000bb0002 uric-acid"
        ]
    );
    assert_eq!(registry.patients(), [patient(ANNA), patient(BORIS)]);
    assert!(registry.gateways().is_empty());
}
