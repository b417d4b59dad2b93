//! Messages of gateways and calls of persons: what the door, the parser and `stardust map` say of one body.

use serde_json::Value;
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_domain::reading::{Admission, AuditFacts, Envelope, Judged, Reading, Refusal, Verdict};
use stardust_domain::time::Timestamp;

use super::ward::{self, RECEIVED};
use super::{HOLDS, Target, hold};
use crate::bytes::mutated;

/// Quantities by kind and unit: what fits (the limits of the rules, written down a second time).
const LIMITS: &[(&str, &str, f64, f64)] = &[
    ("heart-rate", "/min", 20.0, 300.0),
    ("spo2", "%", 1.0, 100.0),
    ("perfusion-index", "%", 0.0, 20.0),
    ("glucose", "mg/dL", 10.0, 600.0),
    ("glucose", "mmol/L", 10.0 / 18.0, 600.0 / 18.0),
    ("body-temperature", "Cel", 25.0, 45.0),
    ("body-weight", "kg", 0.5, 500.0),
    ("impedance", "Ohm", 50.0, 3_000.0),
    ("uric-acid", "umol/L", 50.0, 1_500.0),
    ("uric-acid", "mg/dL", 50.0 / 59.48, 1_500.0 / 59.48),
    ("cholesterol", "mmol/L", 1.0, 20.0),
    ("cholesterol", "mg/dL", 38.67, 20.0 * 38.67),
    ("creatinine", "umol/L", 10.0, 3_000.0),
    ("creatinine", "mg/dL", 10.0 / 88.4, 3_000.0 / 88.4),
    ("ldl", "mmol/L", 0.1, 20.0),
    ("ldl", "mg/dL", 3.867, 20.0 * 38.67),
    ("hdl", "mmol/L", 0.1, 20.0),
    ("hdl", "mg/dL", 3.867, 20.0 * 38.67),
    ("triglycerides", "mmol/L", 0.1, 60.0),
    ("triglycerides", "mg/dL", 8.857, 60.0 * 88.57),
    ("height", "cm", 30.0, 260.0),
    ("bmi", "kg/m2", 5.0, 150.0),
    ("waist", "cm", 20.0, 300.0),
    ("steps", "{steps}", 0.0, 200_000.0),
    ("steps", "{steps}/d", 0.0, 200_000.0),
    ("sleep", "h", 0.0, 24.0),
    ("respiration", "/min", 2.0, 100.0),
];
/// Converted values are rounded to two decimals before they are compared.
const ROUNDING: f64 = 0.006;

pub fn target() -> Target {
    let (samples, mapping, registry) = (ward::messages(), ward::mapping(), ward::registry());
    Target {
        name: "messages",
        weight: 40,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |numbers, body| {
            let source = *numbers.one(&[
                Source::Http,
                Source::Http,
                Source::Backfill,
                Source::Replay,
                Source::Release,
            ]);
            let received_at = match numbers.below(60) {
                0 => Timestamp::from_micros(i64::MAX),
                1 => Timestamp::from_micros(i64::MIN),
                _ => RECEIVED,
            };
            let items = numbers.once_in(20).then(|| vec![i32::MIN, 0, 2, i32::MAX]);
            let judged = mapping.judge(
                &Envelope {
                    receipt: "0196a5b0-0000-7000-8000-000000000001",
                    received_at,
                    source,
                    items: items.as_deref(),
                    body,
                },
                &registry,
            );
            let admitted = mapping.admit(body, received_at, source == Source::Backfill);
            if items.is_none() {
                agree(&admitted, &judged)?;
            }
            let mut emitted = false;
            for reading in &judged.readings {
                sound(reading)?;
                emitted |= !reading.observations.is_empty();
                let event = mapping.audit_event(&AuditFacts {
                    receipt: "0196a5b0-0000-7000-8000-000000000001",
                    item: reading.item,
                    outcome: AuditOutcome::Created,
                    reason: None,
                    dead_quantities: &reading.dead_quantities,
                    recorded: received_at,
                    gateway: judged.gateway,
                    migration_run: None,
                    patient: None,
                    observations: &reading.observation_ids,
                    mapping_version: "m",
                });
                hold!(
                    serde_json::from_str::<Value>(&event.json).is_ok(),
                    "an AuditEvent that is no JSON"
                );
            }
            if numbers.once_in(8) && !body.contains(&b'\n') && !body.contains(&b'\r') {
                mapped(&mapping, &registry, body, &mapping.admit(body, RECEIVED, false))?;
            }
            Ok(emitted)
        }),
    }
}

/// What the door refuses is one unreadable reading; what it takes has the ids that it named.
fn agree(admitted: &Result<Admission, Refusal>, judged: &Judged) -> Result<(), String> {
    let ids: Vec<_> = judged
        .readings
        .iter()
        .flat_map(|r| r.observation_ids.clone())
        .collect();
    match admitted {
        Ok(admission) => {
            hold!(
                admission.observation_ids == ids,
                "the door names other ids than the parser"
            );
            hold!(
                Some(admission.gateway) == judged.gateway,
                "the door names another gateway than the parser"
            );
        }
        Err(refusal) => {
            hold!(
                ids.is_empty() && judged.readings.len() == 1,
                "refused, and yet {} readings",
                judged.readings.len()
            );
            hold!(
                !refusal.message.is_empty() && !refusal.suggestion.is_empty(),
                "refused without a way out"
            );
        }
    }
    hold!(
        judged.readings.len() <= 1_000,
        "{} readings of one message",
        judged.readings.len()
    );
    Ok(())
}

