//! What a person's API call has to be.

use stardust_domain::outcome::DeadReason;
use stardust_domain::reading::{Admission, Refusal, RefusalCode};

use crate::fixture::*;

fn admit(body: &str) -> Result<Admission, Refusal> {
    let admitted = mapping().admit(body.as_bytes(), RECEIVED, false);
    // What the door refuses is one unreadable reading anywhere else.
    match &admitted {
        Err(_) => assert_eq!(death(&one(judge(body))).reason, DeadReason::Unreadable, "{body}"),
        Ok(admission) => assert_eq!(admission.observation_ids, one(judge(body)).observation_ids),
    }
    admitted
}

fn refusal(body: &str) -> (RefusalCode, Option<String>) {
    let refusal = admit(body).unwrap_err();
    assert!(!refusal.message.is_empty() && !refusal.suggestion.is_empty());
    (refusal.code, refusal.field)
}

fn of(code: RefusalCode, field: &str) -> (RefusalCode, Option<String>) {
    (code, Some(field.to_owned()))
}

#[test]
fn a_call_in_order_names_its_ids() {
    let admission = admit(&call(
        "blood_pressure",
        r#"{"bp_high":"131","bp_low":84,"pr":71,"unit":"MMHG"}"#,
    ))
    .unwrap();
    assert!(admission.api_call);
    assert_eq!(admission.observation_ids.len(), 2);
    assert_eq!(admission.gateway.to_string(), "020000aa0001");
}

