//! Who a device belongs to.
//!
//! Built from the documents of `amy_boxes`, `amy_devices` and `patients`; looked up by address. All ambiguity
//! is settled when it is built, so that a look-up is one or two reads of a hash map.

mod association;
mod builder;
mod clean;
mod export;
mod periods;
mod report;
mod resources;
mod timeline;

use std::collections::{HashMap, HashSet};

use crate::ids::{Mac, PatientId};
use crate::outcome::ParkReason;

use timeline::Timelines;

pub use association::{Associations, Changes, Holding, Named, Period};
pub use builder::RegistryBuilder;
pub use export::{ExportError, for_each_document, parse_export};
pub use periods::{MOST_PERIODS, PeriodsError, check_periods, parse_periods};
pub use report::{ImportReport, Oddity};
pub use resources::{
    RegistryResource, Remark, ResourceBuilder, ResourceKind, ResourceReport, Stay, association_id,
    organization_id, resource_sources,
};
pub use timeline::Stretch;

/// The patient that a text names, in any of the forms in which one was ever stored.
pub(crate) fn patient_of_text(text: &str) -> Option<PatientId> {
    clean::patient_id_of_text(text.trim()).0
}

/// The fields under which a sub-device can stand in the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKind {
    /// Cuff.
    BloodPressure,
    /// Oximeter.
    Oximeter,
    /// Thermometer.
    Thermometer,
    /// Scale.
    Scale,
    /// Glucose meter.
    Glucose,
    /// Uric-acid meter.
    UricAcid,
    /// Cholesterol meter.
    Cholesterol,
}

impl DeviceKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::BloodPressure,
        Self::Oximeter,
        Self::Thermometer,
        Self::Scale,
        Self::Glucose,
        Self::UricAcid,
        Self::Cholesterol,
    ];

    /// The stable label: in listings and reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::BloodPressure => "blood-pressure",
            Self::Oximeter => "oximeter",
            Self::Thermometer => "thermometer",
            Self::Scale => "scale",
            Self::Glucose => "glucose",
            Self::UricAcid => "uric-acid",
            Self::Cholesterol => "cholesterol",
        }
    }

    /// The kind with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.label() == label)
    }

    /// The field of a `patients` document that names a device of this kind.
    #[must_use]
    pub const fn patient_field(self) -> &'static str {
        match self {
            Self::BloodPressure => "blood_pressure_mac_address",
            Self::Oximeter => "fingertip_pulse_oximeter_mac_address",
            Self::Thermometer => "body_temperature_mac_address",
            Self::Scale => "weight_scale_mac_address",
            Self::Glucose => "blood_glucose_mac_address",
            Self::UricAcid => "uric_mac_address",
            Self::Cholesterol => "cholesterol_mac_address",
        }
    }

    /// The fields of an `amy_devices` document that name a device of this kind.
    #[must_use]
    pub const fn device_fields(self) -> &'static [&'static str] {
        match self {
            Self::BloodPressure => &["mac_dusun_bps", "mac_bps"],
            Self::Oximeter => &["mac_oxymeter", "mac_mgss_oxymeter"],
            Self::Thermometer => &["mac_body_temp"],
            Self::Scale => &["mac_weight"],
            Self::Glucose => &["mac_gluc"],
            Self::UricAcid => &["mac_ua"],
            Self::Cholesterol => &["mac_chol"],
        }
    }
}

/// The owner of a sub-device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The patient.
    pub patient: PatientId,
    /// The sub-device stands only under another kind's field (a multi-strip meter registered once).
    pub other_kind: bool,
}

/// What is known of a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gateway {
    /// No box and no patient names this address, or only deleted boxes do.
    Unknown,
    /// Known; for an API call this is the patient, or why there is none.
    Known(Result<PatientId, ParkReason>),
}

/// Devices, boxes and patients as the registry had them at one moment.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// Settled for each kind under which a sub-device stands.
    by_kind: HashMap<(Mac, DeviceKind), Result<PatientId, ParkReason>>,
    /// Settled over all kinds: asked only where the own kind says nothing.
    any_kind: HashMap<Mac, Result<PatientId, ParkReason>>,
    gateways: HashMap<Mac, Result<PatientId, ParkReason>>,
    patients: HashSet<PatientId>,
    /// Whom devices name who is not there (any more).
    stranded: HashMap<(Mac, DeviceKind), PatientId>,
    timelines: Timelines,
}

impl Registry {
    /// Reads the documents of the three collections, as `mongoexport` writes them or as MongoDB has them
    /// (relaxed or canonical Extended JSON).
    pub fn from_documents(
        boxes: impl IntoIterator<Item = serde_json::Value>,
        devices: impl IntoIterator<Item = serde_json::Value>,
        patients: impl IntoIterator<Item = serde_json::Value>,
    ) -> (Self, ImportReport) {
        let mut builder = RegistryBuilder::default();
        boxes.into_iter().for_each(|d| builder.add_box(&d));
        devices.into_iter().for_each(|d| builder.add_device(&d));
        patients.into_iter().for_each(|d| builder.add_patient(&d));
        builder.finish()
    }

    /// The patient of a sub-device of this kind, as the registry is now. The field of its own kind decides; only where it does not stand
    /// there do the fields of the other kinds.
    ///
    /// # Errors
    /// The reason to park where there is none, or more than one.
    pub fn owner(&self, device: Mac, kind: DeviceKind) -> Result<Owner, ParkReason> {
        let (settled, other_kind) = match self.by_kind.get(&(device, kind)) {
            Some(settled) => (*settled, false),
            None => match self.any_kind.get(&device) {
                Some(settled) => (*settled, true),
                None => return Err(ParkReason::DeviceUnknown),
            },
        };
        settled.map(|patient| Owner { patient, other_kind })
    }

    /// What is known of a gateway.
    #[must_use]
    pub fn gateway(&self, gateway: Mac) -> Gateway {
        match self.gateways.get(&gateway) {
            Some(settled) => Gateway::Known(*settled),
            None => Gateway::Unknown,
        }
    }

    /// Whether `patients` has this patient, not deleted.
    #[must_use]
    pub fn has_patient(&self, patient: PatientId) -> bool {
        self.patients.contains(&patient)
    }

    /// Every sub-device under each kind it stands under, by address: for listings.
    #[must_use]
    pub fn devices(&self) -> Vec<(Mac, DeviceKind, Result<PatientId, ParkReason>)> {
        let mut all: Vec<_> = self
            .by_kind
            .iter()
            .map(|((mac, kind), settled)| (*mac, *kind, *settled))
            .collect();
        all.sort_unstable_by_key(|(mac, kind, _)| (*mac, *kind));
        all
    }

    /// Every gateway, by address: for listings.
    #[must_use]
    pub fn gateways(&self) -> Vec<(Mac, Result<PatientId, ParkReason>)> {
        let mut all: Vec<_> = self.gateways.iter().map(|(mac, s)| (*mac, *s)).collect();
        all.sort_unstable_by_key(|(mac, _)| *mac);
        all
    }

    /// Every patient that is not deleted, by id.
    #[must_use]
    pub fn patients(&self) -> Vec<PatientId> {
        let mut all: Vec<_> = self.patients.iter().copied().collect();
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_periods;
