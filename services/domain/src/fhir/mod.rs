//! The FHIR R5 shapes that we write: only the elements in use.
//!
//! What never changes (codes, categories, units) is written once by serde when the catalogue is loaded; what is common
//! to a message or a reading is written once for it. An Observation is then those parts with its own values in between:
//! copying is several times as fast as serialising, and this runs for every reading.

mod observation;
mod reference;

use serde::Serialize;

pub(crate) use self::observation::{Header, Part, Resource, Value, write};
pub(crate) use self::reference::{bluetooth_device, ethernet_device};

/// Code systems and canonicals.
pub(crate) mod systems {
    pub const LOINC: &str = "http://loinc.org";
    pub const MDC: &str = "urn:iso:std:iso:11073:10101";
    pub const SNOMED: &str = "http://snomed.info/sct";
    pub const UCUM: &str = "http://unitsofmeasure.org";
    pub const CATEGORY: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
    pub const PHD_CATEGORY: &str = "http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories";
    pub const PROFILES: &str = "http://hl7.org/fhir/StructureDefinition/";
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

/// What stands behind the value of a Quantity.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Unit<'a> {
    pub unit: &'a str,
    pub system: &'static str,
    pub code: &'a str,
}
