//! Where a reading stands in the legacy database.

use std::collections::BTreeMap;

use super::compile::{Checked, refuse};
use super::{Entry, Form, Place, Quantity, file};
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

pub(super) fn places(file: &file::File, quantities: &[Quantity]) -> Checked<BTreeMap<String, Place>> {
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
