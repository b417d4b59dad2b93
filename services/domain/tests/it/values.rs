//! Digits, sentinels, off-scale values and limits.

use serde_json::{Value, json};
use stardust_domain::outcome::{DeadReason, Stage};
use stardust_domain::reading::{Reading, Verdict};

use crate::fixture::*;

/// The digits of the first Observation's value, as they stand in the resource.
fn digits(reading: &Reading) -> String {
    let json = &reading.observations[0].json;
    let (_, rest) = json.split_once(r#""valueQuantity":{"value":"#).unwrap();
    rest.split([',', '}']).next().unwrap().to_owned()
}

fn glucose(value: &str) -> Reading {
    item("Contour_Elite", 3, &format!(r#""blood_glucose":{value}"#))
}

fn refused(reading: &Reading) -> Vec<(&str, DeadReason)> {
    reading
        .dead_quantities
        .iter()
        .map(|q| (q.field.as_str(), q.reason))
        .collect()
}

#[test]
fn one_glucose_in_three_spellings_is_one_observation() {
    let ids: Vec<_> = ["\"112\"", "112", "112.0", "\" 112 \"", "1.12e2"]
        .iter()
        .map(|v| {
            let reading = glucose(v);
            assert_eq!(digits(&reading), "112", "{v}");
            reading.main_id.unwrap()
        })
        .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn the_digits_of_a_text_stay_and_the_key_forgets_its_zeros() {
    let reading = item("MGSS_REF_CHOL", 8, r#""cholesterol":"4.60""#);
    assert_eq!(digits(&reading), "4.60");
    let same = item("MGSS_REF_CHOL", 8, r#""cholesterol":"004.6""#);
    assert_eq!(digits(&same), "4.6");
    assert_eq!(reading.main_id, same.main_id);
}

#[test]
fn binary32_images_become_their_shortest_decimal_but_texts_do_not() {
    for (value, expected) in [
        ("36.52999878", "36.53"),
        ("36.5", "36.5"),
        ("37.0", "37"),
        ("\"36.52999878\"", "36.52999878"),
        ("\"36.60\"", "36.60"),
    ] {
        let reading = item("IR_TEMO_JUMPER", 5, &format!(r#""temp":{value}"#));
        assert_eq!(digits(&reading), expected);
    }
    let scale = item(
        "BodyScale_JUMPER",
        6,
        r#""weight":71.40000153,"resistance":512.7000122"#,
    );
    assert_eq!(digits(&scale), "71.4");
    assert!(scale.observations[1].json.contains(r#"{"value":512.7,"#));
    // A person's decimal is no image.
    let typed = one(judge(call("TEMPERATURE", r#"{"temp":36.52999878}"#)));
    assert_eq!(digits(&typed), "36.52999878");
}

#[test]
fn the_perfusion_index_is_a_tenth_of_the_wire_and_the_key_keeps_the_wire() {
    for (pi, expected, key) in [
        ("41", "4.1", "|41"),
        ("40", "4", "|40"),
        ("\"43\"", "4.3", "|43"),
        ("200", "20", "|200"),
        ("1", "0.1", "|1"),
    ] {
        let reading = item(
            "Oximeter JUMPER",
            2,
            &format!(r#""spo2":96,"pulse":77,"pi":{pi}"#),
        );
        let all = observations(&reading);
        assert!(
            reading.observations[2]
                .json
                .contains(&format!(r#"{{"value":{expected},"#))
        );
        assert!(all[2]["identifier"][0]["value"].as_str().unwrap().ends_with(key));
    }
}

#[test]
fn high_and_low_are_bounds_and_never_bare_numbers() {
    for (sent, comparator, bound, display, key) in [
        ("\"HI\"", ">", 600, "Off scale high", ">600"),
        ("\" hi \"", ">", 600, "Off scale high", ">600"),
        ("\"LO\"", "<", 10, "Off scale low", "<10"),
        ("\"lo\"", "<", 10, "Off scale low", "<10"),
    ] {
        let reading = glucose(sent);
        let observation = observations(&reading).remove(0);
        assert_eq!(
            observation["valueQuantity"],
            json!({"value": bound, "comparator": comparator, "unit": "mg/dL",
                   "system": "http://unitsofmeasure.org", "code": "mg/dL"})
        );
        assert_eq!(
            observation["interpretation"],
            json!([{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation",
                                "code": comparator, "display": display}]}])
        );
        assert_eq!(observation["status"], "final");
        assert!(
            observation["identifier"][0]["value"]
                .as_str()
                .unwrap()
                .ends_with(key)
        );
    }
    assert_eq!(
        death(&item("MGSS_REF_CHOL", 8, r#""cholesterol":"HI""#)).reason,
        DeadReason::ValueNotNumeric
    );
}

#[test]
fn sentinels_are_left_out_beside_a_good_value() {
    let reading = item("Oximeter JUMPER", 2, r#""spo2":96,"pulse":255,"pi":0"#);
    assert_eq!(reading.observations.len(), 1);
    assert!(reading.dead_quantities.is_empty());
    assert_eq!(legacy(&reading)["data"][0].get("pulse"), None);

    let no_main = item("Oximeter JUMPER", 2, r#""spo2":"127","pulse":77,"pi":0.0"#);
    assert_eq!(no_main.observations.len(), 1);
    assert_eq!(no_main.observations[0].code, "8867-4");
    assert!(no_main.legacy.is_none() && no_main.dead_quantities.is_empty());
}

#[test]
fn a_failed_measurement_is_an_observation_without_a_value() {
    for fields in [
        r#""spo2":127,"pulse":255,"pi":0"#,
        r#""spo2":127"#,
        r#""spo2":127,"pulse":null,"pi":"0""#,
    ] {
        let reading = item("Oximeter JUMPER", 2, fields);
        let observation = observations(&reading).remove(0);
        assert_eq!(reading.observations.len(), 1);
        assert_eq!(observation["code"]["coding"][0]["code"], "2708-6");
        assert_eq!(
            observation["dataAbsentReason"],
            json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/data-absent-reason",
                               "code": "error", "display": "Error"}]})
        );
        assert!(observation.get("valueQuantity").is_none());
        assert!(
            observation["identifier"][0]["value"]
                .as_str()
                .unwrap()
                .ends_with("|spo2|1772323185|absent")
        );
        assert!(reading.legacy.is_none());
    }
    // 255 is a pulse of no cuff either, but there it is no sentinel.
    let cuff = item("BP_BIOLIGTH", 1, r#""bp_high":131,"bp_low":84,"PR":255"#);
    assert_eq!(cuff.observations.len(), 2);
    assert_eq!(cuff.observations[1].status, "preliminary");
}

#[test]
fn a_bad_quantity_does_not_stop_the_good_ones() {
    let reading = item("BP_BIOLIGTH", 1, r#""bp_high":131,"bp_low":84,"PR":350"#);
    assert!(matches!(reading.verdict, Verdict::Emit(_)));
    assert_eq!(refused(&reading), [("PR", DeadReason::ValueImpossible)]);
    assert_eq!(reading.observations.len(), 1);
    assert!(reading.legacy.is_some());

    let reading = item("Oximeter JUMPER", 2, r#""spo2":96,"pulse":"x","pi":230"#);
    assert_eq!(
        refused(&reading),
        [
            ("pulse", DeadReason::ValueNotNumeric),
            ("pi", DeadReason::ValueImpossible)
        ]
    );

    let reading = item("BodyScale_JUMPER", 6, r#""weight":71.4,"Resistance":20"#);
    assert_eq!(refused(&reading), [("Resistance", DeadReason::ValueImpossible)]);
    assert_eq!(legacy(&reading)["data"][0].get("resistance"), None);
}

#[test]
fn systolic_and_diastolic_stand_and_fall_together() {
    for (fields, field) in [
        (r#""bp_high":310,"bp_low":84,"PR":71"#, "bp_high"),
        (r#""bp_high":131,"bp_low":5,"PR":71"#, "bp_low"),
        (r#""bp_high":84,"bp_low":84,"PR":71"#, "bp_low"),
        (r#""bp_high":80,"bp_low":"84.0","PR":71"#, "bp_low"),
    ] {
        let reading = item("BP_BIOLIGTH", 1, fields);
        assert_eq!(reading.observations.len(), 1, "{fields}");
        assert_eq!(reading.observations[0].code, "8867-4");
        assert_eq!(reading.main_id, Some(reading.observations[0].id));
        assert_eq!(refused(&reading), [(field, DeadReason::ValueImpossible)]);
        assert!(reading.legacy.is_none(), "no place without the main quantity");
    }
    let missing = item("BP_BIOLIGTH", 1, r#""bp_high":131,"PR":71"#);
    assert_eq!(refused(&missing), [("bp_low", DeadReason::ValueMissing)]);
    let dead = item("BP_BIOLIGTH", 1, r#""bp_high":131,"bp_low":131"#);
    assert_eq!(death(&dead).reason, DeadReason::ValueImpossible);
    assert_eq!(death(&dead).field.as_deref(), Some("bp_low"));
    assert_eq!(
        death(&dead).detail.as_deref(),
        Some("bp_low must be below systolic")
    );
}

#[test]
fn a_letter_names_the_first_bad_quantity_and_lists_the_others() {
    let reading = item("Oximeter JUMPER", 2, r#""pi":-1,"pulse":10,"spo2":"x""#);
    let death = death(&reading);
    assert_eq!(
        (death.stage, death.reason, death.field.as_deref()),
        (Stage::Mapping, DeadReason::ValueNotNumeric, Some("spo2"))
    );
    assert_eq!(
        death.detail.as_deref(),
        Some(
            "spo2 must be a plain decimal number; pulse must be from 20 to 300 beats/min (value impossible); \
             pi must be from 0 to 20 % (value impossible)"
        )
    );
    assert!(reading.observation_ids.is_empty() && reading.main_id.is_none() && reading.raw_item.is_empty());
    assert_eq!(reading.device.unwrap().to_string(), "020000bb0002");
}

#[test]
fn what_is_no_value_is_dead_with_its_reason() {
    for (value, reason) in [
        ("\"\"", DeadReason::ValueMissing),
        ("\"  \"", DeadReason::ValueMissing),
        ("null", DeadReason::ValueMissing),
        ("\"abc\"", DeadReason::ValueNotNumeric),
        ("\"1e2\"", DeadReason::ValueNotNumeric),
        ("\"+112\"", DeadReason::ValueNotNumeric),
        ("\"1,5\"", DeadReason::ValueNotNumeric),
        ("\"NaN\"", DeadReason::ValueNotNumeric),
        ("true", DeadReason::ValueNotNumeric),
        ("[112]", DeadReason::ValueNotNumeric),
        ("{}", DeadReason::ValueNotNumeric),
        ("0", DeadReason::ValueImpossible),
        ("-112", DeadReason::ValueImpossible),
        ("9.99", DeadReason::ValueImpossible),
        ("600.01", DeadReason::ValueImpossible),
        ("1e400", DeadReason::ValueImpossible),
    ] {
        assert_eq!(death(&glucose(value)).reason, reason, "{value}");
    }
    assert_eq!(
        death(&item("Contour_Elite", 3, r#""marker":"Fasting""#)).reason,
        DeadReason::ValueMissing
    );
}

/// Attribute, device, and each field with its hard and plausible limits on the wire, beside which fields.
type Limits = (&'static str, u8, &'static str, [&'static str; 4], &'static str);

const LIMITS: &[Limits] = &[
    (
        "BP_BIOLIGTH",
        1,
        "bp_high",
        ["30", "60", "250", "300"],
        r#""bp_low":10,"#,
    ),
    (
        "BP_BIOLIGTH",
        1,
        "bp_low",
        ["10", "30", "150", "250"],
        r#""bp_high":251,"#,
    ),
    ("BP_BIOLIGTH", 1, "PR", ["20", "30", "220", "300"], ""),
    ("Oximeter JUMPER", 2, "spo2", ["1", "70", "100", "100"], ""),
    ("Oximeter JUMPER", 2, "pulse", ["20", "30", "220", "300"], ""),
    ("Oximeter JUMPER", 2, "pi", ["0.1", "0.2", "200", "200"], ""),
    (
        "Contour_Elite",
        3,
        "blood_glucose",
        ["10", "20", "500", "600"],
        "",
    ),
    ("IR_TEMO_JUMPER", 5, "temp", ["25", "34", "42", "45"], ""),
    ("BodyScale_JUMPER", 6, "weight", ["0.5", "2", "300", "500"], ""),
    (
        "BodyScale_JUMPER",
        6,
        "resistance",
        ["50", "100", "1500", "3000"],
        "",
    ),
    ("MGSS_REF_UA", 7, "uric_acid", ["50", "100", "1000", "1500"], ""),
    ("MGSS_REF_CHOL", 8, "cholesterol", ["1", "1.5", "13", "20"], ""),
];

#[test]
fn limits_are_inclusive() {
    for (attribute, device, field, [hard_low, low, high, hard_high], beside) in LIMITS {
        let at = |value: &str| item(attribute, *device, &format!(r#"{beside}"{field}":"{value}""#));
        let status = |reading: &Reading, field: &str| {
            let row = if field == "PR" || field == "pulse" {
                "8867-4"
            } else {
                ""
            };
            reading
                .observations
                .iter()
                .find(|o| row.is_empty() || o.code == row)
                .map(|o| o.status)
        };
        // The other half of a pressure may be implausible itself: look for the quantity's own note.
        let noted = |reading: &Reading| {
            reading.observations.iter().any(|o| {
                let words = match *field {
                    "bp_high" => "Implausible: systolic",
                    "bp_low" => "Implausible: diastolic",
                    _ => "Implausible: ",
                };
                o.json.contains(words)
            })
        };
        for value in [low, high] {
            let reading = at(value);
            assert!(!noted(&reading), "{field} {value}");
            assert!(status(&reading, field).is_some(), "{field} {value}");
        }
        for value in [hard_low, hard_high] {
            let reading = at(value);
            assert!(status(&reading, field).is_some(), "{field} {value}");
            if value != low && value != high {
                assert!(noted(&reading), "{field} {value}");
                assert_eq!(status(&reading, field), Some("preliminary"), "{field} {value}");
            }
        }
        let beyond = format!("{hard_high}.01");
        let below = if *field == "pi" {
            "-0.1".to_owned()
        } else {
            "0.49".to_owned()
        };
        for value in [beyond, below] {
            let reading = at(&value);
            let all_bad = match &reading.verdict {
                Verdict::Dead(death) => vec![death.reason],
                _ => reading.dead_quantities.iter().map(|q| q.reason).collect(),
            };
            assert!(
                all_bad.contains(&DeadReason::ValueImpossible) || all_bad.contains(&DeadReason::ValueMissing),
                "{field} {value}"
            );
            assert!(!noted(&reading), "{field} {value}");
        }
    }
}

#[test]
fn an_implausible_value_is_kept_preliminary_with_a_note() {
    let observation = observations(&glucose("\"501\"")).remove(0);
    assert_eq!(observation["status"], "preliminary");
    assert_eq!(observation["valueQuantity"]["value"], 501);
    assert_eq!(
        observation["note"],
        json!([{"text": "Implausible: glucose outside of 20 to 500 mg/dL."}])
    );
    let reading = item("BP_BIOLIGTH", 1, r#""bp_high":260,"bp_low":160,"PR":71"#);
    let all = observations(&reading);
    assert_eq!(all[0]["note"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&all[0]["status"], &all[1]["status"]),
        (&json!("preliminary"), &json!("final"))
    );
}

#[test]
fn limits_of_other_units_are_converted_first() {
    let status = |kind: &str, data: &str| -> Option<&'static str> {
        one(judge(call(kind, data)))
            .observations
            .first()
            .map(|o| o.status)
    };
    for (kind, data, expected) in [
        (
            "BLOOD_SUGAR",
            r#"{"value":"33.33","unit":"mmol/L"}"#,
            Some("preliminary"),
        ),
        ("BLOOD_SUGAR", r#"{"value":"33.34","unit":"mmol/L"}"#, None),
        (
            "BLOOD_SUGAR",
            r#"{"value":"27.77","unit":"mmol/L"}"#,
            Some("final"),
        ),
        ("URIC_ACID", r#"{"value":"16.81","unit":"mg/dL"}"#, Some("final")),
        ("URIC_ACID", r#"{"value":"25.3","unit":"mg/dL"}"#, None),
        (
            "CHOLESTEROL",
            r#"{"value":"773.4","unit":"mg/dL"}"#,
            Some("preliminary"),
        ),
        ("CHOLESTEROL", r#"{"value":"774","unit":"mg/dL"}"#, None),
        ("CREATININE", r#"{"value":"33.93"}"#, Some("final")),
        ("CREATININE", r#"{"value":"34"}"#, None),
        ("LIPID", r#"{"triglycerides":"5313"}"#, Some("final")),
        ("LIPID", r#"{"triglycerides":"5320"}"#, None),
    ] {
        assert_eq!(status(kind, data), expected, "{kind} {data}");
    }
}

#[test]
fn no_resource_holds_a_null_or_anything_empty() {
    fn walk(value: &Value) {
        match value {
            Value::Null => panic!("null"),
            Value::String(s) => assert!(!s.is_empty()),
            Value::Array(a) => {
                assert!(!a.is_empty());
                a.iter().for_each(walk);
            }
            Value::Object(o) => {
                assert!(!o.is_empty());
                o.values().for_each(walk);
            }
            _ => {}
        }
    }
    for reading in SAMPLES.iter().map(|s| one(judge(s))).chain([
        glucose("\"HI\""),
        item("Contour_Elite", 3, r#""blood_glucose":"112","marker":"\u0000\n""#),
        item("Oximeter JUMPER", 2, r#""spo2":127"#),
    ]) {
        observations(&reading).iter().for_each(walk);
    }
}
