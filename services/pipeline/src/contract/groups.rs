//! Promises about one member of a group and its batches.

use std::time::{Duration, Instant};

use super::broken::{Kept, ensure, ensure_eq};
use super::log_ground::{
    LogFixture, LogGround, ROOMY, copies, numbered, out_of_order, published, record, sorted_new,
    sorted_values, values,
};
use crate::log::{Budget, Commit, Log, Member};

pub(super) async fn a_member_gets_every_record_once_in_order<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 4).await?, ground.topic(&log, 4).await?);
    let sent = numbered(&from, "v", 120, 9);
    // Before and after the member joins: a group that never committed starts at the first record.
    published(&log, sent[..60].to_vec()).await?;
    let mut member = log
        .join(&ground.name("group"), std::slice::from_ref(&from), 0)
        .await?;
    let mut got = ground.copy(&mut member, &to, 60).await?;
    published(&log, sent[60..].to_vec()).await?;
    got.extend(ground.copy(&mut member, &to, 60).await?);
    ensure_eq!(sorted_values(&got), sorted_new(&sent), "each record once");
    ensure_eq!(out_of_order(&got), None, "in the order of each key");
    let out = ground.everything(&log, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each output once");
    ensure_eq!(out_of_order(&out), None, "outputs in the order of each key");
    let mut assigned = member.assignment();
    assigned.sort();
    let all: Vec<_> = (0..4).map(|p| (from.clone(), p)).collect();
    ensure_eq!(assigned, all, "a lone member has every partition");
    member.leave().await?;
    Ok(())
}

pub(super) async fn next_keeps_to_its_budget<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let from = ground.topic(&log, 2).await?;
    let sent = numbered(&from, "v", 20, 4);
    published(&log, sent.clone()).await?;
    let mut member = log
        .join(&ground.name("group"), std::slice::from_ref(&from), 0)
        .await?;
    let five = Budget { records: 5, ..ROOMY };
    let mut got = Vec::new();
    while got.len() < 10 {
        let batch = ground.batch(&mut member, five).await?;
        ensure!(batch.len() <= 5, "{} records for a budget of 5", batch.len());
        ensure_eq!(
            member.commit(vec![]).await?,
            Commit::Done,
            "a commit without outputs"
        );
        got.extend(batch);
    }
    // Each value has 7 bytes: the second passes the limit, a third may not come.
    let small = Budget { bytes: 10, ..ROOMY };
    while got.len() < 20 {
        let batch = ground.batch(&mut member, small).await?;
        ensure!(
            batch.len() <= 2,
            "{} records for a budget of 10 bytes",
            batch.len()
        );
        ensure_eq!(
            member.commit(vec![]).await?,
            Commit::Done,
            "a commit without outputs"
        );
        got.extend(batch);
    }
    ensure_eq!(sorted_values(&got), sorted_new(&sent), "a budget loses nothing");
    member.leave().await?;
    Ok(())
}

pub(super) async fn next_comes_back_empty_where_nothing_is_new<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    published(&log, numbered(&from, "v", 4, 4)).await?;
    let mut member = log
        .join(&ground.name("group"), std::slice::from_ref(&from), 0)
        .await?;
    ground.copy(&mut member, &to, 4).await?;
    let start = Instant::now();
    let batch = ground.soon("an empty batch", member.next(ROOMY)).await??;
    ensure_eq!(values(&batch), Vec::<String>::new(), "nothing comes twice");
    ensure!(start.elapsed() >= ROOMY.wait / 2, "it waits for a first record");
    // A record that comes while the member waits ends the wait.
    let long = Budget {
        wait: Duration::from_secs(60),
        ..ROOMY
    };
    let publisher = log.clone();
    let late = record(&from, "late", "late");
    let task = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        published(&publisher, vec![late]).await
    });
    let start = Instant::now();
    let batch = member.next(long).await?;
    ensure_eq!(values(&batch), ["late"], "what came meanwhile");
    ensure!(
        start.elapsed() < Duration::from_secs(50),
        "it does not wait to the end"
    );
    task.await??;
    member.rewind().await?;
    member.leave().await?;
    Ok(())
}

