//! A document of `hospitals` as an Organization.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fields::text;
use super::remark::Remark;
use super::{RegistryResource, ResourceKind, ResourceReport};
use crate::ids::{PatientId, uuid_of};
use crate::mapping::Settings;

/// What is read here, beside the `_id`.
pub(super) const FIELDS: &[&str] = &[
    "organizecode",
    "name",
    "en_name",
    "th_name",
    "phone",
    "email",
    "website",
    "address",
];

/// The id of the Organization of a hospital: UUIDv5 of `org|1|<_id, 24 lower hex>`.
///
/// ```
/// let id = stardust_domain::registry::organization_id("65a000000000000000000301".parse().unwrap());
/// assert_eq!(id, stardust_domain::ids::uuid_of("org|1|65a000000000000000000301"));
/// ```
#[must_use]
pub fn organization_id(hospital: PatientId) -> Uuid {
    uuid_of(&format!("org|1|{hospital}"))
}

pub(super) fn resource(
    hospital: PatientId,
    document: &Value,
    settings: &Settings,
    report: &mut ResourceReport,
) -> RegistryResource {
    let none = Map::new();
    let fields = document.as_object().unwrap_or(&none);
    let base = &settings.identifier_base;
    let mut resource = Map::new();

    let mut identifiers =
        vec![json!({"system": format!("{base}amy:hospitals"), "value": hospital.to_string()})];
    if let Some(code) = text(fields, "organizecode", report) {
        identifiers.push(json!({"system": format!("{base}amy:organizecode"), "value": code}));
    }
    resource.insert("identifier".to_owned(), Value::Array(identifiers));

    let mut names = names(fields, report).into_iter();
    match names.next() {
        Some(name) => {
            resource.insert("name".to_owned(), json!(name));
        }
        None => report.met(Remark::NameMissing),
    }
    let aliases: Vec<String> = names.collect();
    if !aliases.is_empty() {
        resource.insert("alias".to_owned(), json!(aliases));
    }

    let mut contact = Map::new();
    let mut telecom = Vec::new();
    for (field, system) in [("phone", "phone"), ("email", "email"), ("website", "url")] {
        if let Some(value) = text(fields, field, report) {
            telecom.push(json!({"system": system, "value": value}));
        }
    }
    if !telecom.is_empty() {
        contact.insert("telecom".to_owned(), Value::Array(telecom));
    }
    if let Some(address) = text(fields, "address", report) {
        contact.insert("address".to_owned(), json!({"text": address}));
    }
    if !contact.is_empty() {
        resource.insert("contact".to_owned(), json!([contact]));
    }
    RegistryResource::new(
        ResourceKind::Organization,
        organization_id(hospital).to_string(),
        settings,
        "hospitals",
        resource,
    )
}

/// `name` is a text, or a list of `{code, name}` in several languages; older documents have `en_name` and `th_name`.
fn names(fields: &Map<String, Value>, report: &mut ResourceReport) -> Vec<String> {
    let mut names = Vec::new();
    let mut add = |name: Option<String>| {
        if let Some(name) = name.filter(|name| !names.contains(name)) {
            names.push(name);
        }
    };
    match fields.get("name") {
        Some(Value::Array(languages)) => {
            for language in languages.iter().filter_map(Value::as_object) {
                add(text(language, "name", report));
            }
        }
        _ => add(text(fields, "name", report)),
    }
    add(text(fields, "en_name", report));
    add(text(fields, "th_name", report));
    names
}
