//! Extended JSON to BSON, for documents of the main database: ids, dates and numbers as written.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, RawDocumentBuf};
use stardust_pipeline::store::StoreError;

use crate::error::refused;
use crate::scanner::{MOST_DEPTH, Scanner};
use crate::writer::{Key, Writer};

/// A document and its `_id`, which is kept out of it.
pub(crate) fn document(json: &str) -> Result<(ObjectId, RawDocumentBuf), StoreError> {
    let mut scanner = Scanner::new(json);
    let mut writer = Writer::with_capacity(json.len() + 64);
    let mut id = None;
    scanner.take(b'{')?;
    let mut first = true;
    while scanner.follows(&mut first, b'}')? {
        let name = scanner.name()?;
        if name == "_id" {
            id = Some(object_id(&mut scanner)?);
        } else if name.contains('.') || name.starts_with('$') {
            // In an update a point in a name is a path.
            return Err(refused(
                "a legacy document with a field name that cannot be stored",
            ));
        } else {
            value(&mut scanner, &mut writer, Key::Name(&name), 0)?;
        }
    }
    scanner.end()?;
    let id = id.ok_or_else(|| refused("a legacy document without _id"))?;
    Ok((id, writer.finish()?))
}

fn unreadable() -> StoreError {
    refused("a legacy document with a value that cannot be read")
}

fn value(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    depth: usize,
) -> Result<(), StoreError> {
    if depth > MOST_DEPTH {
        return Err(refused("a legacy document that is nested too deep"));
    }
    match scanner.peek()? {
        b'{' => object(scanner, writer, key, depth + 1)?,
        b'[' => {
            scanner.take(b'[')?;
            writer.array(key);
            let mut first = true;
            let mut index = 0;
            while scanner.follows(&mut first, b']')? {
                value(scanner, writer, Key::Index(index), depth + 1)?;
                index += 1;
            }
            writer.close();
        }
        b'"' => writer.text(key, &scanner.string()?),
        b't' => {
            scanner.literal("true")?;
            writer.boolean(key, true);
        }
        b'f' => {
            scanner.literal("false")?;
            writer.boolean(key, false);
        }
        b'n' => {
            scanner.literal("null")?;
            writer.null(key);
        }
        _ => write_number(writer, key, scanner.number()?)?,
    }
    Ok(())
}

/// A document, or a value that is written like one: `{"$oid": …}`.
fn object(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    depth: usize,
) -> Result<(), StoreError> {
    scanner.take(b'{')?;
    let mut opened = false;
    let mut first = true;
    while scanner.follows(&mut first, b'}')? {
        let name = scanner.name()?;
        if name.starts_with('$') {
            if opened {
                return Err(unreadable());
            }
            wrapped(scanner, writer, key, &name)?;
            return scanner.take(b'}');
        }
        if !opened {
            writer.document(key);
            opened = true;
        }
        value(scanner, writer, Key::Name(&name), depth)?;
    }
    if !opened {
        writer.document(key);
    }
    writer.close();
    Ok(())
}

/// The value behind the name of a type.
fn wrapped(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    name: &str,
) -> Result<(), StoreError> {
    if name == "$date" && scanner.peek()? == b'{' {
        scanner.take(b'{')?;
        if scanner.name()? != "$numberLong" {
            return Err(unreadable());
        }
        writer.date(key, scanner.string()?.parse().map_err(|_| unreadable())?);
        return scanner.take(b'}');
    }
    let text = scanner.string()?;
    match name {
        "$oid" => writer.object_id(key, ObjectId::parse_str(&*text).map_err(|_| unreadable())?),
        "$date" => {
            let at = DateTime::parse_rfc3339_str(&*text).map_err(|_| unreadable())?;
            writer.date(key, at.timestamp_millis());
        }
        "$numberInt" => writer.int(key, text.parse().map_err(|_| unreadable())?),
        "$numberLong" => writer.long(key, text.parse().map_err(|_| unreadable())?),
        "$numberDouble" => writer.double(key, text.parse().map_err(|_| unreadable())?),
        "$numberDecimal" => {
            let value: mongodb::bson::Decimal128 = text.parse().map_err(|_| unreadable())?;
            writer.decimal(key, value.bytes());
        }
        _ => return Err(unreadable()),
    }
    Ok(())
}

