//! Reading the values of documents that many hands and programs have written.

use serde_json::Value;

use super::report::Oddity;
use crate::ids::{Mac, PatientId};

/// An address field: the address where there is a usable one, and what is odd about it.
///
/// Absent and null are the ordinary way of having none, so they are not odd.
pub(super) fn address(value: Option<&Value>) -> (Option<Mac>, Option<Oddity>) {
    let text = match value {
        None | Some(Value::Null) => return (None, None),
        Some(Value::String(text)) => text,
        Some(_) => return (None, Some(Oddity::AddressUnusable)),
    };
    if text.trim().is_empty() {
        return (None, Some(Oddity::AddressEmpty));
    }
    match text.trim().parse::<Mac>() {
        Err(_) => (None, Some(Oddity::AddressUnusable)),
        // Whoever typed these meant "none"; as a device they would join strangers.
        Ok(mac) if mac.octets() == [0x00; 6] || mac.octets() == [0xff; 6] => {
            (None, Some(Oddity::AddressPlaceholder))
        }
        Ok(mac) if text.contains(char::is_whitespace) => (Some(mac), Some(Oddity::AddressBlanks)),
        Ok(mac) => (Some(mac), None),
    }
}

/// A patient id in any of the forms in which it was ever stored, and what is odd about it.
pub(super) fn patient_id(value: Option<&Value>) -> (Option<PatientId>, Option<Oddity>) {
    match value {
        None | Some(Value::Null) => (None, Some(Oddity::PatientIdMissing)),
        Some(Value::Object(fields)) => {
            let id = match fields.get("$oid") {
                Some(Value::String(hex)) if fields.len() == 1 => hex.parse().ok(),
                _ => None,
            };
            (id, id.is_none().then_some(Oddity::PatientIdUnreadable))
        }
        Some(Value::String(text)) => patient_id_of_text(text.trim()),
        Some(_) => (None, Some(Oddity::PatientIdUnreadable)),
    }
}

pub(super) fn patient_id_of_text(text: &str) -> (Option<PatientId>, Option<Oddity>) {
    if let Ok(id) = text.parse() {
        return (Some(id), Some(Oddity::PatientIdHexText));
    }
    if text.is_empty() {
        return (None, Some(Oddity::PatientIdMissing));
    }
    if ["unknown", "none", "null", "undefined", "n/a", "-"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
    {
        return (None, Some(Oddity::PatientIdUnknown));
    }
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        // One level only: a text in a text in a text is nobody's id.
        let id = match &json {
            Value::String(hex) => hex.trim().parse().ok(),
            Value::Object(_) => patient_id(Some(&json)).0,
            _ => None,
        };
        return match id {
            Some(id) => (Some(id), Some(Oddity::PatientIdJsonText)),
            None => (None, Some(Oddity::PatientIdUnreadable)),
        };
    }
    match patient_id_of_repr(text) {
        Some(id) => (Some(id), Some(Oddity::PatientIdReprText)),
        None => (None, Some(Oddity::PatientIdUnreadable)),
    }
}

/// `ObjectId('…')`, `{'$oid': '…'}`, `bson.ObjectId("…")` and their like: one run of 24 hex digits, and around
/// it nothing but the words and signs of such spellings.
fn patient_id_of_repr(text: &str) -> Option<PatientId> {
    const WORDS: [&str; 5] = ["objectid", "oid", "bson", "new", "id"];
    let mut found = None;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()) {
        if word.is_empty() || WORDS.iter().any(|w| word.eq_ignore_ascii_case(w)) {
            continue;
        }
        let id = word.parse::<PatientId>().ok()?;
        if found.replace(id).is_some() {
            return None;
        }
    }
    let signs_only = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || c == ' ' || "(){}[]'\"$:._\\".contains(c));
    found.filter(|_| signs_only)
}

/// Whether a document is marked as deleted.
pub(super) fn is_deleted(value: Option<&Value>) -> (bool, Option<Oddity>) {
    match value {
        None | Some(Value::Null) => (false, None),
        Some(Value::Bool(flag)) => (*flag, None),
        Some(Value::Number(number)) => (number.as_f64() != Some(0.0), None),
        Some(Value::String(text)) => match text.trim().to_ascii_lowercase().as_str() {
            "" | "false" | "0" | "no" => (false, None),
            "true" | "1" | "yes" => (true, None),
            _ => (false, Some(Oddity::DeletedFlagOdd)),
        },
        Some(Value::Object(fields)) => match fields.values().next() {
            // Canonical Extended JSON: {"$numberInt": "1"} and the like.
            Some(Value::String(digits)) if fields.len() == 1 && wraps_a_number(fields) => {
                match digits.parse::<f64>() {
                    Ok(number) => (number != 0.0, None),
                    Err(_) => (false, Some(Oddity::DeletedFlagOdd)),
                }
            }
            _ => (false, Some(Oddity::DeletedFlagOdd)),
        },
        Some(Value::Array(_)) => (false, Some(Oddity::DeletedFlagOdd)),
    }
}

