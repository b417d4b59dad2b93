//! Attributes of gateways and types of calls: which field is which quantity.

use std::collections::{BTreeMap, HashMap};

use super::compile::{Checked, decimal, refuse};
use super::{Field, Model, Place, Quantity, file};
use crate::registry::DeviceKind;
use crate::text::quoted;

/// The tables that models refer to.
pub(super) struct Models<'f> {
    pub file: &'f file::File,
    pub places: &'f BTreeMap<String, Place>,
    pub quantities: &'f [Quantity],
}

impl Models<'_> {
    pub(super) fn attribute(&self, attribute: &file::Attribute) -> Checked<Model> {
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

    pub(super) fn call(&self, call: &file::Call) -> Checked<Model> {
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
