//! Staying a member, and going.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stardust_pipeline::log::{Budget, Commit, Log, Member, Topic};

use crate::stack::{
    self, ROOMY, batch, copies, copy, expected, numbered, open, publish, soon, topic, values,
};

#[tokio::test(flavor = "multi_thread")]
async fn work_longer_than_the_poll_interval_keeps_the_membership() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let properties = [("max.poll.interval.ms", "6000"), ("session.timeout.ms", "6000")];
    let log = open(&brokers, &stack::name("instance"), &properties);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    publish(&log, numbered(&from, 60)).await;
    let mut member = log
        .join(&stack::name("group"), std::slice::from_ref(&from), 0)
        .await
        .unwrap();
    let ten = Budget { records: 10, ..ROOMY };
    let records = batch(&mut member, ten).await;
    publish(&log, numbered(&from, 60)).await;
    let lost = tokio::time::timeout(Duration::from_secs(9), member.lost()).await;
    assert!(lost.is_err(), "nothing was taken away");
    assert_eq!(member.commit(copies(&records, &to)).await.unwrap(), Commit::Done);
    soon("the rest follows", copy(&mut member, &to, 120 - records.len())).await;
    let mut all: Vec<String> = expected(60).into_iter().chain(expected(60)).collect();
    all.sort();
    assert_eq!(values(&log, &to).await, all, "each once, in spite of the pause");
    member.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_comes_while_the_work_takes_long_is_not_lost() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    let group = stack::name("group");
    let mut one = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let mut two = log.join(&group, std::slice::from_ref(&from), 1).await.unwrap();
    soon("each has a partition", async {
        while one.assignment().len() != 1 || two.assignment().len() != 1 {
            one.next(ROOMY).await.unwrap();
            two.next(ROOMY).await.unwrap();
        }
    })
    .await;
    publish(&log, numbered(&from, 40)).await;
    let records = batch(&mut one, ROOMY).await;
    // While the first is at work the second leaves: its partition comes to a member that is paused.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    two.leave().await.unwrap();
    soon("the first gets the other partition", async {
        while one.assignment().len() != 2 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(one.commit(copies(&records, &to)).await.unwrap(), Commit::Done);
    soon("the rest follows", copy(&mut one, &to, 40 - records.len())).await;
    assert_eq!(values(&log, &to).await, expected(40));
    one.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_hands_over_at_once() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    let group = stack::name("group");
    publish(&log, numbered(&from, 20)).await;
    let mut one = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    batch(&mut one, ROOMY).await;
    let mut two = log.join(&group, std::slice::from_ref(&from), 1).await.unwrap();
    let left = Instant::now();
    soon("leaving", one.leave()).await.unwrap();
    soon("the second takes over", copy(&mut two, &to, 20)).await;
    assert!(
        left.elapsed() < Duration::from_secs(10),
        "well before the session ends"
    );
    assert_eq!(values(&log, &to).await, expected(20));
    two.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_member_does_not_hang_and_hands_over() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 1).await, topic(&log, 1).await);
    let group = stack::name("group");
    publish(&log, numbered(&from, 5)).await;
    let mut one = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    batch(&mut one, ROOMY).await;
    let start = Instant::now();
    drop(one);
    assert!(start.elapsed() < Duration::from_millis(500));
    let mut two = log.join(&group, std::slice::from_ref(&from), 1).await.unwrap();
    soon("the second takes over", copy(&mut two, &to, 5)).await;
    two.leave().await.unwrap();
}

/// The child of the next test: takes a batch, begins a transaction as far as it gets, and waits to be killed.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_is_killed() {
    let Ok(spec) = std::env::var("STARDUST_TEST_CHILD") else {
        return;
    };
    let parts: Vec<&str> = spec.split('|').collect();
    let [brokers, instance, group, from] = parts[..] else {
        panic!("{spec}")
    };
    let log = open(brokers, instance, &[]);
    let mut member = log.join(group, &[Topic::new(from)], 0).await.unwrap();
    let records = batch(&mut member, ROOMY).await;
    println!("child has {}", records.len());
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_is_replaced_within_its_session() {
    use std::io::{BufRead, BufReader};
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 1).await, topic(&log, 1).await);
    let (group, instance) = (stack::name("group"), stack::name("child"));
    publish(&log, numbered(&from, 10)).await;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["membership::child_that_is_killed", "--exact", "--nocapture"])
        .env(
            "STARDUST_TEST_CHILD",
            format!("{brokers}|{instance}|{group}|{from}"),
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let ready = tokio::task::spawn_blocking(move || {
        out.lines()
            .map_while(Result::ok)
            .any(|line| line.contains("child has"))
    });
    assert!(soon("the child has its batch", ready).await.unwrap());
    child.kill().unwrap();
    child.wait().unwrap();
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let start = Instant::now();
    soon("the other takes over", copy(&mut member, &to, 10)).await;
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(values(&log, &to).await, expected(10));
    member.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_static_member_restarts_without_a_rebalance() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let name = stack::name("static");
    let properties = [
        ("group.instance.id", name.as_str()),
        ("session.timeout.ms", "30000"),
    ];
    let instance = stack::name("instance");
    let log = open(&brokers, &instance, &properties);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    let group = stack::name("group");
    publish(&log, numbered(&from, 20)).await;
    let mut one = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let mut two = log.join(&group, std::slice::from_ref(&from), 1).await.unwrap();
    soon("each has a partition", async {
        while one.assignment().len() != 1 || two.assignment().len() != 1 {
            one.next(ROOMY).await.unwrap();
            two.next(ROOMY).await.unwrap();
        }
    })
    .await;
    let (of_one, of_two) = (one.assignment(), two.assignment());
    one.leave().await.unwrap();
    assert_eq!(log.members(&group).await.unwrap().len(), 2, "its place is kept");
    let mut one = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    soon("it has its partition again", async {
        while one.assignment().is_empty() {
            one.next(ROOMY).await.unwrap();
        }
    })
    .await;
    assert_eq!((one.assignment(), two.assignment()), (of_one, of_two));
    let again = one.next(ROOMY).await.unwrap();
    one.commit(copies(&again, &to)).await.unwrap();
    one.leave().await.unwrap();
    two.leave().await.unwrap();
}