/// The value of `_id`.
fn object_id(scanner: &mut Scanner<'_>) -> Result<ObjectId, StoreError> {
    let unreadable = || refused("a legacy document whose _id is no ObjectId");
    scanner.take(b'{').map_err(|_| unreadable())?;
    if scanner.name()? != "$oid" {
        return Err(unreadable());
    }
    let id = ObjectId::parse_str(&*scanner.string()?).map_err(|_| unreadable())?;
    scanner.take(b'}')?;
    Ok(id)
}

/// A number with a point or an exponent is a double, any other the smallest integer that holds it.
fn write_number(writer: &mut Writer, key: Key<'_>, number: &str) -> Result<(), StoreError> {
    if !number.contains(['.', 'e', 'E']) {
        if let Ok(value) = serde_json::from_str(number) {
            writer.int(key, value);
            return Ok(());
        }
        if let Ok(value) = serde_json::from_str(number) {
            writer.long(key, value);
            return Ok(());
        }
    }
    let value: f64 = serde_json::from_str(number)
        .map_err(|_| refused("a legacy document with a number that cannot be read"))?;
    writer.double(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use mongodb::bson::{Document, doc};

    const READING: &str = r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"patient_id":{"$oid":"65a000000000000000000001"},"data":[{"weight":71.4,"resistance":512.0,"timestamp":{"$date":"2028-03-17T10:00:01Z"},"pulse":84,"note":"ä\"b"}],"timestamp":{"$date":{"$numberLong":"-1"}},"big":{"$numberLong":"5"},"none":null,"empty":{},"list":[],"yes":true,"tenths":{"$date":"2026-03-01T00:00:00.800Z"},"hundredths":{"$date":"2026-03-01T00:00:00.850Z"},"thousandths":{"$date":"2026-03-01T00:00:00.123Z"}}"#;

    #[test]
    fn ids_dates_and_numbers_keep_their_types() {
        let (id, fields) = document(READING).unwrap();
        assert_eq!(id.to_hex(), "5b99101dda84585aaa23dbf9");
        let at = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
        let expected = doc! {
            "patient_id": ObjectId::parse_str("65a000000000000000000001").unwrap(),
            "data": [{"weight": 71.4, "resistance": 512.0, "timestamp": at("2028-03-17T10:00:01Z"), "pulse": 84_i32, "note": "ä\"b"}],
            "timestamp": DateTime::from_millis(-1), "big": 5_i64, "none": null, "empty": {}, "list": [], "yes": true,
            "tenths": at("2026-03-01T00:00:00.8Z"), "hundredths": at("2026-03-01T00:00:00.85Z"),
            "thousandths": at("2026-03-01T00:00:00.123Z"),
        };
        assert_eq!(Document::try_from(&fields).unwrap(), expected);
    }

    #[test]
    fn it_is_written_back_as_relaxed_extended_json() {
        let (_, fields) = document(READING).unwrap();
        let text: serde_json::Value = serde_json::from_str(&text::extended(&fields).unwrap()).unwrap();
        let mut expected: serde_json::Value = serde_json::from_str(READING).unwrap();
        expected.as_object_mut().unwrap().remove("_id");
        expected["big"] = 5.into();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_document_that_cannot_be_read_is_refused() {
        for json in [
            "",
            "[]",
            "{}",
            r#"{"_id":"5b99101dda84585aaa23dbf9"}"#,
            r#"{"_id":{"$oid":"5b"}}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a":{"$date":"yesterday"}}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"$set":1}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a.b":1}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a":{"b":1,"$oid":"x"}}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a":{"$code":"x"}}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a":01}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"a":NaN}"#,
            r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"}} {}"#,
        ] {
            assert!(matches!(document(json), Err(StoreError::Refused(_))), "{json}");
        }
        let deep = format!(
            r#"{{"_id":{{"$oid":"5b99101dda84585aaa23dbf9"}},"a":{}1{}}}"#,
            "[".repeat(5_000),
            "]".repeat(5_000)
        );
        assert!(matches!(document(&deep), Err(StoreError::Refused(_))));
    }
}
