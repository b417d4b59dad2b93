use serde_json::{Value, json};

use super::*;
use crate::time::Timestamp;

const ANNA: &str = "65a000000000000000000001";
const BORIS: &str = "65a000000000000000000002";
const WARD: &str = "65a000000000000000000301";

fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    }
}

fn oid(hex: &str) -> Value {
    json!({"$oid": hex})
}

fn made(builder: ResourceBuilder) -> (Vec<Value>, ResourceReport) {
    let (resources, report) = builder.finish(None);
    let parsed = resources.iter().map(|r| serde_json::from_str(&r.json).unwrap());
    (parsed.collect(), report)
}

fn patient_of(mut document: Value) -> (Value, ResourceReport) {
    document["_id"] = oid(ANNA);
    let mut builder = ResourceBuilder::new(settings());
    builder.add_hospital(&json!({"_id": oid(WARD), "name": "Invented"}));
    builder.add_patient(&document);
    let (resources, report) = made(builder);
    (
        resources
            .into_iter()
            .find(|r| r["resourceType"] == "Patient")
            .unwrap(),
        report,
    )
}

#[test]
fn a_patient_is_what_stands_in_the_document_and_nothing_else() {
    let (patient, report) = patient_of(json!({
        "first_name": " Ada ", "last_name": "Aster", "gender": "Female", "birth_date": {"$date": {"$numberLong": "-599616000000"}},
        "phone": "000-000-0001", "id_card": "0000000000001", "hn_id_no": "HN1", "hospital_id": oid(WARD), "is_active": false,
    }));
    assert_eq!(
        patient,
        json!({
            "resourceType": "Patient", "id": ANNA, "meta": {"source": "urn:stardust:registry:patients"},
            "identifier": [
                {"system": "urn:stardust:amy:patients", "value": ANNA},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
                 "system": "urn:stardust:amy:hn", "value": "HN1"},
                {"type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "NI"}]},
                 "system": "urn:stardust:amy:id-card", "value": "0000000000001"},
            ],
            "name": [{"family": "Aster", "given": ["Ada"]}], "telecom": [{"system": "phone", "value": "000-000-0001"}],
            "gender": "female", "birthDate": "1951-01-01",
            "managingOrganization": {"reference": format!("Organization/{}", organization_id(WARD.parse().unwrap()))},
        })
    );
    assert!(report.remarks.is_empty(), "{report:?}");
}

#[test]
fn what_is_unknown_is_absent_and_what_cannot_be_read_is_counted() {
    let (patient, report) = patient_of(json!({
        "first_name": "", "last_name": null, "gender": "", "birth_date": null, "phone": " ", "hospital_id": null,
    }));
    let members: Vec<&String> = patient.as_object().unwrap().keys().collect();
    assert_eq!(members, ["id", "identifier", "meta", "resourceType"]);
    assert_eq!(report.count(Remark::NameMissing), 1);
    assert_eq!(report.remarks.len(), 1, "nothing else is odd");

    let (patient, report) = patient_of(json!({
        "first_name": "A\u{1}", "last_name": "Aster", "gender": "yes", "birth_date": "13/04/2494", "hospital_id": oid(BORIS),
    }));
    for absent in ["gender", "birthDate", "managingOrganization"] {
        assert!(patient.get(absent).is_none(), "{absent}");
    }
    assert_eq!(patient["name"], json!([{"family": "Aster"}]));
    for remark in [
        Remark::TextUnreadable,
        Remark::GenderUnreadable,
        Remark::BirthDateUnreadable,
        Remark::HospitalUnknown,
    ] {
        assert_eq!(report.count(remark), 1, "{remark}");
    }
}

