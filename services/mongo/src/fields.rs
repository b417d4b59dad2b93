//! Reads the fields of stored documents, and writes those that several kinds of documents share.

use std::str::FromStr;

use mongodb::bson::raw::{RawBsonRef, RawDocument};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Position, StoreError, Writer as Author};

use crate::error::unusable;
use crate::writer::Writer;

/// Writes who wrote a document.
pub(crate) fn write_author(fields: &mut Writer, author: &Author) {
    fields.text("receipt_id", &author.receipt_id);
    fields.document("raw");
    fields.text("topic", &author.position.topic);
    fields.int("partition", author.position.partition);
    fields.long("offset", author.position.offset);
    fields.int("item", author.position.item);
    fields.close();
}

/// A stored document under reading.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a RawDocument);

impl<'a> Fields<'a> {
    /// The field of this name; none where it is absent or null.
    pub(crate) fn get(self, name: &str) -> Result<Option<RawBsonRef<'a>>, StoreError> {
        match self.0.get(name) {
            Ok(Some(RawBsonRef::Null)) => Ok(None),
            Ok(value) => Ok(value),
            Err(_) => Err(unusable("a stored document is damaged")),
        }
    }

    fn wrong(self, name: &str) -> StoreError {
        let id = match self.0.get("_id") {
            Ok(Some(RawBsonRef::String(id))) => id.to_owned(),
            _ => "?".to_owned(),
        };
        unusable(format!(
            "the stored document {id} lacks {name}, or has it in another type"
        ))
    }

    fn need<T>(self, name: &str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.wrong(name))
    }

    pub(crate) fn text(self, name: &str) -> Result<&'a str, StoreError> {
        self.need(name, self.get(name)?.and_then(RawBsonRef::as_str))
    }

    pub(crate) fn owned(self, name: &str) -> Result<String, StoreError> {
        self.text(name).map(str::to_owned)
    }

    pub(crate) fn owned_if(self, name: &str) -> Result<Option<String>, StoreError> {
        match self.get(name)? {
            None => Ok(None),
            Some(value) => self.need(name, value.as_str()).map(|text| Some(text.to_owned())),
        }
    }

    /// A text with a meaning: an id, an address, a label.
    pub(crate) fn parsed<T: FromStr>(self, name: &str) -> Result<T, StoreError> {
        self.need(name, self.text(name)?.parse().ok())
    }

    pub(crate) fn parsed_if<T: FromStr>(self, name: &str) -> Result<Option<T>, StoreError> {
        match self.get(name)? {
            None => Ok(None),
            Some(_) => self.parsed(name).map(Some),
        }
    }

    pub(crate) fn boolean(self, name: &str) -> Result<bool, StoreError> {
        self.need(name, self.get(name)?.and_then(RawBsonRef::as_bool))
    }

    /// An integer, in whatever numeric type it was stored (shells write doubles).
    pub(crate) fn long(self, name: &str) -> Result<i64, StoreError> {
        let value = match self.get(name)? {
            Some(RawBsonRef::Int32(value)) => Some(i64::from(value)),
            Some(RawBsonRef::Int64(value)) => Some(value),
            #[allow(clippy::cast_possible_truncation)]
            Some(RawBsonRef::Double(value)) if value.fract() == 0.0 && value.abs() < 9e15 => {
                Some(value as i64)
            }
            _ => None,
        };
        self.need(name, value)
    }

    pub(crate) fn int(self, name: &str) -> Result<i32, StoreError> {
        self.need(name, i32::try_from(self.long(name)?).ok())
    }

    pub(crate) fn document(self, name: &str) -> Result<Fields<'a>, StoreError> {
        self.need(name, self.get(name)?.and_then(RawBsonRef::as_document))
            .map(Fields)
    }

    pub(crate) fn bytes(self, name: &str) -> Result<&'a [u8], StoreError> {
        self.need(
            name,
            self.get(name)?.and_then(RawBsonRef::as_binary).map(|b| b.bytes),
        )
    }

    /// An instant as `Writer::time` writes it.
    pub(crate) fn time(self, name: &str) -> Result<Timestamp, StoreError> {
        let at = self.need(name, self.get(name)?.and_then(RawBsonRef::as_datetime))?;
        let below = match self.get(&format!("{name}_us"))? {
            Some(value) => i64::from(value.as_i32().unwrap_or(0)),
            None => 0,
        };
        Ok(Timestamp::from_micros(
            Timestamp::from_millis(at.timestamp_millis())
                .micros()
                .saturating_add(below),
        ))
    }

    /// Who wrote the document. One that no receipt wrote (a copy of an older database) has an author without name,
    /// who is never the one that asks.
    pub(crate) fn author(self) -> Result<Author, StoreError> {
        if self.get("raw")?.is_none() {
            return Ok(Author {
                receipt_id: self.owned_if("receipt_id")?.unwrap_or_default(),
                position: Position {
                    topic: String::new(),
                    partition: -1,
                    offset: -1,
                    item: -1,
                },
            });
        }
        let raw = self.document("raw")?;
        Ok(Author {
            receipt_id: self.owned("receipt_id")?,
            position: Position {
                topic: raw.owned("topic")?,
                partition: raw.int("partition")?,
                offset: raw.long("offset")?,
                item: raw.int("item")?,
            },
        })
    }
}
