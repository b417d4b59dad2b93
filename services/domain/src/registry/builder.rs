//! Settling whose each device is.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::report::{ImportReport, Oddity};
use super::timeline::Timelines;
use super::{DeviceKind, Registry, clean};
use crate::ids::{Mac, PatientId};
use crate::outcome::ParkReason;

/// What the documents read so far say of one address.
#[derive(Debug, Clone, Copy)]
enum Claim {
    /// Registered, and no patient is named.
    Nobody,
    /// One patient.
    One(PatientId),
    /// At least two.
    Several,
}

impl Claim {
    fn of(patient: Option<PatientId>) -> Self {
        patient.map_or(Self::Nobody, Self::One)
    }

    /// Both hold. Naming nobody takes nothing from the other.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, claim) | (claim, Self::Nobody) => claim,
            (Self::One(a), Self::One(b)) if a == b => self,
            _ => Self::Several,
        }
    }

    /// Both hold, and each must name the same: a box without a patient beside its twin with one is no agreement.
    fn and_strictly(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nobody, Self::Nobody) => Self::Nobody,
            (Self::One(a), Self::One(b)) if a == b => self,
            _ => Self::Several,
        }
    }
}

type Claims<K> = HashMap<K, Claim>;

/// Takes the documents one by one, in any order, and settles at the end.
#[derive(Debug, Clone, Default)]
pub struct RegistryBuilder {
    report: ImportReport,
    /// Sub-devices under the kinds of their fields.
    devices: Claims<(Mac, DeviceKind)>,
    /// Sub-devices that only deleted patients name: registered, with nobody to give the reading to.
    left_behind: HashSet<Mac>,
    boxes: Claims<Mac>,
    deleted_boxes: HashSet<Mac>,
    /// `patients.ava_mac_address`.
    gateways_of_patients: Claims<Mac>,
    patients: HashSet<PatientId>,
}

impl RegistryBuilder {
    /// A document of `amy_boxes`: `mac_address`, `patient_id`, `is_deleted`. `is_active` says nothing: it is
    /// false nearly everywhere.
    pub fn add_box(&mut self, document: &Value) {
        self.report.box_documents += 1;
        let Some((fields, deleted)) = self.fields(document) else {
            return;
        };
        let Some(mac) = self.address(fields.get("mac_address")) else {
            self.report.met(Oddity::BoxWithoutAddress);
            return;
        };
        if deleted {
            self.deleted_boxes.insert(mac);
            return;
        }
        let claim = Claim::of(self.patient_id(fields));
        self.boxes
            .entry(mac)
            .and_modify(|known| *known = known.and_strictly(claim))
            .or_insert(claim);
    }

    /// A document of `amy_devices`: the address fields of [`DeviceKind::device_fields`], `patient_id`,
    /// `is_deleted`.
    pub fn add_device(&mut self, document: &Value) {
        self.report.device_documents += 1;
        let Some((fields, deleted)) = self.fields(document) else {
            return;
        };
        if deleted {
            return;
        }
        let claim = Claim::of(self.patient_id(fields));
        for kind in DeviceKind::ALL {
            for field in kind.device_fields() {
                if let Some(mac) = self.address(fields.get(*field)) {
                    self.claim_device(mac, *kind, claim);
                }
            }
        }
    }

    /// A document of `patients`: `_id`, the address fields of [`DeviceKind::patient_field`], `ava_mac_address`,
    /// `is_deleted`.
    pub fn add_patient(&mut self, document: &Value) {
        self.report.patient_documents += 1;
        let Some((fields, deleted)) = self.fields(document) else {
            return;
        };
        let Some(patient) = clean::patient_id(fields.get("_id")).0 else {
            self.report.met(Oddity::PatientUnusable);
            return;
        };
        let claim = if deleted {
            Claim::Nobody
        } else {
            self.patients.insert(patient);
            Claim::One(patient)
        };
        for kind in DeviceKind::ALL {
            match self.address(fields.get(kind.patient_field())) {
                Some(mac) if deleted => {
                    self.left_behind.insert(mac);
                }
                Some(mac) => self.claim_device(mac, *kind, claim),
                None => {}
            }
        }
        if let Some(mac) = self.address(fields.get("ava_mac_address")) {
            self.gateways_of_patients
                .entry(mac)
                .and_modify(|known| *known = known.and(claim))
                .or_insert(claim);
        }
    }

