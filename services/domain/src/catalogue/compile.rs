//! From the file to a checked catalogue.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::codes::Codes;
use super::models::Models;
use super::places::places;
use super::{Catalogue, file};
use crate::digits::Decimal;
use crate::json::Fields;
use crate::mapping::{CatalogueError, Settings};

pub(super) type Checked<T> = Result<T, CatalogueError>;

pub(super) fn refuse<T>(row: &str, reason: impl Into<String>) -> Checked<T> {
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

pub(super) fn raw<T: Serialize>(row: &str, value: &T) -> Checked<Box<RawValue>> {
    to_raw_value(value).or_else(|e| refuse(row, e.to_string()))
}

pub(super) fn decimal(row: &str, text: &str) -> Checked<Decimal> {
    Decimal::from_text(text).or_else(|_| refuse(row, format!("`{text}` is no plain decimal")))
}

pub(super) fn factor_of(row: &str, text: &str) -> Checked<Decimal> {
    let factor = decimal(row, text)?;
    if factor.compare(decimal(row, "0")?).is_gt() {
        Ok(factor)
    } else {
        refuse(row, format!("the factor `{text}` is not above 0"))
    }
}
