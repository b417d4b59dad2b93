//! What becomes of the values of history documents: which code, unit, digits and status, and what is refused or is none.

use serde_json::{Value, json};
use stardust_domain::outcome::DeadReason;

use crate::fixture::*;
use crate::histories::{date_field, entry_of, judged};

/// The readings of an entry of this collection with these fields, dated well: item, then the Observation or the reason.
fn readings(collection: &str, fields: &str) -> Vec<(i32, Result<Value, DeadReason>)> {
    let entry = format!("{{{fields},{}}}", date_field(collection));
    judged(&entry_of(collection, &entry))
        .readings
        .iter()
        .map(|reading| {
            let item = reading.item.unwrap();
            match observations_or_reason(reading) {
                Ok(mut all) => {
                    assert_eq!(all.len(), 1, "a reading is one Observation");
                    let mut observation = all.remove(0);
                    observation[DIGITS] = json!(digits(&reading.observations[0].json));
                    (item, Ok(observation))
                }
                Err(reason) => (item, Err(reason)),
            }
        })
        .collect()
}

/// Where the digits of the value stand as they were written: a `Value` holds a binary float.
const DIGITS: &str = "digits as written";

fn digits(json: &str) -> Option<&str> {
    let (_, value) = json.split_once(r#""valueQuantity":{"value":"#)?;
    value.split([',', '}']).next()
}

fn observations_or_reason(reading: &stardust_domain::reading::Reading) -> Result<Vec<Value>, DeadReason> {
    match &reading.verdict {
        stardust_domain::reading::Verdict::Dead(death) => Err(death.reason),
        _ => Ok(observations(reading)),
    }
}

/// The Observation of the only reading.
fn only(collection: &str, fields: &str) -> Value {
    let [(_, reading)] = <[_; 1]>::try_from(readings(collection, fields)).unwrap();
    reading.unwrap_or_else(|reason| panic!("{fields}: {reason}"))
}

fn refused(collection: &str, fields: &str) -> DeadReason {
    let [(_, reading)] = <[_; 1]>::try_from(readings(collection, fields)).unwrap();
    reading.err().unwrap_or_else(|| panic!("{fields} is taken"))
}

fn codes(concept: &Value) -> Vec<(&str, &str)> {
    let coding = concept["coding"].as_array().unwrap();
    coding
        .iter()
        .map(|c| {
            (
                c["code"].as_str().unwrap(),
                c["display"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

fn notes(observation: &Value) -> Vec<&str> {
    let notes = observation["note"].as_array().map_or(&[][..], Vec::as_slice);
    notes.iter().map(|n| n["text"].as_str().unwrap()).collect()
}

/// Value with its digits, UCUM code and the words for it.
fn quantity(observation: &Value) -> (String, &str, &str) {
    let q = &observation["valueQuantity"];
    (
        observation[DIGITS].as_str().unwrap().to_owned(),
        q["code"].as_str().unwrap(),
        q["unit"].as_str().unwrap(),
    )
}

/// Collection, fields; value, UCUM code, words; codings; category.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

#[test]
fn every_field_has_the_code_the_display_and_the_unit_of_its_meaning() {
    const MDC_RATE: (&str, &str) = ("149546", "MDC_PULS_RATE_NON_INV");
    #[rustfmt::skip]
    let table: &[Case] = &[
        ("blood_pressure_histories", r#""pr_data":71"#, "71", "/min", "beats/min", &[("8867-4", "Heart rate"), MDC_RATE], "vital-signs"),
        ("spo2_histories", r#""spo2_data":96"#, "96", "%", "%", &[("2708-6", "Oxygen saturation in Arterial blood"), ("59408-5", "Oxygen saturation in Arterial blood by Pulse oximetry"), ("150456", "MDC_PULS_OXIM_SAT_O2")], "vital-signs"),
        ("spo2_histories", r#""spo2_pr_data":"77""#, "77", "/min", "beats/min", &[("8867-4", "Heart rate"), ("8889-8", "Heart rate by Pulse oximetry"), ("149530", "MDC_PULS_OXIM_PULS_RATE")], "vital-signs"),
        ("spo2_histories", r#""spo2_resp_data":18"#, "18", "/min", "breaths/min", &[("9279-1", "Respiratory rate"), ("151562", "MDC_RESP_RATE")], "vital-signs"),
        ("spo2_histories", r#""pi":41"#, "4.1", "%", "%", &[("61006-3", "Perfusion index Tissue by Pulse oximetry"), ("150488", "MDC_BLD_PERF_INDEX")], "exam"),
        ("temprature_data_histories", r#""temprature_data":36.5"#, "36.5", "Cel", "°C", &[("8310-5", "Body temperature"), ("150364", "MDC_TEMP_BODY")], "vital-signs"),
        ("body_data_histories", r#""weight":71.4"#, "71.4", "kg", "kg", &[("29463-7", "Body weight"), ("188736", "MDC_MASS_BODY_ACTUAL")], "vital-signs"),
        ("body_data_histories", r#""height":"172""#, "172", "cm", "cm", &[("8302-2", "Body height"), ("188740", "MDC_LEN_BODY_ACTUAL")], "vital-signs"),
        ("body_data_histories", r#""bmi":24.221453287197235"#, "24.221453287197235", "kg/m2", "kg/m²", &[("39156-5", "Body mass index (BMI) [Ratio]"), ("188752", "MDC_RATIO_MASS_BODY_LEN_SQ")], "vital-signs"),
        ("body_data_histories", r#""waist":84"#, "84", "cm", "cm", &[("8280-0", "Waist Circumference at umbilicus by Tape measure")], "exam"),
        ("body_data_histories", r#""resistance":512.7"#, "512.7", "Ohm", "Ω", &[("188780", ""), ("body-impedance", "Body impedance")], "exam"),
        ("creatinine_histories", r#""uric":"402.5""#, "402.5", "umol/L", "µmol/L", &[("14933-6", "Urate [Moles/volume] in Serum or Plasma")], "laboratory"),
        ("creatinine_histories", r#""cretinines":0.9"#, "0.9", "mg/dL", "mg/dL", &[("2160-0", "Creatinine [Mass/volume] in Serum or Plasma")], "laboratory"),
        ("creatinine_histories", r#""cretinines":88"#, "88", "umol/L", "µmol/L", &[("14682-9", "Creatinine [Moles/volume] in Serum or Plasma")], "laboratory"),
        ("lipid_histories", r#""lipids":193.35"#, "193.35", "mg/dL", "mg/dL", &[("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma")], "laboratory"),
        ("lipid_histories", r#""ldl_lipids":110"#, "110", "mg/dL", "mg/dL", &[("2089-1", "Cholesterol in LDL [Mass/volume] in Serum or Plasma")], "laboratory"),
        ("lipid_histories", r#""hdl_lipids":48"#, "48", "mg/dL", "mg/dL", &[("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma")], "laboratory"),
        ("lipid_histories", r#""tri_lipids":140"#, "140", "mg/dL", "mg/dL", &[("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma")], "laboratory"),
        ("lipid_histories", r#""cholesterol":"4.6""#, "4.6", "mmol/L", "mmol/L", &[("14647-2", "Cholesterol [Moles/volume] in Serum or Plasma")], "laboratory"),
        ("step_histories", r#""step":4200"#, "4200", "{steps}/d", "steps/day", &[("41950-7", "Number of steps in 24 hour Measured")], "activity"),
        ("step_histories", r#""step":0"#, "0", "{steps}/d", "steps/day", &[("41950-7", "Number of steps in 24 hour Measured")], "activity"),
        ("sleep_data_histories", r#""sleep_data":"01122""#, "0.33", "h", "hours", &[("93832-4", "Sleep duration")], "activity"),
        ("heart_rate_histories", r#""heart_rate":64"#, "64", "/min", "beats/min", &[("8867-4", "Heart rate")], "vital-signs"),
        ("blood_sugar_histories", r#""no_marker_dtx":112"#, "112", "mg/dL", "mg/dL", &[("41653-7", "Glucose [Mass/volume] in Capillary blood by Glucometer"), ("160184", "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD")], "laboratory"),
    ];
    for (collection, fields, value, unit, words, coding, category) in table {
        let observation = only(collection, fields);
        assert_eq!(
            quantity(&observation),
            ((*value).to_owned(), *unit, *words),
            "{fields}"
        );
        let found: Vec<_> = codes(&observation["code"])
            .into_iter()
            .filter(|(code, _)| *code != "188780" || coding.len() > 1)
            .collect();
        assert_eq!(&found[..], *coding, "{fields}");
        // Never `phd`: nobody knows what the old database's values went through.
        assert_eq!(observation["category"].as_array().unwrap().len(), 1, "{fields}");
        assert_eq!(codes(&observation["category"][0])[0].0, *category, "{fields}");
        assert_eq!(observation["status"], "final", "{fields}");
    }
}

#[test]
fn systolic_and_diastolic_are_one_reading_and_the_pulse_another() {
    for fields in [
        r#""sys_data":131,"dia_data":84,"pr_data":71"#,
        r#""systolic":"131","diastolic":"84","pulse":"71""#,
        r#""bp_high":131,"bp_low":84.0,"PR":71"#,
    ] {
        let all = readings("blood_pressure_histories", fields);
        let [(0, Ok(pressure)), (1, Ok(pulse))] = &all[..] else {
            panic!("{all:?}");
        };
        assert_eq!(codes(&pressure["code"])[0].0, "85354-9");
        let parts: Vec<_> = pressure["component"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| {
                (
                    codes(&c["code"])[0].0,
                    c["valueQuantity"]["value"].to_string(),
                    c["valueQuantity"]["code"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            parts,
            [
                ("8480-6", "131".into(), "mm[Hg]"),
                ("8462-4", "84".into(), "mm[Hg]")
            ]
        );
        assert_eq!(pulse["valueQuantity"]["value"].to_string(), "71");
    }
    let fields = |s: &str, d: &str| format!(r#""sys_data":{s},"dia_data":{d}"#);
    for (systolic, diastolic, reason) in [
        ("131", "0", DeadReason::ValueMissing),
        ("null", "84", DeadReason::ValueMissing),
        ("84", "131", DeadReason::ValueImpossible),
        ("131", "131", DeadReason::ValueImpossible),
        ("310", "84", DeadReason::ValueImpossible),
        ("131", "\"x\"", DeadReason::ValueNotNumeric),
    ] {
        assert_eq!(
            refused("blood_pressure_histories", &fields(systolic, diastolic)),
            reason
        );
    }
    assert!(readings("blood_pressure_histories", &fields("0", "null")).is_empty());
}

#[test]
fn the_meal_of_a_glucose_is_what_its_field_says() {
    let meal = |observation: &Value| {
        let component = observation["component"][0].clone();
        component["valueCodeableConcept"]["coding"][0]["code"]
            .as_str()
            .map(str::to_owned)
    };
    for (field, code, component) in [
        ("pre_meal_dtx", Some("88365-2"), Some("8417868")),
        ("post_meal_dtx", Some("87422-2"), Some("8417872")),
        ("fasting_dtx", Some("41604-0"), Some("8417876")),
        ("no_marker_dtx", None, None),
    ] {
        let observation = only(
            "blood_sugar_histories",
            &format!(r#""{field}":95.39999999999999"#),
        );
        assert_eq!(
            quantity(&observation).0,
            "95.39999999999999",
            "digits stay, odd or not"
        );
        let all = codes(&observation["code"]);
        assert_eq!(all[0].0, "41653-7");
        assert_eq!(
            all.iter().any(|(c, _)| Some(*c) == code),
            code.is_some(),
            "{field}"
        );
        assert_eq!(meal(&observation).as_deref(), component, "{field}");
    }
    for (fields, component) in [
        (r#""blood_glucose":112,"marker":"Fasting""#, Some("8417876")),
        (
            r#""blood_glucose":112,"marker":"after meal","dtx_type":0"#,
            Some("8417872"),
        ),
        (r#""blood_glucose":112,"dtx_type":0"#, Some("8417868")),
        (r#""blood_glucose":112,"dtx_type":"1""#, Some("8417872")),
        (r#""blood_glucose":112,"dtx_type":2.0"#, Some("8417876")),
        (r#""blood_glucose":112,"dtx_type":3"#, None),
        (r#""blood_glucose":112,"dtx_type":7"#, None),
        (r#""blood_glucose":112,"dtx_type":null"#, None),
    ] {
        assert_eq!(
            meal(&only("blood_sugar_histories", fields)).as_deref(),
            component,
            "{fields}"
        );
    }
    let odd = only(
        "blood_sugar_histories",
        r#""blood_glucose":112,"marker":"Bedtime""#,
    );
    assert_eq!(notes(&odd), ["Marker as sent: Bedtime"]);
}

#[test]
fn four_glucose_fields_are_four_readings_under_four_ids() {
    let all = readings(
        "blood_sugar_histories",
        r#""fasting_dtx":98,"pre_meal_dtx":98,"post_meal_dtx":"","no_marker_dtx":98,"dtx_type":0"#,
    );
    assert_eq!(all.iter().map(|(item, _)| *item).collect::<Vec<_>>(), [0, 1, 3]);
    let keys: Vec<String> = all
        .iter()
        .map(|(_, o)| {
            o.as_ref().unwrap()["identifier"][0]["value"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    for (key, field) in keys.iter().zip(["fasting_dtx", "pre_meal_dtx", "no_marker_dtx"]) {
        assert!(key.ends_with(&format!("|glucose|{field}")), "{key}");
    }
    let one = only(
        "blood_sugar_histories",
        r#""fasting_dtx":98,"pre_meal_dtx":null,"no_marker_dtx":0"#,
    );
    assert!(
        one["identifier"][0]["value"]
            .as_str()
            .unwrap()
            .ends_with("|glucose")
    );
}

#[test]
fn a_glucose_text_of_1_to_under_20_is_mmol_and_nothing_is_converted() {
    for text in ["1", "5.3", "19.99", " 12.0 "] {
        let o = only("blood_sugar_histories", &format!(r#""fasting_dtx":"{text}""#));
        assert_eq!(quantity(&o), (text.trim().to_owned(), "mmol/L", "mmol/L"));
        let all: Vec<_> = codes(&o["code"]).into_iter().map(|(c, _)| c).collect();
        assert_eq!(all, ["14743-9", "14770-2", "160184"]);
        assert_eq!(o["status"], "preliminary");
        assert!(notes(&o)[0].starts_with("unit inferred"), "{:?}", notes(&o));
    }
    // A number is what a program wrote, in mg/dL.
    let number = only("blood_sugar_histories", r#""no_marker_dtx":12"#);
    assert_eq!(quantity(&number).1, "mg/dL");
    assert_eq!(
        number["status"], "preliminary",
        "implausible, and nothing inferred"
    );
    assert!(notes(&number)[0].starts_with("Implausible"));
    assert_eq!(
        quantity(&only("blood_sugar_histories", r#""no_marker_dtx":"20""#)).1,
        "mg/dL"
    );
    for value in ["5.3", "\"0.99\"", "\"612\"", "600.5", "2160", "\"10800\"", "-3"] {
        let reason = refused("blood_sugar_histories", &format!(r#""no_marker_dtx":{value}"#));
        assert_eq!(reason, DeadReason::ValueImpossible, "{value}");
    }
    let high = only("blood_sugar_histories", r#""blood_glucose":"HI""#);
    assert_eq!(
        (
            &high["valueQuantity"]["comparator"],
            &high["valueQuantity"]["value"]
        ),
        (&json!(">"), &json!(600))
    );
}

#[test]
fn creatinine_is_told_apart_by_its_size() {
    for (value, unit) in [
        ("0.5", "mg/dL"),
        ("19.99", "mg/dL"),
        ("30", "umol/L"),
        ("\"1200\"", "umol/L"),
    ] {
        let o = only("creatinine_histories", &format!(r#""cretinines":{value}"#));
        assert_eq!(quantity(&o).1, unit, "{value}");
        assert!(notes(&o)[0].starts_with("unit inferred"));
        assert_eq!(o["status"], "final");
    }
    for value in ["20", "\"25\"", "29.99"] {
        let reason = refused("creatinine_histories", &format!(r#""cretinines":{value}"#));
        assert_eq!(reason, DeadReason::UnitUnknown, "{value}");
    }
    for value in ["0.05", "3001"] {
        let reason = refused("creatinine_histories", &format!(r#""cretinines":{value}"#));
        assert_eq!(reason, DeadReason::ValueImpossible, "{value}");
    }
}

#[test]
fn what_was_entered_or_converted_wrongly_is_refused_and_never_repaired() {
    for (collection, fields) in [
        ("lipid_histories", r#""lipids":773.01"#),
        ("lipid_histories", r#""lipids":17942.88"#),
        ("lipid_histories", r#""ldl_lipids":1495.36"#),
        ("lipid_histories", r#""lipids":4.6"#),
        ("body_data_histories", r#""weight":0.227"#),
        ("body_data_histories", r#""weight":"0.49""#),
        ("body_data_histories", r#""height":1.72"#),
        ("body_data_histories", r#""height":3"#),
        ("body_data_histories", r#""bmi":400"#),
        ("spo2_histories", r#""spo2_data":101"#),
        ("temprature_data_histories", r#""temprature_data":98.6"#),
        ("step_histories", r#""step":-1"#),
        ("step_histories", r#""step":200001"#),
    ] {
        assert_eq!(
            refused(collection, fields),
            DeadReason::ValueImpossible,
            "{fields}"
        );
    }
    assert_eq!(quantity(&only("lipid_histories", r#""lipids":773"#)).0, "773");
    assert_eq!(quantity(&only("lipid_histories", r#""tri_lipids":900"#)).0, "900");
    for (collection, fields) in [
        ("body_data_histories", r#""weight":"heavy""#),
        ("body_data_histories", r#""weight":"7e1""#),
        ("body_data_histories", r#""weight":{"$numberDouble":"NaN"}"#),
        ("body_data_histories", r#""weight":{"$numberDouble":"Infinity"}"#),
        ("body_data_histories", r#""weight":true"#),
        ("body_data_histories", r#""weight":[71]"#),
        ("body_data_histories", r#""weight":{"kg":71}"#),
        (
            "body_data_histories",
            r#""weight":{"$date":"2021-03-01T00:00:00Z"}"#,
        ),
        ("sleep_data_histories", r#""sleep_data":"0112x""#),
        ("sleep_data_histories", r#""sleep_data":[0,1,1]"#),
    ] {
        assert_eq!(
            refused(collection, fields),
            DeadReason::ValueNotNumeric,
            "{fields}"
        );
    }
}

#[test]
fn zero_null_blank_and_infinity_that_mean_none_are_no_readings() {
    for (collection, fields) in [
        (
            "body_data_histories",
            r#""weight":0,"height":0.0,"waist":"0","bmi":{"$numberDouble":"Infinity"}"#,
        ),
        (
            "body_data_histories",
            r#""weight":null,"bmi":{"$numberDouble":"NaN"},"height":"""#,
        ),
        (
            "lipid_histories",
            r#""lipids":0,"ldl_lipids":0,"hdl_lipids":0,"tri_lipids":0"#,
        ),
        ("creatinine_histories", r#""cretinines":0,"uric":"0""#),
        (
            "blood_sugar_histories",
            r#""fasting_dtx":0,"pre_meal_dtx":"0","post_meal_dtx":null,"no_marker_dtx":" ""#,
        ),
        (
            "spo2_histories",
            r#""spo2_data":0,"spo2_pr_data":0,"spo2_resp_data":0,"pi":0"#,
        ),
        ("spo2_histories", r#""spo2_data":127,"spo2_pr_data":255"#),
        ("sleep_data_histories", r#""sleep_data":"""#),
        ("step_histories", r#""step":null"#),
        (
            "temprature_data_histories",
            r#""temprature_data":{"$numberDecimal":"0.00"}"#,
        ),
    ] {
        assert!(readings(collection, fields).is_empty(), "{fields}");
    }
}

#[test]
fn sleep_is_its_light_and_deep_steps_of_five_minutes() {
    let night = format!("{}{}{}", "0".repeat(5), "1".repeat(60), "2".repeat(36));
    let o = only("sleep_data_histories", &format!(r#""sleep_data":"{night}""#));
    assert_eq!(quantity(&o).0, "8");
    assert_eq!(
        notes(&o),
        ["Asleep for 480 of 505 minutes, told in steps of 5 minutes."]
    );
    let odd = only("sleep_data_histories", r#""sleep_data":"01133""#);
    assert_eq!(quantity(&odd).0, "0.17");
    assert_eq!(notes(&odd)[1], "10 minutes are of a stage that is not known.");
    assert_eq!(
        quantity(&only("sleep_data_histories", r#""sleep_data":"000""#)).0,
        "0"
    );
    let long = "1".repeat(289);
    let reason = refused("sleep_data_histories", &format!(r#""sleep_data":"{long}""#));
    assert_eq!(reason, DeadReason::ValueImpossible);
}

#[test]
fn digits_of_every_kind_of_number_stay() {
    for (value, digits) in [
        ("71", "71"),
        ("71.0", "71"),
        ("\"71.40\"", "71.40"),
        (r#"{"$numberInt":"71"}"#, "71"),
        (r#"{"$numberLong":"71"}"#, "71"),
        (r#"{"$numberDouble":"71.4"}"#, "71.4"),
        (r#"{"$numberDecimal":"71.40"}"#, "71.40"),
        (r#"{"$numberDecimal":"7.14E+1"}"#, "71.4"),
        // Not what the gateway sent: what the old database holds.
        ("71.40000153", "71.40000153"),
    ] {
        let o = only("body_data_histories", &format!(r#""weight":{value}"#));
        assert_eq!(quantity(&o).0, digits, "{value}");
    }
}

#[test]
fn the_mode_places_a_temperature_and_the_source_is_told() {
    let o = only(
        "temprature_data_histories",
        r#""temperature":"36.60","mode":"Head","temprature_source":0"#,
    );
    assert_eq!(codes(&o["bodySite"]), [("69536005", "Head structure")]);
    assert_eq!(notes(&o), ["In the old database: entered by hand."]);
    let o = only("temprature_data_histories", r#""temperature":36.6,"mode":"Body""#);
    assert!(o.get("bodySite").is_none() && notes(&o).is_empty());
}

#[test]
fn a_value_under_two_spellings_is_one_reading_of_the_one_that_says_something() {
    let all = readings("blood_pressure_histories", r#""pulse":0,"pr_data":71"#);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].1.as_ref().unwrap()["valueQuantity"]["value"], 71);
}
