//! How many entries a second one core takes from history documents to Observations: split alone, and with the judgement
//! that the parser (and the account of a dry run) makes of each.
//!
//! `cargo bench -p stardust-domain --bench histories`.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use stardust_domain::history::{Account, HistoryDocument};
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

const ENTRIES: u64 = 1_000;

/// A document with as many entries as the largest ones have.
fn document(entry: impl Fn(u64) -> String) -> String {
    let entries: Vec<String> = (0..ENTRIES).map(entry).collect();
    format!(
        r#"{{"_id":{{"$oid":"5b99101dda84585aaa23dbf9"}},"patient_id":{{"$oid":"65a000000000000000000001"}},"data":[{}],"created_at":{{"$date":"2022-01-01T00:00:00Z"}},"__v":3}}"#,
        entries.join(",")
    )
}

fn documents() -> [(&'static str, String); 3] {
    let date = |name: &str, n: u64| {
        format!(
            r#""{name}":{{"$date":{{"$numberLong":"{}"}}}}"#,
            1_614_556_800_000 + n * 60_000
        )
    };
    [
        (
            "blood_pressure_histories",
            document(|n| {
                format!(
                    r#"{{"sys_data":{},"dia_data":84,"pr_data":71,{}}}"#,
                    100 + n % 60,
                    date("bp_import_date", n)
                )
            }),
        ),
        (
            "blood_sugar_histories",
            document(|n| {
                format!(
                    r#"{{"dtx_type":2,"fasting_dtx":{},"pre_meal_dtx":null,"post_meal_dtx":null,"no_marker_dtx":null,"blood_sugar_source":0,"blood_sugar_marker":"",{}}}"#,
                    80 + n % 100,
                    date("blood_sugar_import_date", n)
                )
            }),
        ),
        (
            "body_data_histories",
            document(|n| {
                format!(
                    r#"{{"weight":71.{},"height":172,"waist":0,"bmi":24.221453287197235,{}}}"#,
                    n % 10,
                    date("body_data_import_date", n)
                )
            }),
        ),
    ]
}

fn histories(criterion: &mut Criterion) {
    let mapping = Mapping::builtin(Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".into(),
    })
    .unwrap();
    let patients = [json!({"_id": {"$oid": "65a000000000000000000001"}})];
    let registry = Registry::from_documents([], [], patients).0;
    let published_at = Timestamp::from_seconds(1_772_323_200);
    let documents = documents();

    let mut group = criterion.benchmark_group("histories");
    group.throughput(Throughput::Elements(ENTRIES * documents.len() as u64));
    group.sample_size(20);
    group.bench_function("split", |bencher| {
        bencher.iter(|| {
            for (collection, text) in &documents {
                let document = HistoryDocument::read("AMY", collection, black_box(text)).unwrap();
                assert_eq!(document.entries().map(black_box).count() as u64, ENTRIES);
            }
        });
    });
    group.bench_function("split and judge", |bencher| {
        bencher.iter(|| {
            for (collection, text) in &documents {
                let document = HistoryDocument::read("AMY", collection, black_box(text)).unwrap();
                let mut account = Account::default();
                for entry in document.entries() {
                    account.entry(&entry, &mapping, &registry, published_at);
                }
                assert!(account.emitted >= ENTRIES);
                black_box(account);
            }
        });
    });
    group.finish();
}

criterion_group!(benches, histories);
criterion_main!(benches);
