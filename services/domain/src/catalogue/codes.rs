//! Rows, quantities, measures and markers: what codes them, and whether the codes agree with the units.

use serde::Serialize;

use super::compile::{Checked, decimal, factor_of, raw, refuse};
use super::units::{check_digit_holds, dimension, dimensions};
use super::{Category, Code, Conversion, Limits, Marker, Measure, OffScale, Quantity, Row, file};
use crate::fhir::{CodeableConcept, Coding, Unit, systems};

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

/// The code tables of the file.
pub(super) struct Codes<'f> {
    pub file: &'f file::File,
    /// System of our own codes.
    pub own: String,
}

impl Codes<'_> {
    /// Checks the tables that the rows refer to.
    pub(super) fn check(&self) -> Checked<()> {
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

    pub(super) fn markers(&self) -> Checked<Vec<Marker>> {
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
                    name: marker.name.clone(),
                    component,
                    dtx_type: marker.dtx_type,
                })
            })
            .collect()
    }

    pub(super) fn rows(&self) -> Checked<(Vec<Row>, Vec<Quantity>)> {
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
