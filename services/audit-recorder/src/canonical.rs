//! JSON in one spelling: keys sorted, no blanks.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// A JSON object with its keys sorted and without blanks. None for anything that is not an object that every store
/// keeps as it is and every reader reads alike: no JSON, nested too deep, a number out of range, a key twice or with a
/// NUL.
pub(crate) fn canonical(json: &str) -> Option<String> {
    let node: Node<'_> = serde_json::from_str(json).ok()?;
    if !matches!(node, Node::Object(_)) {
        return None;
    }
    let mut out = String::with_capacity(json.len());
    write(&node, &mut out);
    Some(out)
}

/// A value that borrows its texts where they hold no escapes.
enum Node<'a> {
    Null,
    Truth(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Self>),
    /// Sorted by key.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Read)
    }
}

/// A key, borrowed where it holds no escapes (which `Cow` by itself does not do).
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

struct Read;

impl<'de> Visitor<'de> for Read {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node<'de>, E> {
        Ok(Node::Truth(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Node<'de>, E> {
        Number::from_f64(number)
            .map(Node::Number)
            .ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
        Ok(Node::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node<'de>, A::Error> {
        let mut fields: Vec<(Cow<'de, str>, Node<'de>)> = Vec::new();
        while let Some((Key(name), value)) = map.next_entry()? {
            if name.contains('\0') {
                return Err(serde::de::Error::custom("a NUL in a key"));
            }
            fields.push((name, value));
        }
        fields.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // Readers differ in which of the two values they take: a change could hide in the other one.
        if fields.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(serde::de::Error::custom("a key twice"));
        }
        Ok(Node::Object(fields))
    }
}

fn write(node: &Node<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    match node {
        Node::Null => out.push_str("null"),
        Node::Truth(truth) => drop(write!(out, "{truth}")),
        Node::Number(number) => drop(write!(out, "{number}")),
        Node::Text(text) => write_text(text, out),
        Node::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Node::Object(fields) => {
            out.push('{');
            for (at, (name, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    let _ = write!(out, "{}", Value::from(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_one_content() {
        let spelled = "{ \"b\" : [ 1.50, -0, 1e2, true, null, \"\\u0041\\n\" ],\r\n \"a\":{\"é\":\"é\",\"\\u00e8\":{} } }";
        assert_eq!(
            canonical(spelled).as_deref(),
            Some("{\"a\":{\"è\":{},\"é\":\"é\"},\"b\":[1.5,-0.0,100.0,true,null,\"A\\n\"]}")
        );
    }

    #[test]
    fn what_a_store_might_not_keep_has_no_canonical_form() {
        for json in [
            "{",
            "[]",
            "1",
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
