//! JSON in one spelling: keys sorted, no blanks.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Serialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON object with its keys sorted and without blanks. None for anything that is not an object that every store
/// keeps as it is and every reader reads alike: no JSON, nested too deep, a number out of range, a key twice or with a
/// NUL.
pub(crate) fn canonical(json: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(json.len());
    let mut json = serde_json::Deserializer::from_str(json);
    Spell(&mut out).deserialize(&mut json).ok()?;
    json.end().ok()?;
    out.starts_with(b"{").then_some(out)
}

/// Writes a value behind what is there, while it is read.
struct Spell<'o>(&'o mut Vec<u8>);

impl Spell<'_> {
    /// A text or a number; what is no JSON is an error.
    fn leaf<E: Error>(self, value: impl Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Spell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A key, borrowed where it holds no escapes (which `Cow` by itself does not do).
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Visitor<'de> for Spell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf(())
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<(), E> {
        self.leaf(truth)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.leaf(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.leaf(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        // It would be written as null.
        if !number.is_finite() {
            return Err(E::custom("a number out of range"));
        }
        self.leaf(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.leaf(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let out = self.0;
        out.push(b'[');
        let start = out.len();
        while seq.next_element_seed(Spell(out))?.is_some() {
            out.push(b',');
        }
        end(out, start, b']');
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let out = self.0;
        out.push(b'{');
        let start = out.len();
        // Each with its comma.
        let mut fields: Vec<(Cow<'de, str>, Range<usize>)> = Vec::with_capacity(8);
        while let Some(Key(name)) = map.next_key()? {
            if name.contains('\0') {
                return Err(A::Error::custom("a NUL in a key"));
            }
            let from = out.len();
            Spell(out).leaf::<A::Error>(&name)?;
            out.push(b':');
            map.next_value_seed(Spell(out))?;
            out.push(b',');
            fields.push((name, from - start..out.len() - start));
        }
        if !fields.is_sorted_by(|(a, _), (b, _)| a < b) {
            fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
            // Readers differ in which of the two values they take: a change could hide in the other one.
            if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                return Err(A::Error::custom("a key twice"));
            }
            let as_read = out.split_off(start);
            for (_, field) in fields {
                out.extend_from_slice(&as_read[field]);
            }
        }
        end(out, start, b'}');
        Ok(())
    }
}

/// Ends a list or an object that begins there: instead of the last comma, where it is not empty.
fn end(out: &mut Vec<u8>, start: usize, bracket: u8) {
    if out.len() > start {
        out.pop();
    }
    out.push(bracket);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_one_content() {
        let spelled = "{ \"b\" : [ 1.50, -0, 1e2, true, null, \"\\u0041\\n\" ],\r\n \"a\":{\"é\":\"é\",\"\\u00e8\":{} } }";
        assert_eq!(
            canonical(spelled)
                .map(|bytes| String::from_utf8(bytes).unwrap())
                .as_deref(),
            Some("{\"a\":{\"è\":{},\"é\":\"é\"},\"b\":[1.5,-0.0,100.0,true,null,\"A\\n\"]}")
        );
    }

    #[test]
    fn what_a_store_might_not_keep_has_no_canonical_form() {
        for json in [
            "{",
            "[]",
            "1",
            "null",
            "\"{\"",
            "{} {}",
            r#"{"a":1,}"#,
            r#"{"b":1,"a":2,"b":3}"#,
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a\u0000":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"b":1,"a":1}}"#,
            &format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200)),
        ] {
            assert_eq!(canonical(json), None, "{json}");
        }
    }
}
