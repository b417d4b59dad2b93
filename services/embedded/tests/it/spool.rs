//! The spool: in order, all or none, never beyond its limit, there after a restart.

use stardust_embedded::Embedded;
use stardust_pipeline::log::Topic;
use stardust_pipeline::spool::{Spool, SpoolError, SpoolLevel};

use crate::record;

fn level(records: u64, bytes: u64) -> SpoolLevel {
    SpoolLevel { records, bytes }
}

#[tokio::test]
async fn records_wait_in_order_until_they_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new("ava4.readings.raw");
    let file = Embedded::open(folder.path(), "door").unwrap();
    let spool = file.spool(1_000);
    assert_eq!(spool.level().await.unwrap(), SpoolLevel::default());
    spool
        .append(vec![record(&topic, "a", "1234"), record(&topic, "b", "12")])
        .await
        .unwrap();
    spool.append(vec![record(&topic, "a", "1")]).await.unwrap();
    assert_eq!(spool.level().await.unwrap(), level(3, 10));
    file.close().await;

    let file = Embedded::open(folder.path(), "door").unwrap();
    let spool = file.spool(1_000);
    let mut keys = spool.keys().await.unwrap();
    keys.sort();
    assert_eq!(keys, [("a".into(), 2), ("b".into(), 1)]);
    let front = spool.front(2).await.unwrap();
    assert_eq!(front[0].record, record(&topic, "a", "1234"));
    assert_eq!(front[1].record, record(&topic, "b", "12"));
    let all = spool.front(100).await.unwrap();
    assert!(all.windows(2).all(|w| w[0].seq < w[1].seq));
    spool.remove(&[all[0].seq, all[1].seq]).await.unwrap();
    spool.remove(&[all[0].seq]).await.unwrap();
    assert_eq!(
        spool.level().await.unwrap(),
        level(1, 2),
        "what is gone is not counted twice"
    );
    spool.remove(&[all[2].seq]).await.unwrap();
    assert_eq!(spool.level().await.unwrap(), level(0, 0));
    spool.append(vec![record(&topic, "a", "5")]).await.unwrap();
    assert!(
        spool.front(1).await.unwrap()[0].seq > all[2].seq,
        "a place is given once"
    );
}

#[tokio::test]
async fn a_full_spool_takes_all_of_a_call_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let topic = Topic::new("t");
    let spool = Embedded::open(folder.path(), "door").unwrap().spool(20);
    spool
        .append(vec![record(&topic, "k", "123456789")])
        .await
        .unwrap();
    let refused = spool
        .append(vec![record(&topic, "k", "12345"), record(&topic, "k", "12345")])
        .await;
    assert!(matches!(refused, Err(SpoolError::Full(_))), "{refused:?}");
    assert_eq!(spool.level().await.unwrap(), level(1, 10), "none of the two");
    spool
        .append(vec![record(&topic, "k", "123456789")])
        .await
        .unwrap();
    assert!(spool.append(vec![record(&topic, "", "1")]).await.is_err());
    let front = spool.front(1).await.unwrap();
    spool.remove(&[front[0].seq]).await.unwrap();
    spool.append(vec![record(&topic, "", "1")]).await.unwrap();
}
