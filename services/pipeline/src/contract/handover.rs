//! Promises about groups of several members: sharing, joining, leaving, vanishing.

use std::time::Duration;

use tokio::sync::watch;

use super::broken::{Broken, Kept, ensure, ensure_eq};
use super::log_ground::{
    LogFixture, LogGround, ROOMY, copies, numbered, out_of_order, published, sorted_new, sorted_values,
};
use super::wait::until;
use crate::log::{Budget, Commit, Log, LogError, Member, Topic};

/// Small batches, so that hand-overs fall between and into them.
const SMALL: Budget = Budget {
    records: 7,
    bytes: 1 << 20,
    wait: Duration::from_millis(100),
};

/// Copies records until told to stop; gives the member back between two batches.
async fn work<M: Member>(mut member: M, to: Topic, stop: watch::Receiver<bool>) -> Result<M, Broken> {
    while !*stop.borrow() {
        let batch = member.next(SMALL).await?;
        if !batch.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            // A void batch comes again by itself.
            member.commit(copies(&batch, &to)).await?;
        }
    }
    Ok(member)
}

/// Waits until the members together have exactly these partitions, each once; batches that come meanwhile go on.
async fn settled<F: LogFixture, M: Member>(
    ground: &LogGround<F>,
    members: &mut [M],
    partitions: usize,
) -> Kept {
    let idle = Budget {
        wait: Duration::from_millis(100),
        ..ROOMY
    };
    let end = std::time::Instant::now() + ground.fixture.patience();
    loop {
        for member in members.iter_mut() {
            if !member.next(idle).await?.is_empty() {
                member.rewind().await?;
            }
        }
        let counts: Vec<usize> = members.iter().map(|m| m.assignment().len()).collect();
        let mut all: Vec<_> = members.iter().flat_map(Member::assignment).collect();
        all.sort();
        let total = all.len();
        all.dedup();
        let even = counts
            .iter()
            .max()
            .zip(counts.iter().min())
            .is_some_and(|(a, b)| a - b <= 1);
        if total == partitions && all.len() == partitions && even {
            return Ok(());
        }
        ensure!(
            std::time::Instant::now() < end,
            "the assignment never settled: {counts:?}"
        );
    }
}

/// How many records are in a topic.
async fn copied<F: LogFixture>(ground: &LogGround<F>, log: &F::Log, to: &Topic) -> Result<usize, Broken> {
    Ok(ground.everything(log, to).await?.len())
}

pub(super) async fn members_share_the_partitions<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let (one, two) = (ground.log().await, ground.log().await);
    let (from, to) = (ground.topic(&one, 6).await?, ground.topic(&one, 6).await?);
    let group = ground.name("group");
    let topics = std::slice::from_ref(&from);
    let mut members = vec![
        one.join(&group, topics, 0).await?,
        one.join(&group, topics, 1).await?,
        two.join(&group, topics, 0).await?,
    ];
    settled(&ground, &mut members, 6).await?;
    let sent = numbered(&from, "v", 240, 40);
    let (stop, stopped) = watch::channel(false);
    let tasks: Vec<_> = members
        .into_iter()
        .map(|m| tokio::spawn(work(m, to.clone(), stopped.clone())))
        .collect();
    published(&one, sent.clone()).await?;
    until!(
        ground,
        "every record is copied",
        ground.everything(&one, &to).await?.len() >= 240
    );
    stop.send_replace(true);
    for task in tasks {
        task.await??.leave().await?;
    }
    let out = ground.everything(&one, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each record once");
    ensure_eq!(out_of_order(&out), None, "in the order of each key");
    Ok(())
}

