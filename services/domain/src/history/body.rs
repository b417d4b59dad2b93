//! The body of a raw record of a migration, taken apart again.

use super::document::{Shape, id_text, patient};
use super::value::Value;
use crate::json::{Fields, Raw, is_too_deep};

/// The parts of a body.
pub(super) struct Body<'a> {
    pub collection: &'a str,
    /// The document without `data`.
    pub document: &'a Value<'a>,
    /// Its `_id` as it stands in ids.
    pub id: String,
    pub shape: Shape,
    pub entry: &'a Value<'a>,
}

impl<'a> Body<'a> {
    /// The parts; none where one is missing.
    pub(super) fn of(value: &'a Value<'a>) -> Option<Self> {
        Some(Self {
            collection: value.get("collection")?.text()?,
            document: value.get("document")?,
            id: id_text(value.get("document_id")?),
            shape: Shape::from_label(value.get("shape")?.text()?)?,
            entry: value.get("entry")?,
        })
    }
}

/// The keys that what is said of an entry goes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Of its raw record: the patient, else the document.
    pub topic: String,
    /// Of its audit events and letters: the document.
    pub document: String,
}

/// The keys of the body of a raw record; none where it is no entry.
#[must_use]
pub fn keys_of(body: &[u8]) -> Option<Keys> {
    let value = read(body)?;
    let body = Body::of(&value)?;
    let topic = patient(body.document).map_or_else(|| body.id.clone(), |patient| patient.to_string());
    Some(Keys {
        topic,
        document: body.id,
    })
}

/// What is kept with an Observation of a migration (`raw_item`), as what it was made of: the body of its raw record, and
/// the item.
#[must_use]
pub fn kept(raw_item: &str) -> Option<(&str, i32)> {
    let fields = Fields::read(raw_item).ok()?;
    let item = fields.get("item")?.number()?.parse().ok()?;
    Some((fields.get("history")?.as_str(), item))
}

/// The database that a raw record of a migration comes from.
#[must_use]
pub fn database_of(body: &str) -> Option<String> {
    let database = Fields::read(body).ok()?.get("database")?.text()?;
    Some(database.into_owned())
}

/// The value that a body is.
pub(super) fn read(body: &[u8]) -> Option<Value<'_>> {
    let text = std::str::from_utf8(body).ok().filter(|text| !is_too_deep(text))?;
    Value::read(Raw::of_object(text)?).ok()
}
