//! A FHIR resource from JSON text to BSON: numbers become Decimal128 with their digits.

use stardust_pipeline::store::StoreError;

use crate::decimal;
use crate::error::refused;
use crate::scanner::{MOST_DEPTH, Scanner};
use crate::writer::{Key, Writer};

/// Writes the resource as the element `name`. True where [`crate::text::resource`] gives the same text back.
pub(crate) fn resource(writer: &mut Writer, name: &str, json: &str) -> Result<bool, StoreError> {
    let mut scanner = Scanner::new(json);
    object(&mut scanner, writer, Key::Name(name), 0)?;
    scanner.end()?;
    Ok(scanner.plain)
}

fn object(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    depth: usize,
) -> Result<(), StoreError> {
    scanner.take(b'{')?;
    writer.document(key);
    let mut first = true;
    while scanner.follows(&mut first, b'}')? {
        let name = scanner.name()?;
        value(scanner, writer, Key::Name(&name), depth)?;
    }
    writer.close();
    Ok(())
}

fn array(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    depth: usize,
) -> Result<(), StoreError> {
    scanner.take(b'[')?;
    writer.array(key);
    let mut first = true;
    let mut index = 0;
    while scanner.follows(&mut first, b']')? {
        value(scanner, writer, Key::Index(index), depth)?;
        index += 1;
    }
    writer.close();
    Ok(())
}

fn value(
    scanner: &mut Scanner<'_>,
    writer: &mut Writer,
    key: Key<'_>,
    depth: usize,
) -> Result<(), StoreError> {
    if depth > MOST_DEPTH {
        return Err(refused("a resource that is nested too deep"));
    }
    match scanner.peek()? {
        b'{' => object(scanner, writer, key, depth + 1)?,
        b'[' => array(scanner, writer, key, depth + 1)?,
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
        _ => {
            let digits = decimal::encode(scanner.number()?)
                .ok_or_else(|| refused("a number that a decimal cannot hold, or none"))?;
            writer.decimal(key, digits);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use mongodb::bson::{Bson, Document};
    use std::collections::HashMap;

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
            r#"{"a":"\u001F"}"#,
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
            "{}}",
            r#"{"a":1}{}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,"a":1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[1}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":tru}"#,
            r#"{"a":nul}"#,
            r#"{"a":1.}"#,
            r#"{"a":.5}"#,
            r#"{"a":+1}"#,
            r#"{"a":1e}"#,
            r#"{"a":--1}"#,
            r#"{"a":1-1}"#,
            r#"{"a":"x}"#,
            r#"{"a":"\"}"#,
            r#"{"a":"\x"}"#,
            r#"{"a":"\ud800"}"#,
            "{\"a\":\"\n\"}",
            r#"{a:1}"#,
            r#"{'a':1}"#,
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

    #[test]
    fn what_another_parser_refuses_is_refused() {
        let mut dice = Dice(0xfa17);
        let mut refused = 0;
        for _ in 0..3_000 {
            let mut json = dice.object(3).into_bytes();
            for _ in 0..=dice.roll(2) {
                let at = usize::try_from(dice.roll(json.len() as u64)).unwrap();
                match dice.roll(3) {
                    0 => drop(json.remove(at)),
                    1 => json[at] = b"{}[],:\"\\0-.e tn"[usize::try_from(dice.roll(15)).unwrap()],
                    _ => json.truncate(at),
                }
                if json.is_empty() {
                    json.push(b'{');
                }
            }
            let Ok(json) = String::from_utf8(json) else {
                continue;
            };
            let other = serde_json::from_str::<HashMap<String, serde::de::IgnoredAny>>(&json);
            let ours = stored(&json);
            if matches!(&ours, Err(error) if other.is_ok() && error.to_string().contains("decimal")) {
                continue;
            }
            assert_eq!(ours.is_ok(), other.is_ok(), "{json}");
            match ours {
                Ok((true, _, back)) => assert_eq!(back, json),
                Ok((false, _, _)) => {}
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 1_000);
    }
}