#[test]
fn a_missing_field_is_named() {
    use RefusalCode::ValidationMissingField as Missing;
    for (body, field) in [
        ("{}".to_owned(), "timestamp"),
        (
            r#"{"timestamp":1,"type":"STEPS","data":{}}"#.to_owned(),
            "device_id",
        ),
        (
            r#"{"timestamp":1,"device_id":"020000aa0001","type":" ","data":{}}"#.to_owned(),
            "type",
        ),
        (
            r#"{"timestamp":1,"device_id":"020000aa0001","type":"STEPS","data":null}"#.to_owned(),
            "data",
        ),
        (call("BLOOD_PRESSURE", r#"{"diastolic":84}"#), "data.systolic"),
        (
            call("BLOOD_PRESSURE", r#"{"systolic":131,"diastolic":""}"#),
            "data.diastolic",
        ),
        (
            call("BLOOD_SUGAR", r#"{"marker":"Fasting"}"#),
            "data.blood_glucose",
        ),
        (call("SPO2", r#"{"pulse":71}"#), "data.spo2"),
        (call("LIPID", "{}"), "data.cholesterol"),
    ] {
        assert_eq!(refusal(&body), of(Missing, field), "{body}");
    }
}

#[test]
fn a_wrong_json_type_is_named() {
    use RefusalCode::InvalidType as Type;
    for (body, field) in [
        (
            r#"{"timestamp":true,"device_id":"020000aa0001","type":"STEPS","data":{"steps":1}}"#.to_owned(),
            "timestamp",
        ),
        (
            r#"{"timestamp":1,"device_id":5,"type":"STEPS","data":{"steps":1}}"#.to_owned(),
            "device_id",
        ),
        (
            r#"{"timestamp":1,"device_id":"020000aa0001","type":5,"data":{"steps":1}}"#.to_owned(),
            "type",
        ),
        (
            r#"{"timestamp":1,"device_id":"020000aa0001","type":"STEPS","data":[1]}"#.to_owned(),
            "data",
        ),
        (call("STEPS", r#"{"steps":true}"#), "data.steps"),
        (call("STEPS", r#"{"steps":{}}"#), "data.steps"),
        (call("STEPS", r#"{"steps":1,"unit":1}"#), "data.unit"),
        (call("BLOOD_SUGAR", r#"{"value":112,"marker":1}"#), "data.marker"),
    ] {
        assert_eq!(refusal(&body), of(Type, field), "{body}");
    }
}

#[test]
fn a_wrong_format_is_named() {
    use RefusalCode::InvalidFormat as Format;
    for (body, field) in [
        (call("STEPS", r#"{"steps":"many"}"#), "data.steps"),
        (call("STEPS", r#"{"steps":200001}"#), "data.steps"),
        (call("STEPS", r#"{"steps":1,"unit":"km"}"#), "data.unit"),
        (
            call("BLOOD_PRESSURE", r#"{"systolic":131,"diastolic":131}"#),
            "data.diastolic",
        ),
        (
            call("BLOOD_PRESSURE", r#"{"systolic":131,"diastolic":84,"pulse":350}"#),
            "data.pulse",
        ),
        (
            call(
                "BLOOD_PRESSURE",
                r#"{"systolic":131,"diastolic":84,"unit":"kPa"}"#,
            ),
            "data.unit",
        ),
        (
            call(
                "BLOOD_SUGAR",
                r#"{"value":5.6,"unit":"mmol/L","unit_code":"mg/dL"}"#,
            ),
            "data.unit_code",
        ),
        (call("PULSE", r#"{"value":71}"#), "type"),
        (
            r#"{"timestamp":"yesterday","device_id":"020000aa0001","type":"STEPS","data":{"steps":1}}"#
                .to_owned(),
            "timestamp",
        ),
    ] {
        assert_eq!(refusal(&body), of(Format, field), "{body}");
    }
    assert_eq!(
        refusal(r#"{"timestamp":1,"device_id":"x","type":"STEPS","data":{"steps":1}}"#),
        of(RefusalCode::InvalidMacAddress, "device_id")
    );
}

#[test]
fn a_refusal_names_the_limit_and_never_the_value() {
    let refusal = admit(&call("TEMPERATURE", r#"{"value":"45.678"}"#)).unwrap_err();
    assert_eq!(refusal.message, "data.value must be from 25 to 45 °C");
    assert!(!format!("{refusal:?}").contains("678"));
}

#[test]
fn duplicate_keys_anywhere_in_a_call_are_no_json() {
    for body in [
        r#"{"timestamp":1,"timestamp":1,"device_id":"020000aa0001","type":"STEPS","data":{"steps":1}}"#,
        r#"{"timestamp":1,"device_id":"020000aa0001","type":"STEPS","data":{"steps":1,"steps":1}}"#,
        r#"{"timestamp":1,"device_id":"020000aa0001","type":"STEPS","data":{"steps":1,"x":[{"y":1,"y":1}]}}"#,
    ] {
        assert_eq!(refusal(body).0, RefusalCode::InvalidJson, "{body}");
    }
}

#[test]
fn units_are_codes_or_the_words_in_use() {
    for (kind, data) in [
        (
            "BLOOD_PRESSURE",
            r#"{"systolic":131,"diastolic":84,"unit_code":"mm[Hg]"}"#,
        ),
        ("HEART_RATE", r#"{"value":71,"unit":"bpm"}"#),
        ("HEART_RATE", r#"{"value":71,"unit":"/min"}"#),
        ("WEIGHT", r#"{"value":71,"unit":"KG"}"#),
        ("TEMPERATURE", r#"{"value":36.5,"unit":"C"}"#),
        ("TEMPERATURE", r#"{"value":36.5,"unit":"°C"}"#),
        ("TEMPERATURE", r#"{"value":36.5,"unit":"Cel"}"#),
        ("SPO2", r#"{"spo2":96,"unit":"%"}"#),
        ("STEPS", r#"{"value":1,"unit":"steps"}"#),
        ("STEPS", r#"{"value":1,"unit":"{steps}"}"#),
        ("SLEEP", r#"{"value":7,"unit":"h"}"#),
        ("BLOOD_SUGAR", r#"{"value":112,"unit":" "}"#),
        (
            "BLOOD_SUGAR",
            r#"{"value":5.6,"unit":"mmol/l","unit_code":"mmol/L"}"#,
        ),
    ] {
        assert!(admit(&call(kind, data)).is_ok(), "{kind} {data}");
    }
}

#[test]
fn sentinels_and_off_scale_values_count_in_calls_too() {
    let reading = one(judge(call("SPO2", r#"{"spo2":96,"pulse":255,"pi":0}"#)));
    assert_eq!(reading.observations.len(), 1);
    let reading = one(judge(call("BLOOD_SUGAR", r#"{"value":" hi ","unit":"mmol/L"}"#)));
    let observation = observations(&reading).remove(0);
    assert_eq!(observation["valueQuantity"]["value"], 600);
    assert_eq!(observation["valueQuantity"]["code"], "mg/dL");
    assert_eq!(observation["code"]["coding"][0]["code"], "41653-7");
}

#[test]
fn the_main_kind_of_a_lipid_call_is_the_first_that_is_there() {
    let reading = one(judge(call("LIPID", r#"{"triglycerides":150,"hdl":50}"#)));
    assert_eq!(reading.observations[0].code, "2085-9");
    assert_eq!(reading.main_id, Some(reading.observations[0].id));
    assert!(reading.legacy.is_some());
}

#[test]
fn a_body_with_a_mark_of_a_gateway_is_no_call() {
    let body = call("STEPS", r#"{"steps":1}"#).replacen('{', r#"{"mac":"020000aa0001","#, 1);
    assert!(
        !mapping()
            .admit(body.as_bytes(), RECEIVED, false)
            .unwrap()
            .api_call
    );
    assert_eq!(death(&one(judge(body))).reason, DeadReason::UnknownMessageType);
}
