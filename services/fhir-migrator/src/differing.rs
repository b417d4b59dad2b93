//! Where two resources differ: paths, never values.

use std::collections::BTreeSet;

use serde_json::Value;

/// Paths that are named.
const PATHS: usize = 5;

/// Where two resources differ. Numbers of one value in other digits differ in their spelling.
pub(crate) fn differing(a: &str, b: &str) -> Vec<String> {
    let (Ok(left), Ok(right)) = (serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)) else {
        return vec!["the whole".to_owned()];
    };
    let mut paths = Vec::new();
    walk(&left, &right, &mut String::new(), &mut paths);
    if paths.is_empty() && a != b {
        // Equal as numbers, not in their digits, or in another order.
        paths.push("the spelling".to_owned());
    }
    paths
}

fn walk(a: &Value, b: &Value, path: &mut String, paths: &mut Vec<String>) {
    if paths.len() >= PATHS {
        return;
    }
    let length = path.len();
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                if length > 0 {
                    path.push('.');
                }
                path.push_str(name);
                walk(
                    a.get(name).unwrap_or(&Value::Null),
                    b.get(name).unwrap_or(&Value::Null),
                    path,
                    paths,
                );
                path.truncate(length);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                path.push_str(&format!("[{at}]"));
                walk(a, b, path, paths);
                path.truncate(length);
            }
        }
        (a, b) if a == b => {}
        _ => paths.push(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_by_its_path_and_never_by_its_value() {
        let stored = r#"{"status":"final","valueQuantity":{"value":4.6,"unit":"kg"},"note":[{"text":"a"}]}"#;
        let paths = |other: &str| differing(stored, other);
        assert!(paths(stored).is_empty());
        assert_eq!(paths(&stored.replace("4.6", "4.7")), ["valueQuantity.value"]);
        assert_eq!(
            paths(&stored.replace("\"a\"", "\"b\"").replace("final", "amended")),
            ["note[0].text", "status"]
        );
        assert_eq!(paths(&stored.replace("4.6", "4.60")), ["the spelling"]);
        let turned = stored.replace(r#""value":4.6,"unit":"kg""#, r#""unit":"kg","value":4.6"#);
        assert_eq!(paths(&turned), ["the spelling"]);
        assert_eq!(paths(r#"{"status":"final"}"#), ["note", "valueQuantity"]);
        assert_eq!(paths("nonsense"), ["the whole"]);
    }
}
