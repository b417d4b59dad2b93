//! Promises about what is kept of audit chains beside their events.

use super::broken::{Kept, ensure_eq};
use super::samples::{event, instant};
use super::store_ground::{StoreFixture, StoreGround};
use crate::store::{ChainHead, Checkpoint, Mark, Store};

fn head(seq: i64) -> ChainHead {
    ChainHead {
        seq,
        hash: format!("{seq:064x}"),
    }
}

fn checkpoint(mark: Mark, chain: i32, seq: i64) -> Checkpoint {
    Checkpoint {
        mark,
        chain,
        seq,
        hash: format!("{seq:064x}"),
        at: instant(seq),
        key_id: "0123456789abcdef".into(),
        signature: format!("{seq:0128x}"),
    }
}

pub(super) async fn a_noted_head_only_goes_forward<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, _) = ground.store().await?;
    ensure_eq!(store.noted_heads().await?, vec![], "nothing noted yet");
    store.note_heads(&[]).await?;
    store.note_heads(&[(7, head(3)), (2, head(9))]).await?;
    store
        .note_heads(&[(7, head(5)), (2, head(8)), (2, head(9))])
        .await?;
    ensure_eq!(
        store.noted_heads().await?,
        vec![(2, head(9)), (7, head(5))],
        "the furthest of each chain"
    );
    Ok(())
}

pub(super) async fn signed_places_are_kept_once_and_come_in_order<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, _) = ground.store().await?;
    let signed: Vec<_> = [12, 3, 7].map(|seq| checkpoint(Mark::Head, 4, seq)).to_vec();
    store.put_checkpoints(&[]).await?;
    store.put_checkpoints(&signed).await?;
    let late = Checkpoint {
        signature: "f".repeat(128),
        ..checkpoint(Mark::Head, 4, 7)
    };
    let others = [checkpoint(Mark::Cut, 4, 7), checkpoint(Mark::Head, 5, 8), late];
    store.put_checkpoints(&others).await?;
    let of = |seq, most| store.checkpoints(Mark::Head, 4, seq, most);
    let expected = [3, 7, 12].map(|seq| checkpoint(Mark::Head, 4, seq)).to_vec();
    ensure_eq!(
        of(i64::MIN, 10).await?,
        expected,
        "in order, the first of each place"
    );
    ensure_eq!(of(4, 1).await?, expected[1..2], "from a place on, so many");
    ensure_eq!(of(13, 10).await?, vec![], "none after the last");
    ensure_eq!(
        store.checkpoints(Mark::Cut, 4, 0, 10).await?,
        others[..1],
        "each mark by itself"
    );
    Ok(())
}

pub(super) async fn a_cut_removes_the_front_and_the_chain_goes_on<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let events: Vec<_> = (1..=9).map(|seq| event(&topic, 3, seq)).collect();
    let other = [event(&topic, 6, 1)];
    store.append_audit(&events).await?;
    store.append_audit(&other).await?;
    let signed = [2, 4, 6].map(|seq| checkpoint(Mark::Head, 3, seq));
    store.put_checkpoints(&signed).await?;
    ensure_eq!(store.remove_cut(3, 100).await?, 0, "it was not cut");

    store.put_checkpoints(&[checkpoint(Mark::Cut, 3, 4)]).await?;
    ensure_eq!(store.remove_cut(3, 3).await?, 3, "so many at once");
    ensure_eq!(
        store.chain_from(3, 0, 10).await?,
        events[3..],
        "the first ones are gone"
    );
    ensure_eq!(store.remove_cut(3, 3).await?, 1, "up to the cut");
    ensure_eq!(store.remove_cut(3, 3).await?, 0, "and no further");
    ensure_eq!(store.chain_from(3, 0, 10).await?, events[4..], "the rest stays");
    ensure_eq!(store.chain_from(6, 0, 10).await?, other, "other chains stay");
    ensure_eq!(store.chain_head(3).await?, Some(head(9)), "the head stays");
    ensure_eq!(
        store.checkpoints(Mark::Head, 3, 0, 10).await?,
        signed[1..],
        "signed places before the cut are gone"
    );

    store.put_checkpoints(&[checkpoint(Mark::Cut, 3, 9)]).await?;
    ensure_eq!(store.remove_cut(3, 100).await?, 5, "all of it");
    ensure_eq!(
        store.checkpoints(Mark::Cut, 3, 0, 10).await?,
        vec![checkpoint(Mark::Cut, 3, 9)],
        "the last cut is enough"
    );
    ensure_eq!(
        store.chain_head(3).await?,
        Some(head(9)),
        "the chain goes on from the cut"
    );
    let next = [event(&topic, 3, 10)];
    store.append_audit(&next).await?;
    ensure_eq!(store.chain_head(3).await?, Some(head(10)), "with a new event");
    ensure_eq!(store.chain_from(3, 0, 10).await?, next, "and that alone");
    Ok(())
}
