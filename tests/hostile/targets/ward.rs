//! Rules, a registry, and messages of a ward that is in order.

use serde_json::json;
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::outcome::Source;
use stardust_domain::reading::Envelope;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

use super::hold;

const GATEWAY: &str = "02:00:00:AA:00:01";
pub const PATIENT: &str = "65a000000000000000000001";
/// 2026-03-01T00:00:00.123456Z.
pub const RECEIVED: Timestamp = Timestamp::from_micros(1_772_323_200_123_456);

pub fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    }
}

pub fn mapping() -> Mapping {
    Mapping::builtin(settings()).unwrap()
}

/// Documents of the registry: boxes, devices, patients.
pub fn documents() -> [Vec<serde_json::Value>; 3] {
    let boxes = vec![
        json!({"_id": {"$oid": "75a000000000000000000001"}, "mac_address": GATEWAY, "patient_id": {"$oid": PATIENT}}),
        json!({"_id": {"$oid": "75a000000000000000000002"}, "mac_address": "020000aa0002", "patient_id": null, "is_deleted": true}),
    ];
    let devices = vec![
        json!({
            "_id": {"$oid": "85a000000000000000000001"}, "patient_id": {"$oid": PATIENT},
            "mac_bps": "02:00:00:BB:00:01", "mac_oxymeter": "020000bb0002", "mac_gluc": "020000BB0003",
            "mac_body_temp": "020000bb0005", "mac_weight": "020000bb0006", "mac_ua": "020000bb0007",
            "mac_chol": "020000bb0008"
        }),
        json!({"_id": {"$oid": "85a000000000000000000002"}, "patient_id": {"$oid": PATIENT}, "mac_gluc": "020000bb0004"}),
    ];
    let patients = vec![
        json!({"_id": {"$oid": PATIENT}, "ava_mac_address": GATEWAY, "blood_glucose_mac_address": "020000bb0003"}),
        json!({"_id": {"$oid": "65a000000000000000000002"}, "is_deleted": true, "created_at": {"$date": "2026-01-01T00:00:00Z"}}),
    ];
    [boxes, devices, patients]
}

pub fn registry() -> Registry {
    let [boxes, devices, patients] = documents();
    Registry::from_documents(boxes, devices, patients).0
}

/// A message of one attribute around these items.
fn message(attribute: &str, items: &str) -> String {
    format!(
        r#"{{"from":"BLE","to":"CLOUD","time":1772323190,"deviceCode":"{GATEWAY}","mac":"{GATEWAY}","type":"reportAttribute","device":"x","data":{{"attribute":"{attribute}","mac":"{GATEWAY}","value":{{"device_list":[{items}]}}}}}}"#
    )
}

/// Messages that a door takes: every kind, calls of persons, heartbeats, acknowledgements.
pub fn messages() -> Vec<Vec<u8>> {
    let item = |device: u8, fields: &str| {
        format!(r#"{{"scan_time":1772323185,"ble_addr":"020000bb{device:04x}",{fields}}}"#)
    };
    let mut all = vec![
        message("BP_BIOLIGTH", &item(1, r#""bp_high":131,"bp_low":84,"PR":71"#)),
        message("Oximeter JUMPER", &item(2, r#""pulse":77,"spo2":96,"pi":41"#)),
        message(
            "Contour_Elite",
            &item(
                3,
                r#""scan_rssi":-61,"blood_glucose":"112","marker":"After Meal""#,
            ),
        ),
        message(
            "AccuChek_Instant",
            &item(4, r#""blood_glucose":"HI","marker":"Fasting""#),
        ),
        message("IR_TEMO_JUMPER", &item(5, r#""temp":36.52999878,"mode":"Head""#)),
        message(
            "BodyScale_JUMPER",
            &item(6, r#""weight":71.40000153,"resistance":512.7000122"#),
        ),
        message("MGSS_REF_UA", &item(7, r#""uric_acid":"402.5""#)),
        message("MGSS_REF_CHOL", &item(8, r#""cholesterol":"4.60""#)),
        message(
            "BP_BIOLIGTH",
            &[
                item(1, r#""bp_high":131,"bp_low":84,"PR":350"#),
                item(9, r#""bp_high":"120","bp_low":"80""#),
                item(1, r#""bp_high":"abc","bp_low":84"#),
            ]
            .join(","),
        ),
        format!(
            r#"{{"time":1772323190,"mac":"020000aa0001","type":"HB_Msg","data":{{"msg":"Online","name":"x","IMEI":"1"}}}}"#
        ),
        format!(r#"{{"mac":"{GATEWAY}","id":7,"code":200}}"#),
    ];
    for (kind, data) in [
        ("BLOOD_PRESSURE", r#"{"systolic":131,"diastolic":84,"pulse":71}"#),
        (
            "BLOOD_SUGAR",
            r#"{"value":112,"marker":"Fasting","unit":"mg/dL"}"#,
        ),
        ("TEMPERATURE", r#"{"temperature":"36.60","mode":"Head"}"#),
        ("SPO2", r#"{"spo2":96,"pulse":77,"pi":41}"#),
        ("WEIGHT", r#"{"weight":71.4,"resistance":512}"#),
        (
            "LIPID",
            r#"{"cholesterol":"178","ldl":100,"hdl":50,"triglycerides":150,"unit":"mg/dL"}"#,
        ),
        ("SLEEP", r#"{"duration":7.5}"#),
        ("CREATININE", r#"{"creatinine":1.1}"#),
        ("STEPS", r#"{"steps":4000}"#),
    ] {
        all.push(format!(
            r#"{{"timestamp":"2026-03-01T06:59:00+07:00","device_id":"{GATEWAY}","type":"{kind}","data":{data}}}"#
        ));
    }
    all.into_iter().map(String::into_bytes).collect()
}

/// A message of one item is one reading, whatever rules and registry say of it.
pub fn one_reading(mapping: &Mapping, registry: &Registry, message: &[u8]) -> Result<(), String> {
    let envelope = Envelope {
        receipt: "r",
        received_at: RECEIVED,
        source: Source::Http,
        items: None,
        body: message,
    };
    let readings = mapping.judge(&envelope, registry).readings.len();
    hold!(readings == 1, "one item, and {readings} readings");
    Ok(())
}
