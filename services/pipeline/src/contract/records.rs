//! Promises about topics and records.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::broken::{Kept, ensure, ensure_eq};
use super::log_ground::{LogFixture, LogGround, ROOMY, numbered, out_of_order, published, record, values};
use super::wait::until;
use crate::log::{Budget, Log, LogError, NewRecord, Topic, TopicSpec};
use crate::partition::partition_of;

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

pub(super) async fn create_makes_what_is_missing_and_describe_says_what_exists<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let spec = |retention: Option<u64>, compacted| TopicSpec {
        topic: Topic::new(&ground.name("topic")),
        partitions: 3,
        retention: retention.map(Duration::from_secs),
        compacted,
    };
    let week = spec(Some(7 * 86_400), false);
    let unlimited = spec(None, false);
    let newest = spec(None, true);
    let missing = Topic::new(&ground.name("missing"));
    log.ping().await?;

    let made = log.create(std::slice::from_ref(&week)).await?;
    ensure_eq!(made, vec![week.topic.clone()], "create says what it made");
    let mut made = log
        .create(&[week.clone(), unlimited.clone(), newest.clone()])
        .await?;
    made.sort();
    let mut expected = vec![unlimited.topic.clone(), newest.topic.clone()];
    expected.sort();
    ensure_eq!(made, expected, "create leaves what exists");
    let other = TopicSpec {
        partitions: 5,
        ..week.clone()
    };
    ensure_eq!(
        log.create(&[other]).await?,
        vec![],
        "create never changes a topic"
    );

    let names = [
        week.topic.clone(),
        unlimited.topic.clone(),
        missing.clone(),
        newest.topic.clone(),
    ];
    until!(
        ground,
        "the topics are described",
        log.describe(&names).await?.len() == 3
    );
    let mut states = log.describe(&names).await?;
    states.sort_by(|a, b| a.spec.topic.cmp(&b.spec.topic));
    let mut specs = vec![week.clone(), unlimited, newest];
    specs.sort_by(|a, b| a.topic.cmp(&b.topic));
    for (state, spec) in states.iter().zip(&specs) {
        ensure_eq!(state.spec, *spec, "the policy in force");
        ensure_eq!(state.bounds.len(), 3, "bounds of each partition");
        ensure!(
            state.bounds.iter().all(|b| b.low == b.high),
            "a new topic is empty"
        );
    }
    ensure_eq!(
        log.bounds(&week.topic).await?.len(),
        3,
        "bounds of each partition"
    );
    ensure!(
        log.bounds(&missing).await.is_err(),
        "bounds of a missing topic are an error"
    );
    Ok(())
}

pub(super) async fn an_acknowledged_record_can_be_read_where_its_ack_says<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 3).await?;
    let before = now_ms();
    let sent = numbered(&topic, "v", 20, 7);
    let acks = published(&log, sent.clone()).await?;
    let after = now_ms();
    let reader = ground.log().await;
    for (sent, ack) in sent.iter().zip(&acks) {
        let found = reader.read(&topic, ack.partition, ack.offset, ROOMY).await?;
        let Some(found) = found.first() else {
            return Err(super::Broken(format!("nothing at {ack:?}")));
        };
        ensure_eq!(
            (found.partition, found.offset),
            (ack.partition, ack.offset),
            "its place"
        );
        ensure_eq!(found.topic, topic, "its topic");
        ensure_eq!(found.key.as_deref(), Some(&sent.key[..]), "its key");
        ensure_eq!(found.value, sent.value, "its value");
        ensure!(
            (before - 2_000..=after + 2_000).contains(&found.timestamp_ms),
            "the timestamp {} is the time of the publish ({before} to {after})",
            found.timestamp_ms
        );
    }
    for bounds in log.bounds(&topic).await? {
        let here = acks.iter().filter(|a| a.partition == bounds.partition);
        let next = here.map(|a| a.offset + 1).max().unwrap_or(bounds.low);
        ensure!(bounds.high >= next, "{bounds:?} covers every ack (next {next})");
    }
    Ok(())
}

pub(super) async fn a_key_decides_the_partition<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 12).await?;
    let sent = numbered(&topic, "v", 60, 60);
    let acks = published(&log, sent.clone()).await?;
    for (sent, ack) in sent.iter().zip(acks) {
        ensure_eq!(ack.partition, partition_of(&sent.key, 12), "Kafka's own rule");
    }
    Ok(())
}