fn wraps_a_number(fields: &serde_json::Map<String, Value>) -> bool {
    fields.keys().all(|key| key.starts_with("$number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HEX: &str = "65a000000000000000000001";

    #[test]
    fn a_patient_id_is_read_in_every_form_in_which_it_was_stored() {
        let id = HEX.parse().ok();
        for (value, oddity) in [
            (json!({ "$oid": HEX }), None),
            (json!(HEX), Some(Oddity::PatientIdHexText)),
            (
                json!(format!(" {} ", HEX.to_uppercase())),
                Some(Oddity::PatientIdHexText),
            ),
            (
                json!(format!("{{\"$oid\": \"{HEX}\"}}")),
                Some(Oddity::PatientIdJsonText),
            ),
            (json!(format!("\"{HEX}\"")), Some(Oddity::PatientIdJsonText)),
            (
                json!(format!("ObjectId('{HEX}')")),
                Some(Oddity::PatientIdReprText),
            ),
            (
                json!(format!("ObjectId(\"{HEX}\")")),
                Some(Oddity::PatientIdReprText),
            ),
            (
                json!(format!("{{'$oid': '{HEX}'}}")),
                Some(Oddity::PatientIdReprText),
            ),
            (
                json!(format!("bson.ObjectId('{HEX}')")),
                Some(Oddity::PatientIdReprText),
            ),
        ] {
            assert_eq!(patient_id(Some(&value)), (id, oddity), "{value}");
        }
    }

    #[test]
    fn no_patient_id_is_invented_from_anything_else() {
        for (value, oddity) in [
            (json!(null), Oddity::PatientIdMissing),
            (json!(""), Oddity::PatientIdMissing),
            (json!("unknown"), Oddity::PatientIdUnknown),
            (json!("Unknown"), Oddity::PatientIdUnknown),
            (json!("None"), Oddity::PatientIdUnknown),
            (json!("65a0"), Oddity::PatientIdUnreadable),
            (json!(12), Oddity::PatientIdUnreadable),
            (json!([HEX]), Oddity::PatientIdUnreadable),
            (json!({ "$oid": "65a0" }), Oddity::PatientIdUnreadable),
            (json!({ "$oid": HEX, "more": 1 }), Oddity::PatientIdUnreadable),
            (json!(format!("{HEX} {HEX}")), Oddity::PatientIdUnreadable),
            (json!(format!("not {HEX}")), Oddity::PatientIdUnreadable),
            (
                json!(format!("ObjectId('{HEX}') or so")),
                Oddity::PatientIdUnreadable,
            ),
        ] {
            assert_eq!(patient_id(Some(&value)), (None, Some(oddity)), "{value}");
        }
        assert_eq!(patient_id(None), (None, Some(Oddity::PatientIdMissing)));
    }

    #[test]
    fn an_address_is_read_in_any_spelling_and_its_oddity_named() {
        let mac = "020000bb0001".parse().ok();
        for (value, expected) in [
            (json!("02:00:00:BB:00:01"), (mac, None)),
            (json!("020000bb0001"), (mac, None)),
            (json!(" 020000BB0001 "), (mac, Some(Oddity::AddressBlanks))),
            (json!("020000BB0"), (None, Some(Oddity::AddressUnusable))),
            (json!("020000BB00"), (None, Some(Oddity::AddressUnusable))),
            (json!(20_000), (None, Some(Oddity::AddressUnusable))),
            (
                json!("00:00:00:00:00:00"),
                (None, Some(Oddity::AddressPlaceholder)),
            ),
            (json!("  "), (None, Some(Oddity::AddressEmpty))),
            (json!(null), (None, None)),
        ] {
            assert_eq!(address(Some(&value)), expected, "{value}");
        }
    }

    #[test]
    fn deleted_is_read_as_truth_number_or_word() {
        for value in [json!(true), json!(1), json!("True"), json!({ "$numberInt": "1" })] {
            assert_eq!(is_deleted(Some(&value)), (true, None), "{value}");
        }
        for value in [
            json!(false),
            json!(0),
            json!(null),
            json!(""),
            json!({ "$numberInt": "0" }),
        ] {
            assert_eq!(is_deleted(Some(&value)), (false, None), "{value}");
        }
        for value in [json!("perhaps"), json!([]), json!({ "$date": "1" })] {
            assert_eq!(
                is_deleted(Some(&value)),
                (false, Some(Oddity::DeletedFlagOdd)),
                "{value}"
            );
        }
    }
}
