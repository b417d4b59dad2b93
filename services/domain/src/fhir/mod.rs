//! The FHIR R5 shapes that we write: only the elements in use, borrowed where they can be.

mod observation;

use serde::Serialize;
use serde_json::value::RawValue;

pub(crate) use self::observation::{ClockNote, Header, Part, Resource, Value, write};

/// Code systems and canonicals.
pub(crate) mod systems {
    pub const LOINC: &str = "http://loinc.org";
    pub const MDC: &str = "urn:iso:std:iso:11073:10101";
    pub const SNOMED: &str = "http://snomed.info/sct";
    pub const UCUM: &str = "http://unitsofmeasure.org";
    pub const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
    pub const PHD_CATEGORY: &str = "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories";
    pub const INTERPRETATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation";
    pub const ABSENT: &str = "http://terminology.hl7.org/CodeSystem/data-absent-reason";
    pub const DEVICE_IDENTIFIERS: &str = "http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers";
    pub const BLUETOOTH: &str = "http://hl7.org/fhir/sid/eui-48/bluetooth";
    pub const ETHERNET: &str = "http://hl7.org/fhir/sid/eui-48/ethernet";
    pub const PROFILES: &str = "http://hl7.org/fhir/StructureDefinition/";
    pub const GATEWAY_EXTENSION: &str = "http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice";
}

/// A code with its system.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Coding<'a> {
    pub system: &'a str,
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display: Option<&'a str>,
}

/// Codes that mean the same.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CodeableConcept<'a> {
    pub coding: Vec<Coding<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct OneCoding<'a> {
    coding: [Coding<'a>; 1],
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Identifier<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<OneCoding<'a>>,
    system: &'a str,
    value: &'a str,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Reference<'a> {
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    identifier: Option<Identifier<'a>>,
}

/// A Device by reference and address, prepared once for all Observations that name it.
#[derive(Debug)]
pub(crate) struct DeviceReference(Box<RawValue>);

impl DeviceReference {
    /// A sub-device, by its Bluetooth address.
    pub(crate) fn bluetooth(mac: crate::ids::Mac) -> Option<Self> {
        Self::new(mac, "BTMAC", systems::BLUETOOTH)
    }

    /// A gateway, by its Ethernet address.
    pub(crate) fn ethernet(mac: crate::ids::Mac) -> Option<Self> {
        Self::new(mac, "ETHMAC", systems::ETHERNET)
    }

    fn new(mac: crate::ids::Mac, code: &str, system: &str) -> Option<Self> {
        let reference = Reference {
            reference: &format!("Device/{}", mac.device_id()),
            identifier: Some(Identifier {
                kind: Some(OneCoding {
                    coding: [Coding {
                        system: systems::DEVICE_IDENTIFIERS,
                        code,
                        display: None,
                    }],
                }),
                system,
                value: &mac.eui48(),
            }),
        };
        serde_json::value::to_raw_value(&reference).ok().map(Self)
    }
}