    /// Settles every address.
    #[must_use]
    pub fn finish(mut self) -> (Registry, ImportReport) {
        let mut claims_of_any: Claims<Mac> = HashMap::with_capacity(self.devices.len());
        for ((mac, _), claim) in &self.devices {
            claims_of_any
                .entry(*mac)
                .and_modify(|known| *known = known.and(*claim))
                .or_insert(*claim);
        }
        for mac in &self.left_behind {
            claims_of_any.entry(*mac).or_insert(Claim::Nobody);
        }

        let mut gateways: Claims<Mac> = HashMap::with_capacity(self.boxes.len());
        for (mac, claim) in &self.gateways_of_patients {
            match self.boxes.get(mac) {
                Some(of_box) => {
                    if matches!(of_box.and_strictly(*claim), Claim::Several) {
                        self.report.met(Oddity::GatewayDisputed);
                    }
                }
                None if self.deleted_boxes.contains(mac) => {
                    self.report.met(Oddity::GatewayDisputed);
                }
                None => {
                    gateways.insert(*mac, *claim);
                }
            }
        }
        gateways.extend(self.boxes.iter().map(|(mac, claim)| (*mac, *claim)));

        let (patients, report) = (&self.patients, &mut self.report);
        let by_kind = settle(&self.devices, patients, report, Some(Oddity::DeviceAmbiguous));
        // The oddities of a device were counted under its kinds.
        let any_kind = settle(&claims_of_any, patients, &mut ImportReport::default(), None);
        let gateways = settle(&gateways, patients, report, Some(Oddity::GatewayAmbiguous));

        report.devices = any_kind.len() as u64;
        report.devices_with_patient = any_kind
            .keys()
            .filter(|mac| {
                let own = |kind: &&DeviceKind| by_kind.get(&(**mac, **kind)).is_some_and(Result::is_ok);
                DeviceKind::ALL.iter().any(|kind| own(&kind))
            })
            .count() as u64;
        report.gateways = gateways.len() as u64;
        report.patients = patients.len() as u64;
        let stranded = self.devices.iter().filter_map(|(place, claim)| match claim {
            Claim::One(patient) if !patients.contains(patient) => Some((*place, *patient)),
            _ => None,
        });
        let registry = Registry {
            by_kind,
            any_kind,
            gateways,
            stranded: stranded.collect(),
            patients: self.patients,
            timelines: Timelines::default(),
        };
        (registry, self.report)
    }

    fn fields<'d>(&mut self, document: &'d Value) -> Option<(&'d Map<String, Value>, bool)> {
        let Some(fields) = document.as_object() else {
            self.report.met(Oddity::NotAnObject);
            return None;
        };
        let (deleted, oddity) = clean::is_deleted(fields.get("is_deleted"));
        oddity.into_iter().for_each(|o| self.report.met(o));
        if deleted {
            self.report.met(Oddity::Deleted);
        }
        Some((fields, deleted))
    }

    fn address(&mut self, value: Option<&Value>) -> Option<Mac> {
        let (mac, oddity) = clean::address(value);
        oddity.into_iter().for_each(|o| self.report.met(o));
        mac
    }

    fn patient_id(&mut self, fields: &Map<String, Value>) -> Option<PatientId> {
        let (id, oddity) = clean::patient_id(fields.get("patient_id"));
        oddity.into_iter().for_each(|o| self.report.met(o));
        id
    }

    fn claim_device(&mut self, mac: Mac, kind: DeviceKind, claim: Claim) {
        self.devices
            .entry((mac, kind))
            .and_modify(|known| *known = known.and(claim))
            .or_insert(claim);
    }
}

fn settle<K: Copy + Eq + std::hash::Hash>(
    claims: &Claims<K>,
    patients: &HashSet<PatientId>,
    report: &mut ImportReport,
    ambiguous: Option<Oddity>,
) -> HashMap<K, Result<PatientId, ParkReason>> {
    let mut settle_one = |claim: &Claim| match claim {
        Claim::One(patient) if patients.contains(patient) => Ok(*patient),
        Claim::One(_) => {
            report.met(Oddity::PatientNotFound);
            Err(ParkReason::PatientUnknown)
        }
        Claim::Nobody => Err(ParkReason::PatientUnknown),
        Claim::Several => {
            ambiguous.into_iter().for_each(|o| report.met(o));
            Err(ParkReason::PatientAmbiguous)
        }
    };
    claims
        .iter()
        .map(|(key, claim)| (*key, settle_one(claim)))
        .collect()
}
