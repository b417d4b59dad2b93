//! The catalogue as it stands in its file.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default, rename = "about")]
    _about: String,
    pub loinc: BTreeMap<String, Loinc>,
    pub mdc: BTreeMap<String, Option<String>>,
    #[serde(default)]
    pub own: BTreeMap<String, String>,
    pub units: BTreeMap<String, UnitWords>,
    pub meal: Meal,
    pub markers: Vec<Marker>,
    pub observations: Vec<Row>,
    pub attributes: Vec<Attribute>,
    pub calls: Vec<Call>,
    pub legacy: BTreeMap<String, Vec<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Loinc {
    pub property: String,
    pub display: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnitWords {
    pub words: String,
    #[serde(default)]
    pub also: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meal {
    pub mdc: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marker {
    pub name: String,
    pub words: Vec<String>,
    #[serde(default)]
    pub mdc: Option<String>,
    pub dtx_type: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub row: String,
    pub kind: String,
    pub category: String,
    #[serde(default)]
    pub profile: Option<String>,
    #[serde(default)]
    pub panel: Option<Panel>,
    pub quantities: Vec<Quantity>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Panel {
    pub loinc: Vec<String>,
    #[serde(default)]
    pub mdc: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Quantity {
    pub name: String,
    #[serde(default)]
    pub mdc: Vec<String>,
    #[serde(default)]
    pub own: Vec<String>,
    pub units: Vec<Unit>,
    pub hard: [String; 2],
    pub plausible: [String; 2],
    #[serde(default)]
    pub below: Option<String>,
    #[serde(default)]
    pub off_scale: Option<OffScale>,
    #[serde(default)]
    pub sites: BTreeMap<String, Site>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Unit {
    pub unit: String,
    #[serde(default)]
    pub words: Option<String>,
    pub loinc: Vec<String>,
    #[serde(default)]
    pub markers: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub times: Option<String>,
    #[serde(default)]
    pub over: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OffScale {
    #[serde(rename = "HI")]
    pub high: String,
    #[serde(rename = "LO")]
    pub low: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub code: String,
    pub display: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attribute {
    pub name: String,
    pub aliases: Vec<String>,
    pub device: String,
    pub legacy: String,
    #[serde(default)]
    pub marker: Option<String>,
    #[serde(default)]
    pub mode: Option<String>,
    pub fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Call {
    pub name: String,
    pub legacy: String,
    #[serde(default)]
    pub marker: Option<String>,
    #[serde(default)]
    pub mode: Option<String>,
    #[serde(default)]
    pub any: bool,
    pub fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub names: Vec<String>,
    pub quantity: String,
    #[serde(default)]
    pub units: Vec<String>,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub divisor: Option<u32>,
    #[serde(default)]
    pub binary32: bool,
    #[serde(default)]
    pub sentinel: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub entry: String,
    #[serde(default)]
    pub of: Option<String>,
    #[serde(default, rename = "as")]
    pub form: Option<Form>,
    #[serde(default)]
    pub unit: Option<String>,
    #[serde(default)]
    pub decimals: Option<u8>,
}

/// How an entry of a legacy document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Form {
    /// A number.
    Number,
    /// A number as text.
    Text,
    /// The number as it was on the wire, before its divisor.
    Wire,
    /// The marker as sent.
    Marker,
    /// The `dtx_type` of the marker.
    Meal,
    /// `HI` or `LO`, only where the value is off scale.
    OffScale,
    /// The mode as sent.
    Mode,
}