#[test]
fn a_birth_date_is_of_our_calendar_and_of_the_zone() {
    for (written, date) in [
        (json!("1951-04-13"), Some("1951-04-13")),
        (json!("1951-04-13T00:00:00.000Z"), Some("1951-04-13")),
        // Midnight in Bangkok is the day before in Greenwich.
        (json!({"$date": "1951-04-12T17:00:00Z"}), Some("1951-04-13")),
        (
            json!({"$date": {"$numberLong": "-590914800000"}}),
            Some("1951-04-12"),
        ),
        (json!("2494-04-13"), None),
        (json!({"$date": "2494-04-13T00:00:00Z"}), None),
        (json!("1951-02-30"), None),
        (json!("1951-+1-01"), None),
        (json!("13 April 1951"), None),
        (json!(1951), None),
    ] {
        let (patient, report) = patient_of(json!({"first_name": "Ada", "birth_date": written.clone()}));
        assert_eq!(
            patient.get("birthDate").and_then(Value::as_str),
            date,
            "{written}"
        );
        assert_eq!(
            report.count(Remark::BirthDateUnreadable),
            u64::from(date.is_none()),
            "{written}"
        );
    }
}

#[test]
fn a_hospital_has_its_names_in_every_form() {
    let both = json!([{"code": "en", "name": "Invented"}, {"code": "th", "name": "สมมุติ"}]);
    for (document, name, alias) in [
        (json!({"name": both}), Some("Invented"), Some(json!(["สมมุติ"]))),
        (json!({"name": "Invented"}), Some("Invented"), None),
        (
            json!({"en_name": "Invented", "th_name": "สมมุติ"}),
            Some("Invented"),
            Some(json!(["สมมุติ"])),
        ),
        (json!({"name": ""}), None, None),
    ] {
        let mut document = document;
        document["_id"] = oid(WARD);
        document["organizecode"] = json!({"$numberInt": "90001"});
        document["address"] = json!("1 Nowhere Road");
        document["email"] = json!("");
        let mut builder = ResourceBuilder::new(settings());
        builder.add_hospital(&document);
        let (resources, report) = made(builder);
        let hospital = &resources[0];
        assert_eq!(hospital.get("name").and_then(Value::as_str), name);
        assert_eq!(hospital.get("alias"), alias.as_ref());
        assert_eq!(hospital["identifier"][1]["value"], "90001");
        assert_eq!(
            hospital["contact"],
            json!([{"address": {"text": "1 Nowhere Road"}}])
        );
        assert_eq!(report.count(Remark::NameMissing), u64::from(name.is_none()));
    }
}

#[test]
fn one_address_is_one_device_however_it_is_written() {
    let mut builder = ResourceBuilder::new(settings());
    builder.add_patient(
        &json!({"_id": oid(ANNA), "first_name": "Ada", "blood_pressure_mac_address": "020000BB0001"}),
    );
    builder.add_device(
        &json!({"mac_bps": " 02:00:00:bb:00:01", "mac_ua": "020000bb0007", "mac_chol": "020000bb0007",
        "mac_gluc": "0200bb001", "mac_weight": "", "patient_id": format!("ObjectId('{ANNA}')")}),
    );
    for n in 0..2 {
        builder.add_box(&json!({"mac_address": "02:00:00:AA:00:01", "name": format!("Fake box {n}"), "imei": "990000000000001",
            "model": "AVA4", "patient_id": oid(ANNA)}));
    }
    builder.add_box(&json!({"mac_address": "02:00", "patient_id": null}));
    let (resources, report) = made(builder);
    let devices: Vec<&Value> = resources
        .iter()
        .filter(|r| r["resourceType"] == "Device")
        .collect();
    assert_eq!(devices.len(), 3);
    let of = |mac: &str| {
        let id = mac.parse::<Mac>().unwrap().device_id().to_string();
        devices.iter().find(|d| d["id"] == id).unwrap()
    };
    let gateway = of("020000aa0001");
    assert_eq!(gateway["identifier"][0]["type"]["coding"][0]["code"], "ETHMAC");
    assert_eq!(
        gateway["identifier"][1],
        json!({"system": "urn:stardust:imei", "value": "990000000000001"})
    );
    assert_eq!(
        gateway["name"][1],
        json!({"value": "Fake box 1", "type": "user-friendly-name"})
    );
    assert_eq!(
        (&gateway["modelNumber"], &gateway["type"][0]["text"]),
        (&json!("AVA4"), &json!("Gateway"))
    );
    let strips = of("020000bb0007");
    assert_eq!(strips["identifier"][0]["value"], "02-00-00-BB-00-07");
    assert_eq!(
        strips["type"],
        json!([{"text": "Uric acid meter"}, {"text": "Cholesterol meter"}])
    );
    assert_eq!(of("020000bb0001")["type"][0]["coding"][0]["code"], "528391");
    assert_eq!(report.made[&ResourceKind::DeviceAssociation], 3);
    assert_eq!(
        (report.count(Remark::BoxTwice), report.count(Remark::NoAddress)),
        (1, 1)
    );
}

