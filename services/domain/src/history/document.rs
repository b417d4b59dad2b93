//! A document and the way through its entries.

use std::borrow::Cow;
use std::collections::HashSet;

use super::entry::Entry;
use super::value::Value;
use crate::ids::PatientId;
use crate::json::{Fields, Raw, is_too_deep};
use crate::text::{push, push_text};

/// The form of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shape {
    /// One document a patient (or a patient and month) with a growing `data`; dates stand in the entries as
    /// `*_import_date`.
    A,
    /// As A, with `timestamp`, `device_id` and `device_type` in the entries.
    B,
    /// As B, with the device, a time or notes on top too.
    B2,
    /// As B, with device and `source` on top.
    C,
    /// `data` is one object; its time is `scan_time`.
    D,
    /// `hospital_id` instead of `patient_id`.
    E,
}

impl Shape {
    /// The stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::B2 => "B2",
            Self::C => "C",
            Self::D => "D",
            Self::E => "E",
        }
    }

    /// The shape with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::A, Self::B, Self::B2, Self::C, Self::D, Self::E]
            .into_iter()
            .find(|shape| shape.label() == label)
    }
}

/// The text is no document that could be migrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Not a JSON object, or one with a text that cannot be read.
    #[error("not a document (a JSON object)")]
    NotJson,
    /// Nested deeper than any document of a database.
    #[error("nested too deep")]
    TooDeep,
    /// Without `_id`, or with two.
    #[error("a document has one `_id`")]
    NoId,
}

/// A document of a history collection. It borrows its text: of `data`, one entry at a time is taken apart.
#[derive(Debug)]
pub struct HistoryDocument<'a> {
    /// The same for every entry: `{"collection":…,"database":…,"document":…,"document_id":…,"entry":`.
    start: String,
    /// The same for every entry: `,"shape":…}`.
    end: String,
    /// `mig|1|<database>.<collection>|<_id>|`.
    key: String,
    id: String,
    topic_key: String,
    shape: Shape,
    own: bool,
    data: Option<Raw<'a>>,
}

