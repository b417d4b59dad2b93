//! Patients, devices and hospitals as FHIR R5 resources.
//!
//! ```text
//! hospitals ─▶ Organization      patients ─▶ Patient      amy_boxes, amy_devices, patients.*_mac_address ─▶ Device
//!                                                         whose each device is ─▶ DeviceAssociation
//! ```
//! Only what stands in the documents is written, as it stands there: what is unknown is absent, what cannot be read is
//! absent and counted. Ids are the same in every run: a Patient's is the `_id` of its document, a Device's is
//! [`Mac::device_id`], the others are [`organization_id`] and [`association_id`].

mod association;
mod device;
mod fields;
mod organization;
mod patient;
mod remark;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{DeviceKind, ImportReport, RegistryBuilder, clean};
use crate::ids::{Mac, PatientId};
use crate::mapping::Settings;

pub use association::{Stay, association_id};
pub use organization::organization_id;
pub use remark::Remark;

/// The kinds of resource, in the order in which they refer to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A hospital.
    Organization,
    /// A patient.
    Patient,
    /// A gateway or a sub-device.
    Device,
    /// Whose a device is.
    DeviceAssociation,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Organization,
        Self::Patient,
        Self::Device,
        Self::DeviceAssociation,
    ];

    /// The name of the resource type.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Organization => "Organization",
            Self::Patient => "Patient",
            Self::Device => "Device",
            Self::DeviceAssociation => "DeviceAssociation",
        }
    }
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryResource {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its id.
    pub id: String,
    /// The resource as FHIR JSON, with sorted keys.
    pub json: String,
    /// The patient that it is, or that it is of.
    pub patient: Option<PatientId>,
    /// The device that it is, or that it is of.
    pub device: Option<Mac>,
}

impl RegistryResource {
    fn new(
        kind: ResourceKind,
        id: String,
        base: &Settings,
        collection: &str,
        mut fields: Map<String, Value>,
    ) -> Self {
        fields.insert("resourceType".to_owned(), json!(kind.label()));
        fields.insert("id".to_owned(), json!(id));
        let source = format!("{}registry:{collection}", base.identifier_base);
        fields.insert("meta".to_owned(), json!({"source": source}));
        Self {
            kind,
            id,
            json: Value::Object(fields).to_string(),
            patient: None,
            device: None,
        }
    }
}

/// The collections that the resources are made of, with the fields that are read.
#[must_use]
pub fn resource_sources() -> [(&'static str, Vec<&'static str>); 4] {
    let device_fields = DeviceKind::ALL
        .iter()
        .flat_map(|kind| kind.device_fields().iter().copied());
    let patient_fields = DeviceKind::ALL.iter().map(|kind| kind.patient_field());
    [
        ("hospitals", [organization::FIELDS, &["is_deleted"]].concat()),
        (
            "patients",
            patient_fields
                .chain(["ava_mac_address", "is_deleted"])
                .chain(patient::FIELDS.iter().copied())
                .collect(),
        ),
        (
            "amy_boxes",
            ["mac_address", "patient_id", "is_deleted", "name", "imei", "model"].to_vec(),
        ),
        (
            "amy_devices",
            device_fields.chain(["patient_id", "is_deleted"]).collect(),
        ),
    ]
}

/// What was read, made and left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceReport {
    /// Documents of `hospitals`; those of the registry are in [`Self::registry`].
    pub hospital_documents: u64,
    /// Resources by kind.
    pub made: BTreeMap<ResourceKind, u64>,
    /// How often something was left out, or met that is not as it should be.
    pub remarks: BTreeMap<Remark, u64>,
    /// What the registry says of the same documents.
    pub registry: ImportReport,
}

impl ResourceReport {
    fn met(&mut self, remark: Remark) {
        *self.remarks.entry(remark).or_default() += 1;
    }

    /// How often this was met.
    #[must_use]
    pub fn count(&self, remark: Remark) -> u64 {
        self.remarks.get(&remark).copied().unwrap_or(0)
    }
}

