//! The hash of a link.

use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The hash before the first event: 64 zeros.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash of an event: SHA-256 over the hash before it, its chain, its place, its id and its content in canonical
/// JSON (keys sorted, no blanks), separated by line feeds. None where the content is no JSON.
#[must_use]
pub fn link(prev: &str, chain: i32, seq: i64, id: Uuid, resource: &str) -> Option<String> {
    let value: Value = serde_json::from_str(resource).ok()?;
    let mut canonical = String::with_capacity(resource.len());
    write(&value, &mut canonical);
    let hash = Sha256::digest(format!("{prev}\n{chain}\n{seq}\n{id}\n{canonical}"));
    Some(hash.iter().map(|b| format!("{b:02x}")).collect())
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.keys().collect();
            names.sort_unstable();
            out.push('{');
            for (i, name) in names.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                if let Some(value) = fields.get(name) {
                    write(value, out);
                }
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        let id = Uuid::from_u128(1);
        let hash = |prev, chain, seq, id, text| link(prev, chain, seq, id, text).unwrap();
        let base = hash(START, 0, 1, id, r#"{"a":1,"b":["x",{"c":null}]}"#);
        assert_eq!(base, hash(START, 0, 1, id, r#"{ "b":["x",{"c":null}], "a":1 }"#));
        for other in [
            hash(&base, 0, 1, id, r#"{"a":1,"b":["x",{"c":null}]}"#),
            hash(START, 1, 1, id, r#"{"a":1,"b":["x",{"c":null}]}"#),
            hash(START, 0, 2, id, r#"{"a":1,"b":["x",{"c":null}]}"#),
            hash(START, 0, 1, Uuid::from_u128(2), r#"{"a":1,"b":["x",{"c":null}]}"#),
            hash(START, 0, 1, id, r#"{"a":1,"b":["y",{"c":null}]}"#),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(link(START, 0, 1, id, "{"), None);
    }
}
