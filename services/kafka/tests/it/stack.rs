//! The broker under test, and what the tests have in common.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use stardust_kafka::{KafkaConfig, KafkaLog, KafkaMember};
use stardust_pipeline::log::{Budget, Commit, Log, LogRecord, Member, NewRecord, Topic, TopicSpec};
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

/// Most things take milliseconds; this ends a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A budget that takes whatever is there.
pub const ROOMY: Budget = Budget {
    records: 1_000,
    bytes: 16 << 20,
    wait: Duration::from_millis(300),
};

/// The brokers; none (with a word on why) where none are named.
pub fn brokers() -> Option<String> {
    let named = std::env::var("TEST_KAFKA_BROKERS")
        .ok()
        .filter(|named| !named.is_empty());
    if named.is_none() {
        println!("skipped: TEST_KAFKA_BROKERS is not set");
    }
    named
}

/// The folder of a broker that may be stopped.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var("TEST_KAFKA_DIR")
        .ok()
        .filter(|named| !named.is_empty());
    if named.is_none() {
        println!("skipped: TEST_KAFKA_DIR is not set, so the broker is not ours to stop");
    }
    named.map(PathBuf::from)
}

/// `tests/stack/kafka <what> <folder>`.
pub async fn stack(what: &'static str, folder: &Path) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/stack/kafka");
    let folder = folder.to_owned();
    let status = tokio::task::spawn_blocking(move || {
        std::process::Command::new(script).arg(what).arg(folder).status()
    });
    assert!(status.await.unwrap().unwrap().success(), "the broker's script");
}

fn turnstile() -> std::sync::Arc<RwLock<()>> {
    static TURNSTILE: OnceLock<std::sync::Arc<RwLock<()>>> = OnceLock::new();
    TURNSTILE.get_or_init(std::sync::Arc::default).clone()
}

/// Held by a test that needs the broker to stay.
pub async fn broker_stays() -> OwnedRwLockReadGuard<()> {
    turnstile().read_owned().await
}

/// Held by a test that stops the broker.
pub async fn broker_goes() -> OwnedRwLockWriteGuard<()> {
    turnstile().write_owned().await
}

/// A name that nothing else has.
pub fn name(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{what}-{now:x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A client as a process with this instance id would open it.
pub fn open(brokers: &str, instance: &str, properties: &[(&str, &str)]) -> KafkaLog {
    let mut config = KafkaConfig::new(brokers, instance);
    config.properties = properties
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    KafkaLog::new(config).unwrap()
}

/// A fresh topic.
pub async fn topic(log: &KafkaLog, partitions: i32) -> Topic {
    let topic = Topic::new(&name("topic"));
    let spec = TopicSpec {
        topic: topic.clone(),
        partitions,
        retention: None,
        compacted: false,
    };
    log.create(&[spec]).await.unwrap();
    topic
}

/// Numbered records over some keys.
pub fn numbered(topic: &Topic, count: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|n| NewRecord {
            topic: topic.clone(),
            key: Bytes::from(format!("key-{}", n % 5)),
            value: Bytes::from(format!("v{n:05}")),
        })
        .collect()
}

/// The same values for another topic.
pub fn copies(records: &[LogRecord], to: &Topic) -> Vec<NewRecord> {
    records
        .iter()
        .map(|record| NewRecord {
            topic: to.clone(),
            key: record.key.clone().unwrap_or_default(),
            value: record.value.clone(),
        })
        .collect()
}

/// Publishes; every record has to be acknowledged.
pub async fn publish(log: &KafkaLog, records: Vec<NewRecord>) {
    for answer in log.publish(records).await {
        answer.unwrap();
    }
}

/// The next records that are not nothing.
pub async fn batch(member: &mut KafkaMember, budget: Budget) -> Vec<LogRecord> {
    let end = Instant::now() + PATIENCE;
    loop {
        let records = member.next(budget).await.unwrap();
        if !records.is_empty() {
            return records;
        }
        assert!(Instant::now() < end, "records came in time");
    }
}

/// Copies until this many are committed.
pub async fn copy(member: &mut KafkaMember, to: &Topic, count: usize) {
    let mut done = 0;
    while done < count {
        let records = batch(member, ROOMY).await;
        if member.commit(copies(&records, to)).await.unwrap() == Commit::Done {
            done += records.len();
        }
    }
}

/// The committed values of a topic, sorted.
pub async fn values(log: &KafkaLog, topic: &Topic) -> Vec<String> {
    let mut values = Vec::new();
    for bounds in log.bounds(topic).await.unwrap() {
        let mut from = bounds.low;
        loop {
            let page = log.read(topic, bounds.partition, from, ROOMY).await.unwrap();
            let Some(last) = page.last() else { break };
            from = last.offset + 1;
            values.extend(
                page.iter()
                    .map(|r| String::from_utf8_lossy(&r.value).into_owned()),
            );
        }
    }
    values.sort();
    values
}

/// The values of [`numbered`] records.
pub fn expected(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("v{n:05}")).collect()
}

/// Something that is bound to happen.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(came) => came,
        Err(_) => panic!("waited in vain: {what}"),
    }
}
