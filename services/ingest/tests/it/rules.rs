//! The door with the real rules and a real registry.

use serde_json::json;
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::registry::Registry;

use crate::client::post;
use crate::stack::{Options, Stack, start_with};

const PATH: &str = "/api/ava4/data";

async fn stack() -> Stack<Mapping> {
    let settings = Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    };
    let patient = "65a000000000000000000001";
    let boxes = [
        json!({"_id": {"$oid": "65b000000000000000000001"}, "mac_address": "02:00:00:AA:00:01", "patient_id": {"$oid": patient}}),
        json!({"_id": {"$oid": "65b000000000000000000002"}, "mac_address": "020000aa0002", "patient_id": null}),
        json!({"_id": {"$oid": "65b000000000000000000003"}, "mac_address": "020000aa0003", "patient_id": {"$oid": patient}, "is_deleted": true}),
    ];
    let patients = [json!({"_id": {"$oid": patient}})];
    let (registry, _) = Registry::from_documents(boxes, [], patients);
    start_with(Options::default(), Mapping::builtin(settings).unwrap(), registry).await
}

fn pressure(items: &str) -> String {
    format!(
        r#"{{"from":"BLE","to":"CLOUD","time":1836900001,"deviceCode":"02:00:00:AA:00:09","mac":"02:00:00:AA:00:09",
        "type":"reportAttribute","device":"WBP BIOLIGHT","data":{{"attribute":"BP_BIOLIGTH","mac":"02:00:00:AA:00:09",
        "value":{{"device_list":[{items}]}}}}}}"#
    )
}

const GOOD: &str = r#"{"scan_time":1836900001,"ble_addr":"020000bb0001","bp_high":131,"bp_low":84,"PR":71}"#;

#[tokio::test]
async fn a_gateways_message_is_taken_whatever_is_inside_it() {
    let stack = stack().await;
    let bad = r#"{"scan_time":1836900001,"ble_addr":"020000bb0001","bp_high":"abc","bp_low":84}"#;
    for (items, ids) in [
        (GOOD.to_owned(), true),
        (format!("{bad},{GOOD}"), true),
        (bad.to_owned(), false),
        (String::new(), false),
        (r#"{"x":1,"x":2}"#.to_owned(), false),
    ] {
        let answer = post(stack.address, PATH, pressure(&items)).await;
        assert_eq!(answer.status, 200, "{items}: {answer:?}");
        let said = answer.json();
        assert_eq!(
            !said["observation_ids"].as_array().unwrap().is_empty(),
            ids,
            "{items}"
        );
        assert_eq!(
            said["observation_id"],
            said["observation_ids"].get(0).cloned().unwrap_or_default()
        );
    }
    let heartbeat = r#"{"from":"ESP32_GW","to":"CLOUD","name":"Fake box 1","time":1745300000,"mac":"02:00:00:AA:00:01","IMEI":"990000000000001","ICCID":"8966000000000000001","type":"HB_Msg","data":{"msg":"Online"}}"#;
    let said = post(stack.address, PATH, heartbeat).await.json();
    assert_eq!(said["observation_ids"], json!([]));
    assert_eq!(stack.log.records().len(), 6);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let stack = stack().await;
    let nested = |depth: usize| {
        format!(
            r#"{{"mac":"02:00:00:AA:00:09","type":"reportAttribute","x":{}{}}}"#,
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    let cases = [
        ("12".to_owned(), 400, "INVALID_JSON"),
        ("[]".to_owned(), 400, "INVALID_JSON"),
        ("null".to_owned(), 400, "INVALID_JSON"),
        (nested(129), 400, "INVALID_JSON"),
        (nested(400_000), 400, "INVALID_JSON"),
        (
            r#"{"mac":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:02"}"#.to_owned(),
            400,
            "INVALID_JSON",
        ),
        (
            pressure(GOOD).replace("02:00:00:AA:00:09", ""),
            422,
            "INVALID_MAC_ADDRESS",
        ),
        (
            pressure(GOOD).replacen("\"mac\":\"02:00:00:AA:00:09\"", "\"mac\":\"02:00\"", 1),
            422,
            "INVALID_MAC_ADDRESS",
        ),
    ];
    for (body, status, code) in cases {
        let answer = post(stack.address, PATH, &body).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (status, code),
            "{shown}"
        );
    }
    let utf8 = [pressure(GOOD).as_bytes(), b"\xff"].concat();
    assert_eq!(post(stack.address, PATH, utf8).await.error(), "INVALID_JSON");
    assert!(stack.log.records().is_empty());
}

#[tokio::test]
async fn an_api_call_is_held_against_the_registry_and_its_type() {
    let stack = stack().await;
    let call = |gateway: &str, data: &str| {
        format!(
            r#"{{"timestamp":"2026-03-01T00:00:00Z","device_id":"{gateway}","type":"blood_pressure","data":{data}}}"#
        )
    };
    let data = r#"{"systolic":131,"diastolic":84,"pulse":71}"#;
    // Known; known without a patient (it will park).
    for gateway in ["02:00:00:aa:00:01", "02-00-00-AA-00-02"] {
        let answer = post(stack.address, PATH, call(gateway, data)).await;
        assert_eq!(answer.status, 200, "{gateway}");
        assert!(!answer.json()["observation_ids"].as_array().unwrap().is_empty());
    }
    let cases = [
        (call("02:00:00:AA:00:08", data), 404, "DEVICE_NOT_FOUND"),
        (call("02:00:00:AA:00:03", data), 404, "DEVICE_NOT_FOUND"),
        (call("02:00", data), 422, "INVALID_MAC_ADDRESS"),
        (
            call("020000aa0001", r#"{"systolic":131}"#),
            422,
            "VALIDATION_MISSING_FIELD",
        ),
        (
            call("020000aa0001", r#"{"systolic":"high","diastolic":84}"#),
            422,
            "INVALID_FORMAT",
        ),
        (
            call("020000aa0001", r#"{"systolic":4321,"diastolic":84}"#),
            422,
            "INVALID_FORMAT",
        ),
        (call("020000aa0001", "[]"), 422, "INVALID_TYPE"),
        (
            call("020000aa0001", data).replace("blood_pressure", "MOOD"),
            422,
            "INVALID_FORMAT",
        ),
        (
            call(
                "020000aa0001",
                r#"{"systolic":131,"systolic":132,"diastolic":84}"#,
            ),
            400,
            "INVALID_JSON",
        ),
    ];
    for (body, status, code) in cases {
        let answer = post(stack.address, PATH, &body).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, code), "{body}");
        for value in ["4321", "high", "131"] {
            assert!(!answer.text().contains(value), "a value is in {}", answer.text());
        }
    }
    assert_eq!(stack.log.records().len(), 2);
}
