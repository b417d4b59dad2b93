//! When two Observations say the same: the same patient, kind, time and value. Displays, markers, notes and who
//! brought it do not count.

use std::fmt::Write as _;

use crate::digits::Decimal;
use crate::ids::{PatientId, sha256_hex};
use crate::json::{Fields, Raw};
use crate::remap::kind_of;
use crate::time::Timestamp;

/// A measurement, to be compared with others. Two that say the same are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alike {
    /// Whose.
    pub patient: PatientId,
    /// When.
    pub at: Timestamp,
    /// A digest of all: patient, kind, time and value.
    pub digest: u64,
}

/// What an Observation of ours measured; none where it has no value.
#[must_use]
pub fn alike(patient: PatientId, at: Timestamp, resource: &str) -> Option<Alike> {
    let fields = Fields::read(resource).ok()?;
    let mut values = Vec::new();
    values.extend(value(&fields, ""));
    if let Some((components, _)) = fields.get("component").and_then(|list| list.list(usize::MAX)) {
        for component in components {
            let component = component.object()?;
            values.extend(value(&component, &first_code(&component).unwrap_or_default()));
        }
    }
    if values.is_empty() {
        return None;
    }
    values.sort_unstable();
    let mut text = format!("{patient}|{}|{}", at.micros(), kind_of(resource)?);
    for value in values {
        let _ = write!(text, "|{value}");
    }
    let digest = u64::from_str_radix(sha256_hex(text.as_bytes()).get(..16)?, 16).ok()?;
    Some(Alike { patient, at, digest })
}

/// The number with its unit and, off scale, its comparator, as a text that is equal for equal values.
fn value(of: &Fields<'_>, code: &str) -> Option<String> {
    let quantity = of.get("valueQuantity")?.object()?;
    let number = Decimal::from_number(quantity.get("value")?.number()?)
        .ok()?
        .plain();
    let text = |name| quantity.get(name).and_then(Raw::text).unwrap_or_default();
    Some(format!("{code}={}{number} {}", text("comparator"), text("code")))
}

fn first_code(component: &Fields<'_>) -> Option<String> {
    let code = component.get("code")?.object()?;
    let (codings, _) = code.get("coding")?.list(usize::MAX)?;
    let coding = codings.first()?.object()?;
    Some(coding.get("code")?.text()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEIGHT: &str = r#"{"identifier":[{"value":"obs|1|020000bb0001|body-weight|1|61.5"}],"status":"final","valueQuantity":{"value":61.5,"unit":"kg","code":"kg"},"note":[{"text":"a"}]}"#;

    fn of(resource: &str) -> Option<Alike> {
        let patient: PatientId = "65a000000000000000000001".parse().unwrap();
        alike(patient, Timestamp::from_seconds(1), resource)
    }

    #[test]
    fn equal_is_what_measures_the_same_whoever_brought_it() {
        let weight = of(WEIGHT);
        assert!(weight.is_some());
        let migrated = WEIGHT.replace(
            "obs|1|020000bb0001|body-weight|1|61.5",
            "mig|1|body_data_histories|a\\\"b|c|0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f|body-weight|weight",
        );
        for same in [
            migrated.as_str(),
            &WEIGHT.replace("61.5,\"unit\":\"kg\"", "61.50,\"unit\":\"Kilo\""),
            &WEIGHT.replace("final", "preliminary"),
        ] {
            assert_eq!(of(same), weight, "{same}");
        }
        for other in [
            &WEIGHT.replace("\"value\":61.5", "\"value\":61.6"),
            &WEIGHT.replace("body-weight", "impedance"),
            &WEIGHT.replace("\"code\":\"kg\"", "\"code\":\"g\""),
            &WEIGHT.replace("\"unit\":\"kg\"", "\"comparator\":\">\""),
        ] {
            assert_ne!(of(other), weight, "{other}");
        }
        assert_eq!(of(&WEIGHT.replace("valueQuantity", "dataAbsentReason")), None);
    }

    #[test]
    fn components_count_by_their_codes_in_any_order() {
        let part = |code: &str, value: u8| {
            format!(
                r#"{{"code":{{"coding":[{{"code":"{code}"}}]}},"valueQuantity":{{"value":{value},"code":"mm[Hg]"}}}}"#
            )
        };
        let pressure = |parts: [String; 2]| {
            format!(
                r#"{{"identifier":[{{"value":"obs|1|020000bb0001|blood-pressure|1|131,84"}}],"component":[{}]}}"#,
                parts.join(",")
            )
        };
        let one = of(&pressure([part("8480-6", 131), part("8462-4", 84)]));
        assert!(one.is_some());
        assert_eq!(of(&pressure([part("8462-4", 84), part("8480-6", 131)])), one);
        assert_ne!(of(&pressure([part("8462-4", 131), part("8480-6", 84)])), one);
    }
}
