//! The whole transformation in memory: bytes of the raw topic in, Avro values of every output out, no I/O.
//!
//! `floor` parses and writes one Observation with plain serde: what any such program pays at least.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::registry::Registry;
use stardust_fhir_parser::{Rules, as_new};
use stardust_pipeline::log::{LogRecord, Topic};
use stardust_pipeline::topics::Topics;
use stardust_wire::{ObservationRecord, RawRecord, Subject, Wire};
use tokio::sync::watch;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RECEIVED: i64 = 1_772_323_200;

/// Device fields in the order of `ITEMS`.
const FIELDS: [&str; 8] = [
    "mac_bps",
    "mac_oxymeter",
    "mac_gluc",
    "mac_gluc",
    "mac_body_temp",
    "mac_weight",
    "mac_ua",
    "mac_chol",
];

const ITEMS: [(&str, &str); 8] = [
    ("BP_BIOLIGTH", r#""bp_high":131,"bp_low":84,"PR":71"#),
    ("Oximeter JUMPER", r#""pulse":77,"spo2":96,"pi":41"#),
    (
        "Contour_Elite",
        r#""scan_rssi":-61,"blood_glucose":"112","marker":"After Meal""#,
    ),
    (
        "AccuChek_Instant",
        r#""scan_rssi":-58,"blood_glucose":"98","marker":"Fasting""#,
    ),
    ("IR_TEMO_JUMPER", r#""temp":36.52999878,"mode":"Head""#),
    (
        "BodyScale_JUMPER",
        r#""weight":71.40000153,"resistance":512.7000122"#,
    ),
    ("MGSS_REF_UA", r#""scan_rssi":-66,"uric_acid":"402.5""#),
    ("MGSS_REF_CHOL", r#""scan_rssi":-70,"cholesterol":"4.6""#),
];

fn registry() -> Registry {
    let patient = serde_json::json!({"_id": {"$oid": "65a000000000000000000001"}});
    let devices = FIELDS.iter().enumerate().map(|(kind, field)| {
        serde_json::json!({"patient_id": {"$oid": "65a000000000000000000001"}, *field: format!("020000bb{kind:04x}")})
    });
    let boxes = [serde_json::json!({"mac_address": "02:00:00:AA:00:01", "patient_id": null})];
    Registry::from_documents(boxes, devices.collect::<Vec<_>>(), [patient]).0
}

fn batch(wire: &Wire, size: usize) -> Vec<LogRecord> {
    (0..size)
        .map(|n| {
            let (attribute, fields) = ITEMS[n % 8];
            let time = RECEIVED - i64::try_from(n).unwrap();
            let body = format!(
                r#"{{"from":"BLE","to":"CLOUD","time":{time},"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"bench","data":{{"attribute":"{attribute}","mac":"02:00:00:AA:00:01","value":{{"device_list":[{{"scan_time":{time},"ble_addr":"020000bb{:04x}",{fields}}}]}}}}}}"#,
                n % 8
            );
            let raw = RawRecord {
                receipt_id: uuid::Uuid::from_u128(n as u128).to_string(),
                request_id: "bench".to_owned(),
                received_at: RECEIVED * 1_000_000,
                source: "http".to_owned(),
                content_type: Some("application/json".to_owned()),
                gateway: Some("020000aa0001".to_owned()),
                migration_run: None,
                items: None,
                body: Bytes::from(body),
            };
            LogRecord {
                topic: Topic::new("ava4.readings.raw"),
                partition: 0,
                offset: i64::try_from(n).unwrap(),
                timestamp_ms: RECEIVED * 1_000,
                key: Some(Bytes::from_static(b"020000aa0001")),
                value: Bytes::from(wire.encode(Subject::Raw, &raw).unwrap()),
            }
        })
        .collect()
}

fn transform(c: &mut Criterion) {
    let wire = Wire::builtin().unwrap();
    let settings = Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    };
    let (_sender, registry) = watch::channel(Arc::new(registry()));
    let rules = Rules {
        wire: wire.clone(),
        mapping: Arc::new(Mapping::builtin(settings).unwrap()),
        registry,
        topics: Topics::default(),
        legacy_routing: true,
    };
    let records = batch(&wire, 480);
    let outputs = as_new(&rules, &records).unwrap();
    // 480 readings of eight kinds: 480 legacy documents and audit events, and more Observations than readings.
    assert!(outputs.len() > 3 * records.len(), "{}", outputs.len());
    assert!(
        outputs
            .iter()
            .all(|o| !o.topic.as_str().contains("dead") && !o.topic.as_str().contains("parked"))
    );
    let mut group = c.benchmark_group("transform");
    group.throughput(Throughput::Elements(records.len() as u64));
    group.bench_function("eight kinds, bytes to Avro of all outputs", |b| {
        b.iter(|| as_new(&rules, black_box(&records)).unwrap());
    });
    group.finish();

    let observation = outputs
        .iter()
        .find(|o| o.topic == rules.topics.observations)
        .unwrap();
    let record: ObservationRecord<'_> = wire.decode(Subject::Observations, &observation.value).unwrap();
    let mut group = c.benchmark_group("floor");
    group.throughput(Throughput::Elements(1));
    group.bench_function("serde parse and write of one Observation", |b| {
        b.iter(|| {
            let value: serde_json::Value = serde_json::from_str(black_box(record.resource.as_ref())).unwrap();
            serde_json::to_string(&value).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, transform);
criterion_main!(benches);
