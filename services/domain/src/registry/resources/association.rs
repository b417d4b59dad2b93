//! Whose each device is, as DeviceAssociations.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::remark::Remark;
use super::{RegistryResource, ResourceKind, ResourceReport};
use crate::fhir::{bluetooth_device, ethernet_device};
use crate::ids::{Mac, PatientId, uuid_of};
use crate::mapping::Settings;
use crate::outcome::ParkReason;
use crate::registry::Registry;
use crate::time::Timestamp;

/// A stay of a device with a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stay {
    /// The device.
    pub device: Mac,
    /// The patient.
    pub patient: PatientId,
    /// From when on; none: not known.
    pub start: Option<Timestamp>,
    /// Until when; none: it lasts, or its end is not known.
    pub end: Option<Timestamp>,
}

/// The id of a DeviceAssociation: UUIDv5 of `assoc|1|<12 lower hex>|<patient>`, with `|<start, epoch s>` where the start
/// of the stay is known.
///
/// ```
/// use stardust_domain::registry::association_id;
/// let (device, patient) = ("020000bb0001".parse().unwrap(), "65a000000000000000000001".parse().unwrap());
/// let key = "assoc|1|020000bb0001|65a000000000000000000001";
/// assert_eq!(association_id(device, patient, None), stardust_domain::ids::uuid_of(key));
/// ```
#[must_use]
pub fn association_id(device: Mac, patient: PatientId, start: Option<Timestamp>) -> Uuid {
    let start = start.map_or_else(String::new, |start| format!("|{}", start.seconds()));
    uuid_of(&format!("assoc|1|{device}|{patient}{start}"))
}

/// The stays that are known, and of what has none the stay that the documents tell of.
pub(super) fn resources(
    registry: &Registry,
    stays: Option<&[Stay]>,
    settings: &Settings,
    report: &mut ResourceReport,
) -> Vec<RegistryResource> {
    let mut all: BTreeMap<Stay, bool> = BTreeMap::new();
    let mut settled = |device: Mac, owner: Result<PatientId, ParkReason>, is_gateway: bool| match owner {
        Ok(patient) => {
            let told = stays.unwrap_or_default().iter();
            let told = told.filter(|stay| stay.device == device && stay.patient == patient);
            if told.count() == 0 {
                let stay = Stay {
                    device,
                    patient,
                    start: None,
                    end: None,
                };
                all.insert(stay, is_gateway);
            }
        }
        Err(reason) => report.met(match (reason, is_gateway) {
            (ParkReason::PatientAmbiguous, false) => Remark::DeviceOfSeveral,
            (ParkReason::PatientAmbiguous, true) => Remark::BoxOfSeveral,
            (_, false) => Remark::DeviceWithoutPatient,
            (_, true) => Remark::BoxWithoutPatient,
        }),
    };
    let mut devices = HashSet::new();
    for (mac, _, owner) in registry.devices() {
        devices.insert(mac);
        settled(mac, owner, false);
    }
    for (mac, owner) in registry.gateways() {
        settled(mac, owner, true);
    }
    // Of a device or a patient that the documents do not have there is no resource to refer to.
    let both = |stay: &&Stay| devices.contains(&stay.device) && registry.has_patient(stay.patient);
    for stay in stays.unwrap_or_default().iter().filter(both) {
        all.insert(*stay, false);
    }
    all.into_iter()
        .map(|(stay, is_gateway)| resource(stay, is_gateway, settings))
        .collect()
}

fn resource(stay: Stay, is_gateway: bool, settings: &Settings) -> RegistryResource {
    let device = if is_gateway {
        ethernet_device(stay.device)
    } else {
        bluetooth_device(stay.device)
    };
    let mut resource = Map::new();
    // References are our own JSON.
    let device: Value = serde_json::from_str(&device).unwrap_or_default();
    resource.insert("device".to_owned(), device);
    resource.insert(
        "subject".to_owned(),
        json!({"reference": format!("Patient/{}", stay.patient)}),
    );
    // The only word of the value set for a device that somebody has; for one that somebody had there is none.
    let status = if stay.end.is_none() { "attached" } else { "unknown" };
    resource.insert(
        "status".to_owned(),
        json!({"coding": [{"system": "http://hl7.org/fhir/deviceassociation-status", "code": status}]}),
    );
    let mut period = Map::new();
    for (name, at) in [("start", stay.start), ("end", stay.end)] {
        if let Some(text) = at.and_then(|at| at.date_time(settings.zone)) {
            period.insert(name.to_owned(), json!(text));
        }
    }
    if !period.is_empty() {
        resource.insert("period".to_owned(), Value::Object(period));
    }
    let collection = if is_gateway { "amy_boxes" } else { "amy_devices" };
    RegistryResource {
        patient: Some(stay.patient),
        device: Some(stay.device),
        ..RegistryResource::new(
            ResourceKind::DeviceAssociation,
            association_id(stay.device, stay.patient, stay.start).to_string(),
            settings,
            collection,
            resource,
        )
    }
}
