//! A ward of invented patients and devices, and short ways to judge a body.

use std::sync::LazyLock;

use serde_json::{Value, json};
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::outcome::Source;
use stardust_domain::reading::{Death, Envelope, Judged, Reading, Verdict};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

/// 2026-03-01T00:00:00.123456Z.
pub const RECEIVED: Timestamp = Timestamp::from_micros(1_772_323_200_123_456);
pub const PATIENT: &str = "65a000000000000000000001";
pub const GATEWAY: &str = "02:00:00:AA:00:01";

pub fn mapping() -> Mapping {
    static MAPPING: LazyLock<Mapping> = LazyLock::new(|| Mapping::builtin(settings()).unwrap());
    MAPPING.clone()
}

pub fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".into(),
    }
}

/// One patient with a box and the eight devices of the samples; a second box without a patient.
pub fn registry() -> Registry {
    let boxes = [
        json!({"_id": {"$oid": "75a000000000000000000001"}, "mac_address": GATEWAY, "patient_id": {"$oid": PATIENT}}),
        json!({"_id": {"$oid": "75a000000000000000000002"}, "mac_address": "020000aa0002", "patient_id": null}),
    ];
    let devices = [
        json!({
            "_id": {"$oid": "85a000000000000000000001"}, "patient_id": {"$oid": PATIENT},
            "mac_bps": "02:00:00:BB:00:01", "mac_oxymeter": "020000bb0002", "mac_gluc": "020000BB0003",
            "mac_body_temp": "020000bb0005", "mac_weight": "020000bb0006", "mac_ua": "020000bb0007",
            "mac_chol": "020000bb0008"
        }),
        json!({
            "_id": {"$oid": "85a000000000000000000002"}, "patient_id": {"$oid": PATIENT}, "mac_gluc": "020000bb0004"
        }),
    ];
    let patients = [json!({"_id": {"$oid": PATIENT}})];
    Registry::from_documents(boxes, devices, patients).0
}

pub fn judge_from(body: &[u8], source: Source, received_at: Timestamp) -> Judged {
    mapping().judge(
        &Envelope {
            receipt: "0196a5b0-0000-7000-8000-000000000001",
            received_at,
            source,
            items: None,
            body,
        },
        &registry(),
    )
}

pub fn judge(body: impl AsRef<[u8]>) -> Judged {
    judge_from(body.as_ref(), Source::Http, RECEIVED)
}

/// A message of one attribute, sent at the receipt, around these items.
pub fn message(attribute: &str, items: &str) -> String {
    format!(
        r#"{{"from":"BLE","to":"CLOUD","time":1772323190,"deviceCode":"{GATEWAY}","mac":"{GATEWAY}","type":"reportAttribute","device":"x","data":{{"attribute":"{attribute}","mac":"{GATEWAY}","value":{{"device_list":[{items}]}}}}}}"#
    )
}

/// The one reading of one item with these fields, of the n-th device of the ward, at the receipt.
pub fn item(attribute: &str, device: u8, fields: &str) -> Reading {
    one(judge(message(
        attribute,
        &format!(r#"{{"scan_time":1772323185,"ble_addr":"020000bb{device:04x}",{fields}}}"#),
    )))
}

pub fn call(kind: &str, data: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-03-01T06:59:00+07:00","device_id":"{GATEWAY}","type":"{kind}","data":{data}}}"#
    )
}

pub fn one(judged: Judged) -> Reading {
    let [reading] = <[Reading; 1]>::try_from(judged.readings).unwrap();
    reading
}

/// The Observations of a reading that is emitted.
pub fn observations(reading: &Reading) -> Vec<Value> {
    assert!(
        matches!(reading.verdict, Verdict::Emit(_)),
        "{:?}",
        reading.verdict
    );
    reading
        .observations
        .iter()
        .map(|o| serde_json::from_str(&o.json).unwrap())
        .collect()
}

pub fn legacy(reading: &Reading) -> Value {
    serde_json::from_str(&reading.legacy.as_ref().unwrap().document).unwrap()
}

pub fn death(reading: &Reading) -> &Death {
    match &reading.verdict {
        Verdict::Dead(death) => death,
        other => panic!("{other:?}"),
    }
}

/// The eight samples of the vendor's shapes.
pub const SAMPLES: [&str; 8] = [
    r#"{"from":"BLE","to":"CLOUD","time":1836900001,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"WBP BIOLIGHT","data":{"attribute":"BP_BIOLIGTH","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900001,"ble_addr":"020000bb0001","bp_high":131,"bp_low":84,"PR":71}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900002,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"Oximeter Jumper","data":{"attribute":"Oximeter JUMPER","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900002,"ble_addr":"020000bb0002","pulse":77,"spo2":96,"pi":41}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900003,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"SUGA Contour","data":{"attribute":"Contour_Elite","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900003,"ble_addr":"020000bb0003","scan_rssi":-61,"blood_glucose":"112","marker":"After Meal"}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900004,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"SUGA AccuCheck","data":{"attribute":"AccuChek_Instant","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900004,"ble_addr":"020000bb0004","scan_rssi":-58,"blood_glucose":"98","marker":"After Meal"}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900005,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"TEMO Jumper","data":{"attribute":"IR_TEMO_JUMPER","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900005,"ble_addr":"020000bb0005","temp":36.52999878,"mode":"Head"}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900006,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"JUMPER SCALE","data":{"attribute":"BodyScale_JUMPER","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900006,"ble_addr":"020000BB0006","weight":71.40000153,"resistance":512.7000122}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900007,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"Uric REF_UA","data":{"attribute":"MGSS_REF_UA","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900007,"ble_addr":"020000bb0007","scan_rssi":-66,"uric_acid":"402.5"}]}}}"#,
    r#"{"from":"BLE","to":"CLOUD","time":1836900008,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"Cholesterol REF_CHOL","data":{"attribute":"MGSS_REF_CHOL","mac":"02:00:00:AA:00:01","value":{"device_list":[{"scan_time":1836900008,"ble_addr":"020000BB0008","scan_rssi":-70,"cholesterol":"4.6"}]}}}"#,
];
