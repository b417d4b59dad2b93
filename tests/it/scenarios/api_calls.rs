//! A person's API calls.

use serde_json::{Value, json};
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::{Registry, bare, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, ward, words};

fn call(device: &str, timestamp: &Value, kind: &str, data: &Value) -> String {
    json!({"timestamp": timestamp, "device_id": device, "type": kind, "data": data}).to_string()
}

/// Type, data, Observations (kind, values of the key, first LOINC code, unit), collection, entry.
type Case = (
    &'static str,
    Value,
    &'static [(&'static str, &'static str, &'static str, &'static str)],
    &'static str,
    Value,
);

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    vec![
        ("BLOOD_PRESSURE", json!({"systolic": 121, "diastolic": 79, "pulse": 66}), &[("blood-pressure", "121,79", "85354-9", ""), ("heart-rate", "66", "8867-4", "/min")], "blood_pressure_histories", json!({"systolic": 121, "diastolic": 79, "pulse": 66})),
        ("blood_pressure", json!({"bp_high": 122, "bp_low": 80, "PR": 67, "unit": "mmHg"}), &[("blood-pressure", "122,80", "85354-9", ""), ("heart-rate", "67", "8867-4", "/min")], "blood_pressure_histories", json!({"systolic": 122, "diastolic": 80, "pulse": 67})),
        ("BLOOD_SUGAR", json!({"blood_glucose": 110, "marker": "Fasting"}), &[("glucose", "110", "41653-7", "mg/dL")], "blood_sugar_histories", json!({"blood_glucose": 110, "dtx_type": 2})),
        ("BLOOD_SUGAR", json!({"value": "6.1", "unit": "mmol/L"}), &[("glucose", "6.1", "14743-9", "mmol/L")], "blood_sugar_histories", json!({"blood_glucose": 109.8})),
        ("TEMPERATURE", json!({"temperature": 36.6, "mode": "Head"}), &[("body-temperature", "36.6", "8310-5", "Cel")], "temprature_data_histories", json!({"temperature": 36.6, "mode": "Head"})),
        ("TEMPERATURE", json!({"value": 36.7, "unit_code": "°C"}), &[("body-temperature", "36.7", "8310-5", "Cel")], "temprature_data_histories", json!({"temperature": 36.7})),
        ("WEIGHT", json!({"weight": 70.5, "resistance": 500}), &[("body-weight", "70.5", "29463-7", "kg"), ("impedance", "500", "", "Ohm")], "body_data_histories", json!({"weight": 70.5, "resistance": 500})),
        ("SPO2", json!({"spo2": 97, "pulse": 70, "pi": 45}), &[("spo2", "97", "2708-6", "%"), ("heart-rate", "70", "8867-4", "/min"), ("perfusion-index", "45", "61006-3", "%")], "spo2_histories", json!({"spo2": 97, "pulse": 70, "pi": 45})),
        ("HEART_RATE", json!({"heart_rate": 72}), &[("heart-rate", "72", "8867-4", "/min")], "heart_rate_histories", json!({"heart_rate": 72})),
        ("STEPS", json!({"steps": 4321}), &[("steps", "4321", "55423-8", "{steps}")], "step_histories", json!({"step": 4321})),
        ("SLEEP", json!({"duration": 7.5}), &[("sleep", "7.5", "93832-4", "h")], "sleep_data_histories", json!({"sleep_num": 7.5})),
        ("CREATININE", json!({"creatinine": 0.9}), &[("creatinine", "0.9", "2160-0", "mg/dL")], "creatinine_histories", json!({"cretinines": 0.9})),
        ("CREATININE", json!({"value": 80, "unit": "UMOL/L"}), &[("creatinine", "80", "14682-9", "umol/L")], "creatinine_histories", json!({"cretinines": 0.9})),
        ("LIPID", json!({"cholesterol": 190, "hdl": 50, "ldl": 110, "triglycerides": 150}), &[("cholesterol", "190", "2093-3", "mg/dL"), ("ldl", "110", "2089-1", "mg/dL"), ("hdl", "50", "2085-9", "mg/dL"), ("triglycerides", "150", "2571-8", "mg/dL")], "lipid_histories", json!({"lipids": 190, "ldl_lipids": 110, "hdl_lipids": 50, "tri_lipids": 150})),
        ("LIPID", json!({"hdl": 1.3, "unit": "mmol/L"}), &[("hdl", "1.3", "14646-4", "mmol/L")], "lipid_histories", json!({"hdl_lipids": 50.27})),
        ("URIC_ACID", json!({"uric_acid": 350}), &[("uric-acid", "350", "14933-6", "umol/L")], "creatinine_histories", json!({"uric": "350.0"})),
        ("URIC_ACID", json!({"value": 5, "unit": "mg/dL"}), &[("uric-acid", "5", "3084-1", "mg/dL")], "creatinine_histories", json!({"uric": "297.4"})),
        ("CHOLESTEROL", json!({"cholesterol": 4.9}), &[("cholesterol", "4.9", "14647-2", "mmol/L")], "lipid_histories", json!({"lipids": 189.48})),
        ("CHOLESTEROL", json!({"value": 200, "unit": "mg/dL"}), &[("cholesterol", "200", "2093-3", "mg/dL")], "lipid_histories", json!({"lipids": 200})),
    ]
}

