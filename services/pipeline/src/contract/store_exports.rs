//! Promises about exports.

use serde_json::{Value, json};

use super::broken::{Kept, ensure, ensure_eq};
use super::samples::{event, instant, legacy, letter, observation, sparse_observation};
use super::store_ground::{StoreFixture, StoreGround, exported};
use crate::store::{Export, Shelf, Store};

pub(super) async fn observations_are_exported_in_pages_with_their_digits<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(
        exported(&store, Export::Observations, 5).await?.len(),
        0,
        "an empty store"
    );
    let mut all: Vec<_> = (0..12).map(|n| observation(&topic, n)).collect();
    all.push(sparse_observation(&topic, 12));
    store.insert_observations(&all).await?;
    all.sort_by_key(|d| d.id.to_string());
    let expected: Vec<_> = all.into_iter().map(|d| d.resource).collect();
    for page in [1, 5, 13, 100] {
        ensure_eq!(
            exported(&store, Export::Observations, page).await?,
            expected,
            "in pages of {page}"
        );
    }
    Ok(())
}

pub(super) async fn legacy_documents_are_exported_with_their_collection<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let mut all = Vec::new();
    for collection in ["spo2_histories", "blood_pressure_histories"] {
        all.extend((0..5).map(|n| legacy(&topic, collection, n)));
    }
    store.insert_legacy(&all).await?;
    let mut expected = Vec::new();
    for d in &all {
        let document: Value = serde_json::from_str(&d.content.document)?;
        expected.push(json!({"collection": d.content.collection, "document": document}).to_string());
    }
    expected.sort();
    for page in [1, 3, 100] {
        let mut lines = Vec::new();
        for line in exported(&store, Export::Legacy, page).await? {
            let line: Value = serde_json::from_str(&line)?;
            ensure!(line["document"].is_object(), "the document is an object");
            lines.push(line.to_string());
        }
        lines.sort();
        ensure_eq!(lines, expected, "each document once, in pages of {page}");
    }
    Ok(())
}

pub(super) async fn audit_events_are_exported<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let mut all = Vec::new();
    for chain in 0..3 {
        let events: Vec<_> = (1..=4).map(|seq| event(&topic, chain, seq)).collect();
        store.append_audit(&events).await?;
        all.extend(events.into_iter().map(|e| e.resource));
    }
    all.sort();
    for page in [1, 5, 100] {
        let mut lines = exported(&store, Export::Audit, page).await?;
        lines.sort();
        ensure_eq!(lines, all, "each event once, in pages of {page}");
    }
    Ok(())
}

pub(super) async fn open_letters_are_exported_and_closed_ones_are_not<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    for (shelf, what) in [(Shelf::Dead, Export::Dead), (Shelf::Parked, Export::Parked)] {
        let mut letters: Vec<_> = (0..5).map(|n| letter(shelf, &topic, n)).collect();
        letters[1].writer.position.item = -1;
        letters[1].field = None;
        letters[1].gateway = None;
        letters[1].last_try = instant(400);
        store.insert_letters(&letters).await?;
        store
            .close_letters(shelf, std::slice::from_ref(&letters[4].id))
            .await?;
        if shelf == Shelf::Parked {
            store
                .mark_releasing(shelf, std::slice::from_ref(&letters[3].id))
                .await?;
        }
        let open = if shelf == Shelf::Parked { 3 } else { 4 };
        let mut letters = letters[..open].to_vec();
        letters.sort_by(|a, b| a.id.cmp(&b.id));
        let expected: Vec<Value> = letters
            .iter()
            .map(|l| {
                let item = l.writer.position.item;
                json!({
                    "receipt_id": l.writer.receipt_id,
                    "gateway": l.gateway.map(|g| g.to_string()),
                    "stage": l.stage,
                    "reason": l.reason,
                    "field": l.field,
                    "item_index": (item >= 0).then_some(item),
                    "first_try": l.first_try.instant(),
                    "last_try": l.last_try.instant(),
                })
            })
            .collect();
        for page in [1, 2, 100] {
            let mut lines: Vec<Value> = Vec::new();
            for line in exported(&store, what, page).await? {
                lines.push(serde_json::from_str(&line)?);
            }
            ensure_eq!(
                lines,
                expected,
                "the open ones in the order of their ids, in pages of {page}"
            );
        }
    }
    Ok(())
}
