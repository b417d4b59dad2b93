//! BSON back to JSON text.

use base64::prelude::{BASE64_STANDARD, Engine};
use mongodb::bson::raw::{RawArray, RawBsonRef, RawDocument};
use stardust_pipeline::store::StoreError;

use crate::decimal;
use crate::error::unusable;

/// How values without a form of their own in JSON are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A FHIR resource: decimals are numbers.
    Resource,
    /// Relaxed Extended JSON.
    Extended,
    /// Extended JSON that keeps the kind of every value, and is shorter than the canonical one.
    Exact,
}

/// A FHIR resource as compact JSON, decimals with their digits.
pub(crate) fn resource(document: &RawDocument) -> Result<String, StoreError> {
    write(document, Form::Resource)
}

/// A document as relaxed Extended JSON.
pub(crate) fn extended(document: &RawDocument) -> Result<String, StoreError> {
    write(document, Form::Extended)
}

/// A document as Extended JSON with the kind of every value: a small `long` stays one.
pub(crate) fn exact(document: &RawDocument) -> Result<String, StoreError> {
    write(document, Form::Exact)
}

/// A value in the same form.
pub(crate) fn exact_value(value: RawBsonRef<'_>) -> Result<String, StoreError> {
    let mut out = String::new();
    write_value(&mut out, value, Form::Exact)?;
    Ok(out)
}

fn write(document: &RawDocument, form: Form) -> Result<String, StoreError> {
    let mut out = String::with_capacity(document.as_bytes().len());
    write_document(&mut out, document, form)?;
    Ok(out)
}

fn damaged() -> StoreError {
    unusable("a stored document is damaged")
}

fn write_document(out: &mut String, document: &RawDocument, form: Form) -> Result<(), StoreError> {
    out.push('{');
    for (at, element) in document.iter().enumerate() {
        let (key, value) = element.map_err(|_| damaged())?;
        if at > 0 {
            out.push(',');
        }
        write_text(out, key.as_str());
        out.push(':');
        write_value(out, value, form)?;
    }
    out.push('}');
    Ok(())
}

fn write_array(out: &mut String, array: &RawArray, form: Form) -> Result<(), StoreError> {
    out.push('[');
    for (at, value) in array.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_value(out, value.map_err(|_| damaged())?, form)?;
    }
    out.push(']');
    Ok(())
}

fn write_value(out: &mut String, value: RawBsonRef<'_>, form: Form) -> Result<(), StoreError> {
    match value {
        RawBsonRef::String(text) => write_text(out, text),
        RawBsonRef::Document(document) => write_document(out, document, form)?,
        RawBsonRef::Array(array) => write_array(out, array, form)?,
        RawBsonRef::Decimal128(number) if form == Form::Resource => {
            if !decimal::write_plain(number.bytes(), out) {
                return Err(damaged());
            }
        }
        RawBsonRef::Boolean(true) => out.push_str("true"),
        RawBsonRef::Boolean(false) => out.push_str("false"),
        RawBsonRef::Null => out.push_str("null"),
        RawBsonRef::Int32(number) => out.push_str(&number.to_string()),
        RawBsonRef::Int64(number) if form == Form::Exact => {
            wrapped(out, "$numberLong", &number.to_string());
        }
        RawBsonRef::Int64(number) => out.push_str(&number.to_string()),
        // The debug form of a double has its shortest digits and always a point or an exponent.
        RawBsonRef::Double(number) if number.is_finite() => out.push_str(&format!("{number:?}")),
        RawBsonRef::Double(number) => wrapped(
            out,
            "$numberDouble",
            if number.is_nan() {
                "NaN"
            } else if number > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            },
        ),
        RawBsonRef::Decimal128(number) => wrapped(out, "$numberDecimal", &number.to_string()),
        RawBsonRef::ObjectId(id) => wrapped(out, "$oid", &id.to_hex()),
        RawBsonRef::DateTime(at) => match at.try_to_rfc3339_string() {
            Ok(text) if form != Form::Exact && (0..253_402_300_800_000).contains(&at.timestamp_millis()) => {
                wrapped(out, "$date", &in_milliseconds(text));
            }
            _ => {
                out.push_str("{\"$date\":");
                wrapped(out, "$numberLong", &at.timestamp_millis().to_string());
                out.push('}');
            }
        },
        RawBsonRef::Binary(binary) if form == Form::Exact => {
            out.push_str("{\"$binary\":{\"base64\":");
            write_text(out, &BASE64_STANDARD.encode(binary.bytes));
            out.push_str(&format!(",\"subType\":\"{:02x}\"}}}}", u8::from(binary.subtype)));
        }
        // Rarer types: as the driver writes them.
        other if form == Form::Exact => {
            let owned = mongodb::bson::Bson::try_from(other).map_err(|_| damaged())?;
            out.push_str(&serde_json::to_string(&owned).map_err(|_| damaged())?);
        }
        other => {
            let owned = mongodb::bson::Bson::try_from(other).map_err(|_| damaged())?;
            out.push_str(&owned.to_string());
        }
    }
    Ok(())
}

/// The driver drops zeros at the end of a fraction; Extended JSON has three digits or none.
fn in_milliseconds(mut text: String) -> String {
    if let Some(point) = text.find('.') {
        let end = text.len() - 1;
        text.insert_str(end, &"00"[..(point + 4).saturating_sub(end).min(2)]);
    }
    text
}

fn wrapped(out: &mut String, name: &str, text: &str) {
    out.push_str("{\"");
    out.push_str(name);
    out.push_str("\":");
    write_text(out, text);
    out.push('}');
}

/// A JSON string with the shortest escapes.
pub(crate) fn write_text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if short.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(short);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
