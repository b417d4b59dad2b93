//! Splitting a batch into messages, without copying or building them.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why a body is no batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoBatch {
    /// Not a JSON array.
    NotAnArray,
    /// More messages than allowed.
    TooMany,
}

/// The elements of a JSON array.
///
/// # Errors
/// Where it is none, or has more than `most`.
pub fn array(body: &Bytes, most: usize) -> Result<Vec<Bytes>, NoBatch> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = deserializer
        .deserialize_seq(Elements { most })
        .map_err(|_| NoBatch::NotAnArray)?;
    deserializer.end().map_err(|_| NoBatch::NotAnArray)?;
    let elements = elements.ok_or(NoBatch::TooMany)?;
    Ok(elements
        .into_iter()
        .map(|element| body.slice_ref(element.get().as_bytes()))
        .collect())
}

struct Elements {
    most: usize,
}

impl<'de> Visitor<'de> for Elements {
    /// None where there are too many.
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() < self.most {
            match seq.next_element()? {
                Some(element) => elements.push(element),
                None => return Ok(Some(elements)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok((!more).then_some(elements))
    }
}

/// The lines of NDJSON; blank ones do not count.
///
/// # Errors
/// Where there are more than `most`.
pub fn lines(body: &Bytes, most: usize) -> Result<Vec<Bytes>, NoBatch> {
    let mut found = Vec::new();
    for line in body.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        if found.len() == most {
            return Err(NoBatch::TooMany);
        }
        found.push(body.slice_ref(line));
    }
    Ok(found)
}

/// Whether a body of unknown type is an array.
#[must_use]
pub fn looks_like_an_array(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'[')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[Bytes]) -> Vec<&str> {
        parts.iter().map(|p| std::str::from_utf8(p).unwrap()).collect()
    }

    #[test]
    fn the_elements_of_an_array_come_out_byte_for_byte() {
        let body = Bytes::from_static(b" [ {\"a\": [1,\n2]} ,\"x\", 36.52999878 , null ] ");
        assert_eq!(
            texts(&array(&body, 4).unwrap()),
            ["{\"a\": [1,\n2]}", "\"x\"", "36.52999878", "null"]
        );
        assert_eq!(array(&body, 3), Err(NoBatch::TooMany));
        assert!(array(&Bytes::from_static(b"[]"), 3).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_array_is_no_batch() {
        for text in [
            "",
            "{}",
            "1",
            "[1",
            "[1] x",
            "[1,]",
            "[\"\\ud800\"",
            "nul",
            "[1]]",
        ] {
            assert_eq!(
                array(&Bytes::copy_from_slice(text.as_bytes()), 9),
                Err(NoBatch::NotAnArray),
                "{text}"
            );
        }
        assert_eq!(
            array(&Bytes::from_static(b"[\"\xff\"]"), 9),
            Err(NoBatch::NotAnArray)
        );
    }

    #[test]
    fn depth_does_not_use_the_stack() {
        let deep = format!("[{}{}]", "[".repeat(500_000), "]".repeat(500_000));
        assert_eq!(array(&Bytes::from(deep), 9).unwrap().len(), 1);
        assert_eq!(
            array(&Bytes::from("[".repeat(1_000_000)), 9),
            Err(NoBatch::NotAnArray)
        );
    }

    #[test]
    fn blank_lines_do_not_count() {
        let body = Bytes::from_static(b"\n{\"a\":1}\r\n\n  \n {} \nnot json");
        assert_eq!(texts(&lines(&body, 3).unwrap()), ["{\"a\":1}", "{}", "not json"]);
        assert_eq!(lines(&body, 2), Err(NoBatch::TooMany));
    }
}
