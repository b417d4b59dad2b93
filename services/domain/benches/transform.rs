//! How many readings a second one core turns into documents: the eight kinds in equal parts, bytes in, JSON out.
//!
//! `cargo bench -p stardust-domain --bench transform`. The floor beside it is a bare serde_json parse and write of one of
//! the Observations that come out.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::outcome::Source;
use stardust_domain::reading::Envelope;
use stardust_domain::registry::Registry;
use stardust_domain::remap::{self, Raws};
use stardust_domain::time::Timestamp;

/// Attribute and item fields of each kind; the device is the n-th.
const KINDS: [(&str, &str); 8] = [
    ("BP_BIOLIGTH", r#""bp_high":131,"bp_low":84,"PR":71"#),
    ("Oximeter JUMPER", r#""pulse":77,"spo2":96,"pi":41"#),
    (
        "Contour_Elite",
        r#""scan_rssi":-61,"blood_glucose":"112","marker":"After Meal""#,
    ),
    (
        "AccuChek_Instant",
        r#""scan_rssi":-58,"blood_glucose":"98","marker":"After Meal""#,
    ),
    ("IR_TEMO_JUMPER", r#""temp":36.52999878,"mode":"Head""#),
    (
        "BodyScale_JUMPER",
        r#""weight":71.40000153,"resistance":512.7000122"#,
    ),
    ("MGSS_REF_UA", r#""scan_rssi":-66,"uric_acid":"402.5""#),
    ("MGSS_REF_CHOL", r#""scan_rssi":-70,"cholesterol":"4.6""#),
];

const FIELDS: [&str; 8] = [
    "mac_bps",
    "mac_oxymeter",
    "mac_gluc",
    "mac_dusun_bps",
    "mac_body_temp",
    "mac_weight",
    "mac_ua",
    "mac_chol",
];

fn messages() -> Vec<String> {
    KINDS
        .iter()
        .enumerate()
        .map(|(n, (attribute, fields))| {
            format!(
                r#"{{"from":"BLE","to":"CLOUD","time":1772323190,"deviceCode":"02:00:00:AA:00:01","mac":"02:00:00:AA:00:01","type":"reportAttribute","device":"WBP BIOLIGHT","data":{{"attribute":"{attribute}","mac":"02:00:00:AA:00:01","value":{{"device_list":[{{"scan_time":1772323185,"ble_addr":"020000bb000{n}",{fields}}}]}}}}}}"#
            )
        })
        .collect()
}

fn registry() -> Registry {
    let patient = json!({"$oid": "65a000000000000000000001"});
    let devices = FIELDS.iter().enumerate().map(|(n, field)| {
        let mut device = json!({"patient_id": patient});
        device[*field] = json!(format!("020000bb000{n}"));
        device
    });
    let boxes = [json!({"mac_address": "020000aa0001", "patient_id": patient})];
    Registry::from_documents(boxes, devices, [json!({"_id": patient})]).0
}

fn transform(criterion: &mut Criterion) {
    let mapping = Mapping::builtin(Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".into(),
    })
    .unwrap();
    let (registry, messages) = (registry(), messages());
    let envelope = |body| Envelope {
        receipt: "0196a5b0-0000-7000-8000-000000000001",
        received_at: Timestamp::from_micros(1_772_323_200_123_456),
        source: Source::Http,
        items: None,
        body,
    };

    let mut group = criterion.benchmark_group("transform");
    group.throughput(Throughput::Elements(8));
    group.bench_function("judge, eight kinds", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                let judged = mapping.judge(&envelope(black_box(message.as_bytes())), &registry);
                assert!(judged.readings.iter().all(|r| !r.observations.is_empty()));
                black_box(judged);
            }
        });
    });
    group.bench_function("admit, eight kinds", |bencher| {
        bencher.iter(|| {
            for message in &messages {
                let received = Timestamp::from_micros(1_772_323_200_123_456);
                black_box(mapping.admit(black_box(message.as_bytes()), received, false)).unwrap();
            }
        });
    });
    group.finish();

    remapping(criterion, &mapping, &registry, &messages);

    let judged = mapping.judge(&envelope(messages[0].as_bytes()), &registry);
    let observation = judged.readings[0].observations[0].json.clone();
    let mut group = criterion.benchmark_group("floor");
    group.throughput(Throughput::Bytes(observation.len() as u64));
    group.bench_function("parse and write one Observation", |bencher| {
        bencher.iter(|| {
            let value: serde_json::Value = serde_json::from_str(black_box(&observation)).unwrap();
            serde_json::to_string(&value).unwrap()
        });
    });
    group.finish();
}

/// Stored readings beside what rules make of their raw items: the same rules, and rules that change all of them.
fn remapping(criterion: &mut Criterion, mapping: &Mapping, registry: &Registry, messages: &[String]) {
    let received_at = Timestamp::from_micros(1_772_323_200_123_456);
    let judged: Vec<_> = messages
        .iter()
        .map(|message| {
            mapping.judge(
                &Envelope {
                    receipt: "0196a5b0-0000-7000-8000-000000000001",
                    received_at,
                    source: Source::Http,
                    items: None,
                    body: message.as_bytes(),
                },
                registry,
            )
        })
        .collect();
    let readings: Vec<remap::Reading<'_>> = judged
        .iter()
        .flat_map(|judged| &judged.readings)
        .map(|reading| remap::Reading {
            raws: Raws::Item(&reading.raw_item),
            source: Source::Http,
            received_at,
            patient: "65a000000000000000000001".parse().unwrap(),
            observations: reading
                .observations
                .iter()
                .map(|o| remap::Stored {
                    id: o.id,
                    status: o.status,
                    resource: &o.json,
                })
                .collect(),
        })
        .collect();
    // Every LOINC code gets another display.
    let text = include_str!("../catalogue.json").replace("\"display\": \"", "\"display\": \"New ");
    let settings = Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".into(),
    };
    let other = Mapping::from_text(&text, settings).unwrap();
    let mut group = criterion.benchmark_group("remap");
    group.throughput(Throughput::Elements(readings.len() as u64));
    for (name, mapping, changes) in [("unchanged", mapping, false), ("all changed", &other, true)] {
        group.bench_function(format!("eight kinds, {name}"), |bencher| {
            bencher.iter(|| {
                for reading in &readings {
                    let remapped = remap::remap(mapping, black_box(reading)).unwrap();
                    assert_eq!(remapped.is_empty(), !changes);
                    black_box(remapped);
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, transform);
criterion_main!(benches);
