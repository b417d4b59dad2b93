//! A document of `patients` as a Patient.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::fields::{date, id, text};
use super::organization::organization_id;
use super::remark::Remark;
use super::{RegistryResource, ResourceKind, ResourceReport};
use crate::ids::PatientId;
use crate::mapping::Settings;

/// What is read here, beside the `_id`.
pub(super) const FIELDS: &[&str] = &[
    "hn_id_no",
    "id_card",
    "amy_id",
    "first_name",
    "last_name",
    "phone",
    "email",
    "gender",
    "birth_date",
    "hospital_id",
];
/// Fields that identify a patient: the field, the end of the identifier's system, its type in HL7's table 0203.
const IDENTIFIERS: [(&str, &str, &str); 3] = [
    ("hn_id_no", "amy:hn", "MR"),
    ("id_card", "amy:id-card", "NI"),
    ("amy_id", "amy:amy-id", "PI"),
];
const TYPES: &str = "http://terminology.hl7.org/CodeSystem/v2-0203";

pub(super) fn resource(
    patient: PatientId,
    document: &Value,
    hospitals: &BTreeSet<PatientId>,
    settings: &Settings,
    report: &mut ResourceReport,
) -> RegistryResource {
    let none = Map::new();
    let fields = document.as_object().unwrap_or(&none);
    let base = &settings.identifier_base;
    let mut resource = Map::new();

    let mut identifiers =
        vec![json!({"system": format!("{base}amy:patients"), "value": patient.to_string()})];
    for (field, system, code) in IDENTIFIERS {
        if let Some(value) = text(fields, field, report) {
            identifiers.push(json!({
                "type": {"coding": [{"system": TYPES, "code": code}]},
                "system": format!("{base}{system}"),
                "value": value,
            }));
        }
    }
    resource.insert("identifier".to_owned(), Value::Array(identifiers));

    let mut name = Map::new();
    if let Some(family) = text(fields, "last_name", report) {
        name.insert("family".to_owned(), json!(family));
    }
    if let Some(given) = text(fields, "first_name", report) {
        name.insert("given".to_owned(), json!([given]));
    }
    if name.is_empty() {
        report.met(Remark::NameMissing);
    } else {
        resource.insert("name".to_owned(), json!([name]));
    }

    let mut telecom = Vec::new();
    for (field, system) in [("phone", "phone"), ("email", "email")] {
        if let Some(value) = text(fields, field, report) {
            telecom.push(json!({"system": system, "value": value}));
        }
    }
    if !telecom.is_empty() {
        resource.insert("telecom".to_owned(), Value::Array(telecom));
    }

    if let Some(word) = text(fields, "gender", report) {
        match gender(&word) {
            Some(gender) => {
                resource.insert("gender".to_owned(), json!(gender));
            }
            None => report.met(Remark::GenderUnreadable),
        }
    }
    match date(fields.get("birth_date"), settings.zone) {
        Ok(Some(date)) => {
            resource.insert("birthDate".to_owned(), json!(date));
        }
        Ok(None) => {}
        Err(()) => report.met(Remark::BirthDateUnreadable),
    }
    match fields.get("hospital_id") {
        None | Some(Value::Null) => {}
        Some(value) => match id(Some(value)).filter(|hospital| hospitals.contains(hospital)) {
            Some(hospital) => {
                let reference = format!("Organization/{}", organization_id(hospital));
                resource.insert("managingOrganization".to_owned(), json!({"reference": reference}));
            }
            None => report.met(Remark::HospitalUnknown),
        },
    }
    RegistryResource {
        patient: Some(patient),
        ..RegistryResource::new(
            ResourceKind::Patient,
            patient.to_string(),
            settings,
            "patients",
            resource,
        )
    }
}

/// A word that stands for one of FHIR's four, and for nothing else.
fn gender(word: &str) -> Option<&'static str> {
    Some(match word.to_lowercase().as_str() {
        "male" | "m" | "ชาย" => "male",
        "female" | "f" | "หญิง" => "female",
        "other" => "other",
        "unknown" => "unknown",
        _ => return None,
    })
}
