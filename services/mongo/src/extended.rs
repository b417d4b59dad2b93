//! Extended JSON to BSON, for documents of the main database: ids, dates and numbers as written.

use json_event_parser::{JsonEvent, SliceJsonParser};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, RawDocumentBuf};
use stardust_pipeline::store::StoreError;

use crate::error::refused;
use crate::json::next;
use crate::writer::{Key, Writer};

/// A document and its `_id`, which is kept out of it.
pub(crate) fn document(json: &str) -> Result<(ObjectId, RawDocumentBuf), StoreError> {
    let mut reader = Reader {
        parser: SliceJsonParser::new(json.as_bytes()),
        depth: 0,
    };
    let mut writer = Writer::with_capacity(json.len() + 64);
    let mut id = None;
    if reader.next()? != JsonEvent::StartObject {
        return Err(refused("a legacy document that is no JSON object"));
    }
    loop {
        match reader.next()? {
            JsonEvent::ObjectKey(name) if name == "_id" => id = Some(reader.id()?),
            JsonEvent::ObjectKey(name) => {
                // In an update a point in a name is a path.
                if name.contains('.') {
                    return Err(refused("a legacy document with a point in a field name"));
                }
                let name = checked(&name)?;
                let event = reader.next()?;
                reader.value(&mut writer, Key::Name(name), event)?;
            }
            _ => break,
        }
    }
    if reader.next()? != JsonEvent::Eof {
        return Err(refused("a legacy document with something behind it"));
    }
    let id = id.ok_or_else(|| refused("a legacy document without _id"))?;
    Ok((id, writer.finish()?))
}

fn checked(name: &str) -> Result<&str, StoreError> {
    if name.contains('\0') || name.starts_with('$') {
        return Err(refused(
            "a legacy document with a field name that cannot be stored",
        ));
    }
    Ok(name)
}

struct Reader<'a> {
    parser: SliceJsonParser<'a>,
    depth: u32,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<JsonEvent<'a>, StoreError> {
        next(&mut self.parser)
    }

    fn value(&mut self, writer: &mut Writer, key: Key<'_>, event: JsonEvent<'a>) -> Result<(), StoreError> {
        match event {
            JsonEvent::String(text) => writer.text(key, &text),
            JsonEvent::Number(number) => write_number(writer, key, &number)?,
            JsonEvent::Boolean(value) => writer.boolean(key, value),
            JsonEvent::Null => writer.null(key),
            JsonEvent::StartArray => {
                self.deeper()?;
                writer.array(key);
                let mut index = 0;
                loop {
                    match self.next()? {
                        JsonEvent::EndArray => break,
                        event => self.value(writer, Key::Index(index), event)?,
                    }
                    index += 1;
                }
                writer.close();
                self.depth -= 1;
            }
            JsonEvent::StartObject => {
                self.deeper()?;
                match self.next()? {
                    JsonEvent::ObjectKey(name) if name.starts_with('$') => {
                        self.wrapped(writer, key, &name)?;
                    }
                    first => self.members(writer, key, first)?,
                }
                self.depth -= 1;
            }
            _ => return Err(refused("a legacy document that ends too early")),
        }
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), StoreError> {
        self.depth += 1;
        if self.depth > 90 {
            return Err(refused("a legacy document that is nested too deep"));
        }
        Ok(())
    }

    fn members(
        &mut self,
        writer: &mut Writer,
        key: Key<'_>,
        mut event: JsonEvent<'a>,
    ) -> Result<(), StoreError> {
        writer.document(key);
        while let JsonEvent::ObjectKey(name) = event {
            let value = self.next()?;
            self.value(writer, Key::Name(checked(&name)?), value)?;
            event = self.next()?;
        }
        writer.close();
        Ok(())
    }

    /// `{"$oid": …}` and its like, after the name; takes the closing brace.
    fn wrapped(&mut self, writer: &mut Writer, key: Key<'_>, name: &str) -> Result<(), StoreError> {
        let unreadable = || refused("a legacy document with a value that cannot be read");
        match (name, self.next()?) {
            ("$oid", JsonEvent::String(text)) => {
                writer.object_id(key, ObjectId::parse_str(&*text).map_err(|_| unreadable())?);
            }
            ("$date", JsonEvent::String(text)) => {
                let at = DateTime::parse_rfc3339_str(&*text).map_err(|_| unreadable())?;
                writer.date(key, at.timestamp_millis());
            }
            ("$date", JsonEvent::StartObject) => {
                let millis = match (self.next()?, self.next()?, self.next()?) {
                    (JsonEvent::ObjectKey(name), JsonEvent::String(text), JsonEvent::EndObject)
                        if name == "$numberLong" =>
                    {
                        text.parse().map_err(|_| unreadable())?
                    }
                    _ => return Err(unreadable()),
                };
                writer.date(key, millis);
            }
            ("$numberInt", JsonEvent::String(text)) => {
                writer.int(key, text.parse().map_err(|_| unreadable())?);
            }
            ("$numberLong", JsonEvent::String(text)) => {
                writer.long(key, text.parse().map_err(|_| unreadable())?);
            }
            ("$numberDouble", JsonEvent::String(text)) => {
                writer.double(key, text.parse().map_err(|_| unreadable())?);
            }
            ("$numberDecimal", JsonEvent::String(text)) => {
                let value: mongodb::bson::Decimal128 = text.parse().map_err(|_| unreadable())?;
                writer.decimal(key, value.bytes());
            }
            _ => return Err(unreadable()),
        }
        match self.next()? {
            JsonEvent::EndObject => Ok(()),
            _ => Err(unreadable()),
        }
    }

    /// The value of `_id`.
    fn id(&mut self) -> Result<ObjectId, StoreError> {
        let unreadable = || refused("a legacy document whose _id is no ObjectId");
        match (self.next()?, self.next()?, self.next()?, self.next()?) {
            (
                JsonEvent::StartObject,
                JsonEvent::ObjectKey(name),
                JsonEvent::String(text),
                JsonEvent::EndObject,
            ) if name == "$oid" => ObjectId::parse_str(&*text).map_err(|_| unreadable()),
            _ => Err(unreadable()),
        }
    }
}

