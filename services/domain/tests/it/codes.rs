//! Right code, display and unit for the meaning: what no validator sees. The table stands here a second time, on purpose.

use serde_json::{Value, json};

use crate::fixture::*;

struct Row {
    kind: &'static str,
    category: (&'static str, &'static str),
    profile: Option<&'static str>,
    loinc: &'static [(&'static str, &'static str)],
    mdc: Option<(&'static str, &'static str)>,
    unit: (&'static str, &'static str),
}

const VITAL: (&str, &str) = ("vital-signs", "Vital Signs");
const LAB: (&str, &str) = ("laboratory", "Laboratory");
const EXAM: (&str, &str) = ("exam", "Exam");
const ACTIVITY: (&str, &str) = ("activity", "Activity");
const PER_MINUTE: (&str, &str) = ("/min", "beats/min");
const MASS: (&str, &str) = ("mg/dL", "mg/dL");
const MILLIMOLE: (&str, &str) = ("mmol/L", "mmol/L");
const MICROMOLE: (&str, &str) = ("umol/L", "µmol/L");
const CAPILLARY: Option<(&str, &str)> = Some(("160184", "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD"));
const GLUCOSE: (&str, &str) = (
    "41653-7",
    "Glucose [Mass/volume] in Capillary blood by Glucometer",
);
const GLUCOSE_MOLES: (&str, &str) = (
    "14743-9",
    "Glucose [Moles/volume] in Capillary blood by Glucometer",
);

fn check(observation: &Value, row: &Row, from_device: bool) {
    let coding: Vec<Value> = row
        .loinc
        .iter()
        .map(|(code, display)| json!({"system": "http://loinc.org", "code": code, "display": display}))
        .chain(row.mdc.iter().map(
            |(code, display)| json!({"system": "urn:iso:std:iso:11073:10101", "code": code, "display": display}),
        ))
        .collect();
    assert_eq!(observation["code"], json!({"coding": coding}));
    let clinical = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
        "code": row.category.0, "display": row.category.1
    }]});
    let phd = json!({"coding": [{
        "system": "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories", "code": "phd"
    }]});
    assert_eq!(
        observation["category"],
        if from_device {
            json!([clinical, phd])
        } else {
            json!([clinical])
        }
    );
    assert_eq!(
        observation["meta"].get("profile"),
        row.profile
            .map(|p| json!([format!("http://hl7.org/fhir/StructureDefinition/{p}")]))
            .as_ref()
    );
    let quantity = &observation["valueQuantity"];
    assert_eq!(
        (&quantity["system"], &quantity["code"], &quantity["unit"]),
        (
            &json!("http://unitsofmeasure.org"),
            &json!(row.unit.0),
            &json!(row.unit.1)
        )
    );
    let key = observation["identifier"][0]["value"].as_str().unwrap();
    assert_eq!(key.split('|').nth(3), Some(row.kind));
    assert_eq!(observation.get("device").is_some(), from_device);
}

fn pulse(mdc: Option<(&'static str, &'static str)>, loinc: &'static [(&'static str, &'static str)]) -> Row {
    Row {
        kind: "heart-rate",
        category: VITAL,
        profile: Some("heartrate"),
        loinc,
        mdc,
        unit: PER_MINUTE,
    }
}

fn cuff_pulse() -> Row {
    pulse(
        Some(("149546", "MDC_PULS_RATE_NON_INV")),
        &[("8867-4", "Heart rate")],
    )
}

fn oximeter() -> [Row; 3] {
    [
        Row {
            kind: "spo2",
            category: VITAL,
            profile: Some("oxygensat"),
            loinc: &[
                ("2708-6", "Oxygen saturation in Arterial blood"),
                ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"),
            ],
            mdc: Some(("150456", "MDC_PULS_OXIM_SAT_O2")),
            unit: ("%", "%"),
        },
        pulse(
            Some(("149530", "MDC_PULS_OXIM_PULS_RATE")),
            &[
                ("8867-4", "Heart rate"),
                ("8889-8", "Heart rate by Pulse oximetry"),
            ],
        ),
        Row {
            kind: "perfusion-index",
            category: EXAM,
            profile: None,
            loinc: &[("61006-3", "Perfusion index Tissue by Pulse oximetry")],
            mdc: Some(("150488", "MDC_BLD_PERF_INDEX")),
            unit: ("%", "%"),
        },
    ]
}

