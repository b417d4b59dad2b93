//! The promise about a log that goes away and comes back.

use std::time::Duration;

use super::broken::{Broken, Kept, ensure, ensure_eq};
use super::log_ground::{LogFixture, LogGround, ROOMY, copies, numbered, published, record, sorted_values};
use super::wait::until;
use crate::log::{Commit, Log, Member};

pub(super) async fn an_outage_loses_nothing_and_doubles_nothing<F: LogFixture>(ground: LogGround<F>) -> Kept {
    let log = ground.log().await;
    let (from, to) = (ground.topic(&log, 2).await?, ground.topic(&log, 2).await?);
    let mut member = log
        .join(&ground.name("group"), std::slice::from_ref(&from), 0)
        .await?;
    let before = numbered(&from, "a-before", 20, 4);
    published(&log, before.clone()).await?;
    let open = ground.batch(&mut member, ROOMY).await?;
    if !ground.fixture.outage(true).await {
        return Ok(());
    }
    ensure!(log.ping().await.is_err(), "the log is away");
    let answers = ground
        .soon(
            "an answer within the deadline",
            log.publish(vec![record(&from, "key-0", "b-during")]),
        )
        .await?;
    let Some(Err(e)) = answers.first() else {
        return Err(Broken("a record was acknowledged during the outage".into()));
    };
    ensure!(e.is_retriable(), "waiting helps: {e:?}");

    // A worker that keeps trying, as the worker loop does.
    let target = to.clone();
    let end = std::time::Instant::now() + ground.fixture.patience() * 2;
    // What comes after may stand in another partition than what came before, and be delivered first.
    let mut wanted = super::log_ground::sorted_new(&before);
    wanted.push("c-after".into());
    let worker = tokio::spawn(async move {
        let mut batch = open;
        let mut done: Vec<String> = Vec::new();
        while !wanted.iter().all(|v| done.contains(v)) {
            if std::time::Instant::now() > end {
                return Err(Broken(format!(
                    "after the outage only {} records came",
                    done.len()
                )));
            }
            let answer = match batch.is_empty() {
                true => Ok(Commit::Again),
                false => member.commit(copies(&batch, &target)).await,
            };
            match answer {
                Ok(Commit::Done) => done.extend(super::log_ground::values(&batch)),
                Ok(Commit::Again) => {}
                Err(e) if e.is_retriable() => {
                    // Unknown whether it took effect: the member is asked for what is next.
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    let _ = member.rewind().await;
                }
                Err(e) => return Err(e.into()),
            }
            batch = loop {
                if std::time::Instant::now() > end {
                    break Vec::new();
                }
                match member.next(ROOMY).await {
                    Ok(batch) if batch.is_empty() && !done.is_empty() => break batch,
                    Ok(batch) if batch.is_empty() => {}
                    Ok(batch) => break batch,
                    Err(e) if e.is_retriable() => tokio::time::sleep(Duration::from_millis(200)).await,
                    Err(e) => return Err(e.into()),
                }
            };
        }
        member.leave().await?;
        Ok::<_, Broken>(())
    });
    tokio::time::sleep(Duration::from_secs(3)).await;
    ensure!(ground.fixture.outage(false).await, "the server starts again");
    until!(ground, "the log is back", log.ping().await.is_ok());
    until!(
        ground,
        "it takes records again",
        log.publish(vec![record(&from, "key-9", "c-after")])
            .await
            .iter()
            .all(Result::is_ok)
    );
    worker.await??;
    let out: Vec<String> = sorted_values(&ground.everything(&log, &to).await?);
    for sent in before {
        let value = String::from_utf8_lossy(&sent.value).into_owned();
        ensure_eq!(
            out.iter().filter(|v| **v == value).count(),
            1,
            "{value}: what was acknowledged before the outage is done exactly once"
        );
    }
    ensure!(out.iter().any(|v| v == "c-after"), "and what came after it");
    Ok(())
}
