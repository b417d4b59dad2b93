//! Publishing beyond what the contract asks.

use std::time::{Duration, Instant};

use bytes::Bytes;
use stardust_kafka::{KafkaConfig, KafkaLog};
use stardust_pipeline::log::{Log, NewRecord, Topic};

use crate::stack::{self, numbered, open, publish, topic, values};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_told_and_nothing_overtakes() {
    // Nothing listens here, so that the queue fills.
    let mut config = KafkaConfig::new("127.0.0.1:9", "nobody");
    config.properties = vec![("queue.buffering.max.messages".to_owned(), "10".to_owned())];
    config.queue_wait = Duration::from_millis(100);
    let log = KafkaLog::new(config).unwrap();
    let start = Instant::now();
    let answers = log.publish(numbered(&Topic::new("nowhere"), 30)).await;
    assert_eq!(answers.len(), 30);
    let tags: Vec<&str> = answers.iter().map(|a| a.as_ref().unwrap_err().tag()).collect();
    let full = tags.iter().filter(|tag| **tag == "queue_full").count();
    assert_eq!(full, 20, "{tags:?}");
    assert!(
        tags[10..].iter().all(|tag| *tag == "queue_full"),
        "the last ones: {tags:?}"
    );
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_the_producer() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let to = topic(&log, 12).await;
    let tasks: Vec<_> = (0..64)
        .map(|caller| {
            let (log, to) = (log.clone(), to.clone());
            tokio::spawn(async move {
                for n in 0..20 {
                    publish(
                        &log,
                        vec![NewRecord {
                            topic: to.clone(),
                            key: Bytes::from(format!("key-{caller}")),
                            value: Bytes::from(format!("{caller:02}-{n:02}")),
                        }],
                    )
                    .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut found = values(&log, &to).await;
    found.dedup();
    assert_eq!(found.len(), 64 * 20, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_log_still_sends_what_it_took() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let reader = open(&brokers, &stack::name("instance"), &[]);
    let to = topic(&reader, 1).await;
    let log = open(&brokers, &stack::name("instance"), &[("linger.ms", "200")]);
    publish(&log, numbered(&to, 1)).await;
    // The caller goes away before the answer.
    let cut = tokio::time::timeout(Duration::from_millis(20), log.publish(numbered(&to, 5))).await;
    assert!(cut.is_err());
    tokio::task::spawn_blocking(move || drop(log)).await.unwrap();
    assert_eq!(values(&reader, &to).await.len(), 6);
}
