//! The relay: each record once, and the place in its source with it.

use std::time::Duration;

use stardust_kafka::{KafkaConfig, KafkaRelay};
use stardust_pipeline::log::{Commit, NewRecord, Topic};
use stardust_pipeline::relay::Relay;
use tokio::time::sleep;

use crate::stack::{self, expected, numbered, open, soon, topic, values};

fn relay(brokers: &str, name: &str, topic: &Topic) -> KafkaRelay {
    KafkaRelay::new(KafkaConfig::new(brokers, "door"), name, topic)
}

/// The place. A group that was just made has no coordinator for a moment.
async fn place(relay: &mut KafkaRelay) -> Option<i64> {
    let asked = async {
        loop {
            match relay.next().await {
                Ok(place) => return place,
                Err(e) => assert!(e.is_retriable(), "{e:?}"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the place", asked).await
}

/// Forwards until it is done, as its user does: after anything else the place is asked for.
async fn forward(relay: &mut KafkaRelay, source: &[NewRecord], upto: usize) {
    loop {
        let from = usize::try_from(place(relay).await.unwrap_or(0)).unwrap();
        if from == upto {
            return;
        }
        let part = source[from..upto].to_vec();
        relay.forward(part, i64::try_from(upto).unwrap()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_starts_again_goes_on_where_the_last_one_was() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let to = topic(&log, 3).await;
    let (name, source) = (stack::name("relay"), numbered(&to, 90));
    let mut first = relay(&brokers, &name, &to);
    assert_eq!(place(&mut first).await, None);
    assert_eq!(
        first.forward(source[..30].to_vec(), 30).await.unwrap(),
        Commit::Done
    );
    assert_eq!(
        first.forward(source[30..60].to_vec(), 60).await.unwrap(),
        Commit::Done
    );
    drop(first);
    let mut second = relay(&brokers, &name, &to);
    forward(&mut second, &source, 90).await;
    assert_eq!(values(&log, &to).await, expected(90));
    // Another name has another place.
    let mut other = relay(&brokers, &stack::name("relay"), &to);
    assert_eq!(place(&mut other).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_another_one_has_replaced_publishes_nothing_more() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let to = topic(&log, 3).await;
    let (name, source) = (stack::name("relay"), numbered(&to, 60));
    let mut old = relay(&brokers, &name, &to);
    forward(&mut old, &source, 20).await;
    let mut new = relay(&brokers, &name, &to);
    forward(&mut new, &source, 40).await;
    let late = old.forward(source[20..].to_vec(), 60).await;
    assert!(!matches!(late, Ok(Commit::Done)), "{late:?}");
    forward(&mut new, &source, 60).await;
    assert_eq!(values(&log, &to).await, expected(60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_refused_holds_back_its_transaction_only() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let to = topic(&log, 1).await;
    let mut relay = relay(&brokers, &stack::name("relay"), &to);
    assert_eq!(place(&mut relay).await, None);
    let mut records = numbered(&to, 3);
    records[1].value = vec![7; 5 << 20].into();
    let refused = relay.forward(records, 3).await.unwrap_err();
    assert_eq!(refused.tag(), "refused");
    assert_eq!(place(&mut relay).await, None);
    forward(&mut relay, &numbered(&to, 3), 3).await;
    assert_eq!(values(&log, &to).await, expected(3));
}
