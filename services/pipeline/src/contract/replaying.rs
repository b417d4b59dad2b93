//! Promises about plans of a replay: what they say of the records comes true.

use super::broken::{Kept, ensure_eq};
use super::log_ground::{LogFixture, LogGround, numbered, published, sorted_new, sorted_values};
use super::records::now_ms;
use super::wait::until;
use crate::log::{Log, Member};
use crate::replay::{Clamped, Count, Plan, ReplayError, Target, apply, plan};

fn tos(plan: &Plan) -> Vec<(i32, i64)> {
    plan.moves.iter().map(|m| (m.partition, m.to)).collect()
}

pub(super) async fn a_plan_says_what_a_replay_brings_and_the_replay_does_it<F: LogFixture>(
    ground: LogGround<F>,
) -> Kept {
    let log = ground.log().await;
    // The last partition stays without a record: both keys of two lie in others.
    let (from, to) = (ground.topic(&log, 3).await?, ground.topic(&log, 1).await?);
    let group = ground.name("group");
    let start = now_ms();
    let sent = numbered(&from, "v", 30, 2);
    published(&log, sent.clone()).await?;

    let fresh = plan(&log, &group, &from, &Target::Earliest).await?;
    ensure_eq!(
        fresh.records(true),
        Count::Exactly(0),
        "a group that never committed stands at the first record"
    );
    let skip = plan(&log, &group, &from, &Target::Latest).await?;
    ensure_eq!(skip.records(false), Count::Exactly(30), "the end leaves all out");

    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    ground.copy(&mut member, &to, 30).await?;
    let refused = apply(&log, &fresh).await;
    ensure_eq!(refused.is_err(), true, "the group has a member");
    member.leave().await?;
    until!(
        ground,
        "the member is gone",
        log.members(&group).await?.is_empty()
    );

    let whole = plan(&log, &group, &from, &Target::Earliest).await?;
    ensure_eq!(whole.records(true), Count::Exactly(30), "all come again");
    ensure_eq!(whole.records(false), Count::Exactly(0), "nothing is left out");
    for m in &whole.moves {
        let is_empty = m.records == Count::Exactly(0);
        ensure_eq!(m.oldest.is_none(), is_empty, "a time for records alone: {m:?}");
        let in_time =
            |at: Option<i64>| at.is_none_or(|at| (start - 10_000..=now_ms() + 10_000).contains(&at));
        ensure_eq!(
            in_time(m.oldest) && in_time(m.newest),
            true,
            "{m:?} since {start}"
        );
    }
    apply(&log, &whole).await?;
    ensure_eq!(log.lag(&group, &from).await?, 30, "as the plan said");
    let again = plan(&log, &group, &from, &Target::Earliest).await?;
    ensure_eq!(
        again.records(true),
        Count::Exactly(0),
        "there is nothing left to do"
    );
    ensure_eq!(
        again.moves.iter().all(|m| m.committed == Some(m.to)),
        true,
        "every partition has an offset, as after the broker's own tool: {again:?}"
    );
    let mut member = log.join(&group, std::slice::from_ref(&from), 0).await?;
    let got = ground.copy(&mut member, &to, 30).await?;
    ensure_eq!(sorted_values(&got), sorted_new(&sent), "what the plan said");
    member.leave().await.map_err(Into::into)
}

pub(super) async fn a_plan_keeps_to_offsets_that_exist<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let topic = ground.topic(&log, 2).await?;
    let group = ground.name("group");
    published(&log, numbered(&topic, "v", 40, 9)).await?;
    let bounds = log.bounds(&topic).await?;
    let ends: Vec<_> = bounds.iter().map(|b| (b.partition, b.high)).collect();
    let lows: Vec<_> = bounds.iter().map(|b| (b.partition, b.low)).collect();
    let end = ends[0].1;

    let asked = Target::Offsets(vec![(0, end + 500)]);
    let beyond = plan(&log, &group, &topic, &asked).await?;
    ensure_eq!(tos(&beyond), [(0, end)], "the end, and the other partition stays");
    ensure_eq!(
        beyond.moves[0].clamped,
        Some(Clamped::High(end + 500)),
        "and it says so"
    );
    let before = plan(&log, &group, &topic, &Target::Offsets(vec![(1, -3)])).await?;
    ensure_eq!(before.moves[0].clamped, Some(Clamped::Low(-3)), "{before:?}");
    let unknown = plan(&log, &group, &topic, &Target::Offsets(vec![(7, 0)])).await;
    ensure_eq!(
        matches!(
            unknown,
            Err(ReplayError::NoPartition {
                partition: 7,
                last: 1,
                ..
            })
        ),
        true,
        "{unknown:?}"
    );

    // A group that never committed is shifted from the first record.
    let shifted = plan(&log, &group, &topic, &Target::Shift(2)).await?;
    ensure_eq!(
        tos(&shifted),
        lows.iter().map(|(p, low)| (*p, low + 2)).collect::<Vec<_>>(),
        "by two"
    );
    let shifted = plan(&log, &group, &topic, &Target::Shift(i64::MIN)).await?;
    ensure_eq!(tos(&shifted), lows, "not before the first record");
    let future = plan(&log, &group, &topic, &Target::Time(now_ms() + 3_600_000)).await?;
    ensure_eq!(tos(&future), ends, "nothing is that young: the end");
    let past = plan(&log, &group, &topic, &Target::Time(0)).await?;
    ensure_eq!(tos(&past), lows, "everything is younger: the first record");

    apply(&log, &plan(&log, &group, &topic, &Target::Latest).await?).await?;
    let back = plan(&log, &group, &topic, &Target::Shift(-3)).await?;
    ensure_eq!(
        back.records(true),
        Count::Exactly(6),
        "three of each partition: {back:?}"
    );
    ensure_eq!(log.lag(&group, &topic).await?, 0, "a plan alone changes nothing");
    Ok(())
}