/// A number with a point or an exponent is a double, any other the smallest integer that holds it.
fn write_number(writer: &mut Writer, key: Key<'_>, number: &str) -> Result<(), StoreError> {
    if !number.contains(['.', 'e', 'E']) {
        if let Ok(value) = number.parse() {
            writer.int(key, value);
            return Ok(());
        }
        if let Ok(value) = number.parse() {
            writer.long(key, value);
            return Ok(());
        }
    }
    let value = number
        .parse()
        .map_err(|_| refused("a legacy document with a number that cannot be read"))?;
    writer.double(key, value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use mongodb::bson::{Document, doc};

    const READING: &str = r#"{"_id":{"$oid":"5b99101dda84585aaa23dbf9"},"patient_id":{"$oid":"65a000000000000000000001"},"data":[{"weight":71.4,"resistance":512.0,"timestamp":{"$date":"2028-03-17T10:00:01Z"},"pulse":84,"note":"ä\"b"}],"timestamp":{"$date":{"$numberLong":"-1"}},"big":{"$numberLong":"5"},"none":null,"empty":{},"list":[],"yes":true}"#;

    #[test]
    fn ids_dates_and_numbers_keep_their_types() {
        let (id, fields) = document(READING).unwrap();
        assert_eq!(id.to_hex(), "5b99101dda84585aaa23dbf9");
        let at = |text: &str| DateTime::parse_rfc3339_str(text).unwrap();
        let expected = doc! {
            "patient_id": ObjectId::parse_str("65a000000000000000000001").unwrap(),
            "data": [{"weight": 71.4, "resistance": 512.0, "timestamp": at("2028-03-17T10:00:01Z"), "pulse": 84_i32, "note": "ä\"b"}],
            "timestamp": DateTime::from_millis(-1), "big": 5_i64, "none": null, "empty": {}, "list": [], "yes": true,
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
