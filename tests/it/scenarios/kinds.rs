//! Every attribute and alias, and what each reading becomes.

use serde_json::{Value, json};
use stardust_scenarios::books::{Stored, settled};
use stardust_scenarios::registry::{Device, Registry, bare, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, ward};

/// An Observation that must be stored: kind and values of its key, codes, value with its digits, unit.
struct Expected {
    kind: &'static str,
    values: &'static str,
    codes: &'static [&'static str],
    value: &'static str,
    unit: &'static str,
}

const fn expected(
    kind: &'static str,
    values: &'static str,
    codes: &'static [&'static str],
    value: &'static str,
    unit: &'static str,
) -> Expected {
    Expected {
        kind,
        values,
        codes,
        value,
        unit,
    }
}

struct Case {
    attributes: &'static [&'static str],
    device: Device,
    fields: &'static [&'static str],
    observations: &'static [Expected],
    collection: &'static str,
    entry: fn() -> Value,
}

const PRESSURE: Expected = expected("blood-pressure", "131,84", &["85354-9"], "", "");
const CUFF_PULSE: Expected = expected("heart-rate", "71", &["8867-4"], "71", "/min");

const CASES: &[Case] = &[
    Case {
        attributes: &["BP_BIOLIGTH", "WBP BIOLIGHT", "BLE_BPG", "WBP_JUMPER"],
        device: Device::Cuff,
        fields: &[
            r#""bp_high":131,"bp_low":84,"PR":71"#,
            r#""bp_high":131,"bp_low":84,"pr":71"#,
            r#""bp_high":"131","bp_low":"84","PR":"71""#,
            r#""bp_high":131.0,"bp_low":84.00,"PR":71.0"#,
        ],
        observations: &[PRESSURE, CUFF_PULSE],
        collection: "blood_pressure_histories",
        entry: || json!({"systolic": 131, "diastolic": 84, "pulse": 71}),
    },
    Case {
        attributes: &["BP_BIOLIGTH"],
        device: Device::Cuff,
        fields: &[r#""bp_high":131,"bp_low":84"#],
        observations: &[PRESSURE],
        collection: "blood_pressure_histories",
        entry: || json!({"systolic": 131, "diastolic": 84}),
    },
    Case {
        attributes: &["Oximeter JUMPER", "Oximeter_JUMPER"],
        device: Device::Oximeter,
        fields: &[r#""pulse":77,"spo2":96,"pi":41"#],
        observations: &[
            expected("spo2", "96", &["2708-6", "59408-5"], "96", "%"),
            expected("heart-rate", "77", &["8867-4", "8889-8"], "77", "/min"),
            expected("perfusion-index", "41", &["61006-3"], "4.1", "%"),
        ],
        collection: "spo2_histories",
        entry: || json!({"spo2": 96, "pulse": 77, "pi": 41}),
    },
    Case {
        attributes: &["AccuChek_Instant"],
        device: Device::Glucose,
        fields: &[r#""scan_rssi":-58,"blood_glucose":"97","marker":"After Meal""#],
        observations: &[expected("glucose", "97", &["41653-7", "87422-2"], "97", "mg/dL")],
        collection: "blood_sugar_histories",
        entry: || json!({"blood_glucose": 97, "marker": "After Meal", "dtx_type": 1}),
    },
    Case {
        attributes: &["Contour_Elite", "CONTOUR"],
        device: Device::Glucose,
        fields: &[
            r#""scan_rssi":-61,"blood_glucose":"112","marker":"After Meal""#,
            r#""scan_rssi":-61,"blood_glucose":112,"marker":"After Meal""#,
            r#""scan_rssi":-61,"blood_glucose":112.0,"marker":"After Meal""#,
        ],
        observations: &[expected(
            "glucose",
            "112",
            &["41653-7", "87422-2"],
            "112",
            "mg/dL",
        )],
        collection: "blood_sugar_histories",
        entry: || json!({"blood_glucose": 112, "marker": "After Meal", "dtx_type": 1}),
    },
    Case {
        attributes: &["Contour_Elite"],
        device: Device::Glucose,
        fields: &[r#""blood_glucose":"98","marker":"Fasting""#],
        observations: &[expected("glucose", "98", &["41653-7", "41604-0"], "98", "mg/dL")],
        collection: "blood_sugar_histories",
        entry: || json!({"blood_glucose": 98, "marker": "Fasting", "dtx_type": 2}),
    },
    Case {
        attributes: &["AccuChek_Instant"],
        device: Device::Glucose,
        fields: &[r#""blood_glucose":"101","marker":"before meal""#],
        observations: &[expected(
            "glucose",
            "101",
            &["41653-7", "88365-2"],
            "101",
            "mg/dL",
        )],
        collection: "blood_sugar_histories",
        entry: || json!({"blood_glucose": 101, "dtx_type": 0}),
    },
    Case {
        attributes: &["AccuChek_Instant"],
        device: Device::Glucose,
        fields: &[
            r#""blood_glucose":"99","marker":"No marker""#,
            r#""blood_glucose":"99","marker":"None""#,
            r#""blood_glucose":"99","marker":null"#,
            r#""blood_glucose":"99""#,
        ],
        observations: &[expected("glucose", "99", &["41653-7"], "99", "mg/dL")],
        collection: "blood_sugar_histories",
        entry: || json!({"blood_glucose": 99, "dtx_type": 3}),
    },
    Case {
        attributes: &["IR_TEMO_JUMPER", "TEMO_Jumper"],
        device: Device::Thermometer,
        fields: &[
            r#""temp":36.52999878,"mode":"Head""#,
            r#""Temp":36.52999878,"mode":"Head""#,
        ],
        observations: &[expected("body-temperature", "36.53", &["8310-5"], "36.53", "Cel")],
        collection: "temprature_data_histories",
        entry: || json!({"temperature": 36.53, "mode": "Head"}),
    },
    Case {
        attributes: &["BodyScale_JUMPER"],
        device: Device::Scale,
        fields: &[
            r#""weight":71.40000153,"resistance":512.7000122"#,
            r#""weight":71.40000153,"Resistance":512.7000122"#,
        ],
        observations: &[
            expected("body-weight", "71.4", &["29463-7"], "71.4", "kg"),
            expected("impedance", "512.7", &[], "512.7", "Ohm"),
        ],
        collection: "body_data_histories",
        entry: || json!({"weight": 71.4, "resistance": 512.7}),
    },
    Case {
        attributes: &["MGSS_REF_UA"],
        device: Device::Uric,
        fields: &[r#""scan_rssi":-66,"uric_acid":"402.5""#],
        observations: &[expected("uric-acid", "402.5", &["14933-6"], "402.5", "umol/L")],
        collection: "creatinine_histories",
        entry: || json!({"uric": "402.5"}),
    },
    Case {
        attributes: &["MGSS_REF_CHOL"],
        device: Device::Cholesterol,
        fields: &[r#""scan_rssi":-70,"cholesterol":"4.6""#],
        observations: &[expected("cholesterol", "4.6", &["14647-2"], "4.6", "mmol/L")],
        collection: "lipid_histories",
        entry: || json!({"lipids": 177.88}),
    },
];

pub fn every_kind_and_alias_becomes_its_observations(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let start = ward::now() - 3_600;
    let mut sent = Vec::new();
    for case in CASES {
        for attribute in case.attributes {
            for fields in case.fields {
                let at = start + sent.len() as i64;
                let body = ward::single(&gateway(1), attribute, &case.device.address(1), at, fields);
                let answer = stack.post(&body);
                assert_eq!(answer.status, 200, "{body}: {}", answer.text());
                let json = answer.json();
                assert_eq!(
                    (&json["success"], &json["message"]),
                    (&json!(true), &json!("AVA4 data received successfully"))
                );
                assert_eq!(json["observation_id"], json["observation_ids"][0]);
                sent.push((case, *attribute, *fields, at, answer));
            }
        }
    }
    let stored = settled(&stack);
    stored.counts(&[("stored", sent.len() as u64)]);
    for (case, attribute, fields, at, answer) in &sent {
        let mut named = answer.observation_ids();
        let mut wanted: Vec<String> = case
            .observations
            .iter()
            .map(|e| ids::observation(&case.device.address(1), e.kind, *at, e.values))
            .collect();
        assert_eq!(
            named.first(),
            wanted.first(),
            "the first id is the main kind's: {attribute} {fields}"
        );
        named.sort();
        wanted.sort();
        assert_eq!(named, wanted, "{attribute} {fields}");
        for expected in case.observations {
            observation(&stored, case, expected, *at);
        }
        legacy(&stored, case, *at);
        assert!(
            stored.audited(&answer.receipt(), Some(0), "created"),
            "{attribute} {fields}"
        );
    }
    health_data_is_not_in_the_logs(&stack);
}

fn observation(stored: &Stored, case: &Case, expected: &Expected, at: i64) {
    let address = case.device.address(1);
    let id = ids::observation(&address, expected.kind, at, expected.values);
    let resource = stored.observation(&id);
    let codings = resource["code"]["coding"].as_array().unwrap();
    let loinc: Vec<&str> = codings
        .iter()
        .filter(|c| c["system"] == "http://loinc.org")
        .map(|c| c["code"].as_str().unwrap())
        .collect();
    assert_eq!(loinc, expected.codes, "{resource}");
    assert_eq!(resource["status"], "final", "{resource}");
    assert_eq!(
        resource["subject"]["reference"],
        format!("Patient/{}", patient(1))
    );
    assert_eq!(resource["device"]["reference"], ids::device_reference(&address));
    assert_eq!(resource["effectiveDateTime"], ward::local(at));
    let upper = address.to_uppercase();
    let pairs: Vec<&str> = (0..6).map(|n| &upper[2 * n..2 * n + 2]).collect();
    assert_eq!(resource["device"]["identifier"]["value"], pairs.join("-"));
    assert!(
        resource["extension"].to_string().contains("02-00-00-AA-00-01"),
        "the gateway's extension in {resource}"
    );
    if expected.kind == "blood-pressure" {
        let component = |code: &str| {
            let components = resource["component"].as_array().unwrap();
            let found = components
                .iter()
                .find(|c| c["code"]["coding"].to_string().contains(&format!("\"{code}\"")));
            found.unwrap_or_else(|| panic!("no component {code}"))["valueQuantity"].clone()
        };
        assert_eq!(
            (&component("8480-6")["value"], &component("8480-6")["code"]),
            (&json!(131), &json!("mm[Hg]"))
        );
        assert_eq!(
            (&component("8462-4")["value"], &component("8462-4")["code"]),
            (&json!(84), &json!("mm[Hg]"))
        );
    } else {
        assert_eq!(resource["valueQuantity"]["code"], expected.unit, "{resource}");
        assert_eq!(resource["valueQuantity"]["system"], "http://unitsofmeasure.org");
        digits(stored, &id, expected.value);
    }
}

/// The value stands in the export with exactly these digits.
fn digits(stored: &Stored, id: &str, digits: &str) {
    let text = &stored.texts[id];
    let found =
        text.contains(&format!("\"value\":{digits},")) || text.contains(&format!("\"value\":{digits}}}"));
    assert!(found, "{digits} in {text}");
}

fn legacy(stored: &Stored, case: &Case, at: i64) {
    let main = &case.observations[0];
    let (collection, document) = stored.legacy_of(&ids::observation(
        &case.device.address(1),
        main.kind,
        at,
        main.values,
    ));
    assert_eq!(collection, case.collection);
    assert_eq!(document["patient_id"], json!({"$oid": patient(1)}), "{document}");
    assert_eq!(document["device_id"], bare(&case.device.address(1)));
    assert_eq!(
        document["device_type"], case.attributes[0],
        "the attribute, whatever its alias"
    );
    assert_eq!(document["source"], "stardust");
    assert_eq!(document["data"].as_array().unwrap().len(), 1);
    for (field, value) in (case.entry)().as_object().unwrap() {
        let found = &document["data"][0][field];
        let same = found == value || (value.is_number() && found.as_f64() == value.as_f64());
        assert!(same, "{field}: {found} instead of {value} in {document}");
    }
}

/// Neither values nor people in what the services print.
fn health_data_is_not_in_the_logs(stack: &Stack) {
    for value in [
        "36.53",
        "36.52999878",
        "71.40000153",
        "402.5",
        "512.7",
        &patient(1),
    ] {
        assert!(!stack.tells(value), "{value} stands in a log");
    }
}

pub fn digits_stay_as_they_came(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let at = ward::now() - 600;
    let mac = gateway(1);
    let cases = [
        (
            "MGSS_REF_CHOL",
            Device::Cholesterol,
            r#""cholesterol":"4.60""#,
            "cholesterol",
            "4.6",
            "4.60",
        ),
        (
            "MGSS_REF_CHOL",
            Device::Cholesterol,
            r#""cholesterol":4.70"#,
            "cholesterol",
            "4.7",
            "4.7",
        ),
        (
            "MGSS_REF_CHOL",
            Device::Cholesterol,
            r#""cholesterol":"05.10""#,
            "cholesterol",
            "5.1",
            "5.10",
        ),
        (
            "MGSS_REF_UA",
            Device::Uric,
            r#""uric_acid":"400.00""#,
            "uric-acid",
            "400",
            "400.00",
        ),
        (
            "IR_TEMO_JUMPER",
            Device::Thermometer,
            r#""temp":"36.60""#,
            "body-temperature",
            "36.6",
            "36.60",
        ),
        (
            "IR_TEMO_JUMPER",
            Device::Thermometer,
            r#""temp":37.0"#,
            "body-temperature",
            "37",
            "37",
        ),
        (
            "IR_TEMO_JUMPER",
            Device::Thermometer,
            r#""temp":38.09999847"#,
            "body-temperature",
            "38.1",
            "38.1",
        ),
        (
            "BodyScale_JUMPER",
            Device::Scale,
            r#""weight":64.94999695"#,
            "body-weight",
            "64.95",
            "64.95",
        ),
        (
            "Contour_Elite",
            Device::Glucose,
            r#""blood_glucose":105.50"#,
            "glucose",
            "105.5",
            "105.5",
        ),
    ];
    let mut expected = Vec::new();
    for (n, (attribute, device, fields, kind, key, value)) in cases.into_iter().enumerate() {
        let at = at + n as i64;
        let answer = stack.post(ward::single(&mac, attribute, &device.address(1), at, fields));
        let id = ids::observation(&device.address(1), kind, at, key);
        assert_eq!(answer.observation_ids().join(","), id, "{fields}");
        expected.push((id, value));
    }
    let stored = settled(&stack);
    stored.counts(&[("stored", expected.len() as u64)]);
    for (id, value) in expected {
        digits(&stored, &id, value);
    }
}