/// `stardust map` prints one dead reading for what the door refuses, and else what the parser found.
fn mapped(
    mapping: &stardust_domain::mapping::Mapping,
    registry: &stardust_domain::registry::Registry,
    body: &[u8],
    admitted: &Result<Admission, Refusal>,
) -> Result<(), String> {
    let mut out = Vec::new();
    stardust::map::map(mapping, registry, RECEIVED, body, &mut out).map_err(|e| format!("map: {e}"))?;
    if body.trim_ascii().is_empty() {
        hold!(out.is_empty(), "map prints something for a blank line");
        return Ok(());
    }
    let line: Value = serde_json::from_slice(&out).map_err(|e| format!("map prints no JSON: {e}"))?;
    let readings = line["readings"].as_array().ok_or("map prints no readings")?;
    match admitted {
        Err(_) => {
            hold!(
                readings.len() == 1,
                "the door refuses it, and map prints {} readings",
                readings.len()
            );
            hold!(
                readings[0]["outcome"] == "dead" && readings[0]["reason"] == "unreadable",
                "the door refuses it, and map prints {}",
                readings[0]["outcome"]
            );
        }
        Ok(admission) => {
            let named = admission.observation_ids.len();
            let printed: usize = readings
                .iter()
                .filter_map(|r| r["observations"].as_array())
                .map(Vec::len)
                .sum();
            hold!(
                printed <= named,
                "map prints {printed} Observations, the door named {named}"
            );
        }
    }
    Ok(())
}

/// What every reading must be like.
pub fn sound(reading: &Reading) -> Result<(), String> {
    let is_dead = matches!(reading.verdict, Verdict::Dead(_));
    hold!(
        is_dead == reading.observation_ids.is_empty(),
        "ids and verdict do not agree"
    );
    hold!(
        is_dead == reading.raw_item.is_empty(),
        "raw item and verdict do not agree"
    );
    let emits = matches!(reading.verdict, Verdict::Emit(_));
    hold!(
        emits != reading.observations.is_empty(),
        "Observations and verdict do not agree"
    );
    if !is_dead {
        hold!(
            serde_json::from_str::<&serde_json::value::RawValue>(&reading.raw_item).is_ok(),
            "a raw item that is no JSON"
        );
    }
    for observation in &reading.observations {
        let json: Value = serde_json::from_str(&observation.json)
            .map_err(|e| format!("an Observation that is no JSON: {e}"))?;
        hold!(
            json["id"] == observation.id.to_string(),
            "an Observation with two ids"
        );
        hold!(
            json["status"] == observation.status,
            "an Observation with two statuses"
        );
        // A migrated reading's key ends with its kind, or with its kind and a field; an `_id` before it may be anything.
        let known = |part: &&str| *part == "blood-pressure" || LIMITS.iter().any(|(kind, ..)| kind == part);
        let kind = if observation.key.starts_with("mig|") {
            observation.key.rsplit('|').take(2).find(known)
        } else {
            observation.key.split('|').nth(3)
        };
        let kind = kind.unwrap_or_default();
        within(kind, &json)?;
    }
    if let Some(legacy) = &reading.legacy {
        let json: Value = serde_json::from_str(&legacy.document)
            .map_err(|e| format!("a legacy document that is no JSON: {e}"))?;
        hold!(json["_id"]["$oid"] == legacy.id, "a legacy document with two ids");
    }
    Ok(())
}

/// No value outside what the quantity can be; a value or the reason why there is none, never both.
fn within(kind: &str, json: &Value) -> Result<(), String> {
    if kind == "blood-pressure" {
        let value = |code: &str| {
            let parts = json["component"].as_array().into_iter().flatten();
            let mut found = parts.filter(|p| {
                p["code"]["coding"]
                    .as_array()
                    .is_some_and(|c| c.iter().any(|c| c["code"] == code))
            });
            found.next().and_then(|p| p["valueQuantity"]["value"].as_f64())
        };
        if let (Some(high), Some(low)) = (value("8480-6"), value("8462-4")) {
            hold!((30.0..=300.0).contains(&high), "systolic {high}");
            hold!(
                (10.0..=250.0).contains(&low) && low < high,
                "diastolic {low} beside {high}"
            );
        } else {
            let absent = json["component"]
                .as_array()
                .is_none_or(|c| c.iter().all(|p| p.get("valueQuantity").is_none()));
            hold!(absent, "half a blood pressure");
        }
        return Ok(());
    }
    let quantity = json.get("valueQuantity");
    hold!(
        quantity.is_some() != json.get("dataAbsentReason").is_some(),
        "{kind}: a value and the reason why there is none, or neither"
    );
    let Some(quantity) = quantity else {
        return Ok(());
    };
    let (value, unit) = (quantity["value"].as_f64(), quantity["code"].as_str());
    let (Some(value), Some(unit)) = (value, unit) else {
        return Err(format!("{kind}: a quantity without value or unit"));
    };
    let Some((_, _, least, most)) = LIMITS.iter().find(|(k, u, _, _)| *k == kind && *u == unit) else {
        return Err(format!("{kind} in {unit}: no limit is known"));
    };
    hold!(
        value >= least - ROUNDING && value <= most + ROUNDING,
        "{kind}: {value} {unit} is not from {least} to {most}"
    );
    Ok(())
}
