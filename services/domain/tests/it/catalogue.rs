//! A catalogue that cannot be right is refused, by row and reason.

use serde_json::{Value, json};
use stardust_domain::mapping::{CatalogueError, Mapping};

use crate::fixture::*;

const BUILTIN: &str = include_str!("../../catalogue.json");

fn changed(change: impl FnOnce(&mut Value)) -> Result<Mapping, CatalogueError> {
    let mut catalogue: Value = serde_json::from_str(BUILTIN).unwrap();
    change(&mut catalogue);
    Mapping::from_text(&catalogue.to_string(), settings())
}

fn quantity<'a>(catalogue: &'a mut Value, name: &str) -> &'a mut Value {
    catalogue["observations"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .flat_map(|row| row["quantities"].as_array_mut().unwrap())
        .find(|q| q["name"] == name)
        .unwrap()
}

fn refused(change: impl FnOnce(&mut Value)) -> (String, String) {
    let error = changed(change).unwrap_err();
    (error.row, error.reason)
}

#[test]
fn the_version_is_the_hash_of_the_content() {
    let mapping = mapping();
    assert_eq!(
        mapping.version(),
        stardust_domain::ids::sha256_hex(BUILTIN.as_bytes())
    );
    let other = Mapping::from_text(&format!("{BUILTIN} "), settings()).unwrap();
    assert_ne!(other.version(), mapping.version());
}

#[test]
fn a_mass_code_with_a_mole_unit_is_refused_and_the_reverse() {
    let (row, reason) = refused(|c| quantity(c, "uric acid")["units"][0]["unit"] = json!("mg/L"));
    assert_eq!(row, "uric acid");
    assert_eq!(reason, "the unit `mg/L` has no words for people");
    let (row, reason) = refused(|c| quantity(c, "uric acid")["units"][0]["loinc"] = json!(["3084-1"]));
    assert_eq!(row, "uric acid");
    assert_eq!(
        reason,
        "LOINC 3084-1 is of property MCnc, the unit umol/L is one of substance concentration"
    );
    let (row, _) = refused(|c| quantity(c, "cholesterol")["units"][1]["loinc"] = json!(["14647-2"]));
    assert_eq!(row, "cholesterol");
    let (row, reason) =
        refused(|c| quantity(c, "glucose")["units"][0]["markers"]["fasting"] = json!(["14770-2"]));
    assert_eq!(row, "glucose");
    assert!(reason.contains("14770-2"));
    let (row, _) = refused(|c| quantity(c, "weight")["units"][0]["unit"] = json!("cm"));
    assert_eq!(row, "body weight");
    let (row, _) = refused(|c| c["loinc"]["3084-1"]["property"] = json!("SCnc"));
    assert_eq!(row, "LOINC 3084-1");
}

#[test]
fn a_wrong_check_digit_is_refused() {
    let (row, reason) = refused(|c| quantity(c, "temperature")["units"][0]["loinc"] = json!(["8310-4"]));
    assert_eq!(row, "body temperature");
    assert_eq!(reason, "the check digit of LOINC 8310-4 is wrong");
    let (row, _) = refused(|c| c["loinc"]["8310-4"] = json!({"property": "Temp", "display": "x"}));
    assert_eq!(row, "LOINC 8310-4");
}

#[test]
fn an_unknown_unit_is_refused() {
    for unit in ["mmHg", "C", "bpm", "ohm", ""] {
        let (row, reason) = refused(|c| quantity(c, "temperature")["units"][0]["unit"] = json!(unit));
        assert_eq!(row, "body temperature");
        assert!(reason.contains("unknown"), "{reason}");
    }
    let (row, _) = refused(|c| c["units"]["mmHg"] = json!({"words": "mmHg"}));
    assert_eq!(row, "mmHg");
}

#[test]
fn a_code_that_is_not_in_the_tables_is_refused() {
    let (row, _) = refused(|c| quantity(c, "weight")["units"][0]["loinc"] = json!(["3141-9"]));
    assert_eq!(row, "body weight");
    let (row, _) = refused(|c| quantity(c, "weight")["mdc"] = json!(["1"]));
    assert_eq!(row, "body weight");
    let (row, _) = refused(|c| quantity(c, "impedance")["own"] = json!(["other"]));
    assert_eq!(row, "impedance");
}

#[test]
fn contradictions_are_refused_by_row() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 12] = [
        ("glucose", |c| {
            quantity(c, "glucose")["hard"] = json!(["600", "10"])
        }),
        ("glucose", |c| {
            quantity(c, "glucose")["plausible"] = json!(["5", "500"])
        }),
        ("glucose", |c| quantity(c, "glucose")["hard"][0] = json!("ten")),
        ("glucose", |c| {
            quantity(c, "glucose")["units"][1]["times"] = json!("0")
        }),
        ("blood pressure", |c| {
            quantity(c, "diastolic")["below"] = json!("x")
        }),
        ("BP_BIOLIGTH", |c| c["attributes"][0]["device"] = json!("toaster")),
        ("BP_BIOLIGTH", |c| {
            c["attributes"][0]["fields"][0]["quantity"] = json!("x");
        }),
        ("BP_BIOLIGTH", |c| c["attributes"][0]["legacy"] = json!("x")),
        ("Oximeter JUMPER", |c| {
            c["attributes"][1]["fields"][2]["divisor"] = json!(7);
        }),
        ("Oximeter JUMPER", |c| {
            c["attributes"][1]["aliases"] = json!(["BP_BIOLIGTH"]);
        }),
        ("glucose", |c| {
            let row = c["observations"].as_array_mut().unwrap();
            let glucose = row.iter_mut().find(|r| r["row"] == "glucose").unwrap();
            glucose["category"] = json!("other");
        }),
        ("catalogue", |c| c["observations"][0]["colour"] = json!("red")),
    ];
    for (row, change) in cases {
        assert_eq!(refused(change).0, row);
    }
}

#[test]
fn text_that_is_no_catalogue_is_refused() {
    for text in ["", "[]", "{}", "{\"loinc\":{},\"loinc\":{}}"] {
        let error = Mapping::from_text(text, settings()).unwrap_err();
        assert_eq!(error.row, "catalogue", "{text}");
    }
    let twice = BUILTIN.replacen("\"8480-6\":", "\"8462-4\":", 1);
    assert_eq!(
        Mapping::from_text(&twice, settings()).unwrap_err().reason,
        "a key stands twice"
    );
}

#[test]
fn another_catalogue_is_in_force_when_it_is_loaded() {
    let mapping = changed(|c| {
        c["attributes"][1]["fields"][2]["divisor"] = json!(100);
        c["attributes"][0]["aliases"] = json!(["NEW_CUFF"]);
    })
    .unwrap();
    let body = message(
        "NEW_CUFF",
        r#"{"ble_addr":"020000bb0001","bp_high":131,"bp_low":84}"#,
    );
    let admission = mapping.admit(body.as_bytes(), RECEIVED, false).unwrap();
    assert_eq!(admission.observation_ids.len(), 1);
}
