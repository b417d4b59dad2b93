//! Reading the files of `mongoexport`.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde_json::Value;

/// A file is not what `mongoexport` writes. The message names the line and the rule, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {rule}")]
pub struct ExportError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub rule: String,
}

impl ExportError {
    fn new(line: usize, rule: impl Into<String>) -> Self {
        Self {
            line,
            rule: rule.into(),
        }
    }

    fn of_json(line: usize, error: &serde_json::Error) -> Self {
        // serde_json appends its own position, which is the one within the document.
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        Self::new(
            line,
            format!(
                "not JSON ({what}, column {}); export with `mongoexport`, a document a line or --jsonArray",
                error.column()
            ),
        )
    }
}

/// All documents of an export: a document a line (or several lines each), or one array; Extended JSON.
///
/// # Errors
/// The first line that cannot be read, and why.
pub fn parse_export(bytes: &[u8]) -> Result<Vec<Value>, ExportError> {
    let mut documents = Vec::new();
    for_each_document(bytes, |document| documents.push(document))?;
    Ok(documents)
}

/// As [`parse_export`], handing over one document at a time: a large export never stands in memory as a whole.
/// Returns how many there were.
///
/// # Errors
/// The first line that cannot be read, and why. The documents before it were handed over.
pub fn for_each_document(bytes: &[u8], mut take: impl FnMut(Value)) -> Result<usize, ExportError> {
    let text = text_of(bytes)?;
    match text.trim_start().as_bytes().first() {
        None => Ok(0),
        Some(b'[') => array(text, &mut take),
        Some(_) => lines(text, &mut take),
    }
}

fn text_of(bytes: &[u8]) -> Result<&str, ExportError> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(ExportError::new(1, "UTF-16; export as UTF-8"));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
        ExportError::new(1 + newlines(good), "not UTF-8")
    })
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn lines(text: &str, take: &mut impl FnMut(Value)) -> Result<usize, ExportError> {
    let mut count = 0;
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match serde_json::from_str::<Value>(line) {
            Ok(document) if document.is_object() => take(document),
            Ok(_) => return Err(ExportError::new(at + 1, "not a document (a JSON object)")),
            // The first document goes on in the next line: `mongoexport --pretty`.
            Err(e) if e.is_eof() && count == 0 => return spread(text, take),
            Err(e) => return Err(ExportError::of_json(at + 1, &e)),
        }
        count += 1;
    }
    Ok(count)
}

fn spread(text: &str, take: &mut impl FnMut(Value)) -> Result<usize, ExportError> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut count = 0;
    while let Some(document) = stream.next() {
        match document {
            Ok(document) if document.is_object() => take(document),
            Ok(_) => {
                let read = text.as_bytes().get(..stream.byte_offset()).unwrap_or_default();
                return Err(ExportError::new(
                    1 + newlines(read),
                    "not a document (a JSON object)",
                ));
            }
            Err(e) => return Err(ExportError::of_json(e.line(), &e)),
        }
        count += 1;
    }
    Ok(count)
}

fn array(text: &str, take: &mut impl FnMut(Value)) -> Result<usize, ExportError> {
    let mut json = serde_json::Deserializer::from_str(text);
    Documents { take }
        .deserialize(&mut json)
        .and_then(|count| json.end().map(|()| count))
        .map_err(|e| {
            if e.is_data() {
                ExportError::new(e.line(), "not a document (a JSON object) in the array")
            } else {
                ExportError::of_json(e.line(), &e)
            }
        })
}

/// The elements of one array, each handed over as soon as it is read.
struct Documents<'t, T> {
    take: &'t mut T,
}

impl<'de, T: FnMut(Value)> DeserializeSeed<'de> for Documents<'_, T> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: FnMut(Value)> Visitor<'de> for Documents<'_, T> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of documents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while let Some(document) = seq.next_element::<serde_json::Map<String, Value>>()? {
            (self.take)(Value::Object(document));
            count += 1;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule_of(bytes: &[u8]) -> (usize, String) {
        let error = parse_export(bytes).unwrap_err();
        (error.line, error.rule)
    }

    #[test]
    fn a_document_a_line_one_array_and_pretty_documents_are_the_same() {
        let lines = b"{\"a\":1}\n\n{\"b\":{\"$oid\":\"x\"}}\r\n";
        let array = b" [ {\"a\":1},\n {\"b\":{\"$oid\":\"x\"}} ]\n";
        let pretty = b"{\n \"a\": 1\n}\n{\n \"b\": {\"$oid\": \"x\"}\n}\n";
        let expected = parse_export(lines).unwrap();
        assert_eq!(expected.len(), 2);
        assert_eq!(parse_export(array).unwrap(), expected);
        assert_eq!(parse_export(pretty).unwrap(), expected);
        let with_mark = [b"\xef\xbb\xbf", lines.as_slice()].concat();
        assert_eq!(parse_export(&with_mark).unwrap(), expected);
    }

    #[test]
    fn an_empty_export_has_no_documents() {
        for bytes in [b"".as_slice(), b" \n\n", b"[]", b"[ ]\n"] {
            assert!(parse_export(bytes).unwrap().is_empty());
        }
    }

    #[test]
    fn an_error_names_the_line_and_the_rule() {
        assert_eq!(rule_of(b"{\"a\":1}\n{\"a\":\n").0, 2);
        let (line, rule) = rule_of(b"{\"a\":1}\n\n{\"_id\":ObjectId(\"x\")}\n");
        assert_eq!(line, 3);
        assert!(rule.starts_with("not JSON (expected value, column 8)"), "{rule}");
        assert_eq!(
            rule_of(b"{\"a\":1}\n7\n"),
            (2, "not a document (a JSON object)".into())
        );
        assert_eq!(
            rule_of(b"[{\"a\":1},\n7]"),
            (2, "not a document (a JSON object) in the array".into())
        );
        assert_eq!(rule_of(b"[{\"a\":1},\n{\"a\":1}").0, 2);
        assert_eq!(rule_of(b"{\"a\":1}\n{\"a\":\"\xff\"}\n"), (2, "not UTF-8".into()));
        assert_eq!(rule_of(b"\xff\xfe{\0"), (1, "UTF-16; export as UTF-8".into()));
        assert_eq!(rule_of(b"{\n\"a\": 1\n}\n{\n\"a\" 1\n}\n").0, 5);
    }
}