pub(super) async fn next_can_be_cancelled_without_loss<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 3).await?, ground.topic(&log, 3).await?);
    let mut member = log
        .join(&ground.name("group"), std::slice::from_ref(&from), 0)
        .await?;
    let long = Budget {
        wait: Duration::from_secs(60),
        records: 7,
        ..ROOMY
    };
    let publisher = log.clone();
    let sent = numbered(&from, "v", 100, 6);
    let parts: Vec<_> = sent.chunks(5).map(<[_]>::to_vec).collect();
    let task = tokio::spawn(async move {
        for part in parts {
            published(&publisher, part).await?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok::<_, super::Broken>(())
    });
    let end = Instant::now() + ground.fixture.patience();
    let mut got = Vec::new();
    let mut round = 0_u64;
    while got.len() < 100 {
        ensure!(Instant::now() < end, "only {} of 100 came", got.len());
        round += 1;
        // Cut off after 0 to 24 ms, at any point of its work; now and then it is given its time.
        let cut = if round.is_multiple_of(10) {
            5_000
        } else {
            round * 7 % 25
        };
        let Ok(batch) = tokio::time::timeout(Duration::from_millis(cut), member.next(long)).await else {
            continue;
        };
        let batch = batch?;
        if !batch.is_empty() && member.commit(copies(&batch, &to)).await? == Commit::Done {
            got.extend(batch);
        }
    }
    task.await??;
    ensure_eq!(sorted_values(&got), sorted_new(&sent), "each record once");
    ensure_eq!(out_of_order(&got), None, "in the order of each key");
    member.leave().await?;
    Ok(())
}

pub(super) async fn rewind_delivers_again<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    let group = ground.name("group");
    let sent = numbered(&from, "v", 30, 4);
    published(&log, sent.clone()).await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let ten = Budget { records: 10, ..ROOMY };
    let mut got = Vec::new();
    let mut again = 0;
    while got.len() < 30 {
        let batch = ground.batch(&mut member, ten).await?;
        if again < 3 {
            again += 1;
            member.rewind().await?;
            continue;
        }
        if member.commit(copies(&batch, &to)).await? == Commit::Done {
            got.extend(batch);
        }
    }
    ensure_eq!(
        sorted_values(&got),
        sorted_new(&sent),
        "what was given back came again"
    );
    ensure_eq!(out_of_order(&got), None, "in the order of each key");
    let out = ground.everything(&log, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each output once");
    member.leave().await?;
    Ok(())
}

pub(super) async fn outputs_and_offsets_are_committed_together<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let from = ground.topic(&log, 3).await?;
    let (one, two) = (ground.topic(&log, 2).await?, ground.topic(&log, 1).await?);
    let group = ground.name("group");
    for (partition, offset) in log.committed(&group, &from).await? {
        ensure_eq!(
            offset,
            None,
            "a new group has committed nothing on partition {partition}"
        );
    }
    let acks = published(&log, numbered(&from, "v", 12, 12)).await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let mut count = 0;
    while count < 12 {
        let batch = ground.batch(&mut member, ROOMY).await?;
        let mut outputs = copies(&batch, &one);
        outputs.extend(copies(&batch, &two));
        if member.commit(outputs).await? == Commit::Done {
            count += batch.len();
            let seen = ground.everything(&log, &one).await?.len();
            ensure_eq!(seen, count, "the outputs are there when the commit is answered");
        }
    }
    ensure_eq!(
        ground.everything(&log, &two).await?.len(),
        12,
        "every topic has its outputs"
    );
    for (partition, offset) in log.committed(&group, &from).await? {
        let last = acks
            .iter()
            .filter(|a| a.partition == partition)
            .map(|a| a.offset)
            .max();
        // Kafka may let a position stand past control records, never before the record.
        match (last, offset) {
            (Some(last), Some(next)) => ensure!(next > last, "partition {partition}: {next} after {last}"),
            (Some(_), None) => ensure!(false, "partition {partition} has no committed offset"),
            (None, _) => {}
        }
    }
    member.leave().await?;
    Ok(())
}

