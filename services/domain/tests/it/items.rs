//! Messages with several items, addresses, and what a message as a whole comes to.

use serde_json::json;
use stardust_domain::outcome::{DeadReason, Source, Stage};
use stardust_domain::reading::{Envelope, Verdict};

use crate::fixture::*;

fn pressure(device: &str, systolic: &str) -> String {
    format!(r#"{{"scan_time":1772323185,"ble_addr":"{device}","bp_high":{systolic},"bp_low":84,"PR":71}}"#)
}

#[test]
fn a_bad_item_does_not_stop_the_good_ones() {
    let judged = judge(message(
        "BP_BIOLIGTH",
        &[
            pressure("020000bb0001", "131"),
            "7".to_owned(),
            r#"{"ble_addr":"020000bb0001","bp_high":1,"bp_high":2}"#.to_owned(),
            r#"{"bp_high":131,"bp_low":84}"#.to_owned(),
            pressure("020000bb00", "131"),
            pressure("020000bb00ff", "131"),
            r#"{"scan_time":1,"ble_addr":"020000bb00ff","bp_high":"","bp_low":84}"#.to_owned(),
            pressure("020000BB0001", "132"),
        ]
        .join(","),
    ));
    let outcomes: Vec<String> = judged
        .readings
        .iter()
        .map(|r| match &r.verdict {
            Verdict::Emit(_) => "emit".to_owned(),
            Verdict::Park(reason) => reason.to_string(),
            Verdict::Dead(death) => death.reason.to_string(),
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            "emit",
            "unreadable",
            "unreadable",
            "address missing",
            "address unusable",
            "device unknown",
            // A bad value of an unknown device is dead, not parked.
            "value missing",
            "emit",
        ]
    );
    let indexes: Vec<_> = judged.readings.iter().map(|r| r.item).collect();
    assert_eq!(indexes, (0..8).map(Some).collect::<Vec<_>>());
}

#[test]
fn any_spelling_of_an_address_is_one_reading() {
    let ids: Vec<_> = [
        "020000bb0001",
        "02:00:00:BB:00:01",
        "02-00-00-bb-00-01",
        " 0200 00BB 0001 ",
    ]
    .iter()
    .map(|address| {
        one(judge(message("BP_BIOLIGTH", &pressure(address, "131"))))
            .main_id
            .unwrap()
    })
    .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn an_address_that_is_missing_or_unusable_is_said_so() {
    for (address, reason) in [
        ("null", DeadReason::AddressMissing),
        ("\" \"", DeadReason::AddressMissing),
        ("\"::\"", DeadReason::AddressUnusable),
        ("\"020000bb00012\"", DeadReason::AddressUnusable),
        ("\"020000bb000g\"", DeadReason::AddressUnusable),
        ("20000", DeadReason::AddressUnusable),
        ("[]", DeadReason::AddressUnusable),
    ] {
        let reading = one(judge(message(
            "BP_BIOLIGTH",
            &format!(r#"{{"ble_addr":{address},"bp_high":131,"bp_low":84}}"#),
        )));
        let death = death(&reading);
        assert_eq!((death.reason, death.stage), (reason, Stage::Payload), "{address}");
        assert_eq!(death.field.as_deref(), Some("ble_addr"));
        assert!(reading.device.is_none());
    }
}

#[test]
fn a_message_without_items_that_can_be_told_apart_is_one_dead_reading() {
    let many = vec!["{}"; 1_001].join(",");
    for (body, reason) in [
        (message("no such attribute", "{}"), DeadReason::UnknownAttribute),
        (message("bp_bioligth", "{},{}"), DeadReason::UnknownAttribute),
        (message("BP_BIOLIGTH", &many), DeadReason::TooManyItems),
        (
            r#"{"mac":"020000aa0001","type":"reportAttribute","data":{"value":{"device_list":[{}]}}}"#
                .to_owned(),
            DeadReason::UnknownAttribute,
        ),
        (
            r#"{"mac":"020000aa0001","type":"other"}"#.to_owned(),
            DeadReason::UnknownMessageType,
        ),
        (
            r#"{"mac":"020000aa0001","type":"HB_Msg","data":{"msg":1,"msg":2}}"#.to_owned(),
            DeadReason::Unreadable,
        ),
    ] {
        let judged = judge(&body);
        assert_eq!(judged.gateway.unwrap().to_string(), "020000aa0001");
        let reading = one(judged);
        assert_eq!(death(&reading).reason, reason);
        assert_eq!(reading.item, None);
        // The door takes it: a gateway cannot repair its message.
        let admission = mapping().admit(body.as_bytes(), RECEIVED, false).unwrap();
        assert!(admission.observation_ids.is_empty());
    }
}

#[test]
fn what_no_door_would_take_is_unreadable() {
    let deep = format!(
        r#"{{"mac":"020000aa0001","x":{}{}}}"#,
        "[".repeat(128),
        "]".repeat(128)
    );
    for body in [
        &b"\xff\xfe"[..],
        b"",
        b"5",
        b"[]",
        b"null",
        b"{",
        br#"{"mac":"020000aa0001","mac":"020000aa0001"}"#,
        br#"{"mac":"020000"}"#,
        br#"{"type":"BLOOD_PRESSURE"}"#,
        deep.as_bytes(),
    ] {
        let reading = one(judge(body));
        assert_eq!(death(&reading).reason, DeadReason::Unreadable);
        assert_eq!(reading.item, None);
        assert!(mapping().admit(body, RECEIVED, false).is_err());
    }
    let bearable = format!(
        r#"{{"mac":"020000aa0001","x":{}{}}}"#,
        "[".repeat(127),
        "]".repeat(127)
    );
    assert_eq!(
        death(&one(judge(bearable))).reason,
        DeadReason::UnknownMessageType
    );
}

#[test]
fn messages_without_readings_come_to_nothing() {
    for body in [
        r#"{"from":"ESP32_GW","to":"CLOUD","name":"Fake box 1","time":1745300000,"mac":"02:00:00:AA:00:01","IMEI":"990000000000001","ICCID":"8966000000000000001","type":"HB_Msg","data":{"msg":"Online"}}"#,
        r#"{"from":"ESP32_S3_GW","to":"CLOUD","time":1745300000,"mac":"02:00:00:AA:00:01","IMEI":"990000000000001","ICCID":"8966000000000000001","type":"reportMsg","data":{"msg":"Online"}}"#,
        r#"{"mac":"02:00:00:AA:00:01","type":"cmdResult","data":{"id":1,"code":0}}"#,
        r#"{"mac":"02:00:00:AA:00:01","data":{"id":1,"code":0}}"#,
    ] {
        let judged = judge(body);
        assert!(judged.readings.is_empty(), "{body}");
        assert_eq!(judged.status.is_some(), body.contains("Msg"));
        assert_eq!(judged.gateway.unwrap().to_string(), "020000aa0001");
    }
    assert!(judge(message("BP_BIOLIGTH", "")).readings.is_empty());
}

#[test]
fn two_values_of_one_second_are_two_observations_that_name_each_other() {
    let judged = judge(message(
        "BP_BIOLIGTH",
        &[
            pressure("020000bb0001", "131"),
            pressure("020000bb0001", "140"),
            pressure("020000bb0009", "150"),
        ]
        .join(","),
    ));
    let (first, second) = (
        observations(&judged.readings[0]),
        observations(&judged.readings[1]),
    );
    let note = json!([{"text": "The same message carries another value of this kind for the same device and second."}]);
    assert_eq!((&first[0]["note"], &second[0]["note"]), (&note, &note));
    assert_ne!(first[0]["id"], second[0]["id"]);
    // The pulses are equal: one Observation, nothing to note.
    assert_eq!(first[1]["id"], second[1]["id"]);
    assert!(first[1].get("note").is_none());
}

#[test]
fn two_identical_items_are_one_observation_twice() {
    let items = [pressure("020000bb0001", "131"), pressure("020000bb0001", "131.0")].join(",");
    let judged = judge(message("BP_BIOLIGTH", &items));
    assert_eq!(judged.readings[0].main_id, judged.readings[1].main_id);
    assert!(observations(&judged.readings[1])[0].get("note").is_none());
}

#[test]
fn only_the_items_asked_for_are_judged_again_and_come_out_the_same() {
    let body = message(
        "BP_BIOLIGTH",
        &[
            pressure("020000bb0001", "131"),
            pressure("020000bb0001", "140"),
            "5".to_owned(),
        ]
        .join(","),
    );
    let all = judge(&body);
    let some = mapping().judge(
        &Envelope {
            receipt: "r",
            received_at: RECEIVED,
            source: Source::Release,
            items: Some(&[1, 7]),
            body: body.as_bytes(),
        },
        &registry(),
    );
    assert_eq!(some.readings.len(), 1);
    assert_eq!(some.readings[0].item, Some(1));
    assert_eq!(
        some.readings[0].observations[0].json,
        all.readings[1].observations[0].json
    );
}

#[test]
fn the_raw_item_is_enough_to_map_it_again() {
    let reading = one(judge(message("WBP_JUMPER", &pressure("020000bb0001", "131.0"))));
    assert_eq!(
        reading.raw_item,
        r#"{"gateway":"020000aa0001","attribute":"WBP_JUMPER","time":1772323190,"item":{"scan_time":1772323185,"ble_addr":"020000bb0001","bp_high":131.0,"bp_low":84,"PR":71}}"#
    );
    let called = one(judge(call("HEART_RATE", r#"{"value":71}"#)));
    let raw: serde_json::Value = serde_json::from_str(&called.raw_item).unwrap();
    assert_eq!(raw["call"]["data"]["value"], 71);
}
