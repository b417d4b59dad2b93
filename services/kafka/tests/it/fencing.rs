//! Who may commit, and what of it can be seen.

use std::time::Duration;

use stardust_pipeline::log::{Commit, Log, LogError, Member};

use crate::stack::{
    self, ROOMY, batch, copies, copy, expected, numbered, open, publish, soon, topic, values,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_is_replaced_under_its_id_ends_and_says_so() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let instance = stack::name("instance");
    let (one, two) = (open(&brokers, &instance, &[]), open(&brokers, &instance, &[]));
    let (from, to) = (topic(&one, 1).await, topic(&one, 1).await);
    let group = stack::name("group");
    publish(&one, numbered(&from, 10)).await;
    let mut first = one.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let records = batch(&mut first, ROOMY).await;
    let mut second = two.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let error = first.commit(copies(&records, &to)).await.unwrap_err();
    let LogError::Fenced(id) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*id, format!("{group}/{instance}/0"));
    assert_eq!(
        first.next(ROOMY).await.unwrap_err().tag(),
        "fenced",
        "and it stays so"
    );
    assert!(values(&two, &to).await.is_empty());
    soon("leaving", first.leave()).await.unwrap();
    soon("the second does all of it", copy(&mut second, &to, 10)).await;
    assert_eq!(values(&two, &to).await, expected(10));
    second.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_number_tells_members_of_one_process_apart() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 2).await, topic(&log, 1).await);
    let group = stack::name("group");
    let mut members = Vec::new();
    for worker in 0..2 {
        members.push(
            log.join(&group, std::slice::from_ref(&from), worker)
                .await
                .unwrap(),
        );
    }
    soon("both have a partition", async {
        while !members.iter().all(|m| m.assignment().len() == 1) {
            for member in &mut members {
                assert!(member.next(ROOMY).await.unwrap().is_empty());
            }
        }
    })
    .await;
    publish(&log, numbered(&from, 20)).await;
    let tasks: Vec<_> = members
        .into_iter()
        .map(|mut member| {
            let to = to.clone();
            tokio::spawn(async move {
                let records = batch(&mut member, ROOMY).await;
                let commit = member.commit(copies(&records, &to)).await.unwrap();
                assert_eq!(commit, Commit::Done);
                member
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().leave().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_after_the_group_put_the_member_out_has_no_effect() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    // It stops beating for longer than its session, as a process does that the machine has suspended.
    let properties = [("session.timeout.ms", "2000"), ("heartbeat.interval.ms", "60000")];
    let zombie = open(&brokers, &stack::name("zombie"), &properties);
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 1).await, topic(&log, 1).await);
    let group = stack::name("group");
    publish(&log, numbered(&from, 10)).await;
    let mut first = zombie.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    let records = batch(&mut first, ROOMY).await;
    assert_eq!(records.len(), 10);
    soon("the group is empty", async {
        while !log.members(&group).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let mut second = log.join(&group, std::slice::from_ref(&from), 0).await.unwrap();
    soon("the second takes over", copy(&mut second, &to, 10)).await;
    let commit = first.commit(copies(&records, &to)).await.unwrap();
    assert_eq!(commit, Commit::Again);
    assert_eq!(values(&log, &to).await, expected(10), "each once");
    second.leave().await.unwrap();
    drop(first);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_invisible_until_the_commit_and_a_lost_batch_leaves_none() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 1).await, topic(&log, 1).await);
    let missing = stardust_pipeline::log::Topic::new(&stack::name("missing"));
    publish(&log, numbered(&from, 10)).await;
    let mut member = log
        .join(&stack::name("group"), std::slice::from_ref(&from), 0)
        .await
        .unwrap();
    let records = batch(&mut member, ROOMY).await;
    // The good outputs reach the broker, the last one cannot: none may be seen.
    let mut outputs = copies(&records, &to);
    outputs.extend(copies(&records[..1], &missing));
    let error = member.commit(outputs).await.unwrap_err();
    assert_eq!(error.tag(), "unknown_topic");
    assert!(values(&log, &to).await.is_empty());
    soon("the batch comes again", copy(&mut member, &to, 10)).await;
    assert_eq!(values(&log, &to).await, expected(10));
    member.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_is_too_large_is_refused_and_its_batch_comes_again() {
    let Some(brokers) = stack::brokers() else { return };
    let _stays = stack::broker_stays().await;
    let log = open(&brokers, &stack::name("instance"), &[]);
    let (from, to) = (topic(&log, 1).await, topic(&log, 1).await);
    publish(&log, numbered(&from, 3)).await;
    let mut member = log
        .join(&stack::name("group"), std::slice::from_ref(&from), 0)
        .await
        .unwrap();
    let records = batch(&mut member, ROOMY).await;
    let mut outputs = copies(&records, &to);
    outputs[1].value = vec![7; 5 << 20].into();
    assert_eq!(member.commit(outputs).await.unwrap_err().tag(), "refused");
    soon("the batch comes again", copy(&mut member, &to, 3)).await;
    assert_eq!(values(&log, &to).await, expected(3));
    member.leave().await.unwrap();
}
