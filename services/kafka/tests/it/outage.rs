//! The broker goes away in the middle of things. One test, as it has the broker for itself.

use std::time::{Duration, Instant};

use stardust_pipeline::log::{Commit, Log, Member};

use crate::stack::{self, ROOMY, batch, copies, expected, numbered, open, publish, soon, topic, values};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_in_the_middle_of_a_batch_costs_nothing() {
    let (Some(brokers), Some(folder)) = (stack::brokers(), stack::folder()) else {
        return;
    };
    let _goes = stack::broker_goes().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 2).await, topic(&log, 2).await);
    let group = stack::name("group");
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    for (round, end) in ["kill9", "stop"].into_iter().enumerate() {
        publish(&log, numbered(&from, 50)).await;
        let first = batch(&mut member, ROOMY).await;
        // The commit meets the outage at whatever step it has come to.
        let outputs = copies(&first, &to);
        let commit = tokio::spawn(async move { (member.commit(outputs).await, member) });
        tokio::time::sleep(Duration::from_millis(15)).await;
        stack::stack(end, &folder).await;
        let start = Instant::now();
        // Longer than a transaction may last, once: the broker ends it, and the member has to find out.
        tokio::time::sleep(Duration::from_secs(if round == 0 { 12 } else { 1 })).await;
        stack::stack("start", &folder).await;
        let (answer, returned) = soon("an answer to the commit", commit).await.unwrap();
        member = returned;
        println!("{end}: {answer:?} after {:?}", start.elapsed());
        let mut done = match answer {
            Ok(Commit::Done) => first.len(),
            Ok(Commit::Again) => 0,
            Err(error) if error.is_retriable() => 0,
            Err(error) => panic!("{error:?}"),
        };
        let goal = expected(50).len() * (round + 1);
        soon("all of it is done", async {
            while values(&log, &to).await.len() < goal {
                match member.next(ROOMY).await {
                    Ok(records) => {
                        if member.commit(copies(&records, &to)).await.unwrap() == Commit::Done {
                            done += records.len();
                        }
                    }
                    Err(error) => assert!(error.is_retriable(), "{error:?}"),
                }
            }
        })
        .await;
        let mut all: Vec<String> = (0..=round).flat_map(|_| expected(50)).collect();
        all.sort();
        assert_eq!(values(&log, &to).await, all, "each once");
        assert_eq!(log.lag(&group, &from).await.unwrap(), 0);
    }
    member.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_broker_every_call_answers_in_time() {
    // Needs no broker: nothing listens on this port.
    let log = open("127.0.0.1:9", "nobody", &[]);
    let nowhere = stardust_pipeline::log::Topic::new("nowhere");
    let start = Instant::now();
    let (ping, published, joined) = tokio::join!(
        log.ping(),
        log.publish(numbered(&nowhere, 2)),
        log.join("group", std::slice::from_ref(&nowhere), 0),
    );
    assert_eq!(ping.unwrap_err().tag(), "unavailable");
    for answer in published {
        assert!(answer.unwrap_err().is_retriable());
    }
    assert!(joined.unwrap_err().is_retriable());
    assert!(start.elapsed() < Duration::from_secs(25), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_can_leave_and_be_dropped_while_the_broker_is_away() {
    let (Some(brokers), Some(folder)) = (stack::brokers(), stack::folder()) else {
        return;
    };
    let _goes = stack::broker_goes().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    let group = stack::name("group");
    publish(&log, numbered(&from, 30)).await;
    let mut leaves = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let records = batch(&mut leaves, ROOMY).await;
    let mut dropped = log.join(&group, std::slice::from_ref(&from), 1).await.unwrap();
    stack::stack("stop", &folder).await;
    soon("a member without records says that the broker is away", async {
        while dropped.next(ROOMY).await.map_err(|e| e.tag()) != Err("unavailable") {}
    })
    .await;
    assert!(dropped.next(ROOMY).await.is_err(), "and goes on saying so");
    let start = Instant::now();
    let answer = leaves.commit(copies(&records, &to)).await;
    println!("{answer:?} after {:?}", start.elapsed());
    assert!(!matches!(answer, Ok(Commit::Done)), "nothing was committed");
    let start = Instant::now();
    drop(dropped);
    let left = leaves.leave().await;
    println!("left: {left:?} after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(12), "{:?}", start.elapsed());
    stack::stack("start", &folder).await;
    let mut after = soon("joining again", async {
        loop {
            match log.join(&group, std::slice::from_ref(&from), 0).await {
                Ok(member) => break member,
                Err(error) => assert!(error.is_retriable(), "{error:?}"),
            }
        }
    })
    .await;
    soon("all of it is done", stack::copy(&mut after, &to, 30)).await;
    assert_eq!(values(&log, &to).await, expected(30), "each once");
    after.leave().await.unwrap();
}
