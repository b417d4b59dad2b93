//! The hash of a link.

use sha2::{Digest, Sha256};
use stardust_pipeline::store::ChainedEvent;

use crate::canonical::canonical;

/// The hash before the first event: 64 zeros.
pub const START: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The hash of an event: SHA-256 over the hash before it, its place and id, what the store keeps beside its content,
/// and its content in canonical JSON, a line each. None where the content is nothing that every store keeps.
#[must_use]
pub fn link(event: &ChainedEvent) -> Option<String> {
    Some(link_canonical(event, &canonical(&event.resource)?))
}

/// As [`link`], with the content as [`canonical`] gives it.
pub(crate) fn link_canonical(event: &ChainedEvent, canonical: &[u8]) -> String {
    // Writing a text into memory has no way to fail.
    let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let mut hash = Sha256::new();
    for line in [
        event.prev.as_str(),
        &event.chain.to_string(),
        &event.seq.to_string(),
        &event.id.to_string(),
        &event.recorded.micros().to_string(),
        &or_dash(event.patient.map(|p| p.to_string())),
        &or_dash(event.gateway.map(|g| g.to_string())),
        // As JSON, so that no text can look like two lines.
        &text(&event.outcome),
        &text(&event.receipt_id),
    ] {
        hash.update(line);
        hash.update("\n");
    }
    hash.update(canonical);
    hex(&hash.finalize())
}

/// Lower hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests_event::event;

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        let base = event(1, START, r#"{"a":1,"b":["x",{"c":null}]}"#);
        let hash = |change: &dyn Fn(&mut ChainedEvent)| {
            let mut changed = base.clone();
            change(&mut changed);
            link(&changed).unwrap()
        };
        let same = hash(&|e| e.resource = r#"{ "b":["x",{"c":null}], "a":1 }"#.to_owned());
        assert_eq!(same, link(&base).unwrap());
        for other in [
            hash(&|e| e.prev = same.clone()),
            hash(&|e| e.chain += 1),
            hash(&|e| e.seq += 1),
            hash(&|e| e.id = uuid::Uuid::from_u128(99)),
            hash(&|e| e.resource = r#"{"a":1,"b":["y",{"c":null}]}"#.to_owned()),
            hash(&|e| e.outcome.push('x')),
            hash(&|e| e.receipt_id.push('x')),
            hash(&|e| e.patient = None),
            hash(&|e| e.gateway = None),
            hash(&|e| e.recorded = stardust_domain::time::Timestamp::from_micros(7)),
        ] {
            assert_ne!(same, other);
        }
    }

    /// Chains that are stored must go on verifying.
    #[test]
    fn a_hash_is_what_it_has_always_been() {
        let event = event(
            3,
            START,
            r#"{"z":[1,-7,0.10,1e2,true,null],"a":{"text":"½ \u0041\u000a \"","\u00e9":{}},"b":18446744073709551615}"#,
        );
        assert_eq!(
            link(&event).as_deref(),
            Some("1b027ee6c5fd6cc7afc8ca5230d9c49439a568c101ebd882523ef92df0be89ef")
        );
    }
}
