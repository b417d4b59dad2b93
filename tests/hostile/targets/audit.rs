//! The content of audit events, as the recorder hashes it, and signed places as the store gives them back.

use serde_json::Value;
use stardust_audit_recorder::{START, SigningKey, link};
use stardust_domain::mapping::Mapping;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{ChainHead, ChainedEvent, Mark};

use super::{HOLDS, Target, hold, ward};
use crate::bytes::mutated;

pub fn targets() -> Vec<Target> {
    vec![content(), signatures(), catalogue()]
}

fn event(resource: &str) -> ChainedEvent {
    ChainedEvent {
        id: uuid::Uuid::from_u128(1),
        resource: resource.to_owned(),
        outcome: "created".to_owned(),
        receipt_id: "r".to_owned(),
        patient: ward::PATIENT.parse().ok(),
        gateway: None,
        recorded: ward::RECEIVED,
        chain: 0,
        seq: 1,
        prev: START.to_owned(),
        hash: String::new(),
    }
}

fn content() -> Target {
    let samples = vec![
        br#"{"resourceType":"AuditEvent","id":"x","category":[{"coding":[{"system":"s","code":"rest"}]}],"outcome":{"code":{"code":"success"}}}"#.to_vec(),
        "{\"b\":[1,2.50,-0.5,true,null,{\"ชื่อ\":\"\\u001f\"}],\"a\":{\"z\":{},\"y\":[]}}".as_bytes().to_vec(),
    ];
    Target {
        name: "content",
        weight: 6,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(|_, bytes| {
            let text = String::from_utf8_lossy(bytes);
            let Some(hash) = link(&event(&text)) else {
                return Ok(false);
            };
            hold!(hash.len() == 64, "a hash of {} digits", hash.len());
            let read: Value = serde_json::from_str(&text).map_err(|e| format!("hashed, and no JSON: {e}"))?;
            // Another order and spelling is the same content. (A fraction has many spellings: events have none, and the
            // stores give back the one that came.)
            hold!(
                has_fraction(&read) || link(&event(&format!(" {:#} ", read))) == Some(hash),
                "another hash for the same content"
            );
            Ok(true)
        }),
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.is_f64(),
        Value::Array(items) => items.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

fn signatures() -> Target {
    let key = SigningKey::from_pem(b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n").unwrap();
    let head = ChainHead {
        seq: 7,
        hash: "ab".repeat(32),
    };
    let signed = key.checkpoint(Mark::Head, 3, &head, Timestamp::from_micros(1));
    let samples = vec![signed.signature.clone().into_bytes()];
    Target {
        name: "signatures",
        weight: 1,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |_, bytes| {
            let mut other = signed.clone();
            other.signature = String::from_utf8_lossy(bytes).into_owned();
            let holds = key.public().signed(&other);
            let same = other.signature.eq_ignore_ascii_case(&signed.signature);
            hold!(
                holds == same,
                "a signature that nobody made holds, or a good one does not"
            );
            Ok(holds)
        }),
    }
}

/// The device catalogue of the operator.
fn catalogue() -> Target {
    let builtin = include_bytes!("../../../services/domain/catalogue.json").to_vec();
    let (samples, settings) = (vec![builtin], ward::settings());
    let message = ward::messages().swap_remove(0);
    let registry = ward::registry();
    Target {
        name: "catalogue",
        weight: 1,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |_, bytes| {
            let text = String::from_utf8_lossy(bytes);
            let Ok(mapping) = Mapping::from_text(&text, settings.clone()) else {
                return Ok(false);
            };
            ward::one_reading(&mapping, &registry, &message)?;
            Ok(true)
        }),
    }
}
