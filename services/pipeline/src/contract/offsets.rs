//! Promises about lag, and about setting a group to an offset or a time.

use std::time::Duration;

use super::broken::{Kept, ensure, ensure_eq};
use super::log_ground::{LogFixture, LogGround, ROOMY, copies, numbered, published, record, values};
use super::records::now_ms;
use super::wait::until;
use crate::log::{Budget, Commit, Log, Member};

pub(super) async fn lag_counts_what_is_left_and_is_zero_at_the_end<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 3).await?, ground.topic(&log, 3).await?);
    let group = ground.name("group");
    ensure_eq!(log.lag(&group, &from).await?, 0, "an empty topic");
    published(&log, numbered(&from, "v", 25, 8)).await?;
    ensure_eq!(log.lag(&group, &from).await?, 25, "a group that never committed");
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut member, &to, 25).await?;
    ensure_eq!(log.lag(&group, &from).await?, 0, "a member at the end");
    published(&log, numbered(&from, "w", 4, 4)).await?;
    ensure_eq!(log.lag(&group, &from).await?, 4, "new records");
    member.leave().await?;
    ensure_eq!(log.lag(&group, &from).await?, 4, "a group without members");
    Ok(())
}

pub(super) async fn a_chain_of_topics_ends_with_no_lag<F: LogFixture>(ground: LogGround<F>) -> Kept {
    // The middle topic is written by transactions: what marks their ends must not count.
    let log = ground.log().await;
    let from = ground.topic(&log, 2).await?;
    let (middle, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    let (first, second) = (ground.name("group"), ground.name("group"));
    published(&log, numbered(&from, "v", 20, 5)).await?;
    let mut a = log.join(&first, std::slice::from_ref(&from), 0).await?;
    let five = Budget { records: 5, ..ROOMY };
    let mut count = 0;
    while count < 20 {
        let batch = ground.batch(&mut a, five).await?;
        if member_done(&mut a, copies(&batch, &middle)).await? {
            count += batch.len();
        }
    }
    let mut b = log.join(&second, std::slice::from_ref(&middle), 0).await?;
    ground.copy(&mut b, &to, 20).await?;
    until!(
        ground,
        "no lag in the middle",
        log.lag(&second, &middle).await? == 0
    );
    ensure_eq!(log.lag(&first, &from).await?, 0, "no lag at the start");
    // The last partition's high mark may lie beyond the last record; reading from there is empty, not an error.
    for bounds in log.bounds(&middle).await? {
        let rest = log.read(&middle, bounds.partition, bounds.high, ROOMY).await?;
        ensure_eq!(rest.len(), 0, "nothing after the end");
    }
    a.leave().await?;
    b.leave().await?;
    Ok(())
}

async fn member_done<M: Member>(
    member: &mut M,
    outputs: Vec<crate::log::NewRecord>,
) -> Result<bool, super::Broken> {
    Ok(member.commit(outputs).await? == Commit::Done)
}

pub(super) async fn a_group_can_be_set_back_and_forward_by_offset<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 1).await?);
    let group = ground.name("group");
    let acks = published(&log, numbered(&from, "v", 20, 9)).await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut member, &to, 20).await?;
    member.leave().await?;
    no_members(&ground, &log, &group).await?;

    // Back to the start on partition 0 only.
    let back: Vec<_> = acks
        .iter()
        .filter(|a| a.partition == 0)
        .map(|a| a.offset)
        .collect();
    let Some(first) = back.iter().min() else {
        return Err(super::Broken("partition 0 has no records".into()));
    };
    log.set_offsets(&group, &from, &[(0, *first)]).await?;
    let committed = log.committed(&group, &from).await?;
    ensure!(
        committed.contains(&(0, Some(*first))),
        "{committed:?} says where it was set"
    );
    ensure_eq!(
        usize::try_from(log.lag(&group, &from).await?).ok(),
        Some(back.len()),
        "the lag follows"
    );
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let again = ground.copy(&mut member, &to, back.len()).await?;
    ensure!(
        again.iter().all(|r| r.partition == 0),
        "only what was set back comes again"
    );
    ensure_eq!(again.len(), back.len(), "all of it");
    member.leave().await?;
    no_members(&ground, &log, &group).await?;

    // Forward: a new group that starts at the end.
    let fresh = ground.name("group");
    let ends: Vec<_> = log
        .bounds(&from)
        .await?
        .iter()
        .map(|b| (b.partition, b.high))
        .collect();
    log.set_offsets(&fresh, &from, &ends).await?;
    ensure_eq!(
        log.lag(&fresh, &from).await?,
        0,
        "a group set to the end has nothing to do"
    );
    let mut member = log.join(&fresh, std::slice::from_ref(&from), 0).await?;
    ensure_eq!(member.next(ROOMY).await?.len(), 0, "nothing old comes");
    published(&log, vec![record(&from, "new", "new")]).await?;
    let batch = ground.batch(&mut member, ROOMY).await?;
    ensure_eq!(values(&batch), ["new"], "only what is new comes");
    member.rewind().await?;
    member.leave().await.map_err(Into::into)
}

pub(super) async fn an_offset_is_found_by_time<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 1).await?;
    let start = now_ms();
    let early = published(&log, numbered(&topic, "early", 5, 1)).await?;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let late = published(&log, numbered(&topic, "late", 5, 1)).await?;
    let found = log.read(&topic, 0, late[0].offset, ROOMY).await?;
    let Some(stamp) = found.first().map(|r| r.timestamp_ms) else {
        return Err(super::Broken("the late records are not there".into()));
    };
    ensure_eq!(
        log.offset_at(&topic, 0, 0).await?,
        Some(early[0].offset),
        "from the beginning"
    );
    ensure_eq!(
        log.offset_at(&topic, 0, start - 10_000).await?,
        Some(early[0].offset),
        "from before the first"
    );
    ensure_eq!(
        log.offset_at(&topic, 0, stamp).await?,
        Some(late[0].offset),
        "at its own time"
    );
    ensure_eq!(
        log.offset_at(&topic, 0, stamp - 500).await?,
        Some(late[0].offset),
        "the first after"
    );
    ensure_eq!(
        log.offset_at(&topic, 0, now_ms() + 3_600_000).await?,
        None,
        "none in the future"
    );
    Ok(())
}

pub(super) async fn offsets_stay_while_the_group_has_members<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let (log, operator) = (ground.log().await, ground.log().await);
    let (from, to) = (ground.topic(&log, 1).await?, ground.topic(&log, 1).await?);
    let group = ground.name("group");
    let acks = published(&log, numbered(&from, "v", 6, 1)).await?;
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut member, &to, 6).await?;
    let before = operator.committed(&group, &from).await?;
    let refused = operator.set_offsets(&group, &from, &[(0, acks[0].offset)]).await;
    ensure!(refused.is_err(), "the group has a member");
    ensure_eq!(
        operator.committed(&group, &from).await?,
        before,
        "nothing was set"
    );
    member.leave().await?;
    no_members(&ground, &operator, &group).await?;
    operator
        .set_offsets(&group, &from, &[(0, acks[0].offset)])
        .await?;
    ensure_eq!(operator.lag(&group, &from).await?, 6, "without members it is set");
    Ok(())
}

async fn no_members<F: LogFixture>(ground: &LogGround<F>, log: &F::Log, group: &str) -> Kept {
    until!(
        ground,
        "the members are gone",
        log.members(group).await?.is_empty()
    );
    Ok(())
}
