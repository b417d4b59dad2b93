//! Whatever bytes come, there is an answer, and it is well-formed.

use stardust_domain::history::{Account, HistoryDocument, keys_of};
use stardust_domain::outcome::Source;
use stardust_domain::reading::Verdict;
use stardust_domain::remap;
use stardust_domain::time::Timestamp;

use crate::fixture::*;

#[path = "../../../../tests/hostile/bytes.rs"]
#[allow(dead_code)]
mod bytes;

use bytes::{Numbers, mutated};

#[test]
fn no_bytes_cause_a_panic_and_every_document_is_json() {
    let (mapping, registry) = (mapping(), registry());
    let mut bodies: Vec<String> = SAMPLES.iter().map(|s| (*s).to_owned()).collect();
    bodies.push(call("LIPID", r#"{"cholesterol":"178","ldl":100,"unit":"mg/dL"}"#));
    bodies.push(call("BLOOD_SUGAR", r#"{"value":112,"marker":"Fasting"}"#));
    bodies.push(
        r#"{"time":1745300000,"mac":"020000aa0001","type":"HB_Msg","data":{"msg":"Online"}}"#.to_owned(),
    );
    let bodies: Vec<Vec<u8>> = bodies.into_iter().map(String::into_bytes).collect();
    let sources = [Source::Http, Source::Backfill, Source::Replay, Source::Release];
    let mut emitted = 0_usize;
    for round in 0..10_000 {
        let body = mutated(&mut Numbers::of(3, round as u64), &bodies);
        let source = sources[round % sources.len()];
        let received_at = match round % 50 {
            0 => Timestamp::from_micros(i64::MAX),
            1 => Timestamp::from_micros(i64::MIN),
            _ => RECEIVED,
        };
        let judged = mapping.judge(
            &stardust_domain::reading::Envelope {
                receipt: "r",
                received_at,
                source,
                items: None,
                body: &body,
            },
            &registry,
        );
        let admitted = mapping.admit(&body, received_at, source == Source::Backfill);
        let ids: Vec<_> = judged
            .readings
            .iter()
            .flat_map(|r| r.observation_ids.clone())
            .collect();
        match admitted {
            Ok(admission) => {
                assert_eq!(admission.observation_ids, ids);
                assert_eq!(Some(admission.gateway), judged.gateway);
            }
            Err(_) => assert!(ids.is_empty() && judged.readings.len() == 1),
        }
        for reading in &judged.readings {
            let is_dead = matches!(reading.verdict, Verdict::Dead(_));
            assert_eq!(is_dead, reading.observation_ids.is_empty());
            assert_eq!(is_dead, reading.raw_item.is_empty());
            if !is_dead {
                serde_json::from_str::<&serde_json::value::RawValue>(&reading.raw_item).unwrap();
            }
            for observation in &reading.observations {
                emitted += 1;
                let json: serde_json::Value = serde_json::from_str(&observation.json).unwrap();
                assert_eq!(json["id"], observation.id.to_string());
                assert_eq!(json["status"], observation.status);
            }
            if let Verdict::Emit(patient) = reading.verdict {
                let stored = reading.observations.iter().map(|o| remap::Stored {
                    id: o.id,
                    status: o.status,
                    resource: &o.json,
                });
                let again = remap::Reading {
                    raws: remap::Raws::Item(&reading.raw_item),
                    source,
                    received_at,
                    patient,
                    observations: stored.collect(),
                };
                let again = remap::remap(&mapping, &again).unwrap();
                assert!(again.is_empty(), "{}: {again:?}", reading.raw_item);
            }
            if let Some(legacy) = &reading.legacy {
                let json: serde_json::Value = serde_json::from_str(&legacy.document).unwrap();
                assert_eq!(json["_id"]["$oid"], legacy.id);
            }
        }
    }
    assert!(emitted > 1_000, "{emitted}: the mutations leave too little alive");
}

#[test]
fn no_document_causes_a_panic_and_the_account_agrees_with_the_parser() {
    let samples = crate::histories::samples();
    let (mapping, registry) = (mapping(), registry());
    let (mut emitted, mut accounted) = (0, 0);
    for round in 0..6_000 {
        let mut numbers = Numbers::of(11, round);
        let at = (round as usize) % samples.len();
        let (collection, _) = &samples[at];
        let texts: Vec<Vec<u8>> = samples
            .iter()
            .map(|(_, text)| text.clone().into_bytes())
            .collect();
        let bytes = mutated(&mut numbers, &texts[at..=at]);
        let published_at = match round % 50 {
            0 => Timestamp::from_micros(i64::MAX),
            1 => Timestamp::from_micros(i64::MIN),
            _ => RECEIVED,
        };
        let Ok(text) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let Ok(document) = HistoryDocument::read("AMY", collection, text) else {
            continue;
        };
        let mut account = Account::default();
        account.document(&document);
        let mut readings = 0;
        for entry in document.entries() {
            account.entry(&entry, &mapping, &registry, published_at);
            assert_eq!(entry.hash.len(), 64);
            let keys = keys_of(entry.body.as_bytes());
            assert!(
                keys.is_none_or(|keys| keys.document == document.id() && keys.topic == document.topic_key())
            );
            if entry.repeated {
                continue;
            }
            let judged = crate::histories::judged_at(&entry, &registry, None, published_at);
            readings += judged.readings.len() as u64;
            for reading in &judged.readings {
                let is_dead = matches!(reading.verdict, Verdict::Dead(_));
                assert_eq!(is_dead, reading.observation_ids.is_empty());
                assert_eq!(is_dead, reading.raw_item.is_empty());
                assert!(reading.legacy.is_none() && reading.observations.len() <= 1);
                for observation in &reading.observations {
                    emitted += 1;
                    let json: serde_json::Value = serde_json::from_str(&observation.json).unwrap();
                    assert_eq!(json["id"], observation.id.to_string());
                    assert_eq!(json["status"], observation.status);
                    assert!(observation.effective.seconds() >= 946_684_800);
                }
            }
        }
        assert_eq!(account.readings(), readings);
        accounted += account.emitted;
    }
    assert_eq!(emitted, accounted, "the account and the parser do not agree");
    assert!(emitted > 3_000, "{emitted}: the mutations leave too little alive");
}

#[test]
fn no_body_of_a_migration_causes_a_panic() {
    let bodies: Vec<Vec<u8>> = crate::histories::samples()
        .iter()
        .flat_map(|(collection, text)| crate::histories::entries_of(collection, text))
        .map(|entry| entry.body.into_bytes())
        .collect();
    let (mapping, registry) = (mapping(), registry());
    for round in 0..6_000 {
        let body = mutated(&mut Numbers::of(12, round), &bodies);
        let judged = mapping.judge(
            &stardust_domain::reading::Envelope {
                receipt: "r",
                received_at: RECEIVED,
                source: Source::Migration,
                items: None,
                body: &body,
            },
            &registry,
        );
        for reading in &judged.readings {
            assert_eq!(
                matches!(reading.verdict, Verdict::Dead(_)),
                reading.observation_ids.is_empty()
            );
        }
    }
}

#[test]
fn large_and_odd_bodies_are_answered_in_bounded_time() {
    let million = 1024 * 1024;
    for body in [
        "[".repeat(million),
        "{\"a\":".repeat(million / 5),
        format!(r#"{{"mac":"020000aa0001","x":"{}"}}"#, "\\".repeat(million - 1)),
        format!(
            r#"{{"mac":"020000aa0001",{}"z":1}}"#,
            (0..80_000).map(|n| format!("\"k{n}\":{n},")).collect::<String>()
        ),
        message("BP_BIOLIGTH", &vec!["1"; 400_000].join(",")),
        message(
            "BP_BIOLIGTH",
            &vec![r#"{"ble_addr":"020000bb0001","bp_high":131,"bp_low":84,"scan_time":1772323185}"#; 1_000]
                .join(","),
        ),
        format!(
            r#"{{"mac":"020000aa0001","type":"reportAttribute","data":{{"x":{}1{}}}}}"#,
            "{\"a\":".repeat(125),
            "}".repeat(125)
        ),
        format!(
            r#"{{"ble":1,"mac":"020000aa0001","type":"HB_Msg","data":{{"n":{}}}}}"#,
            "9".repeat(million - 100)
        ),
    ] {
        let judged = judge(&body);
        assert!(judged.readings.len() <= 1_000);
    }
}