/// Takes the documents one by one, in any order within a collection, and makes the resources at the end.
#[derive(Debug)]
pub struct ResourceBuilder {
    settings: Settings,
    registry: RegistryBuilder,
    report: ResourceReport,
    hospitals: BTreeMap<PatientId, Value>,
    patients: BTreeMap<PatientId, Value>,
    boxes: BTreeMap<Mac, device::BoxFacts>,
}

impl ResourceBuilder {
    /// For this deployment.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            registry: RegistryBuilder::default(),
            report: ResourceReport::default(),
            hospitals: BTreeMap::new(),
            patients: BTreeMap::new(),
            boxes: BTreeMap::new(),
        }
    }

    /// A document of `hospitals`.
    pub fn add_hospital(&mut self, document: &Value) {
        self.report.hospital_documents += 1;
        if let Some(id) = self.usable(document) {
            keep(&mut self.hospitals, id, document, &mut self.report);
        }
    }

    /// A document of `patients`.
    pub fn add_patient(&mut self, document: &Value) {
        self.registry.add_patient(document);
        if let Some(id) = self.usable(document) {
            keep(&mut self.patients, id, document, &mut self.report);
        }
    }

    /// A document of `amy_boxes`.
    pub fn add_box(&mut self, document: &Value) {
        self.registry.add_box(document);
        let Some(fields) = document.as_object() else {
            return self.report.met(Remark::NotAnObject);
        };
        if clean::is_deleted(fields.get("is_deleted")).0 {
            return self.report.met(Remark::Deleted);
        }
        match clean::address(fields.get("mac_address")).0 {
            Some(mac) => {
                let facts = self.boxes.entry(mac).or_default();
                if facts.documents > 0 {
                    self.report.met(Remark::BoxTwice);
                }
                facts.add(fields);
            }
            None => self.report.met(Remark::NoAddress),
        }
    }

    /// A document of `amy_devices`.
    pub fn add_device(&mut self, document: &Value) {
        self.registry.add_device(document);
        match document.as_object() {
            None => self.report.met(Remark::NotAnObject),
            Some(fields) if clean::is_deleted(fields.get("is_deleted")).0 => {
                self.report.met(Remark::Deleted);
            }
            Some(_) => {}
        }
    }

    /// The resources, by kind and id. `stays`: who had which device when, where that is known; without it a device is
    /// whose the documents say, for a time that is not known.
    #[must_use]
    pub fn finish(self, stays: Option<&[Stay]>) -> (Vec<RegistryResource>, ResourceReport) {
        let Self {
            settings,
            registry,
            mut report,
            hospitals,
            patients,
            boxes,
        } = self;
        let (registry, import) = registry.finish();
        report.registry = import;
        let mut made = Vec::new();
        for (id, document) in &hospitals {
            made.push(organization::resource(*id, document, &settings, &mut report));
        }
        let known: BTreeSet<PatientId> = hospitals.into_keys().collect();
        for (id, document) in &patients {
            made.push(patient::resource(*id, document, &known, &settings, &mut report));
        }
        made.extend(device::resources(&registry, &boxes, &settings, &mut report));
        made.extend(association::resources(&registry, stays, &settings, &mut report));
        made.sort_unstable_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
        for resource in &made {
            *report.made.entry(resource.kind).or_default() += 1;
        }
        (made, report)
    }

    /// The id of a document that becomes a resource.
    fn usable(&mut self, document: &Value) -> Option<PatientId> {
        let Some(fields) = document.as_object() else {
            self.report.met(Remark::NotAnObject);
            return None;
        };
        if clean::is_deleted(fields.get("is_deleted")).0 {
            self.report.met(Remark::Deleted);
            return None;
        }
        let id = clean::patient_id(fields.get("_id")).0;
        if id.is_none() {
            self.report.met(Remark::NoUsableId);
        }
        id
    }
}

/// The first document of an id stays.
fn keep(all: &mut BTreeMap<PatientId, Value>, id: PatientId, document: &Value, report: &mut ResourceReport) {
    match all.entry(id) {
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert(document.clone());
        }
        std::collections::btree_map::Entry::Occupied(_) => report.met(Remark::IdTwice),
    }
}

#[cfg(test)]
mod tests;