impl<'a> HistoryDocument<'a> {
    /// Reads the top of a document.
    ///
    /// # Errors
    /// Where the text is no document.
    pub fn read(database: &str, collection: &str, text: &'a str) -> Result<Self, DocumentError> {
        if is_too_deep(text) {
            return Err(DocumentError::TooDeep);
        }
        let fields = Fields::read(text).map_err(|_| DocumentError::NotJson)?;
        let mut top = Vec::with_capacity(fields.entries().len());
        let mut data = None;
        for (key, raw) in fields.entries() {
            if key == "data" && data.is_none() {
                data = Some(*raw);
            } else {
                let value = Value::read(*raw).map_err(|_| DocumentError::NotJson)?;
                top.push((key.clone(), value));
            }
        }
        let mut ids = top.iter().filter(|(key, _)| key == "_id");
        let (Some((_, id)), None) = (ids.next(), ids.next()) else {
            return Err(DocumentError::NoId);
        };
        let id_json = id.canonical();
        let id = id_text(id);
        let top = Value::Document(top);
        let shape = shape_of(&top, data);

        let mut start = String::with_capacity(512);
        start.push_str(r#"{"collection":"#);
        push_text(&mut start, collection);
        start.push_str(r#","database":"#);
        push_text(&mut start, database);
        start.push_str(r#","document":"#);
        top.write(&mut start);
        push!(start, r#","document_id":"#, &id_json, r#","entry":"#);
        let topic_key = patient(&top).map_or_else(|| id.clone(), |patient| patient.to_string());
        Ok(Self {
            start,
            end: format!(r#","shape":"{}"}}"#, shape.label()),
            key: format!("mig|1|{database}.{collection}|{id}|"),
            id,
            topic_key,
            shape,
            own: top.get("source").and_then(Value::text) == Some("stardust"),
            data,
        })
    }

    /// `_id` as it stands in ids: an ObjectId's hex, a text as it is, anything else in canonical Extended JSON.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The form.
    #[must_use]
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Written by this pipeline: never migrated, it would come back as another reading.
    #[must_use]
    pub const fn is_own(&self) -> bool {
        self.own
    }

    /// Key of its raw records: the patient as 24 lower-case hex digits where one can be read, else [`Self::id`].
    #[must_use]
    pub fn topic_key(&self) -> &str {
        &self.topic_key
    }

    /// The entries in order, each made when it is asked for; none of a document of our own.
    #[must_use]
    pub fn entries(&self) -> Entries<'_> {
        let rest = match self.data {
            Some(raw) if raw.is_list() => Rest::List(raw.as_str().get(1..).unwrap_or_default()),
            Some(raw) if raw.is_object() => Rest::One(raw),
            _ => Rest::End,
        };
        Entries {
            document: self,
            rest: if self.own { Rest::End } else { rest },
            index: 0,
            seen: HashSet::new(),
        }
    }
}

/// The patient that a document names, in any of the forms in which it was ever stored.
pub(super) fn patient(document: &Value<'_>) -> Option<PatientId> {
    match document.get("patient_id")? {
        Value::ObjectId(bytes) => Some(PatientId::from_bytes(*bytes)),
        Value::Text(text) => crate::registry::patient_of_text(text),
        _ => None,
    }
}

/// `_id` as it stands in ids.
pub(super) fn id_text(id: &Value<'_>) -> String {
    match id {
        Value::ObjectId(bytes) => PatientId::from_bytes(*bytes).to_string(),
        Value::Text(text) => text.clone().into_owned(),
        other => other.canonical(),
    }
}

fn shape_of(top: &Value<'_>, data: Option<Raw<'_>>) -> Shape {
    let has = |key| top.get(key).is_some_and(|value| !value.is_missing());
    if has("hospital_id") && !has("patient_id") {
        return Shape::E;
    }
    if data.is_some_and(Raw::is_object) {
        return Shape::D;
    }
    if has("device_id") && has("source") {
        return Shape::C;
    }
    if ["device_id", "device_type", "timestamp", "notes"]
        .into_iter()
        .any(has)
    {
        return Shape::B2;
    }
    let first = data
        .filter(|raw| raw.is_list())
        .and_then(|raw| raw.as_str().get(1..))
        .and_then(Raw::first_of);
    let dated = first
        .and_then(|(first, _)| first.object())
        .is_some_and(|entry| entry.sent("timestamp").is_some());
    if dated { Shape::B } else { Shape::A }
}

/// What is left of `data`.
#[derive(Debug, Clone, Copy)]
enum Rest<'a> {
    /// Behind an opening bracket, a value or a comma.
    List(&'a str),
    One(Raw<'a>),
    End,
}

/// The entries of a document.
#[derive(Debug)]
pub struct Entries<'d> {
    document: &'d HistoryDocument<'d>,
    rest: Rest<'d>,
    index: u64,
    /// Of the entries so far.
    seen: HashSet<[u8; 32]>,
}

impl<'d> Entries<'d> {
    fn next_raw(&mut self) -> Option<Raw<'d>> {
        match std::mem::replace(&mut self.rest, Rest::End) {
            Rest::End => None,
            Rest::One(raw) => Some(raw),
            Rest::List(text) => {
                let text = text.trim_start_matches([' ', '\t', '\r', '\n', ',']);
                let (raw, rest) = Raw::first_of(text)?;
                self.rest = Rest::List(rest);
                Some(raw)
            }
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let raw = self.next_raw()?;
        let entry: Cow<'_, str> = match Value::read(raw) {
            Ok(value) => value.canonical().into(),
            // A text that cannot be read: it is kept as it came, and will be refused with its reason.
            Err(_) => raw.as_str().into(),
        };
        let HistoryDocument { start, end, key, .. } = self.document;
        let index = self.index;
        self.index += 1;
        let (mut made, hash) = Entry::new(index, key, [start, &entry, end]);
        made.repeated = !self.seen.insert(hash);
        Some(made)
    }
}
