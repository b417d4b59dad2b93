//! Durable publishes of single records from 64 tasks, and inserts of 500 Observations.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench ends where it finds a fault"
)]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stardust_domain::ids::{PatientId, uuid_of};
use stardust_domain::time::Timestamp;
use stardust_embedded::Embedded;
use stardust_pipeline::log::{Log, NewRecord, Topic, TopicSpec};
use stardust_pipeline::store::{ObservationDocument, Position, Store, Writer};
use tokio::runtime::Runtime;

const TASKS: usize = 64;

fn publishes(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = Embedded::open(folder.path(), "bench").unwrap().log();
    let topic = Topic::new("ava4.readings.raw");
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions: 12,
        retention: None,
        compacted: false,
    };
    runtime.block_on(log.create(&[spec])).unwrap();
    let mut group = c.benchmark_group("publish");
    group
        .throughput(Throughput::Elements(1))
        .measurement_time(Duration::from_secs(10));
    group.bench_function("durable, single records, 64 tasks", |b| {
        b.iter_custom(|rounds| {
            let each = usize::try_from(rounds).unwrap().div_ceil(TASKS);
            let start = Instant::now();
            runtime.block_on(async {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|task| {
                        let (log, topic) = (log.clone(), topic.clone());
                        tokio::spawn(async move {
                            for _ in 0..each {
                                let record = NewRecord {
                                    topic: topic.clone(),
                                    key: format!("020000aa00{task:02x}").into(),
                                    value: vec![7; 400].into(),
                                };
                                log.publish(vec![record]).await.remove(0).unwrap();
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            // The rounds are shared out in equal parts, so a few more are done than were asked for.
            start.elapsed().mul_f64(rounds as f64 / (each * TASKS) as f64)
        });
    });
    group.finish();
}

fn observation(n: i64) -> ObservationDocument {
    let id = uuid_of(&format!("bench|{n}"));
    ObservationDocument {
        id,
        main: true,
        resource: format!(
            r#"{{"resourceType":"Observation","id":"{id}","note":[{{"text":"{}"}}]}}"#,
            "x".repeat(1_400)
        ),
        code: "85354-9".into(),
        status: "final".into(),
        patient: PatientId::from_bytes([1; 12]),
        device: "020000aa0001".parse().ok(),
        gateway: "020000aa0002".parse().ok(),
        effective: Timestamp::from_seconds(1_772_323_200),
        recorded: Timestamp::from_seconds(1_772_323_200),
        writer: Writer {
            receipt_id: uuid_of(&format!("receipt|{n}")).to_string(),
            position: Position {
                topic: "ava4.readings.raw".into(),
                partition: 0,
                offset: n,
                item: 0,
            },
        },
        source: "http".into(),
        raw_item: "x".repeat(200),
        mapping_version: "0".repeat(64),
        migration_run: None,
        legacy: None,
    }
}

fn inserts(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Embedded::open(folder.path(), "bench").unwrap().store();
    let next = AtomicI64::new(0);
    let mut group = c.benchmark_group("insert_observations");
    group.throughput(Throughput::Elements(500)).sample_size(30);
    group.bench_function("500 new", |b| {
        b.iter_batched(
            || {
                let first = next.fetch_add(500, Ordering::Relaxed);
                (first..first + 500).map(observation).collect::<Vec<_>>()
            },
            |documents| runtime.block_on(store.insert_observations(&documents)).unwrap(),
            BatchSize::PerIteration,
        );
    });
    let present: Vec<_> = (0..500).map(observation).collect();
    group.bench_function("500 present", |b| {
        b.iter(|| runtime.block_on(store.insert_observations(&present)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, publishes, inserts);
criterion_main!(benches);