pub(super) async fn records_of_one_key_keep_their_order<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 4).await?;
    let sent = numbered(&topic, "v", 300, 5);
    for part in sent.chunks(70) {
        let acks = published(&log, part.to_vec()).await?;
        for (i, a) in acks.iter().enumerate() {
            for b in &acks[i + 1..] {
                ensure!(
                    a.partition != b.partition || a.offset < b.offset,
                    "offsets rise in the order sent"
                );
            }
        }
    }
    let found = ground.everything(&log, &topic).await?;
    ensure_eq!(found.len(), 300, "every record once");
    ensure_eq!(out_of_order(&found), None, "the order of each key");
    ensure!(
        found
            .windows(2)
            .all(|w| w[0].partition != w[1].partition || w[0].offset < w[1].offset),
        "offsets rise within a partition"
    );
    Ok(())
}

pub(super) async fn a_large_record_of_any_bytes_comes_back_unchanged<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 1).await?;
    // 4 MiB is the largest record; a little is left for framing.
    let size = (4 << 20) - 64 * 1024;
    let mut state = 1_u32;
    let value: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(size)
    .collect();
    let big = NewRecord {
        topic: topic.clone(),
        key: Bytes::from_static(&[0, 255, 128, 10]),
        value: Bytes::from(value),
    };
    let empty = NewRecord {
        topic: topic.clone(),
        key: Bytes::from_static(b"k"),
        value: Bytes::new(),
    };
    published(&log, vec![big.clone(), empty]).await?;
    let found = ground.everything(&log, &topic).await?;
    ensure_eq!(found.len(), 2, "both are there");
    ensure!(
        found[0].value == big.value,
        "{} bytes come back unchanged",
        big.value.len()
    );
    ensure_eq!(found[0].key.as_deref(), Some(&big.key[..]), "a key of any bytes");
    ensure!(found[1].value.is_empty(), "an empty value stays empty");
    Ok(())
}

pub(super) async fn a_record_beyond_the_limit_is_refused_and_the_others_go_through<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 2).await?;
    let mut records = numbered(&topic, "v", 3, 3);
    records[1].value = Bytes::from(vec![7; 5 << 20]);
    let answers = log.publish(records).await;
    ensure_eq!(answers.len(), 3, "one answer a record");
    ensure!(
        answers[0].is_ok() && answers[2].is_ok(),
        "the others go through: {answers:?}"
    );
    ensure!(
        matches!(answers[1], Err(LogError::Refused(_))),
        "5 MiB are refused for good: {:?}",
        answers[1]
    );
    ensure_eq!(
        ground.everything(&log, &topic).await?.len(),
        2,
        "only the others are there"
    );
    Ok(())
}

pub(super) async fn a_record_for_an_unknown_topic_is_an_error_and_the_others_go_through<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 2).await?;
    let missing = Topic::new(&ground.name("missing"));
    let answers = ground
        .soon(
            "the answers",
            log.publish(vec![
                record(&topic, "a", "1"),
                record(&missing, "a", "2"),
                record(&topic, "b", "3"),
            ]),
        )
        .await?;
    ensure_eq!(answers.len(), 3, "one answer a record");
    ensure!(
        answers[0].is_ok() && answers[2].is_ok(),
        "the others go through: {answers:?}"
    );
    let Err(e) = &answers[1] else {
        return Err(super::Broken("a missing topic took a record".into()));
    };
    ensure!(e.is_retriable(), "someone may create the topic: {e:?}");
    ensure_eq!(
        log.describe(&[missing]).await?.len(),
        0,
        "no topic is made in passing"
    );
    Ok(())
}

pub(super) async fn reading_keeps_to_its_budget_and_goes_on_from_any_offset<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 1).await?;
    let acks = published(&log, numbered(&topic, "v", 10, 1)).await?;
    let three = Budget { records: 3, ..ROOMY };
    let page = log.read(&topic, 0, acks[4].offset, three).await?;
    ensure_eq!(
        values(&page),
        ["v000004", "v000005", "v000006"],
        "three from the fifth"
    );
    let few = Budget { bytes: 1, ..ROOMY };
    let page = log.read(&topic, 0, acks[4].offset, few).await?;
    ensure_eq!(values(&page), ["v000004"], "the last record may pass the bytes");
    let end = log.bounds(&topic).await?[0].high;
    ensure_eq!(
        log.read(&topic, 0, end, three).await?.len(),
        0,
        "empty at the end"
    );
    Ok(())
}
