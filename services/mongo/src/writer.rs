//! Writes BSON straight into one buffer.
//!
//! `RawDocumentBuf` of the driver takes nested documents as finished buffers and copies each into the next; here a
//! nested document is opened and closed in place.

use mongodb::bson::RawDocumentBuf;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::spec::ElementType;
use stardust_domain::time::Timestamp;

use crate::error::refused;
use stardust_pipeline::store::StoreError;

/// The name of an element.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'a> {
    /// In a document.
    Name(&'a str),
    /// In an array.
    Index(usize),
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name)
    }
}

/// A document under construction.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    open: Vec<usize>,
}

impl Writer {
    /// An empty document with room for about so many bytes.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        let mut writer = Self {
            bytes: Vec::with_capacity(bytes),
            open: Vec::with_capacity(16),
        };
        writer.start();
        writer
    }

    fn start(&mut self) {
        self.open.push(self.bytes.len());
        self.bytes.extend_from_slice(&[0; 4]);
    }

    fn element<'a>(&mut self, kind: ElementType, key: impl Into<Key<'a>>) {
        self.bytes.push(kind as u8);
        match key.into() {
            // A name ends at its first NUL: those of a JSON text are checked before they come here.
            Key::Name(name) => self.bytes.extend_from_slice(name.as_bytes()),
            Key::Index(index) if index < 10 => self.bytes.push(b'0' + u8::try_from(index).unwrap_or(0)),
            Key::Index(index) => self.bytes.extend_from_slice(index.to_string().as_bytes()),
        }
        self.bytes.push(0);
    }

    fn length(&mut self, length: usize) {
        // Nothing that reaches a server is near this bound; what is, is refused by its size.
        let length = i32::try_from(length).unwrap_or(i32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
    }

    /// Opens a nested document.
    pub(crate) fn document<'a>(&mut self, key: impl Into<Key<'a>>) {
        self.element(ElementType::EmbeddedDocument, key);
        self.start();
    }

    /// Opens an array.
    pub(crate) fn array<'a>(&mut self, key: impl Into<Key<'a>>) {
        self.element(ElementType::Array, key);
        self.start();
    }

    /// Closes the innermost document or array.
    pub(crate) fn close(&mut self) {
        self.bytes.push(0);
        if let Some(start) = self.open.pop() {
            let length = i32::try_from(self.bytes.len() - start).unwrap_or(i32::MAX);
            self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        }
    }

    /// A finished document as an element.
    pub(crate) fn raw<'a>(&mut self, key: impl Into<Key<'a>>, document: &RawDocumentBuf) {
        self.element(ElementType::EmbeddedDocument, key);
        self.bytes.extend_from_slice(document.as_bytes());
    }

    /// A text.
    pub(crate) fn text<'a>(&mut self, key: impl Into<Key<'a>>, text: &str) {
        self.element(ElementType::String, key);
        self.length(text.len() + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// A text, or nothing.
    pub(crate) fn text_if<'a>(&mut self, key: impl Into<Key<'a>>, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Anything that displays, as text; or nothing.
    pub(crate) fn display_if<'a>(&mut self, key: impl Into<Key<'a>>, value: Option<impl std::fmt::Display>) {
        if let Some(value) = value {
            self.text(key, &value.to_string());
        }
    }

    /// A Decimal128.
    pub(crate) fn decimal<'a>(&mut self, key: impl Into<Key<'a>>, bytes: [u8; 16]) {
        self.element(ElementType::Decimal128, key);
        self.bytes.extend_from_slice(&bytes);
    }

    /// A double.
    pub(crate) fn double<'a>(&mut self, key: impl Into<Key<'a>>, value: f64) {
        self.element(ElementType::Double, key);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A 32-bit integer.
    pub(crate) fn int<'a>(&mut self, key: impl Into<Key<'a>>, value: i32) {
        self.element(ElementType::Int32, key);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A 64-bit integer.
    pub(crate) fn long<'a>(&mut self, key: impl Into<Key<'a>>, value: i64) {
        self.element(ElementType::Int64, key);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// A truth value.
    pub(crate) fn boolean<'a>(&mut self, key: impl Into<Key<'a>>, value: bool) {
        self.element(ElementType::Boolean, key);
        self.bytes.push(u8::from(value));
    }

    /// Null.
    pub(crate) fn null<'a>(&mut self, key: impl Into<Key<'a>>) {
        self.element(ElementType::Null, key);
    }

    /// An ObjectId.
    pub(crate) fn object_id<'a>(&mut self, key: impl Into<Key<'a>>, id: ObjectId) {
        self.element(ElementType::ObjectId, key);
        self.bytes.extend_from_slice(&id.bytes());
    }

    /// Milliseconds since the epoch, as a date.
    pub(crate) fn date<'a>(&mut self, key: impl Into<Key<'a>>, millis: i64) {
        self.element(ElementType::DateTime, key);
        self.bytes.extend_from_slice(&millis.to_le_bytes());
    }

    /// Bytes.
    pub(crate) fn binary<'a>(&mut self, key: impl Into<Key<'a>>, bytes: &[u8]) {
        self.element(ElementType::Binary, key);
        self.length(bytes.len());
        self.bytes.push(0);
        self.bytes.extend_from_slice(bytes);
    }

    /// An instant as a date; what a date cannot hold (the microseconds) stands in `<name>_us`, where there is any.
    pub(crate) fn time(&mut self, name: &str, at: Timestamp) {
        self.date(name, at.millis());
        let below = i32::try_from(at.micros().rem_euclid(1_000)).unwrap_or(0);
        if below != 0 {
            self.int(format!("{name}_us").as_str(), below);
        }
    }

    /// The finished document.
    pub(crate) fn finish(mut self) -> Result<RawDocumentBuf, StoreError> {
        while !self.open.is_empty() {
            self.close();
        }
        RawDocumentBuf::from_bytes(self.bytes).map_err(|_| refused("a document that cannot be written"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::{DateTime, Document, doc};

    #[test]
    fn what_is_written_is_what_the_driver_reads() {
        let id = ObjectId::from_bytes([7; 12]);
        let mut writer = Writer::with_capacity(0);
        writer.text("text", "ä\0b");
        writer.document("nested");
        writer.array("list");
        for index in 0..12 {
            writer.int(Key::Index(index), 1);
        }
        writer.close();
        writer.boolean("yes", true);
        writer.close();
        writer.double("double", 36.6);
        writer.long("long", -5);
        writer.object_id("id", id);
        writer.null("null");
        writer.time("at", Timestamp::from_micros(1_500));
        writer.time("before", Timestamp::from_micros(-1));
        let read = Document::try_from(&writer.finish().unwrap()).unwrap();
        let expected = doc! {
            "text": "ä\0b", "nested": {"list": vec![1; 12], "yes": true}, "double": 36.6, "long": -5_i64,
            "id": id, "null": null, "at": DateTime::from_millis(1), "at_us": 500,
            "before": DateTime::from_millis(-1), "before_us": 999,
        };
        assert_eq!(read, expected);
    }
}
