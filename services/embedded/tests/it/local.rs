//! The local log: what is elsewhere goes, what waits stays.

use stardust_embedded::Embedded;
use stardust_pipeline::log::{Log, Member, Topic};
use stardust_pipeline::relay::LocalLog;

use crate::{ROOMY, everything, record, spec, values};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_trimmed_is_gone_and_offsets_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = Embedded::open(folder.path(), "door").unwrap();
    let (log, topic) = (file.log(), Topic::new("sync/door"));
    log.create(&[spec("sync/door", 1)]).await.unwrap();
    // More than one chunk of a trim.
    let many = (0..4_500).map(|n| record(&topic, "k", &n.to_string())).collect();
    assert!(log.publish(many).await.iter().all(Result::is_ok));
    let (records, bytes) = log.size(&topic, i64::MAX).await.unwrap();
    assert_eq!((records, bytes), (4_500, 4_500 + 10 + 180 + 2_700 + 4 * 3_500));
    assert_eq!(log.size(&topic, 12).await.unwrap(), (12, 12 + 10 + 4));
    log.trim(&topic, 0, 4_498).await.unwrap();
    assert_eq!(log.size(&topic, 12).await.unwrap(), (0, 0));
    log.trim(&topic, 0, 7).await.unwrap();
    assert_eq!(values(&everything(&log, &topic).await), ["4498", "4499"]);
    assert_eq!(log.size(&topic, i64::MAX).await.unwrap(), (2, 10));
    let mut member = log.join("sync", std::slice::from_ref(&topic), 0).await.unwrap();
    assert_eq!(member.next(ROOMY).await.unwrap()[0].offset, 4_498);
    // Nothing that has not come yet can be trimmed.
    log.trim(&topic, 0, i64::MAX).await.unwrap();
    assert_eq!(log.size(&topic, i64::MAX).await.unwrap(), (0, 0));
    let acks = log.publish(vec![record(&topic, "k", "x")]).await;
    assert_eq!(acks[0].as_ref().unwrap().offset, 4_500);
    file.close().await;
    let log = Embedded::open(folder.path(), "door").unwrap().log();
    assert_eq!(values(&everything(&log, &topic).await), ["x"]);
}

#[tokio::test]
async fn topics_are_found_by_the_start_of_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let log = Embedded::open(folder.path(), "door").unwrap().log();
    let names = ["sync/b", "ava4.sync/x", "sync/a", "sync_c"];
    log.create(&names.map(|name| spec(name, 1))).await.unwrap();
    let found = log.topics_named("sync/").await.unwrap();
    assert_eq!(found, [Topic::new("sync/b"), Topic::new("sync/a")]);
    assert!(log.topics_named("%").await.unwrap().is_empty());
}
