//! From the file to a checked catalogue.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::file;
use super::units::{check_digit_holds, dimension, dimensions};
use super::{
    Catalogue, Category, Code, Conversion, Entry, Field, Form, Limits, Marker, Measure, Model, OffScale,
    Place, Quantity, Row,
};
use crate::digits::Decimal;
use crate::fhir::{CodeableConcept, Coding, Unit, systems};
use crate::json::Fields;
use crate::mapping::{CatalogueError, Settings};
use crate::registry::DeviceKind;
use crate::text::quoted;

/// The collections of the legacy database.
const COLLECTIONS: &[&str] = &[
    "blood_pressure_histories",
    "blood_sugar_histories",
    "spo2_histories",
    "temprature_data_histories",
    "body_data_histories",
    "creatinine_histories",
    "lipid_histories",
    "step_histories",
    "sleep_data_histories",
    "heart_rate_histories",
];

/// The kinds of an Observation's key.
const KINDS: &[&str] = &[
    "blood-pressure",
    "heart-rate",
    "spo2",
    "perfusion-index",
    "glucose",
    "body-temperature",
    "body-weight",
    "impedance",
    "uric-acid",
    "cholesterol",
    "creatinine",
    "ldl",
    "hdl",
    "triglycerides",
    "height",
    "bmi",
    "waist",
    "steps",
    "sleep",
    "respiration",
];

type Checked<T> = Result<T, CatalogueError>;

fn refuse<T>(row: &str, reason: impl Into<String>) -> Checked<T> {
    Err(CatalogueError {
        row: row.to_owned(),
        reason: reason.into(),
    })
}

pub(super) fn compile(text: &str, settings: &Settings) -> Checked<Catalogue> {
    let top = Fields::read(text).map_err(|_| CatalogueError {
        row: "catalogue".to_owned(),
        reason: "not a JSON object".to_owned(),
    })?;
    if top.has_duplicate() || !top.entries().iter().all(|(_, v)| v.is_clean()) {
        return refuse("catalogue", "a key stands twice");
    }
    let file: file::File = serde_json::from_str(text).map_err(|e| CatalogueError {
        row: "catalogue".to_owned(),
        reason: e.to_string(),
    })?;
    let codes = Codes {
        file: &file,
        own: format!("{}codes", settings.identifier_base),
    };
    codes.check()?;
    let markers = codes.markers()?;
    let (rows, quantities) = codes.rows()?;
    let mut catalogue = Catalogue {
        version: crate::ids::sha256_hex(text.as_bytes()),
        rows,
        quantities,
        markers,
        models: Vec::new(),
        attributes: HashMap::new(),
        calls: HashMap::new(),
        marker_words: HashMap::new(),
    };
    for (at, marker) in file.markers.iter().enumerate() {
        for words in &marker.words {
            if catalogue.marker_words.insert(words.to_lowercase(), at).is_some() {
                return refuse(&marker.name, format!("the marker `{words}` stands twice"));
            }
        }
    }
    let places = places(&file, &catalogue.quantities)?;
    let models = Models {
        file: &file,
        places: &places,
        quantities: &catalogue.quantities,
    };
    let mut compiled = Vec::new();
    let mut attributes = HashMap::new();
    for attribute in &file.attributes {
        let model = models.attribute(attribute)?;
        for name in attribute.aliases.iter().chain([&attribute.name]) {
            if attributes.insert(name.clone(), compiled.len()).is_some() {
                return refuse(&attribute.name, format!("the attribute `{name}` stands twice"));
            }
        }
        compiled.push(model);
    }
    let mut calls = HashMap::new();
    for call in &file.calls {
        let model = models.call(call)?;
        if calls
            .insert(call.name.to_ascii_uppercase(), compiled.len())
            .is_some()
        {
            return refuse(&call.name, "the type stands twice");
        }
        compiled.push(model);
    }
    catalogue.models = compiled;
    catalogue.attributes = attributes;
    catalogue.calls = calls;
    Ok(catalogue)
}

fn raw<T: Serialize>(row: &str, value: &T) -> Checked<Box<RawValue>> {
    to_raw_value(value).or_else(|e| refuse(row, e.to_string()))
}

/// The code tables of the file.
struct Codes<'f> {
    file: &'f file::File,
    /// System of our own codes.
    own: String,
}