fn glucose(loinc: &'static [(&'static str, &'static str)], unit: (&'static str, &'static str)) -> Row {
    Row {
        kind: "glucose",
        category: LAB,
        profile: None,
        loinc,
        mdc: CAPILLARY,
        unit,
    }
}

fn laboratory(
    kind: &'static str,
    loinc: &'static [(&'static str, &'static str)],
    unit: (&'static str, &'static str),
) -> Row {
    Row {
        kind,
        category: LAB,
        profile: None,
        loinc,
        mdc: None,
        unit,
    }
}

fn temperature() -> Row {
    Row {
        kind: "body-temperature",
        category: VITAL,
        profile: Some("bodytemp"),
        loinc: &[("8310-5", "Body temperature")],
        mdc: Some(("150364", "MDC_TEMP_BODY")),
        unit: ("Cel", "°C"),
    }
}

fn weight() -> Row {
    Row {
        kind: "body-weight",
        category: VITAL,
        profile: Some("bodyweight"),
        loinc: &[("29463-7", "Body weight")],
        mdc: Some(("188736", "MDC_MASS_BODY_ACTUAL")),
        unit: ("kg", "kg"),
    }
}

const URATE: &[(&str, &str)] = &[("14933-6", "Urate [Moles/volume] in Serum or Plasma")];
const CHOLESTEROL: &[(&str, &str)] = &[("14647-2", "Cholesterol [Moles/volume] in Serum or Plasma")];
const CHOLESTEROL_MASS: &[(&str, &str)] = &[("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma")];

