//! Promises about the chains of audit events.

use super::broken::{Broken, Kept, ensure, ensure_eq};
use super::samples::event;
use super::store_ground::{StoreFixture, StoreGround};
use crate::store::{ChainHead, ChainedEvent, Store, StoreError};

pub(super) async fn a_chain_grows_and_comes_back_whole<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(store.chain_head(5).await?, None, "no chain yet");
    ensure_eq!(store.chain_from(5, 1, 10).await?, vec![], "no events yet");
    store.append_audit(&[]).await?;
    let events: Vec<_> = (1..=7).map(|seq| event(&topic, 5, seq)).collect();
    store.append_audit(&events[..3]).await?;
    store.append_audit(&events[3..]).await?;
    let head = ChainHead {
        seq: 7,
        hash: events[6].hash.clone(),
    };
    ensure_eq!(store.chain_head(5).await?, Some(head), "the last event");
    ensure_eq!(store.chain_from(5, 1, 4).await?, events[..4], "a page");
    ensure_eq!(
        store.chain_from(5, 5, 100).await?,
        events[4..],
        "the rest, with every field"
    );
    let ids = [events[2].id, uuid::Uuid::nil(), events[0].id];
    ensure_eq!(
        store.audit_present(&ids).await?,
        vec![true, false, true],
        "in the order of the ids"
    );
    Ok(())
}

pub(super) async fn a_place_in_a_chain_is_taken_once<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let events: Vec<_> = (1..=3).map(|seq| event(&topic, 0, seq)).collect();
    store.append_audit(&events).await?;
    let other: Vec<_> = (3..=4)
        .map(|seq| ChainedEvent {
            hash: "f".repeat(64),
            ..event(&format!("{topic}-other"), 0, seq)
        })
        .collect();
    let answer = store.append_audit(&other).await;
    ensure!(
        matches!(answer, Err(StoreError::Conflict(_))),
        "the place is taken: {answer:?}"
    );
    let answer = store.append_audit(&events[2..]).await;
    ensure!(
        matches!(answer, Err(StoreError::Conflict(_))),
        "by itself too: {answer:?}"
    );
    ensure_eq!(
        store.chain_from(0, 1, 10).await?,
        events,
        "the chain is as it was"
    );
    let twice = ChainedEvent {
        id: events[0].id,
        ..event(&topic, 0, 4)
    };
    let answer = store.append_audit(&[twice]).await;
    ensure!(
        matches!(answer, Err(StoreError::Conflict(_))),
        "an id stands once: {answer:?}"
    );
    ensure_eq!(
        store.chain_from(0, 1, 10).await?,
        events,
        "the chain is as it was"
    );
    Ok(())
}

pub(super) async fn recorders_that_race_leave_an_unbroken_chain<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let tasks: Vec<_> = (0..3)
        .map(|racer| {
            let (store, topic) = (store.clone(), format!("{topic}-{racer}"));
            tokio::spawn(async move {
                for n in 0..10 {
                    let mut tries = 0;
                    loop {
                        let head = store.chain_head(1).await?;
                        let (seq, prev) = head.map_or((1, "0".repeat(64)), |h| (h.seq + 1, h.hash));
                        let next = ChainedEvent {
                            id: event(&topic, 1, n).id,
                            hash: format!("{:064x}", event(&topic, 1, n).id.as_u128()),
                            prev,
                            ..event(&topic, 1, seq)
                        };
                        match store.append_audit(&[next]).await {
                            Ok(()) => break,
                            Err(StoreError::Conflict(_)) if tries < 1_000 => tries += 1,
                            Err(e) => return Err(Broken::from(e)),
                        }
                    }
                }
                Ok(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    let chain = store.chain_from(1, 1, 100).await?;
    ensure_eq!(chain.len(), 30, "every event has a place");
    let mut prev = "0".repeat(64);
    for (n, event) in (1_i64..).zip(chain) {
        ensure_eq!((event.seq, event.prev), (n, prev), "each follows the one before");
        prev = event.hash;
    }
    Ok(())
}

pub(super) async fn chains_stand_apart<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    for chain in [11, 0, 2] {
        store.append_audit(&[event(&topic, chain, 1)]).await?;
    }
    let mut chains = store.chains().await?;
    chains.sort_unstable();
    ensure_eq!(chains, vec![0, 2, 11], "the chains that exist");
    ensure_eq!(
        store.chain_head(2).await?.map(|h| h.seq),
        Some(1),
        "each has its own head"
    );
    Ok(())
}
