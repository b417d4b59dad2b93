//! Old and superseded records go; what is left reads as before.

use std::time::Duration;

use stardust_embedded::Embedded;
use stardust_pipeline::log::{Log, Member, TopicSpec};

use crate::{ROOMY, everything, record, spec, values};

#[tokio::test]
async fn records_older_than_the_retention_go_and_groups_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = Embedded::open(folder.path(), "test").unwrap();
    let log = file.log();
    let short = TopicSpec {
        retention: Some(Duration::from_millis(1_500)),
        ..spec("short", 2)
    };
    let kept = spec("kept", 1);
    log.create(&[short.clone(), kept.clone()]).await.unwrap();
    // More than one job removes at a time.
    let old = (0..5_000)
        .map(|n| record(&short.topic, &format!("{n}"), "old"))
        .collect();
    assert!(log.publish(old).await.iter().all(Result::is_ok));
    assert!(log.publish(vec![record(&kept.topic, "k", "kept")]).await[0].is_ok());
    let ends = log.bounds(&short.topic).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    assert!(log.publish(vec![record(&short.topic, "k", "new")]).await[0].is_ok());

    let removed = file.maintain().await.unwrap();
    assert_eq!((removed.expired, removed.superseded), (5_000, 0));
    assert_eq!(values(&everything(&log, &short.topic).await), ["new"]);
    assert_eq!(
        values(&everything(&log, &kept.topic).await),
        ["kept"],
        "unlimited is unlimited"
    );
    let bounds = log.bounds(&short.topic).await.unwrap();
    for (now, end) in bounds.iter().zip(&ends) {
        assert_eq!(now.low, end.high, "the first offset kept");
    }
    assert_eq!(
        log.lag("late", &short.topic).await.unwrap(),
        1,
        "what is gone is no lag"
    );
    let mut member = log
        .join("late", std::slice::from_ref(&short.topic), 0)
        .await
        .unwrap();
    assert_eq!(values(&member.next(ROOMY).await.unwrap()), ["new"]);
    member.commit(vec![]).await.unwrap();
    assert_eq!(log.lag("late", &short.topic).await.unwrap(), 0);
    assert_eq!(file.maintain().await.unwrap().expired, 0, "the new one stays");

    // A partition that lost all its records does not give an offset twice.
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    assert_eq!(file.maintain().await.unwrap().expired, 1);
    let ack = log
        .publish(vec![record(&short.topic, "k", "newer")])
        .await
        .remove(0)
        .unwrap();
    let before = bounds.iter().find(|b| b.partition == ack.partition).unwrap();
    assert_eq!(ack.offset, before.high);
}

#[tokio::test]
async fn a_compacted_topic_keeps_the_newest_record_of_each_key() {
    let folder = tempfile::tempdir().unwrap();
    let file = Embedded::open(folder.path(), "test").unwrap();
    let log = file.log();
    let status = TopicSpec {
        compacted: true,
        ..spec("status", 2)
    };
    log.create(std::slice::from_ref(&status)).await.unwrap();
    for round in 0..50 {
        let beats = (0..10)
            .map(|g| record(&status.topic, &format!("g{g}"), &format!("{g}-{round:02}")))
            .collect();
        assert!(log.publish(beats).await.iter().all(Result::is_ok));
    }
    let removed = file.maintain().await.unwrap();
    assert_eq!((removed.expired, removed.superseded), (0, 490));
    let mut left = values(&everything(&log, &status.topic).await);
    left.sort();
    assert_eq!(left, (0..10).map(|g| format!("{g}-49")).collect::<Vec<_>>());
    assert_eq!(
        log.lag("fleet", &status.topic).await.unwrap(),
        10,
        "gaps are no lag"
    );
    let mut member = log
        .join("fleet", std::slice::from_ref(&status.topic), 0)
        .await
        .unwrap();
    assert_eq!(member.next(ROOMY).await.unwrap().len(), 10);
    member.commit(vec![]).await.unwrap();
    assert_eq!(log.lag("fleet", &status.topic).await.unwrap(), 0);
}