#[test]
fn every_attribute_and_alias_has_its_codes() {
    for name in ["BP_BIOLIGTH", "WBP BIOLIGHT", "BLE_BPG", "WBP_JUMPER"] {
        for key in ["PR", "pr"] {
            let all = observations(&item(
                name,
                1,
                &format!(r#""bp_high":131,"bp_low":84,"{key}":71"#),
            ));
            assert_eq!(all.len(), 2);
            check(&all[1], &cuff_pulse(), true);
        }
    }
    for name in ["Oximeter JUMPER", "Oximeter_JUMPER"] {
        let all = observations(&item(name, 2, r#""pulse":77,"spo2":96,"pi":41"#));
        assert_eq!(all.len(), 3);
        for (observation, row) in all.iter().zip(oximeter()) {
            check(observation, &row, true);
        }
    }
    for name in ["Contour_Elite", "CONTOUR", "AccuChek_Instant"] {
        let all = observations(&item(name, 3, r#""blood_glucose":"112""#));
        check(&all[0], &glucose(&[GLUCOSE], MASS), true);
    }
    for name in ["IR_TEMO_JUMPER", "TEMO_Jumper"] {
        for key in ["temp", "Temp"] {
            let all = observations(&item(name, 5, &format!(r#""{key}":36.52999878"#)));
            check(&all[0], &temperature(), true);
        }
    }
    for key in ["resistance", "Resistance"] {
        let all = observations(&item(
            "BodyScale_JUMPER",
            6,
            &format!(r#""weight":71.40000153,"{key}":512.7000122"#),
        ));
        check(&all[0], &weight(), true);
        assert_eq!(
            all[1]["code"]["coding"],
            json!([
                {"system": "urn:iso:std:iso:11073:10101", "code": "188780"},
                {"system": "urn:stardust:codes", "code": "body-impedance", "display": "Body impedance"}
            ])
        );
        assert_eq!(all[1]["valueQuantity"]["code"], "Ohm");
        assert_eq!(all[1]["valueQuantity"]["unit"], "Ω");
        assert_eq!(all[1]["category"][0]["coding"][0]["code"], "exam");
        assert!(all[1]["meta"].get("profile").is_none());
    }
    let all = observations(&item("MGSS_REF_UA", 7, r#""uric_acid":"402.5""#));
    check(&all[0], &laboratory("uric-acid", URATE, MICROMOLE), true);
    let all = observations(&item("MGSS_REF_CHOL", 8, r#""cholesterol":"4.6""#));
    check(&all[0], &laboratory("cholesterol", CHOLESTEROL, MILLIMOLE), true);
}

#[test]
fn the_meal_adds_its_code_and_its_component() {
    let meal = |marker: &str| -> Value {
        observations(&item(
            "Contour_Elite",
            3,
            &format!(r#""blood_glucose":112,"marker":{marker}"#),
        ))
        .remove(0)
    };
    for (marker, more, mdc) in [
        (
            "\"Fasting\"",
            (
                "41604-0",
                "Fasting glucose [Mass/volume] in Capillary blood by Glucometer",
            ),
            ("8417876", "MDC_CTXT_GLU_MEAL_FASTING"),
        ),
        (
            "\" before meal \"",
            ("88365-2", "Glucose [Mass/volume] in Blood --pre-meal"),
            ("8417868", "MDC_CTXT_GLU_MEAL_PREPRANDIAL"),
        ),
        (
            "\"AFTER MEAL\"",
            ("87422-2", "Glucose [Mass/volume] in Blood --post meal"),
            ("8417872", "MDC_CTXT_GLU_MEAL_POSTPRANDIAL"),
        ),
    ] {
        let observation = meal(marker);
        let coding = &observation["code"]["coding"];
        assert_eq!(coding.as_array().unwrap().len(), 3);
        assert_eq!(
            coding[1],
            json!({"system": "http://loinc.org", "code": more.0, "display": more.1})
        );
        assert_eq!(
            observation["component"],
            json!([{
                "code": {"coding": [{"system": "urn:iso:std:iso:11073:10101", "code": "8417864",
                                     "display": "MDC_CTXT_GLU_MEAL"}]},
                "valueCodeableConcept": {"coding": [{"system": "urn:iso:std:iso:11073:10101", "code": mdc.0,
                                                     "display": mdc.1}]}
            }])
        );
        assert!(observation.get("note").is_none());
    }
    for marker in [
        "\"No marker\"",
        "\"No Marker\"",
        "\"None\"",
        "\"none\"",
        "null",
        "\" \"",
    ] {
        let observation = meal(marker);
        check(&observation, &glucose(&[GLUCOSE], MASS), true);
        assert!(observation.get("component").is_none() && observation.get("note").is_none());
    }
    let unknown = meal("\"after lunch\"");
    check(&unknown, &glucose(&[GLUCOSE], MASS), true);
    assert_eq!(unknown["note"], json!([{"text": "Marker as sent: after lunch"}]));
    assert_eq!(unknown["status"], "final");
}

#[test]
fn only_the_head_is_a_body_site() {
    let at = |mode: &str| -> Value {
        observations(&item(
            "IR_TEMO_JUMPER",
            5,
            &format!(r#""temp":36.5,"mode":{mode}"#),
        ))
        .remove(0)
    };
    assert_eq!(
        at("\"Head\"")["bodySite"],
        json!({"coding": [{"system": "http://snomed.info/sct", "code": "69536005", "display": "Head structure"}]})
    );
    for mode in ["\"Oral\"", "null", "\"\"", "5"] {
        assert!(at(mode).get("bodySite").is_none(), "{mode}");
    }
}

#[test]
fn every_call_has_its_codes() {
    let first = |kind: &str, data: &str| observations(&one(judge(call(kind, data)))).remove(0);
    let all = observations(&one(judge(call(
        "BLOOD_PRESSURE",
        r#"{"systolic":131,"diastolic":84,"pulse":71}"#,
    ))));
    assert_eq!(all[0]["code"]["coding"][0]["code"], "85354-9");
    check(&all[1], &cuff_pulse(), false);
    let all = observations(&one(judge(call("SPO2", r#"{"spo2":96,"pulse":77,"pi":41}"#))));
    for (observation, row) in all.iter().zip(oximeter()) {
        check(observation, &row, false);
    }
    check(
        &first("BLOOD_SUGAR", r#"{"blood_glucose":112}"#),
        &glucose(&[GLUCOSE], MASS),
        false,
    );
    check(
        &first("BLOOD_SUGAR", r#"{"value":5.6,"unit":"mmol/L"}"#),
        &glucose(&[GLUCOSE_MOLES], MILLIMOLE),
        false,
    );
    let fasting = first(
        "BLOOD_SUGAR",
        r#"{"value":5.6,"unit_code":"MMOL/L","marker":"Fasting"}"#,
    );
    check(
        &fasting,
        &glucose(
            &[
                GLUCOSE_MOLES,
                (
                    "14770-2",
                    "Fasting glucose [Moles/volume] in Capillary blood by Glucometer",
                ),
            ],
            MILLIMOLE,
        ),
        false,
    );
    let after = first(
        "BLOOD_SUGAR",
        r#"{"value":5.6,"unit":"mmol/L","marker":"After Meal"}"#,
    );
    check(&after, &glucose(&[GLUCOSE_MOLES], MILLIMOLE), false);
    assert_eq!(
        after["component"][0]["valueCodeableConcept"]["coding"][0]["code"],
        "8417872"
    );
    check(
        &first("TEMPERATURE", r#"{"temperature":36.5}"#),
        &temperature(),
        false,
    );
    check(&first("WEIGHT", r#"{"weight":71.4}"#), &weight(), false);
    check(
        &first("HEART_RATE", r#"{"heart_rate":71}"#),
        &pulse(None, &[("8867-4", "Heart rate")]),
        false,
    );
    check(
        &first("STEPS", r#"{"steps":4321}"#),
        &Row {
            kind: "steps",
            category: ACTIVITY,
            profile: None,
            loinc: &[("55423-8", "Number of steps in unspecified time Pedometer")],
            mdc: None,
            unit: ("{steps}", "steps"),
        },
        false,
    );
    check(
        &first("SLEEP", r#"{"duration":7.5}"#),
        &Row {
            kind: "sleep",
            category: ACTIVITY,
            profile: None,
            loinc: &[("93832-4", "Sleep duration")],
            mdc: None,
            unit: ("h", "hours"),
        },
        false,
    );
    for (kind, data, row) in [
        (
            "CREATININE",
            r#"{"creatinine":1.1}"#,
            laboratory(
                "creatinine",
                &[("2160-0", "Creatinine [Mass/volume] in Serum or Plasma")],
                MASS,
            ),
        ),
        (
            "CREATININE",
            r#"{"value":90,"unit":"µmol/L"}"#,
            laboratory(
                "creatinine",
                &[("14682-9", "Creatinine [Moles/volume] in Serum or Plasma")],
                MICROMOLE,
            ),
        ),
        (
            "URIC_ACID",
            r#"{"uric_acid":402}"#,
            laboratory("uric-acid", URATE, MICROMOLE),
        ),
        (
            "URIC_ACID",
            r#"{"value":6.8,"unit":"mg/dl"}"#,
            laboratory(
                "uric-acid",
                &[("3084-1", "Urate [Mass/volume] in Serum or Plasma")],
                MASS,
            ),
        ),
        (
            "CHOLESTEROL",
            r#"{"cholesterol":4.6}"#,
            laboratory("cholesterol", CHOLESTEROL, MILLIMOLE),
        ),
        (
            "CHOLESTEROL",
            r#"{"value":178,"unit":"mg/dL"}"#,
            laboratory("cholesterol", CHOLESTEROL_MASS, MASS),
        ),
    ] {
        check(&first(kind, data), &row, false);
    }
}

#[test]
fn a_lipid_call_is_an_observation_for_each_value() {
    let codes = |unit: &str| -> Vec<Value> {
        let data = if unit == "mg/dL" {
            r#"{"cholesterol":178,"ldl":100,"hdl":50,"triglycerides":150}"#.to_owned()
        } else {
            format!(r#"{{"cholesterol":4.6,"ldl":2.6,"hdl":1.3,"triglycerides":1.7,"unit":"{unit}"}}"#)
        };
        observations(&one(judge(call("LIPID", &data))))
    };
    let mass = [
        laboratory("cholesterol", CHOLESTEROL_MASS, MASS),
        laboratory(
            "ldl",
            &[("2089-1", "Cholesterol in LDL [Mass/volume] in Serum or Plasma")],
            MASS,
        ),
        laboratory(
            "hdl",
            &[("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma")],
            MASS,
        ),
        laboratory(
            "triglycerides",
            &[("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma")],
            MASS,
        ),
    ];
    let moles = [
        laboratory("cholesterol", CHOLESTEROL, MILLIMOLE),
        laboratory(
            "ldl",
            &[("22748-8", "Cholesterol in LDL [Moles/volume] in Serum or Plasma")],
            MILLIMOLE,
        ),
        laboratory(
            "hdl",
            &[("14646-4", "Cholesterol in HDL [Moles/volume] in Serum or Plasma")],
            MILLIMOLE,
        ),
        laboratory(
            "triglycerides",
            &[("14927-8", "Triglyceride [Moles/volume] in Serum or Plasma")],
            MILLIMOLE,
        ),
    ];
    for (unit, rows) in [("mg/dL", mass), ("mmol/L", moles)] {
        let all = codes(unit);
        assert_eq!(all.len(), 4);
        for (observation, row) in all.iter().zip(&rows) {
            check(observation, row, false);
        }
    }
}
