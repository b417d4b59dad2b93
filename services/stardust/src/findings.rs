//! What can be seen of a copied resource without definitions. It is reported, never repaired: the judges of
//! `tests/judges` see more.

use serde_json::Value;
use stardust_mongo::CopiedDocument;

/// Codes seen in stored documents that LOINC does not have although their check digits may be right, or that mean
/// something else.
const NOT_LOINC: [&str; 10] = [
    "33747-0", "61006-6", "86711-2", "34754-0", "34755-7", "33748-8", "33749-6", "67504-6", "91556-1",
    "75275-8",
];

/// What is wrong with this document, each kind once.
pub fn findings(document: &CopiedDocument) -> Vec<&'static str> {
    let Some(resource) = document
        .resource
        .as_deref()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
    else {
        return vec!["no resource_data"];
    };
    let mut found = Vec::new();
    let mut say = |wrong: bool, what: &'static str| {
        if wrong && !found.contains(&what) {
            found.push(what);
        }
    };
    let named = resource.get("resourceType").and_then(Value::as_str);
    say(named.is_none(), "no resourceType");
    say(
        named.is_some() && named != document.resource_type.as_deref(),
        "resource_type of the wrapper differs",
    );
    let id = resource.get("id").and_then(Value::as_str);
    say(id.is_none(), "no id");
    say(
        id.is_some_and(|id| !is_fhir_id(id)),
        "id that FHIR does not allow",
    );
    say(
        id.is_some() && id != document.resource_id.as_deref(),
        "resource_id of the wrapper differs",
    );
    walk(&resource, "", &mut say);
    found
}

fn walk(value: &Value, name: &str, say: &mut impl FnMut(bool, &'static str)) {
    match value {
        Value::Null => say(true, "null"),
        Value::String(text) => {
            say(text.is_empty(), "empty text");
            let is_time = name.ends_with("DateTime") || matches!(name, "issued" | "recorded" | "lastUpdated");
            say(
                is_time && text.contains('T') && !has_one_offset(text),
                "time without one offset",
            );
        }
        Value::Array(values) => {
            say(values.is_empty(), "empty list");
            values.iter().for_each(|value| walk(value, name, say));
        }
        Value::Object(fields) => {
            say(fields.is_empty(), "empty object");
            let text = |name: &str| fields.get(name).and_then(Value::as_str);
            if let (Some("http://loinc.org"), Some(code)) = (text("system"), text("code")) {
                say(
                    NOT_LOINC.contains(&code) || !has_check_digit(code),
                    "code that is not of LOINC, or of another meaning",
                );
            }
            for (name, value) in fields {
                walk(value, name, say);
            }
        }
        Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_fhir_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.')
}

/// `Z`, or sign, hours, colon, minutes; once, at the end of the time of day.
fn has_one_offset(text: &str) -> bool {
    let Some((_, time)) = text.split_once('T') else {
        return false;
    };
    match time.find(['Z', '+', '-']) {
        Some(at) => {
            let offset = &time.as_bytes()[at..];
            offset == b"Z" || (offset.len() == 6 && offset[0] != b'Z' && offset[3] == b':')
        }
        None => false,
    }
}

/// Mod 10 over the digits before the hyphen, as LOINC makes it.
fn has_check_digit(code: &str) -> bool {
    let Some((number, check)) = code.split_once('-') else {
        return false;
    };
    if number.is_empty() || number.len() > 7 || !number.bytes().all(|c| c.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, c)| {
            let digit = u32::from(c - b'0');
            let doubled = if at.is_multiple_of(2) { digit * 2 } else { digit };
            doubled / 10 + doubled % 10
        })
        .sum();
    check.parse() == Ok((10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stardust_mongo::Copied;

    fn of(resource: &str) -> Vec<&'static str> {
        findings(&CopiedDocument {
            copied: Copied::Present,
            resource: Some(resource.to_owned()),
            resource_type: Some("Observation".to_owned()),
            resource_id: Some("a-1".to_owned()),
        })
    }

    #[test]
    fn a_sound_resource_has_no_findings() {
        let sound = r#"{"resourceType":"Observation","id":"a-1","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},
            "effectiveDateTime":"2024-01-01T00:00:00+07:00","issued":"2024-01-01T00:00:00.123Z"}"#;
        assert!(of(sound).is_empty(), "{:?}", of(sound));
    }

    #[test]
    fn each_fault_is_named() {
        for (resource, finding) in [
            (
                r#"{"resourceType":"Patient","id":"a-1"}"#,
                "resource_type of the wrapper differs",
            ),
            (
                r#"{"resourceType":"Observation","id":"b"}"#,
                "resource_id of the wrapper differs",
            ),
            (r#"{"resourceType":"Observation"}"#, "no id"),
            (r#"{"id":"a-1"}"#, "no resourceType"),
            (
                r#"{"resourceType":"Observation","id":"a-1","note":[]}"#,
                "empty list",
            ),
            (
                r#"{"resourceType":"Observation","id":"a-1","note":[{"text":""}]}"#,
                "empty text",
            ),
            (
                r#"{"resourceType":"Observation","id":"a-1","method":{}}"#,
                "empty object",
            ),
            (
                r#"{"resourceType":"Observation","id":"a-1","device":null}"#,
                "null",
            ),
            (
                r#"{"resourceType":"Observation","id":"a-1","effectiveDateTime":"2024-01-01T00:00:00"}"#,
                "time without one offset",
            ),
            (
                r#"{"resourceType":"Observation","id":"a-1","effectiveDateTime":"2024-01-01T00:00:00+00:00Z"}"#,
                "time without one offset",
            ),
        ] {
            assert_eq!(of(resource), [finding], "{resource}");
        }
        assert_eq!(
            of(r#"{"resourceType":"Observation","id":"a_1"}"#),
            [
                "id that FHIR does not allow",
                "resource_id of the wrapper differs"
            ]
        );
        for code in ["33747-0", "91556-1", "85354-8", "x"] {
            let coding = format!(
                r#"{{"resourceType":"Observation","id":"a-1","code":{{"coding":[{{"system":"http://loinc.org","code":"{code}"}}]}}}}"#
            );
            assert_eq!(
                of(&coding),
                ["code that is not of LOINC, or of another meaning"],
                "{code}"
            );
        }
    }
}
