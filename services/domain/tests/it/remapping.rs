//! What other rules make of readings that are stored.

use serde_json::Value;
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::Source;
use stardust_domain::reading::Reading;
use stardust_domain::remap::{self, NotRemappable, Raws, Remapped, Stored, remap};

use crate::fixture::{PATIENT, RECEIVED, SAMPLES, call, item, judge, mapping, message, one, settings};

/// The catalogue with some of its text replaced.
fn with(changes: &[(&str, &str)]) -> Mapping {
    let mut text = include_str!("../../catalogue.json").to_owned();
    for (old, new) in changes {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    Mapping::from_text(&text, settings()).unwrap()
}

/// What is stored of a reading: id, status, resource.
type Documents = Vec<(uuid::Uuid, String, String)>;

fn documents(reading: &Reading) -> Documents {
    let of = |o: &stardust_domain::reading::Observation| (o.id, o.status.to_owned(), o.json.clone());
    reading.observations.iter().map(of).collect()
}

fn again(mapping: &Mapping, raws: Raws<'_>, stored: &Documents) -> Result<Remapped, NotRemappable> {
    let observations = stored.iter().map(|(id, status, resource)| Stored {
        id: *id,
        status,
        resource,
    });
    remap(
        mapping,
        &remap::Reading {
            raws,
            source: Source::Http,
            received_at: RECEIVED,
            patient: PATIENT.parse().unwrap(),
            observations: observations.collect(),
        },
    )
}

/// What is stored after a re-mapping.
fn after(stored: &Documents, remapped: &Remapped) -> Documents {
    let mut stored = stored.clone();
    for amended in &remapped.amended {
        let document = &mut stored[amended.at];
        (document.1, document.2) = (amended.status.to_owned(), amended.resource.clone());
    }
    let new = remapped.beside.iter();
    stored.extend(new.map(|o| (o.id, o.status.to_owned(), o.json.clone())));
    stored
}

/// Remaps a stored reading; a second time it changes nothing.
fn remapped(mapping: &Mapping, reading: &Reading) -> (Remapped, Vec<Value>) {
    let stored = documents(reading);
    let raws = Raws::Item(&reading.raw_item);
    let first = again(mapping, raws, &stored).unwrap();
    let end = after(&stored, &first);
    assert!(
        again(mapping, raws, &end).unwrap().is_empty(),
        "a second time: {first:?}"
    );
    let json = end.iter().map(|(_, _, json)| serde_json::from_str(json).unwrap());
    (first, json.collect())
}

#[test]
fn the_same_rules_change_nothing() {
    let mut readings: Vec<Reading> = SAMPLES.iter().map(|body| one(judge(body))).collect();
    readings.push(one(judge(call(
        "BLOOD_PRESSURE",
        r#"{"systolic":131,"diastolic":84,"pulse":71}"#,
    ))));
    readings.push(item("Oximeter JUMPER", 2, r#""spo2":127,"pulse":255,"pi":0"#));
    readings.push(item(
        "Contour_Elite",
        3,
        r#""blood_glucose":"HI","marker":"snack""#,
    ));
    // Notes that come of the message, and of the registry.
    let twins = [131, 137].map(|high| {
        format!(r#"{{"scan_time":1772323185,"ble_addr":"020000bb0001","bp_high":{high},"bp_low":84}}"#)
    });
    readings.extend(judge(message("BP_BIOLIGTH", &twins.join(","))).readings);
    readings.push(item("Contour_Elite", 1, r#""blood_glucose":"112""#));
    for reading in &readings {
        assert!(!reading.observations.is_empty());
        let (first, _) = remapped(&mapping(), reading);
        assert!(first.is_empty(), "{first:?}");
    }
    let body = message("BP_BIOLIGTH", &twins.join(","));
    let second = &judge(&body).readings[1];
    let message = Raws::Message {
        body: body.as_bytes(),
        item: 1,
    };
    assert!(again(&mapping(), message, &documents(second)).unwrap().is_empty());
}

#[test]
fn another_value_amends_and_what_identifies_stays() {
    let reading = item("Oximeter JUMPER", 2, r#""spo2":96,"pulse":77,"pi":41"#);
    let (first, end) = remapped(&with(&[(r#""divisor": 10"#, r#""divisor": 100"#)]), &reading);
    assert!(first.beside.is_empty());
    let [amended] = &first.amended[..] else {
        panic!("{first:?}")
    };
    assert_eq!((amended.at, amended.status), (2, "amended"));
    let [difference] = &amended.differences[..] else {
        panic!("{amended:?}")
    };
    assert_eq!(difference.path, "valueQuantity.value");
    assert_eq!(difference.before.as_deref(), Some("4.1"));
    assert_eq!(difference.after.as_deref(), Some("0.41"));
    assert!(difference.is_measured());
    let before: Value = serde_json::from_str(&reading.observations[2].json).unwrap();
    let mut expected = before;
    expected["status"] = "amended".into();
    expected["valueQuantity"]["value"] = serde_json::from_str("0.41").unwrap();
    assert_eq!(end[2], expected);
}

#[test]
fn another_word_is_a_change_of_the_record_and_no_measured_one() {
    let words = (
        r#""mg/dL": { "words": "mg/dL" }"#,
        r#""mg/dL": { "words": "mg per dL" }"#,
    );
    let (first, _) = remapped(
        &with(&[words]),
        &item("Contour_Elite", 3, r#""blood_glucose":"112""#),
    );
    let [amended] = &first.amended[..] else {
        panic!("{first:?}")
    };
    assert_eq!(amended.status, "amended");
    assert_eq!(amended.differences[0].path, "valueQuantity.unit");
    assert!(!amended.differences[0].is_measured());
}

#[test]
fn status_meta_and_notes_alone_are_no_change() {
    // Plausible by then, implausible today: a note and a status, nothing else.
    let reading = item("IR_TEMO_JUMPER", 5, r#""temp":36.5"#);
    let narrow = (r#""plausible": ["34", "42"]"#, r#""plausible": ["38", "42"]"#);
    assert!(remapped(&with(&[narrow]), &reading).0.is_empty());
}

#[test]
fn preliminary_stays_unless_value_or_code_changes() {
    let reading = item("IR_TEMO_JUMPER", 5, r#""temp":43.5,"mode":"Head""#);
    assert_eq!(reading.observations[0].status, "preliminary");
    let site = (
        r#""code": "69536005", "display": "Head structure""#,
        r#""code": "69536005", "display": "Head""#,
    );
    let (first, end) = remapped(&with(&[site]), &reading);
    assert_eq!(first.amended[0].status, "preliminary");
    assert_eq!(end[0]["status"], "preliminary");
    let code = (
        r#""display": "Body temperature" }"#,
        r#""display": "Temperature" }"#,
    );
    let (first, end) = remapped(&with(&[code]), &reading);
    assert_eq!(first.amended[0].status, "amended");
    assert_eq!(end[0]["status"], "amended");
}

#[test]
fn another_kind_leaves_the_old_one_as_an_error_and_comes_beside() {
    let reading = item("MGSS_REF_UA", 7, r#""uric_acid":"112""#);
    let kind = (
        r#""fields": [{ "names": ["uric_acid"], "quantity": "uric acid" }]"#,
        r#""fields": [{ "names": ["uric_acid"], "quantity": "creatinine" }]"#,
    );
    let (first, end) = remapped(&with(&[kind]), &reading);
    assert_eq!(first.amended[0].status, "entered-in-error");
    assert_eq!((end.len(), first.beside.len()), (2, 1));
    let mut before: Value = serde_json::from_str(&reading.observations[0].json).unwrap();
    before["status"] = "entered-in-error".into();
    assert_eq!(end[0], before, "nothing of it changes but the status");
    assert_eq!(end[1]["code"]["coding"][0]["code"], "14682-9");
    assert_eq!(end[1]["subject"], end[0]["subject"]);
    // And back again.
    let stored: Documents = end
        .iter()
        .zip([reading.observations[0].id, first.beside[0].id])
        .map(|(json, id)| (id, json["status"].as_str().unwrap().to_owned(), json.to_string()))
        .collect();
    let back = again(&mapping(), Raws::Item(&reading.raw_item), &stored).unwrap();
    let statuses: Vec<_> = back.amended.iter().map(|a| a.status).collect();
    assert_eq!(statuses, ["amended", "entered-in-error"]);
}

#[test]
fn what_the_rules_refuse_today_was_an_error() {
    let reading = item("IR_TEMO_JUMPER", 5, r#""temp":36.5"#);
    let limit = (
        r#""hard": ["25", "45"], "plausible": ["34", "42"]"#,
        r#""hard": ["40", "45"], "plausible": ["40", "42"]"#,
    );
    let name = (
        r#""name": "IR_TEMO_JUMPER", "aliases": ["TEMO_Jumper"]"#,
        r#""name": "TEMO_Jumper", "aliases": []"#,
    );
    for change in [limit, name] {
        let (first, end) = remapped(&with(&[change]), &reading);
        assert_eq!(first.amended[0].status, "entered-in-error");
        assert_eq!(end[0]["status"], "entered-in-error");
    }
    // A quantity beside a good one.
    let reading = item("Oximeter JUMPER", 2, r#""spo2":96,"pulse":77,"pi":41"#);
    let (first, _) = remapped(&with(&[(r#""divisor": 10"#, r#""divisor": 1"#)]), &reading);
    let [only] = &first.amended[..] else {
        panic!("{first:?}")
    };
    assert_eq!((only.at, only.status), (2, "entered-in-error"));
}

#[test]
fn notes_of_the_registry_and_the_message_are_kept() {
    let twins = [131, 137].map(|high| {
        format!(r#"{{"scan_time":1772323185,"ble_addr":"020000bb0001","bp_high":{high},"bp_low":84}}"#)
    });
    let reading = &judge(message("BP_BIOLIGTH", &twins.join(","))).readings[0];
    let code = (
        r#""display": "Systolic blood pressure" }"#,
        r#""display": "Systolic" }"#,
    );
    let (first, end) = remapped(&with(&[code]), reading);
    assert_eq!(
        first.amended[0].differences[0].path,
        "component[0].code.coding[0].display"
    );
    assert!(
        end[0]["note"].to_string().contains("another value of this kind"),
        "{}",
        end[0]
    );
}

#[test]
fn without_a_raw_item_there_is_nothing_to_map() {
    let reading = item("IR_TEMO_JUMPER", 5, r#""temp":36.5"#);
    let stored = documents(&reading);
    for raw in [
        "",
        "{}",
        "null",
        r#"{"attribute":"IR_TEMO_JUMPER","time":1,"item":{}}"#,
        r#"{"gateway":"020000aa0001","call":5}"#,
    ] {
        assert!(again(&mapping(), Raws::Item(raw), &stored).is_err(), "{raw}");
    }
    let elsewhere = Raws::Message {
        body: SAMPLES[0].as_bytes(),
        item: 4,
    };
    assert!(again(&mapping(), elsewhere, &stored).is_err());
}