impl Codes<'_> {
    /// Checks the tables that the rows refer to.
    fn check(&self) -> Checked<()> {
        for (code, entry) in &self.file.loinc {
            let row = format!("LOINC {code}");
            if !check_digit_holds(code) {
                return refuse(&row, "the check digit is wrong");
            }
            if entry.property != "-" && dimensions(&entry.property).is_none() {
                return refuse(&row, format!("the property `{}` is unknown", entry.property));
            }
            // The display says which of the two concentrations it is: a wrong property does not hide it.
            for (words, property) in [("[Mass/volume]", "MCnc"), ("[Moles/volume]", "SCnc")] {
                if entry.display.contains(words) != (entry.property == property) {
                    return refuse(
                        &row,
                        format!("`{}` is not of property {}", entry.display, entry.property),
                    );
                }
            }
        }
        for unit in self.file.units.keys() {
            if dimension(unit).is_none() {
                return refuse(unit, "the unit is unknown (a UCUM code is needed)");
            }
        }
        for code in self.file.mdc.keys() {
            if code.is_empty() || !code.bytes().all(|c| c.is_ascii_digit()) {
                return refuse(&format!("MDC {code}"), "not a number");
            }
        }
        Ok(())
    }

    fn loinc(&self, row: &str, code: &str) -> Checked<Coding<'_>> {
        if !check_digit_holds(code) {
            return refuse(row, format!("the check digit of LOINC {code} is wrong"));
        }
        match self.file.loinc.get_key_value(code) {
            Some((code, entry)) => Ok(Coding {
                system: systems::LOINC,
                code,
                display: Some(&entry.display),
            }),
            None => refuse(
                row,
                format!("LOINC {code} is not in the table with its property and display"),
            ),
        }
    }

    fn mdc(&self, row: &str, code: &str) -> Checked<Coding<'_>> {
        match self.file.mdc.get_key_value(code) {
            Some((code, display)) => Ok(Coding {
                system: systems::MDC,
                code,
                display: display.as_deref(),
            }),
            None => refuse(row, format!("MDC {code} is not in the table")),
        }
    }

    fn concept(&self, row: &str, loinc: &[&String], mdc: &[String], own: &[String]) -> Checked<Code> {
        let mut coding = Vec::new();
        for code in loinc {
            coding.push(self.loinc(row, code)?);
        }
        for code in mdc {
            coding.push(self.mdc(row, code)?);
        }
        for code in own {
            match self.file.own.get_key_value(code) {
                Some((code, display)) => coding.push(Coding {
                    system: &self.own,
                    code,
                    display: Some(display),
                }),
                None => return refuse(row, format!("our own code `{code}` is not in the table")),
            }
        }
        let first = match loinc.first().copied().or(own.first()) {
            Some(first) => first.clone(),
            None => return refuse(row, "no code"),
        };
        Ok(Code {
            concept: raw(row, &CodeableConcept { coding })?,
            first,
        })
    }

    fn markers(&self) -> Checked<Vec<Marker>> {
        let meal = self.mdc("meal", &self.file.meal.mdc)?;
        self.file
            .markers
            .iter()
            .map(|marker| {
                let component = match &marker.mdc {
                    Some(code) => Some(raw(
                        &marker.name,
                        &MealComponent {
                            code: CodeableConcept { coding: vec![meal] },
                            value_codeable_concept: CodeableConcept {
                                coding: vec![self.mdc(&marker.name, code)?],
                            },
                        },
                    )?),
                    None => None,
                };
                Ok(Marker {
                    component,
                    dtx_type: marker.dtx_type,
                })
            })
            .collect()
    }

    fn rows(&self) -> Checked<(Vec<Row>, Vec<Quantity>)> {
        let mut rows = Vec::new();
        let mut quantities: Vec<Quantity> = Vec::new();
        for row in &self.file.observations {
            let name = &row.row;
            if !KINDS.contains(&row.kind.as_str()) {
                return refuse(name, format!("the kind `{}` is unknown", row.kind));
            }
            let mut indexes = Vec::new();
            for quantity in &row.quantities {
                if quantities.iter().any(|q| q.name == quantity.name) {
                    return refuse(name, format!("the quantity `{}` stands twice", quantity.name));
                }
                indexes.push(quantities.len());
                let compiled = self.quantity(name, quantity, rows.len(), &quantities)?;
                quantities.push(compiled);
            }
            let panel = match &row.panel {
                Some(panel) => {
                    Some(self.concept(name, &panel.loinc.iter().collect::<Vec<_>>(), &panel.mdc, &[])?)
                }
                None if indexes.len() == 1 => None,
                None => return refuse(name, "one quantity is needed, or a panel code"),
            };
            rows.push(Row {
                kind: row.kind.clone(),
                category: category(name, &row.category)?,
                profile: row.profile.as_ref().map(|p| format!("{}{p}", systems::PROFILES)),
                panel,
                quantities: indexes,
            });
        }
        Ok((rows, quantities))
    }

    fn quantity(
        &self,
        row: &str,
        quantity: &file::Quantity,
        index: usize,
        before: &[Quantity],
    ) -> Checked<Quantity> {
        if quantity.units.is_empty() {
            return refuse(row, "no unit");
        }
        let mut measures: Vec<Measure> = Vec::new();
        for unit in &quantity.units {
            if measures.iter().any(|m| m.unit == unit.unit) {
                return refuse(row, format!("the unit `{}` stands twice", unit.unit));
            }
            let first = measures.is_empty();
            measures.push(self.measure(row, quantity, unit, first)?);
        }
        let limits = |[from, to]: &[String; 2]| -> Checked<Limits> {
            let limits = Limits {
                from: decimal(row, from)?,
                to: decimal(row, to)?,
            };
            if limits.from.compare(limits.to).is_gt() {
                return refuse(row, "a lower limit is above its upper limit");
            }
            Ok(limits)
        };
        let (hard, plausible) = (limits(&quantity.hard)?, limits(&quantity.plausible)?);
        if plausible.from.compare(hard.from).is_lt() || plausible.to.compare(hard.to).is_gt() {
            return refuse(row, "the plausible range leaves the hard limits");
        }
        let below = match &quantity.below {
            Some(name) => match before.iter().position(|q| q.name == *name) {
                Some(at) => Some(at),
                None => return refuse(row, format!("the quantity `{name}` does not stand before")),
            },
            None => None,
        };
        let off_scale = match &quantity.off_scale {
            Some(o) => Some(OffScale {
                high: decimal(row, &o.high)?,
                low: decimal(row, &o.low)?,
            }),
            None => None,
        };
        let sites = quantity
            .sites
            .iter()
            .map(|(mode, site)| {
                let coding = vec![Coding {
                    system: systems::SNOMED,
                    code: &site.code,
                    display: Some(&site.display),
                }];
                Ok((mode.clone(), raw(row, &CodeableConcept { coding })?))
            })
            .collect::<Checked<_>>()?;
        Ok(Quantity {
            name: quantity.name.clone(),
            row: index,
            measures,
            hard,
            plausible,
            below,
            off_scale,
            sites,
        })
    }

    fn measure(
        &self,
        row: &str,
        quantity: &file::Quantity,
        unit: &file::Unit,
        first: bool,
    ) -> Checked<Measure> {
        let Some(measured) = dimension(&unit.unit) else {
            return refuse(
                row,
                format!("the unit `{}` is unknown (a UCUM code is needed)", unit.unit),
            );
        };
        let Some(words) = self.file.units.get(&unit.unit) else {
            return refuse(row, format!("the unit `{}` has no words for people", unit.unit));
        };
        for code in unit.loinc.iter().chain(unit.markers.values().flatten()) {
            self.loinc(row, code)?;
            let property = self.file.loinc.get(code).map_or("-", |l| l.property.as_str());
            if !dimensions(property).is_some_and(|d| d.contains(&measured)) {
                return refuse(
                    row,
                    format!(
                        "LOINC {code} is of property {property}, the unit {} is one of {measured}",
                        unit.unit
                    ),
                );
            }
        }
        let to_first = match (&unit.times, &unit.over) {
            (None, None) if first => Conversion::Same,
            (Some(factor), None) if !first => Conversion::Times(factor_of(row, factor)?),
            (None, Some(factor)) if !first => Conversion::Over(factor_of(row, factor)?),
            _ => {
                return refuse(
                    row,
                    format!("the unit `{}` needs a factor, the first unit none", unit.unit),
                );
            }
        };
        let mut codes = vec![self.concept(
            row,
            &unit.loinc.iter().collect::<Vec<_>>(),
            &quantity.mdc,
            &quantity.own,
        )?];
        for name in unit.markers.keys() {
            if !self.file.markers.iter().any(|m| m.name == *name) {
                return refuse(row, format!("the marker `{name}` is unknown"));
            }
        }
        for marker in &self.file.markers {
            let more = unit.markers.get(&marker.name).map_or(&[][..], Vec::as_slice);
            let loinc: Vec<&String> = unit.loinc.iter().chain(more).collect();
            codes.push(self.concept(row, &loinc, &quantity.mdc, &quantity.own)?);
        }
        let words = unit.words.as_ref().unwrap_or(&words.words);
        let members = raw(
            row,
            &Unit {
                unit: words,
                system: systems::UCUM,
                code: &unit.unit,
            },
        )?;
        Ok(Measure {
            unit: unit.unit.clone(),
            words: words.clone(),
            unit_members: members.get().trim_matches(['{', '}']).to_owned(),
            to_first,
            codes,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MealComponent<'a> {
    code: CodeableConcept<'a>,
    value_codeable_concept: CodeableConcept<'a>,
}

fn decimal(row: &str, text: &str) -> Checked<Decimal> {
    Decimal::from_text(text).or_else(|_| refuse(row, format!("`{text}` is no plain decimal")))
}

fn factor_of(row: &str, text: &str) -> Checked<Decimal> {
    let factor = decimal(row, text)?;
    if factor.compare(decimal(row, "0")?).is_gt() {
        Ok(factor)
    } else {
        refuse(row, format!("the factor `{text}` is not above 0"))
    }
}

fn category(row: &str, code: &str) -> Checked<Category> {
    let display = match code {
        "vital-signs" => "Vital Signs",
        "laboratory" => "Laboratory",
        "exam" => "Exam",
        "activity" => "Activity",
        _ => return refuse(row, format!("the category `{code}` is unknown")),
    };
    let clinical = || CodeableConcept {
        coding: vec![Coding {
            system: systems::CATEGORY,
            code,
            display: Some(display),
        }],
    };
    let phd = CodeableConcept {
        coding: vec![Coding {
            system: systems::PHD_CATEGORY,
            code: "phd",
            display: None,
        }],
    };
    Ok(Category {
        device: raw(row, &[clinical(), phd])?,
        person: raw(row, &[clinical()])?,
    })
}

fn places(file: &file::File, quantities: &[Quantity]) -> Checked<BTreeMap<String, Place>> {
    file.legacy
        .iter()
        .map(|(name, entries)| {
            let Some(collection) = COLLECTIONS.iter().find(|c| *c == name) else {
                return refuse(name, "no collection of the legacy database");
            };
            let entries = entries
                .iter()
                .map(|entry| place_entry(name, entry, quantities))
                .collect::<Checked<_>>()?;
            Ok((name.clone(), Place { collection, entries }))
        })
        .collect()
}

fn place_entry(row: &str, entry: &file::Entry, quantities: &[Quantity]) -> Checked<Entry> {
    let form = entry.form.unwrap_or(Form::Number);
    let quantity = match &entry.of {
        Some(name) => match quantities.iter().position(|q| q.name == *name) {
            Some(at) => Some(at),
            None => return refuse(row, format!("the quantity `{name}` is unknown")),
        },
        None if matches!(form, Form::Number | Form::Text | Form::Wire) => {
            return refuse(row, format!("`{}` names no quantity", entry.entry));
        }
        None => None,
    };
    let measure = match (&entry.unit, quantity.and_then(|q| quantities.get(q))) {
        (Some(unit), Some(q)) => match q.measures.iter().position(|m| m.unit == *unit) {
            Some(at) => Some(at),
            None => return refuse(row, format!("`{}` does not come in {unit}", q.name)),
        },
        (Some(_), None) => return refuse(row, format!("`{}` has a unit but no quantity", entry.entry)),
        (None, _) => None,
    };
    if entry.decimals.is_some_and(|d| d > 9) {
        return refuse(row, "more than nine decimals");
    }
    Ok(Entry {
        name_json: quoted(&entry.entry),
        quantity,
        form,
        measure,
        decimals: entry.decimals,
    })
}

/// The tables that models refer to.
struct Models<'f> {
    file: &'f file::File,
    places: &'f BTreeMap<String, Place>,
    quantities: &'f [Quantity],
}

impl Models<'_> {
    fn attribute(&self, attribute: &file::Attribute) -> Checked<Model> {
        let row = &attribute.name;
        let device = match attribute.device.as_str() {
            "blood-pressure" => DeviceKind::BloodPressure,
            "oximeter" => DeviceKind::Oximeter,
            "thermometer" => DeviceKind::Thermometer,
            "scale" => DeviceKind::Scale,
            "glucose" => DeviceKind::Glucose,
            "uric-acid" => DeviceKind::UricAcid,
            "cholesterol" => DeviceKind::Cholesterol,
            other => return refuse(row, format!("the device kind `{other}` is unknown")),
        };
        Ok(Model {
            name: row.clone(),
            name_json: quoted(row),
            device: Some(device),
            fields: self.fields(row, &attribute.fields)?,
            any: false,
            marker: attribute.marker.clone(),
            mode: attribute.mode.clone(),
            units: HashMap::new(),
            legacy: self.place(row, &attribute.legacy)?,
        })
    }

    fn call(&self, call: &file::Call) -> Checked<Model> {
        let row = &call.name;
        let fields = self.fields(row, &call.fields)?;
        Ok(Model {
            name: row.to_ascii_uppercase(),
            name_json: quoted(&row.to_ascii_uppercase()),
            device: None,
            any: call.any,
            marker: call.marker.clone(),
            mode: call.mode.clone(),
            units: self.call_units(row, &call.fields, &fields)?,
            legacy: self.place(row, &call.legacy)?,
            fields,
        })
    }

    fn place(&self, row: &str, collection: &str) -> Checked<Place> {
        match self.places.get(collection) {
            Some(place) => Ok(place.clone()),
            None => refuse(
                row,
                format!("the legacy collection `{collection}` is not described"),
            ),
        }
    }

    fn fields(&self, row: &str, fields: &[file::Field]) -> Checked<Vec<Field>> {
        if fields.is_empty() {
            return refuse(row, "no field");
        }
        let compiled = fields
            .iter()
            .map(|field| {
                let Some(at) = self.quantities.iter().position(|q| q.name == field.quantity) else {
                    return refuse(row, format!("the quantity `{}` is unknown", field.quantity));
                };
                if field.names.is_empty() {
                    return refuse(row, format!("`{}` has no key", field.quantity));
                }
                let measure = match field.units.first() {
                    Some(unit) => self.measure(row, at, unit)?,
                    None => 0,
                };
                let shift = match field.divisor.unwrap_or(1) {
                    1 => 0,
                    10 => 1,
                    100 => 2,
                    1000 => 3,
                    other => return refuse(row, format!("the divisor {other} is not 1, 10, 100 or 1000")),
                };
                Ok(Field {
                    names: field.names.clone(),
                    quantity: at,
                    measure,
                    optional: field.optional,
                    shift,
                    binary32: field.binary32,
                    sentinel: field.sentinel.as_deref().map(|s| decimal(row, s)).transpose()?,
                })
            })
            .collect::<Checked<Vec<_>>>()?;
        for (i, field) in compiled.iter().enumerate() {
            if compiled[..i].iter().any(|f| f.quantity == field.quantity) {
                return refuse(row, "a quantity stands under two fields");
            }
            let whole_row = self
                .quantities
                .get(field.quantity)
                .is_some_and(|q| q.below.is_none_or(|b| compiled.iter().any(|f| f.quantity == b)));
            if !whole_row {
                return refuse(row, "a quantity stands without the one that it must be below");
            }
        }
        Ok(compiled)
    }

    fn measure(&self, row: &str, quantity: usize, unit: &str) -> Checked<usize> {
        let found = self
            .quantities
            .get(quantity)
            .and_then(|q| q.measures.iter().position(|m| m.unit == unit));
        match found {
            Some(at) => Ok(at),
            None => refuse(row, format!("the quantity does not come in {unit}")),
        }
    }

    /// What `unit` of a call may say: the units that its first field names, else the first field's own unit; each
    /// as UCUM code or in words.
    fn call_units(
        &self,
        row: &str,
        fields: &[file::Field],
        compiled: &[Field],
    ) -> Checked<HashMap<String, Vec<usize>>> {
        let Some(main) = fields.first().zip(compiled.first()) else {
            return refuse(row, "no field");
        };
        let codes: Vec<&String> = if main.0.units.is_empty() {
            let own = self
                .quantities
                .get(main.1.quantity)
                .and_then(|q| q.measures.get(main.1.measure));
            own.map(|m| &m.unit).into_iter().collect()
        } else {
            main.0.units.iter().collect()
        };
        let mut units = HashMap::new();
        for code in codes {
            let measures = fields
                .iter()
                .zip(compiled)
                .map(|(field, c)| {
                    if field.units.contains(code) {
                        self.measure(row, c.quantity, code)
                    } else {
                        Ok(c.measure)
                    }
                })
                .collect::<Checked<Vec<_>>>()?;
            let words = self.file.units.get(code);
            let spellings = words
                .into_iter()
                .flat_map(|w| w.also.iter().chain([&w.words]))
                .chain([code]);
            for spelling in spellings {
                units.insert(spelling.to_lowercase(), measures.clone());
            }
        }
        Ok(units)
    }
}