#[test]
fn a_device_is_nobodys_where_the_documents_do_not_agree() {
    let mut builder = ResourceBuilder::new(settings());
    for id in [ANNA, BORIS] {
        builder.add_patient(&json!({"_id": oid(id), "first_name": "Ada"}));
        builder.add_device(&json!({"mac_bps": "020000bb0001", "patient_id": id}));
    }
    builder.add_device(&json!({"mac_gluc": "020000bb0003", "patient_id": null}));
    builder.add_box(&json!({"mac_address": "020000aa0001", "patient_id": null}));
    let (resources, report) = made(builder);
    assert!(resources.iter().all(|r| r["resourceType"] != "DeviceAssociation"));
    assert_eq!(report.count(Remark::DeviceOfSeveral), 1);
    assert_eq!(report.count(Remark::DeviceWithoutPatient), 1);
    assert_eq!(report.count(Remark::BoxWithoutPatient), 1);
}

#[test]
fn periods_are_written_where_they_are_known() {
    let mut builder = ResourceBuilder::new(settings());
    for id in [ANNA, BORIS] {
        builder.add_patient(&json!({"_id": oid(id), "first_name": "Ada"}));
    }
    builder.add_device(&json!({"mac_bps": "020000bb0001", "patient_id": BORIS}));
    builder.add_device(&json!({"mac_gluc": "020000bb0003", "patient_id": BORIS}));
    let stay = |patient: &str, start: Option<i64>, end: Option<i64>| Stay {
        device: "020000bb0001".parse().unwrap(),
        patient: patient.parse().unwrap(),
        start: start.map(Timestamp::from_seconds),
        end: end.map(Timestamp::from_seconds),
    };
    let at = 1_772_323_200;
    let (resources, _) = builder.finish(Some(&[stay(ANNA, None, Some(at)), stay(BORIS, Some(at), None)]));
    let associations: Vec<Value> = resources
        .iter()
        .filter(|r| r.kind == ResourceKind::DeviceAssociation)
        .map(|r| serde_json::from_str(&r.json).unwrap())
        .collect();
    let of = |patient: &str, device: &str| {
        let device = format!("Device/{}", device.parse::<Mac>().unwrap().device_id());
        let patient = format!("Patient/{patient}");
        let mut found = associations
            .iter()
            .filter(|a| a["subject"]["reference"] == patient && a["device"]["reference"] == device);
        let first = found.next().unwrap();
        assert!(found.next().is_none());
        first
    };
    let moved = "2026-03-01T07:00:00+07:00";
    let before = of(ANNA, "020000bb0001");
    assert_eq!(before["period"], json!({"end": moved}));
    assert_eq!(before["status"]["coding"][0]["code"], "unknown");
    let now = of(BORIS, "020000bb0001");
    assert_eq!(now["period"], json!({"start": moved}));
    assert_eq!(now["status"]["coding"][0]["code"], "attached");
    assert!(of(BORIS, "020000bb0003").get("period").is_none(), "not known");
}

#[test]
fn documents_that_are_no_use_are_left_out_and_counted() {
    let mut builder = ResourceBuilder::new(settings());
    builder.add_patient(&json!(7));
    builder.add_patient(&json!({"_id": 7}));
    builder.add_patient(&json!({"_id": oid(ANNA), "first_name": "Ada"}));
    builder.add_patient(&json!({"_id": oid(ANNA), "first_name": "Eve"}));
    builder.add_patient(&json!({"_id": oid(BORIS), "is_deleted": true}));
    let (resources, report) = made(builder);
    assert_eq!(resources.len(), 1);
    assert_eq!(resources[0]["name"], json!([{"given": ["Ada"]}]));
    for remark in [
        Remark::NotAnObject,
        Remark::NoUsableId,
        Remark::IdTwice,
        Remark::Deleted,
    ] {
        assert_eq!(report.count(remark), 1, "{remark}");
    }
}
