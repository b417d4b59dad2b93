//! A FHIR resource from JSON text to BSON: numbers become Decimal128 with their digits.

use std::borrow::Cow;

use json_event_parser::{JsonEvent, SliceJsonParser};
use stardust_pipeline::store::StoreError;

use crate::decimal;
use crate::error::refused;
use crate::writer::{Key, Writer};

/// Servers refuse documents that are nested deeper than 100; the wrapper and the command take some.
const MOST_DEPTH: usize = 90;

/// Writes the resource as the element `name`. True where [`crate::text::resource`] gives the same text back.
///
/// It does for compact text with minimal escapes and plain numbers: no spelling is shorter, so the lengths decide.
pub(crate) fn resource(writer: &mut Writer, name: &str, json: &str) -> Result<bool, StoreError> {
    let mut parser = SliceJsonParser::new(json.as_bytes());
    if next(&mut parser)? != JsonEvent::StartObject {
        return Err(refused("a resource that is no JSON object"));
    }
    writer.document(name);
    let mut frames = vec![Frame::document()];
    let mut name = Cow::Borrowed("");
    let mut length = 2_usize;
    let mut minimal = true;
    while let Some(frame) = frames.last_mut() {
        let event = next(&mut parser)?;
        match event {
            JsonEvent::ObjectKey(text) => {
                if text.contains('\0') {
                    return Err(refused("a resource with a field name that cannot be stored"));
                }
                length += text_length(&text, &mut minimal) + 1 + usize::from(frame.count > 0);
                frame.count += 1;
                name = text;
                continue;
            }
            JsonEvent::EndObject | JsonEvent::EndArray => {
                writer.close();
                frames.pop();
                continue;
            }
            JsonEvent::Eof => return Err(refused("a resource that ends too early")),
            _ => {}
        }
        let key = if frame.array {
            length += usize::from(frame.count > 0);
            frame.count += 1;
            Key::Index(frame.count - 1)
        } else {
            Key::Name(&name)
        };
        match event {
            JsonEvent::StartObject => {
                length += 2;
                writer.document(key);
                frames.push(Frame::document());
            }
            JsonEvent::StartArray => {
                length += 2;
                writer.array(key);
                frames.push(Frame::array());
            }
            JsonEvent::String(text) => {
                length += text_length(&text, &mut minimal);
                writer.text(key, &text);
            }
            JsonEvent::Number(number) => {
                length += number.len();
                minimal &= !number.contains(['e', 'E']);
                let digits = decimal::encode(&number)
                    .ok_or_else(|| refused("a number with more digits than a decimal can hold"))?;
                writer.decimal(key, digits);
            }
            JsonEvent::Boolean(value) => {
                length += if value { 4 } else { 5 };
                writer.boolean(key, value);
            }
            _ => {
                length += 4;
                writer.null(key);
            }
        }
        if frames.len() > MOST_DEPTH {
            return Err(refused("a resource that is nested too deep"));
        }
    }
    if next(&mut parser)? != JsonEvent::Eof {
        return Err(refused("a resource with something behind it"));
    }
    Ok(minimal && length == json.len())
}

/// The next event of a JSON text.
pub(crate) fn next<'a>(parser: &mut SliceJsonParser<'a>) -> Result<JsonEvent<'a>, StoreError> {
    parser.parse_next().map_err(|_| refused("text that is no JSON"))
}

/// How long the text is with its quotes and the shortest escapes. Control characters without a short escape can be
/// spelled in two ways of one length: where one occurs, `minimal` becomes false.
#[allow(clippy::ptr_arg)] // whether the text is borrowed is the point
fn text_length(text: &Cow<'_, str>, minimal: &mut bool) -> usize {
    let mut length = text.len() + 2;
    // The parser borrows what has no escapes.
    if matches!(text, Cow::Owned(_)) {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => length += 1,
                0..0x20 => *minimal = false,
                _ => {}
            }
        }
    }
    length
}

struct Frame {
    array: bool,
    count: usize,
}

impl Frame {
    const fn document() -> Self {
        Self {
            array: false,
            count: 0,
        }
    }