pub(super) async fn joining_and_leaving_neither_loses_nor_doubles<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let (one, two) = (ground.log().await, ground.log().await);
    let (from, to) = (ground.topic(&one, 4).await?, ground.topic(&one, 4).await?);
    let group = ground.name("group");
    let topics = [from.clone()];
    let sent = numbered(&from, "v", 1_500, 12);
    let publisher = one.clone();
    let parts: Vec<_> = sent.chunks(15).map(<[_]>::to_vec).collect();
    let feed = tokio::spawn(async move {
        for part in parts {
            published(&publisher, part).await?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok::<_, Broken>(())
    });
    let spawn = |member: <F::Log as Log>::Member| {
        let (stop, stopped) = watch::channel(false);
        (stop, tokio::spawn(work(member, to.clone(), stopped)))
    };

    let first = spawn(one.join(&group, &topics, 0).await?);
    until!(
        ground,
        "the first has begun",
        copied(&ground, &one, &to).await? > 0
    );
    let second = spawn(two.join(&group, &topics, 0).await?);
    let at = copied(&ground, &one, &to).await?;
    until!(
        ground,
        "it goes on",
        copied(&ground, &one, &to).await? >= (at + 100).min(1_500)
    );
    let third = spawn(one.join(&group, &topics, 1).await?);
    let at = copied(&ground, &one, &to).await?;
    until!(
        ground,
        "it goes on",
        copied(&ground, &one, &to).await? >= (at + 100).min(1_500)
    );
    first.0.send_replace(true);
    first.1.await??.leave().await?;
    let at = copied(&ground, &one, &to).await?;
    until!(
        ground,
        "it goes on",
        copied(&ground, &one, &to).await? >= (at + 100).min(1_500)
    );
    second.0.send_replace(true);
    second.1.await??.leave().await?;
    feed.await??;
    until!(
        ground,
        "every record is copied",
        copied(&ground, &one, &to).await? >= 1_500
    );
    third.0.send_replace(true);
    third.1.await??.leave().await?;

    let out = ground.everything(&one, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each record once");
    ensure_eq!(out_of_order(&out), None, "in the order of each key");
    ensure_eq!(one.lag(&group, &from).await?, 0, "nothing is left");
    Ok(())
}

pub(super) async fn a_batch_whose_partition_moved_is_void<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let (one, two) = (ground.log().await, ground.log().await);
    let (from, to) = (ground.topic(&one, 2).await?, ground.topic(&one, 2).await?);
    let group = ground.name("group");
    let topics = [from.clone()];
    let sent = numbered(&from, "v", 20, 20);
    published(&one, sent.clone()).await?;
    let mut first = one.join(&group, &topics, 0).await?;
    // A batch of both partitions.
    let end = std::time::Instant::now() + ground.fixture.patience();
    let batch = loop {
        let batch = ground.batch(&mut first, ROOMY).await?;
        if batch.len() == 20 {
            break batch;
        }
        ensure!(
            std::time::Instant::now() < end,
            "both partitions never came together"
        );
        first.rewind().await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let early = tokio::time::timeout(Duration::from_millis(300), first.lost()).await;
    ensure!(early.is_err(), "nothing is lost while the group stays as it is");
    let mut second = two.join(&group, &topics, 0).await?;
    let (stop, stopped) = watch::channel(false);
    let taker = tokio::spawn(async move {
        let mut taken = Vec::new();
        while !*stopped.borrow() && taken.is_empty() {
            taken = second.next(SMALL).await?;
        }
        Ok::<_, Broken>((second, taken))
    });
    ground
        .soon("the first member hears of its loss", first.lost())
        .await?;
    ground.soon("it is still lost", first.lost()).await?;
    ensure_eq!(
        first.commit(copies(&batch, &to)).await?,
        Commit::Again,
        "the batch is void"
    );
    ensure_eq!(
        ground.everything(&one, &to).await?.len(),
        0,
        "nothing of it is visible"
    );
    ensure!(
        one.committed(&group, &from)
            .await?
            .iter()
            .all(|(_, offset)| offset.is_none()),
        "none of its offsets is committed"
    );
    // The first keeps one partition and gets its records again; the second has the other's.
    let again = ground.copy(&mut first, &to, 1).await?;
    ensure_eq!(first.assignment().len(), 1, "one partition stays");
    let (mut second, taken) = ground.soon("the second member's records", taker).await???;
    stop.send_replace(true);
    ensure!(!taken.is_empty(), "the second member has records");
    ensure!(
        taken
            .iter()
            .all(|t| again.iter().all(|a| a.partition != t.partition)),
        "no partition is with both"
    );
    second.commit(copies(&taken, &to)).await?;
    let (stop, stopped) = watch::channel(false);
    let first = tokio::spawn(work(first, to.clone(), stopped.clone()));
    let second = tokio::spawn(work(second, to.clone(), stopped));
    until!(
        ground,
        "every record is copied",
        ground.everything(&one, &to).await?.len() >= 20
    );
    stop.send_replace(true);
    first.await??.leave().await?;
    second.await??.leave().await?;
    let out = ground.everything(&one, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each record once");
    Ok(())
}

pub(super) async fn a_member_that_vanishes_is_replaced<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let (one, two) = (ground.log().await, ground.log().await);
    let (from, to) = (ground.topic(&one, 2).await?, ground.topic(&one, 2).await?);
    let group = ground.name("group");
    let sent = numbered(&from, "v", 30, 6);
    published(&one, sent.clone()).await?;
    let mut first = one.join(&group, std::slice::from_ref(&from), 0).await?;
    let ten = Budget { records: 10, ..ROOMY };
    let done = ground.batch(&mut first, ten).await?;
    ensure_eq!(
        first.commit(copies(&done, &to)).await?,
        Commit::Done,
        "the commit"
    );
    // It goes without a word, with a batch open.
    ground.batch(&mut first, ten).await?;
    drop(first);
    drop(one);
    let mut second = two.join(&group, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut second, &to, 30 - done.len()).await?;
    let out = ground.everything(&two, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each record once");
    second.leave().await?;
    Ok(())
}

pub(super) async fn members_are_listed_until_they_leave<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let (one, two) = (ground.log().await, ground.log().await);
    let from = ground.topic(&one, 4).await?;
    let group = ground.name("group");
    let topics = std::slice::from_ref(&from);
    ensure_eq!(
        two.members(&group).await?,
        vec![],
        "an unknown group has no members"
    );
    let mut members = vec![
        one.join(&group, topics, 0).await?,
        one.join(&group, topics, 1).await?,
    ];
    settled(&ground, &mut members, 4).await?;
    let listed = two.members(&group).await?;
    ensure_eq!(listed.len(), 2, "both are listed");
    ensure!(listed[0].name != listed[1].name, "their names differ: {listed:?}");
    ensure!(listed.iter().all(|m| !m.name.is_empty()), "they have names");
    if let Some(member) = members.pop() {
        member.leave().await?;
    }
    settled(&ground, &mut members, 4).await?;
    until!(ground, "one is left", two.members(&group).await?.len() == 1);
    for member in members {
        member.leave().await?;
    }
    until!(ground, "none is left", two.members(&group).await?.is_empty());
    Ok(())
}

pub(super) async fn a_second_member_under_one_id_fences_the_first<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let instance = ground.name("instance");
    let (one, two) = (
        ground.fixture.log(&instance).await,
        ground.fixture.log(&instance).await,
    );
    let (from, to) = (ground.topic(&one, 1).await?, ground.topic(&one, 1).await?);
    let group = ground.name("group");
    let sent = numbered(&from, "v", 20, 1);
    published(&one, sent.clone()).await?;
    let mut first = one.join(&group, std::slice::from_ref(&from), 0).await?;
    let batch = ground.batch(&mut first, ROOMY).await?;
    let mut second = two.join(&group, std::slice::from_ref(&from), 0).await?;
    let to_copy = to.clone();
    let old = tokio::spawn(async move {
        // The old one may hear first that its batch is void; it must hear in the end, and never commit.
        let mut batch = batch;
        loop {
            match first.commit(copies(&batch, &to_copy)).await {
                Ok(Commit::Done) => return Err(Broken("the fenced member has committed".into())),
                Ok(Commit::Again) => {}
                Err(LogError::Fenced(_)) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
            batch = loop {
                match first.next(SMALL).await {
                    Ok(b) if b.is_empty() => {}
                    Ok(b) => break b,
                    Err(LogError::Fenced(_)) => return Ok(()),
                    Err(e) => return Err(e.into()),
                }
            };
        }
    });
    ground.soon("the first hears that it is fenced", old).await???;
    ground.copy(&mut second, &to, 20).await?;
    let out = ground.everything(&two, &to).await?;
    ensure_eq!(sorted_values(&out), sorted_new(&sent), "each record once");
    second.leave().await?;
    Ok(())
}