pub fn every_type_becomes_its_observations(backend: Backend) {
    let mut registry = Registry::ward(1);
    registry.add_box("02:00:00:AA:00:F1", None);
    registry.add_patient(&patient(2));
    for owner in [patient(1), patient(2)] {
        registry.add_box("02:00:00:AA:00:F2", Some(&owner));
    }
    let stack = Stack::started(backend, &registry);
    let start = ward::now() - 5_000;
    let address = bare(&gateway(1));
    let cases = cases();
    let mut answers = Vec::new();
    for (n, (kind, data, observations, ..)) in cases.iter().enumerate() {
        let at = start + n as i64;
        // Every way of writing a time and an address.
        let timestamp = match n % 4 {
            0 => json!(at),
            1 => json!(at * 1_000),
            2 => json!(ward::local(at)),
            _ => json!(ward::local(at - 7 * 3_600).replace("+07:00", "")),
        };
        let device = if n % 2 == 0 { gateway(1) } else { address.clone() };
        let body = call(&device, &timestamp, kind, data);
        let answer = stack.post(&body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        let wanted: Vec<String> = observations
            .iter()
            .map(|(kind, values, ..)| ids::observation(&address, kind, at, values))
            .collect();
        let mut named = answer.observation_ids();
        assert_eq!(named.first(), wanted.first(), "{body}");
        named.sort();
        let mut sorted = wanted.clone();
        sorted.sort();
        assert_eq!(named, sorted, "{body}");
        answers.push(wanted);
    }
    let parked = [
        stack.accepted(call(
            "02:00:00:AA:00:F1",
            &json!(start),
            "WEIGHT",
            &json!({"weight": 70}),
        )),
        stack.accepted(call(
            "02:00:00:AA:00:F2",
            &json!(start),
            "WEIGHT",
            &json!({"weight": 70}),
        )),
    ];
    let stored = settled(&stack);
    stored.counts(&[("stored", cases.len() as u64), ("parked", 2)]);
    for ((kind, data, observations, collection, entry), wanted) in cases.iter().zip(&answers) {
        for (id, (_, _, loinc, unit)) in wanted.iter().zip(*observations) {
            let resource = stored.observation(id);
            assert_eq!(
                resource["device"],
                Value::Null,
                "an API call has no sub-device: {resource}"
            );
            assert_eq!(
                resource["subject"]["reference"],
                format!("Patient/{}", patient(1))
            );
            assert!(
                resource["extension"].to_string().contains("02-00-00-AA-00-01"),
                "{resource}"
            );
            assert!(!resource["category"].to_string().contains("phd"), "{resource}");
            if !loinc.is_empty() {
                assert_eq!(resource["code"]["coding"][0]["code"], *loinc, "{kind} {data}");
            }
            if !unit.is_empty() {
                assert_eq!(resource["valueQuantity"]["code"], *unit, "{kind} {data}");
            }
        }
        let (found, document) = stored.legacy_of(&wanted[0]);
        assert_eq!(found, collection);
        assert_eq!(document["device_id"], address);
        for (field, value) in entry.as_object().unwrap() {
            let is = &document["data"][0][field];
            let same = is == value || (value.is_number() && is.as_f64() == value.as_f64());
            assert!(same, "{kind} {data}: {field} is {is} instead of {value}");
        }
    }
    let reason =
        |receipt: &str| stored.parked.iter().find(|l| l["receipt_id"] == receipt).unwrap()["reason"].clone();
    assert_eq!(reason(&parked[0]), "patient unknown");
    assert_eq!(reason(&parked[1]), "patient ambiguous");
}

pub fn what_cannot_be_taken_is_refused_with_its_field(backend: Backend) {
    let mut registry = Registry::ward(1);
    registry.add_box("02:00:00:AA:00:F3", Some(&patient(1)));
    registry.boxes.last_mut().unwrap()["is_deleted"] = json!(true);
    let stack = Stack::started(backend, &registry);
    let (known, now) = (gateway(1), json!(ward::now()));
    let pressure = json!({"systolic": 121, "diastolic": 79});
    let refused = [
        (
            call("02:00:00:AA:00:EE", &now, "BLOOD_PRESSURE", &pressure),
            404,
            "DEVICE_NOT_FOUND",
            "device_id",
        ),
        (
            call("02:00:00:AA:00:F3", &now, "BLOOD_PRESSURE", &pressure),
            404,
            "DEVICE_NOT_FOUND",
            "device_id",
        ),
        (
            call("02:00:00:AA", &now, "BLOOD_PRESSURE", &pressure),
            422,
            "INVALID_MAC_ADDRESS",
            "device_id",
        ),
        (
            json!({"timestamp": now, "type": "BLOOD_PRESSURE", "data": pressure}).to_string(),
            422,
            "VALIDATION_MISSING_FIELD",
            "device_id",
        ),
        (
            json!({"timestamp": now, "device_id": known, "data": pressure}).to_string(),
            422,
            "VALIDATION_MISSING_FIELD",
            "type",
        ),
        (
            json!({"timestamp": now, "device_id": known, "type": "BLOOD_PRESSURE"}).to_string(),
            422,
            "VALIDATION_MISSING_FIELD",
            "data",
        ),
        (
            call(&known, &now, "BLOOD_PRESSURE", &json!({"systolic": 121})),
            422,
            "VALIDATION_MISSING_FIELD",
            "diastolic",
        ),
        (
            call(&known, &now, "LIPID", &json!({})),
            422,
            "VALIDATION_MISSING_FIELD",
            "",
        ),
        (
            call(
                &known,
                &now,
                "BLOOD_PRESSURE",
                &json!({"systolic": 777, "diastolic": 79}),
            ),
            422,
            "INVALID_FORMAT",
            "systolic",
        ),
        (
            call(
                &known,
                &now,
                "BLOOD_PRESSURE",
                &json!({"systolic": "777x", "diastolic": 79}),
            ),
            422,
            "INVALID_FORMAT",
            "systolic",
        ),
        (
            call(&known, &now, "TELEPATHY", &pressure),
            422,
            "INVALID_FORMAT",
            "type",
        ),
        (
            call(&known, &json!("yesterday"), "BLOOD_PRESSURE", &pressure),
            422,
            "INVALID_FORMAT",
            "timestamp",
        ),
        (
            call(&known, &now, "WEIGHT", &json!({"weight": 70, "unit": "stone"})),
            422,
            "INVALID_FORMAT",
            "unit",
        ),
        (
            json!({"timestamp": now, "device_id": 7, "type": "WEIGHT", "data": {"weight": 70}}).to_string(),
            422,
            "INVALID_TYPE",
            "device_id",
        ),
        (
            json!({"timestamp": now, "device_id": known, "type": "WEIGHT", "data": [70]}).to_string(),
            422,
            "INVALID_TYPE",
            "data",
        ),
        (
            call(&known, &now, "WEIGHT", &json!({"weight": 70}))
                .replace(r#""weight":70"#, r#""weight":70,"weight":71"#),
            400,
            "INVALID_JSON",
            "",
        ),
    ];
    for (body, status, code, field) in &refused {
        let answer = stack.post(body);
        assert_eq!(answer.status, *status, "{body}: {}", answer.text());
        let error = &answer.json()["errors"][0];
        assert_eq!(error["error_code"], *code, "{body}: {error}");
        if !field.is_empty() {
            assert!(
                error["field"]
                    .as_str()
                    .is_some_and(|f| f == *field || f.ends_with(&format!(".{field}"))),
                "{body}: {error}"
            );
        }
        assert!(
            !words::has(&answer.text(), "777") && !answer.text().contains("777x"),
            "a measured value in an error: {}",
            answer.text()
        );
    }
    let stored = settled(&stack);
    stored.counts(&[]);
    assert_eq!(stored.count("received"), 0, "what is refused is not received");
}
