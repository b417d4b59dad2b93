//! Gateways and sub-devices as Devices.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::fields::text;
use super::remark::Remark;
use super::{RegistryResource, ResourceKind, ResourceReport};
use crate::fhir::{bluetooth_device, ethernet_device, systems};
use crate::ids::Mac;
use crate::mapping::Settings;
use crate::registry::{DeviceKind, Registry};

/// What the boxes with one address say of it.
#[derive(Debug, Default)]
pub(super) struct BoxFacts {
    pub(super) documents: u64,
    names: BTreeSet<String>,
    imeis: BTreeSet<String>,
    models: BTreeSet<String>,
}

impl BoxFacts {
    pub(super) fn add(&mut self, fields: &Map<String, Value>) {
        self.documents += 1;
        // A text that cannot be read is left out; the name of a box is nobody's data.
        let mut ignored = ResourceReport::default();
        let mut one = |field: &str| text(fields, field, &mut ignored);
        self.names.extend(one("name"));
        self.imeis.extend(one("imei"));
        self.models.extend(one("model"));
    }
}

/// Word and MDC code of what a device is; a meter of uric acid or cholesterol has no code there.
const fn of_kind(kind: DeviceKind) -> (&'static str, Option<&'static str>) {
    match kind {
        DeviceKind::BloodPressure => ("Blood pressure monitor", Some("528391")),
        DeviceKind::Oximeter => ("Pulse oximeter", Some("528388")),
        DeviceKind::Thermometer => ("Thermometer", Some("528392")),
        DeviceKind::Scale => ("Weighing scale", Some("528399")),
        DeviceKind::Glucose => ("Glucose meter", Some("528401")),
        DeviceKind::UricAcid => ("Uric acid meter", None),
        DeviceKind::Cholesterol => ("Cholesterol meter", None),
    }
}

/// MDC: what hosts the applications of other devices.
const GATEWAY: (&str, Option<&str>) = ("Gateway", Some("531981"));

fn concept((word, code): (&str, Option<&str>)) -> Value {
    match code {
        Some(code) => json!({"coding": [{"system": systems::MDC, "code": code}], "text": word}),
        None => json!({"text": word}),
    }
}

/// Every gateway and sub-device that is registered, whether or not it has a patient.
pub(super) fn resources(
    registry: &Registry,
    boxes: &BTreeMap<Mac, BoxFacts>,
    settings: &Settings,
    report: &mut ResourceReport,
) -> Vec<RegistryResource> {
    let gateways: BTreeSet<Mac> = registry.gateways().into_iter().map(|(mac, _)| mac).collect();
    let mut kinds: BTreeMap<Mac, BTreeSet<DeviceKind>> = BTreeMap::new();
    for (mac, kind, _) in registry.devices() {
        kinds.entry(mac).or_default().insert(kind);
    }
    let all: BTreeSet<Mac> = gateways.iter().chain(kinds.keys()).copied().collect();
    all.into_iter()
        .map(|mac| {
            let is_gateway = gateways.contains(&mac);
            if is_gateway && kinds.contains_key(&mac) {
                report.met(Remark::GatewayAndDevice);
            }
            let kinds = kinds.get(&mac).into_iter().flatten();
            resource(mac, is_gateway, kinds, boxes.get(&mac), settings)
        })
        .collect()
}

fn resource<'k>(
    mac: Mac,
    is_gateway: bool,
    kinds: impl Iterator<Item = &'k DeviceKind>,
    facts: Option<&BoxFacts>,
    settings: &Settings,
) -> RegistryResource {
    let base = &settings.identifier_base;
    let mut resource = Map::new();
    let mut identifiers = Vec::new();
    let mut types = Vec::new();
    if is_gateway {
        identifiers.push(identifier(&ethernet_device(mac)));
        types.push(concept(GATEWAY));
    }
    for kind in kinds {
        types.push(concept(of_kind(*kind)));
    }
    if types.len() > usize::from(is_gateway) {
        identifiers.push(identifier(&bluetooth_device(mac)));
    }
    if let Some(facts) = facts {
        for imei in &facts.imeis {
            identifiers.push(json!({"system": format!("{base}imei"), "value": imei}));
        }
        if !facts.names.is_empty() {
            let name = |name: &String| json!({"value": name, "type": "user-friendly-name"});
            let names: Vec<Value> = facts.names.iter().map(name).collect();
            resource.insert("name".to_owned(), Value::Array(names));
        }
        // Of boxes that do not agree on it nobody knows it.
        if let (Some(model), 1) = (facts.models.first(), facts.models.len()) {
            resource.insert("modelNumber".to_owned(), json!(model));
        }
    }
    resource.insert("identifier".to_owned(), Value::Array(identifiers));
    resource.insert("type".to_owned(), Value::Array(types));
    let collection = if is_gateway { "amy_boxes" } else { "amy_devices" };
    RegistryResource {
        device: Some(mac),
        ..RegistryResource::new(
            ResourceKind::Device,
            mac.device_id().to_string(),
            settings,
            collection,
            resource,
        )
    }
}

/// The identifier of a reference to a Device: every Observation has the same.
fn identifier(reference: &str) -> Value {
    match serde_json::from_str::<Value>(reference) {
        Ok(mut reference) => reference["identifier"].take(),
        // References are our own JSON.
        Err(_) => Value::Null,
    }
}