pub(super) async fn nothing_of_an_open_batch_is_visible<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 1).await?, ground.topic(&log, 1).await?);
    let group = ground.name("group");
    published(&log, numbered(&from, "v", 3, 1)).await?;
    let mut follower = log
        .join(&ground.name("group"), std::slice::from_ref(&to), 0)
        .await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let batch = ground.batch(&mut member, ROOMY).await?;
    ensure_eq!(
        log.committed(&group, &from).await?,
        vec![(0, None)],
        "nothing is committed yet"
    );
    ensure_eq!(
        log.lag(&group, &from).await?,
        3,
        "the open batch counts as not done"
    );
    ensure_eq!(
        follower.next(ROOMY).await?.len(),
        0,
        "nothing for those who follow"
    );
    member.rewind().await?;
    ensure_eq!(
        ground.everything(&log, &to).await?.len(),
        0,
        "nothing is left of it"
    );
    let batch_again = ground.batch(&mut member, ROOMY).await?;
    ensure_eq!(
        values(&batch_again),
        values(&batch)[..batch_again.len()],
        "the same records"
    );
    ensure_eq!(
        member.commit(copies(&batch_again, &to)).await?,
        Commit::Done,
        "the commit"
    );
    let seen = ground.batch(&mut follower, ROOMY).await?;
    ensure!(!seen.is_empty(), "the outputs come to those who follow");
    follower.leave().await?;
    member.leave().await?;
    Ok(())
}

pub(super) async fn a_group_goes_on_where_it_left<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    let group = ground.name("group");
    let sent = numbered(&from, "v", 40, 5);
    published(&log, sent.clone()).await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let ten = Budget { records: 10, ..ROOMY };
    let mut got = ground.batch(&mut member, ten).await?;
    ensure_eq!(
        member.commit(copies(&got, &to)).await?,
        Commit::Done,
        "the commit"
    );
    // The second batch is left open: leaving gives it back.
    ground.batch(&mut member, ten).await?;
    member.leave().await?;
    let other = ground.log().await;
    let mut member = other.join(&group, std::slice::from_ref(&from), 0).await?;
    got.extend(ground.copy(&mut member, &to, 40 - got.len()).await?);
    ensure_eq!(sorted_values(&got), sorted_new(&sent), "each record once");
    let out = ground.everything(&log, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each output once");
    member.leave().await?;
    Ok(())
}

pub(super) async fn groups_do_not_disturb_each_other<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    published(&log, numbered(&from, "v", 10, 5)).await?;
    let (first, second) = (ground.name("group"), ground.name("group"));
    let mut a = log.join(&first, std::slice::from_ref(&from), 0).await?;
    let mut b = log.join(&second, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut a, &to, 10).await?;
    ensure_eq!(log.lag(&first, &from).await?, 0, "the first group is done");
    ensure_eq!(log.lag(&second, &from).await?, 10, "the second has not begun");
    ground.copy(&mut b, &to, 10).await?;
    ensure_eq!(
        ground.everything(&log, &to).await?.len(),
        20,
        "both have their outputs"
    );
    a.leave().await?;
    b.leave().await?;
    Ok(())
}

pub(super) async fn a_group_may_follow_several_topics<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (one, two) = (ground.topic(&log, 2).await?, ground.topic(&log, 3).await?);
    let to = ground.topic(&log, 1).await?;
    published(&log, numbered(&one, "a", 10, 5)).await?;
    published(&log, numbered(&two, "b", 10, 5)).await?;
    let group = ground.name("group");
    let mut member = log.join(&group, &[one.clone(), two.clone()], 0).await?;
    let got = ground.copy(&mut member, &to, 20).await?;
    ensure_eq!(
        got.iter().filter(|r| r.topic == one).count(),
        10,
        "the first topic"
    );
    ensure_eq!(
        got.iter().filter(|r| r.topic == two).count(),
        10,
        "the second topic"
    );
    ensure_eq!(member.assignment().len(), 5, "the partitions of both");
    member.leave().await?;
    Ok(())
}
