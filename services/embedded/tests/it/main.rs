//! The embedded backend against the promises, and against kills, damage and a second process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where it finds a fault"
)]

mod child;
mod contract;
mod gathering;
mod kill;
mod local;
mod maintenance;
mod opening;
mod second_process;
mod spool;

use stardust_pipeline::log::{Budget, Log, LogRecord, NewRecord, Topic, TopicSpec};
use std::time::Duration;

/// The budget of most reads here.
const ROOMY: Budget = Budget {
    records: 1_000,
    bytes: 16 << 20,
    wait: Duration::from_millis(200),
};

fn record(topic: &Topic, key: &str, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.clone(),
        key: bytes::Bytes::copy_from_slice(key.as_bytes()),
        value: bytes::Bytes::copy_from_slice(value.as_bytes()),
    }
}

fn spec(name: &str, partitions: i32) -> TopicSpec {
    TopicSpec {
        topic: Topic::new(name),
        partitions,
        retention: None,
        compacted: false,
    }
}

/// Every record of a topic, partition by partition.
async fn everything<L: Log>(log: &L, topic: &Topic) -> Vec<LogRecord> {
    let mut all = Vec::new();
    for bounds in log.bounds(topic).await.unwrap() {
        let mut from = bounds.low;
        loop {
            let page = log.read(topic, bounds.partition, from, ROOMY).await.unwrap();
            let Some(last) = page.last() else { break };
            from = last.offset + 1;
            all.extend(page);
        }
    }
    all
}

fn values(records: &[LogRecord]) -> Vec<String> {
    records
        .iter()
        .map(|r| String::from_utf8(r.value.to_vec()).unwrap())
        .collect()
}
