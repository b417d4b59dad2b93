//! Who a device belongs to.

use crate::ids::{Mac, PatientId};
use crate::outcome::ParkReason;

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
    /// No box has this address, or only deleted ones.
    Unknown,
    /// Known; for an API call this is the patient, or why there is none.
    Known(Result<PatientId, ParkReason>),
}

/// Devices, boxes and patients as the registry had them at one moment.
#[derive(Debug, Clone, Default)]
pub struct Registry {}

impl Registry {
    /// The patient of a sub-device of this kind.
    ///
    /// # Errors
    /// The reason to park where there is none, or more than one.
    pub fn owner(&self, _device: Mac, _kind: DeviceKind) -> Result<Owner, ParkReason> {
        Err(ParkReason::DeviceUnknown)
    }

    /// What is known of a gateway.
    #[must_use]
    pub fn gateway(&self, _gateway: Mac) -> Gateway {
        Gateway::Unknown
    }
}