    const fn array() -> Self {
        Self {
            array: true,
            count: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use mongodb::bson::{Bson, Document};

    fn stored(json: &str) -> Result<(bool, Document, String), StoreError> {
        let mut writer = Writer::with_capacity(0);
        let same = resource(&mut writer, "r", json)?;
        let document = writer.finish()?;
        let back = text::resource(document.get_document("r").unwrap())?;
        let tree = Document::try_from(&document).unwrap();
        Ok((same, tree.get_document("r").unwrap().clone(), back))
    }

    #[test]
    fn numbers_become_decimals_with_their_digits() {
        let json =
            r#"{"valueQuantity":{"value":4.60,"unit":"mmol/L"},"component":[{"value":112},{"value":-0.10}]}"#;
        let (same, tree, back) = stored(json).unwrap();
        assert!(same);
        assert_eq!(back, json);
        let quantity = tree.get_document("valueQuantity").unwrap();
        assert_eq!(
            quantity.get("value"),
            Some(&Bson::Decimal128("4.60".parse().unwrap()))
        );
        assert_eq!(quantity.get_str("unit").unwrap(), "mmol/L");
    }

    #[test]
    fn a_spelling_that_would_not_come_back_is_told() {
        for json in [
            r#"{ "a":1}"#,
            "{\"a\":1}\n",
            r#"{"a":1e3}"#,
            r#"{"a":"\u00e9"}"#,
            r#"{"a":"\/"}"#,
            r#"{"a":"\u001f"}"#,
            r#"{"\u0061":1}"#,
            r#"{"a":"\u000a"}"#,
        ] {
            let (same, _, back) = stored(json).unwrap();
            assert!(!same, "{json}");
            let mean = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
            let number = |value: serde_json::Value| value["a"].as_f64();
            assert!(
                mean(json) == mean(&back) || number(mean(json)) == number(mean(&back)),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_resource_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for json in [
            "",
            "[]",
            "1",
            "{",
            r#"{"a":1}{}"#,
            r#"{"a\u0000":1}"#,
            r#"{"a":01}"#,
            r#"{"a":1234567890123456789012345678901234567}"#,
            &deep,
        ] {
            assert!(matches!(stored(json), Err(StoreError::Refused(_))), "{json}");
        }
    }

    /// A small generator: the same resources in every run.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0 % sides
        }

        fn number(&mut self) -> String {
            let mut out = String::new();
            if self.roll(4) == 0 {
                out.push('-');
            }
            out.push_str(
                &self
                    .roll(10_u64.pow(1 + u32::try_from(self.0 % 16).unwrap()))
                    .to_string(),
            );
            let places = self.roll(19);
            if places > 0 && self.roll(2) == 0 {
                out.push('.');
                (0..places).for_each(|_| out.push(char::from(b'0' + u8::try_from(self.roll(10)).unwrap())));
            }
            out
        }

        fn text(&mut self) -> String {
            const BITS: [&str; 12] = [
                "a",
                "Z",
                " ",
                "°C",
                "\"",
                "\\",
                "\n",
                "\t",
                "ไทย",
                "/",
                "😀",
                "\u{7f}",
            ];
            let text: String = (0..self.roll(8))
                .map(|_| BITS[usize::try_from(self.roll(12)).unwrap()])
                .collect();
            serde_json::to_string(&text).unwrap()
        }

        fn value(&mut self, depth: u32) -> String {
            match self.roll(if depth == 0 { 5 } else { 8 }) {
                0 | 1 => self.number(),
                2 => self.text(),
                3 => ["true", "false"][usize::try_from(self.roll(2)).unwrap()].to_owned(),
                4 => "null".to_owned(),
                5 => {
                    let items: Vec<_> = (0..self.roll(13)).map(|_| self.value(depth - 1)).collect();
                    format!("[{}]", items.join(","))
                }
                _ => self.object(depth - 1),
            }
        }

        fn object(&mut self, depth: u32) -> String {
            let members: Vec<_> = (0..self.roll(6))
                .map(|at| format!("\"field{at}\":{}", self.value(depth)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }

    #[test]
    fn any_compact_resource_comes_back_as_it_was() {
        let mut dice = Dice(0x5eed);
        for _ in 0..2_000 {
            let json = dice.object(5);
            let (same, _, back) = stored(&json).unwrap();
            assert!(same, "{json}");
            assert_eq!(back, json);
        }
    }
}
