//! The documents that legacy readers find.

use serde_json::{Value, json};

use crate::fixture::*;

/// The entry of the document without what all entries have.
fn entry(reading: &stardust_domain::reading::Reading) -> (&'static str, Value) {
    let document = legacy(reading);
    let mut entry = document["data"][0].clone();
    let fields = entry.as_object_mut().unwrap();
    assert_eq!(fields.remove("timestamp"), Some(document["timestamp"].clone()));
    assert_eq!(fields.remove("device_id"), Some(document["device_id"].clone()));
    assert_eq!(
        fields.remove("device_type"),
        Some(document["device_type"].clone())
    );
    (reading.legacy.as_ref().unwrap().collection, entry)
}

#[test]
fn every_attribute_has_its_collection_and_fields() {
    for (reading, collection, expected) in [
        (
            item("WBP_JUMPER", 1, r#""bp_high":"131","bp_low":84"#),
            "blood_pressure_histories",
            json!({"systolic": 131, "diastolic": 84}),
        ),
        (
            item("Oximeter JUMPER", 2, r#""spo2":96,"pulse":77,"pi":40"#),
            "spo2_histories",
            json!({"spo2": 96, "pulse": 77, "pi": 40}),
        ),
        (
            item("CONTOUR", 3, r#""blood_glucose":"112","marker":"Before Meal""#),
            "blood_sugar_histories",
            json!({"blood_glucose": 112, "marker": "Before Meal", "dtx_type": 0}),
        ),
        (
            item("CONTOUR", 3, r#""blood_glucose":"112","marker":"No Marker""#),
            "blood_sugar_histories",
            json!({"blood_glucose": 112, "marker": "No Marker", "dtx_type": 3}),
        ),
        (
            item("AccuChek_Instant", 4, r#""blood_glucose":"LO","marker":null"#),
            "blood_sugar_histories",
            json!({"blood_glucose": 10, "dtx_type": 3, "off_scale": "LO"}),
        ),
        (
            item(
                "AccuChek_Instant",
                4,
                r#""blood_glucose":"HI","marker":"Fasting""#,
            ),
            "blood_sugar_histories",
            json!({"blood_glucose": 600, "marker": "Fasting", "dtx_type": 2, "off_scale": "HI"}),
        ),
        (
            item("IR_TEMO_JUMPER", 5, r#""temp":36.52999878"#),
            "temprature_data_histories",
            json!({"temperature": 36.53}),
        ),
        (
            item(
                "BodyScale_JUMPER",
                6,
                r#""weight":71.40000153,"resistance":512.7000122"#,
            ),
            "body_data_histories",
            json!({"weight": 71.4, "resistance": 512.7}),
        ),
        (
            item("MGSS_REF_UA", 7, r#""uric_acid":"402.45""#),
            "creatinine_histories",
            json!({"uric": "402.4"}),
        ),
        (
            item("MGSS_REF_UA", 7, r#""uric_acid":400"#),
            "creatinine_histories",
            json!({"uric": "400.0"}),
        ),
        (
            item("MGSS_REF_CHOL", 8, r#""cholesterol":"4.60""#),
            "lipid_histories",
            json!({"lipids": 177.88}),
        ),
    ] {
        assert_eq!(entry(&reading), (collection, expected));
    }
}

#[test]
fn every_call_has_its_collection_and_fields() {
    for (kind, data, collection, expected) in [
        (
            "BLOOD_PRESSURE",
            r#"{"systolic":131,"diastolic":84,"pulse":71}"#,
            "blood_pressure_histories",
            json!({"systolic": 131, "diastolic": 84, "pulse": 71}),
        ),
        (
            "BLOOD_SUGAR",
            r#"{"value":5.6,"unit":"mmol/L"}"#,
            "blood_sugar_histories",
            json!({"blood_glucose": 100.8, "dtx_type": 3}),
        ),
        (
            "SPO2",
            r#"{"spo2":96,"pi":41}"#,
            "spo2_histories",
            json!({"spo2": 96, "pi": 41}),
        ),
        (
            "TEMPERATURE",
            r#"{"value":"36.60","mode":"Head"}"#,
            "temprature_data_histories",
            json!({"temperature": 36.6, "mode": "Head"}),
        ),
        (
            "WEIGHT",
            r#"{"value":71.4}"#,
            "body_data_histories",
            json!({"weight": 71.4}),
        ),
        (
            "HEART_RATE",
            r#"{"pulse":71}"#,
            "heart_rate_histories",
            json!({"heart_rate": 71}),
        ),
        (
            "STEPS",
            r#"{"value":4321}"#,
            "step_histories",
            json!({"step": 4321}),
        ),
        (
            "SLEEP",
            r#"{"value":7.5}"#,
            "sleep_data_histories",
            json!({"sleep_num": 7.5}),
        ),
        (
            "CREATININE",
            r#"{"value":"1.236"}"#,
            "creatinine_histories",
            json!({"cretinines": 1.24}),
        ),
        (
            "CREATININE",
            r#"{"value":90,"unit":"umol/L"}"#,
            "creatinine_histories",
            json!({"cretinines": 1.02}),
        ),
        (
            "URIC_ACID",
            r#"{"value":6.8,"unit":"mg/dL"}"#,
            "creatinine_histories",
            json!({"uric": "404.5"}),
        ),
        (
            "LIPID",
            r#"{"cholesterol":178,"ldl":100.0,"hdl":50,"triglycerides":150}"#,
            "lipid_histories",
            json!({"lipids": 178, "ldl_lipids": 100, "hdl_lipids": 50, "tri_lipids": 150}),
        ),
        (
            "LIPID",
            r#"{"hdl":1.3,"triglycerides":1.7,"unit":"mmol/L"}"#,
            "lipid_histories",
            json!({"hdl_lipids": 50.27, "tri_lipids": 150.57}),
        ),
        (
            "CHOLESTEROL",
            r#"{"value":178,"unit":"mg/dL"}"#,
            "lipid_histories",
            json!({"lipids": 178}),
        ),
    ] {
        let reading = one(judge(call(kind, data)));
        assert_eq!(entry(&reading), (collection, expected), "{kind} {data}");
        let document = legacy(&reading);
        assert_eq!(document["device_id"], "020000aa0001");
        assert_eq!(document["device_type"], kind);
    }
}

#[test]
fn aliases_are_one_device_type() {
    let type_of = |name: &str| legacy(&item(name, 1, r#""bp_high":131,"bp_low":84"#))["device_type"].clone();
    for alias in ["WBP BIOLIGHT", "BLE_BPG", "WBP_JUMPER"] {
        assert_eq!(type_of(alias), "BP_BIOLIGTH");
    }
}

#[test]
fn texts_of_a_device_are_escaped() {
    let reading = item("CONTOUR", 3, r#""blood_glucose":112,"marker":"a\"b\\c\u0001""#);
    assert_eq!(entry(&reading).1["marker"], "a\"b\\c\u{1}");
    assert_eq!(
        observations(&reading)[0]["note"][0]["text"],
        "Marker as sent: a\"b\\c\u{fffd}"
    );
}
