//! The device catalogue: which attribute of which device means what, in which unit, under which code.
//!
//! It is one file (`catalogue.json`), compiled in and replaceable as text. Loading checks it, and prepares the parts
//! of a resource that never change, so that judging a reading copies them as they are.

mod codes;
mod compile;
mod file;
mod models;
mod places;
mod units;

use std::collections::HashMap;

use serde_json::value::RawValue;

pub(crate) use self::file::Form;
use crate::digits::Decimal;
use crate::mapping::{CatalogueError, Settings};
use crate::registry::DeviceKind;

/// The catalogue that is compiled in.
pub(crate) const BUILTIN: &str = include_str!("../../catalogue.json");

/// A checked catalogue.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// SHA-256 of the text: 64 lower-case hex digits.
    pub version: String,
    pub rows: Vec<Row>,
    pub quantities: Vec<Quantity>,
    pub markers: Vec<Marker>,
    models: Vec<Model>,
    attributes: HashMap<String, usize>,
    calls: HashMap<String, usize>,
    marker_words: HashMap<String, usize>,
}

/// One kind of Observation.
#[derive(Debug)]
pub(crate) struct Row {
    /// The kind in the Observation's key.
    pub kind: String,
    /// `category` of a device's reading, and of a person's.
    pub category: Category,
    /// Canonical of the profile.
    pub profile: Option<String>,
    /// The `code` of a row with components.
    pub panel: Option<Code>,
    /// What it holds, in order: indexes into the quantities.
    pub quantities: Vec<usize>,
}

#[derive(Debug)]
pub(crate) struct Category {
    pub device: Box<RawValue>,
    pub person: Box<RawValue>,
}

/// A `CodeableConcept` and its first code.
#[derive(Debug)]
pub(crate) struct Code {
    pub concept: Box<RawValue>,
    pub first: String,
}

/// Something that can be measured.
#[derive(Debug)]
pub(crate) struct Quantity {
    pub name: String,
    pub row: usize,
    /// The units it may come in; limits stand in the first.
    pub measures: Vec<Measure>,
    pub hard: Limits,
    pub plausible: Limits,
    /// The quantity of the same item that must be greater.
    pub below: Option<usize>,
    pub off_scale: Option<OffScale>,
    /// Body sites by mode.
    pub sites: Vec<(String, Box<RawValue>)>,
}

/// Inclusive limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub from: Decimal,
    pub to: Decimal,
}

/// Beyond these a device says `HI` or `LO`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OffScale {
    pub high: Decimal,
    pub low: Decimal,
}

/// A quantity in one unit.
#[derive(Debug)]
pub(crate) struct Measure {
    /// The UCUM code.
    pub unit: String,
    /// The unit for people.
    pub words: String,
    /// `unit`, `system` and `code` of a Quantity, as JSON members.
    pub unit_members: String,
    /// To the first unit of the quantity.
    pub to_first: Conversion,
    /// The code without marker, then one for each marker.
    codes: Vec<Code>,
}

impl Measure {
    /// The code of a value with this marker.
    pub(crate) fn code(&self, marker: Option<usize>) -> Option<&Code> {
        let at = marker.map_or(0, |m| m + 1);
        self.codes.get(at).or_else(|| self.codes.first())
    }
}

/// From one unit to another. Results are rounded half to even; used for limits and legacy documents only.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Conversion {
    Same,
    Times(Decimal),
    Over(Decimal),
}

impl Conversion {
    /// The value in the other unit.
    pub(crate) fn apply(self, value: Decimal, decimals: u8) -> Option<Decimal> {
        match self {
            Self::Same => Some(value),
            Self::Times(factor) => value.times(factor, decimals),
            Self::Over(factor) => value.over(factor, decimals),
        }
    }

    /// The way back.
    pub(crate) const fn inverse(self) -> Self {
        match self {
            Self::Same => Self::Same,
            Self::Times(factor) => Self::Over(factor),
            Self::Over(factor) => Self::Times(factor),
        }
    }
}

/// A meal marker.
#[derive(Debug)]
pub(crate) struct Marker {
    pub name: String,
    /// The component that says it in MDC.
    pub component: Option<Box<RawValue>>,
    /// Its number in the legacy documents.
    pub dtx_type: u8,
}

/// What a message of one attribute, or a call of one type, holds.
#[derive(Debug)]
pub(crate) struct Model {
    /// The attribute, or the type of the call.
    pub name: String,
    /// The same as a JSON text.
    pub name_json: String,
    /// The kind of sub-device; none for calls.
    pub device: Option<DeviceKind>,
    /// In the order of judgement, the main quantity first.
    pub fields: Vec<Field>,
    /// One value of any field is enough.
    pub any: bool,
    /// Key of the meal marker.
    pub marker: Option<String>,
    /// Key of the mode.
    pub mode: Option<String>,
    /// Units that a call may name, lower case, and the measure of each field that they choose.
    pub units: HashMap<String, Vec<usize>>,
    pub legacy: Place,
}

/// One quantity of a model.
#[derive(Debug)]
pub(crate) struct Field {
    /// The keys it may stand under.
    pub names: Vec<String>,
    pub quantity: usize,
    /// The unit that it comes in, where none is named.
    pub measure: usize,
    pub optional: bool,
    /// The wire value is this many places too large.
    pub shift: u8,
    /// A JSON number is a binary32 image.
    pub binary32: bool,
    /// This value is no value.
    pub sentinel: Option<Decimal>,
}

/// Where legacy readers look.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub collection: &'static str,
    pub entries: Vec<Entry>,
}

/// One field of a legacy entry.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its key, as a JSON text.
    pub name_json: String,
    pub quantity: Option<usize>,
    pub form: Form,
    /// The measure of the quantity that readers expect; none: as it is.
    pub measure: Option<usize>,
    pub decimals: Option<u8>,
}

impl Catalogue {
    /// Checks and prepares a catalogue.
    pub(crate) fn load(text: &str, settings: &Settings) -> Result<Self, CatalogueError> {
        compile::compile(text, settings)
    }

    /// The model of an attribute or of one of its aliases.
    pub(crate) fn attribute(&self, name: &str) -> Option<&Model> {
        self.attributes.get(name).and_then(|i| self.models.get(*i))
    }

    /// The place of the quantity with this name.
    pub(crate) fn quantity(&self, name: &str) -> Option<usize> {
        self.quantities.iter().position(|quantity| quantity.name == name)
    }

    /// The marker with this name.
    pub(crate) fn marker_named(&self, name: &str) -> Option<usize> {
        self.markers.iter().position(|marker| marker.name == name)
    }

    /// The marker with this `dtx_type`.
    pub(crate) fn marker_of(&self, dtx_type: u8) -> Option<usize> {
        self.markers.iter().position(|marker| marker.dtx_type == dtx_type)
    }

    /// The model of a person's call; any letter case.
    pub(crate) fn call(&self, name: &str) -> Option<&Model> {
        self.calls
            .get(&name.to_ascii_uppercase())
            .and_then(|i| self.models.get(*i))
    }

    /// The types of calls, in order of the alphabet.
    pub(crate) fn call_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.calls.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }

    /// The marker that these words mean; any letter case.
    pub(crate) fn marker(&self, words: &str) -> Option<usize> {
        self.marker_words.get(&words.to_lowercase()).copied()
    }
}
