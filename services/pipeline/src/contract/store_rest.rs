//! Promises about legacy documents, leases, the registry, and a store that goes away.

use std::time::Duration;

use serde_json::{Value, json};

use super::broken::{Broken, Kept, ensure, ensure_eq};
use super::samples::{event, legacy, letter, observation, sparse_observation, writer};
use super::store_ground::{StoreFixture, StoreGround};
use super::wait::until;
use crate::store::{
    Letter, LetterState, ReceiptDocuments, RecordedEvent, RegistryDocuments, Shelf, Store, Won,
};

pub(super) async fn preparing_again_changes_nothing<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    store.ping().await?;
    store.insert_observations(&[observation(&topic, 1)]).await?;
    store.prepare().await?;
    store.prepare().await?;
    ensure_eq!(
        store.observations_at(&topic, 3, 1, 1).await?.len(),
        1,
        "what was there is there"
    );
    Ok(())
}

pub(super) async fn a_legacy_document_is_stored_once<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let (a, b) = (
        legacy(&topic, "spo2_histories", 1),
        legacy(&topic, "lipid_histories", 2),
    );
    let c = legacy(&topic, "spo2_histories", 3);
    ensure_eq!(
        store.insert_legacy(&[]).await?,
        Vec::<bool>::new(),
        "nothing to insert"
    );
    ensure_eq!(
        store.insert_legacy(&[a.clone(), b.clone()]).await?,
        vec![true, true],
        "both are new"
    );
    let answers = store.insert_legacy(&[b.clone(), c.clone(), a.clone()]).await?;
    ensure_eq!(answers, vec![false, true, false], "which are new, in order");
    let asked = [
        (a.content.collection.clone(), a.content.id.clone()),
        ("lipid_histories".to_owned(), a.content.id.clone()),
        (c.content.collection.clone(), c.content.id.clone()),
        ("step_histories".to_owned(), b.content.id.clone()),
    ];
    let present = store.legacy_present(&asked).await?;
    ensure_eq!(
        present,
        vec![true, false, true, false],
        "by collection and id, in order"
    );
    Ok(())
}

pub(super) async fn what_a_receipt_left_is_found<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(
        store.of_receipt("absent").await?,
        ReceiptDocuments::default(),
        "nothing of an unknown receipt"
    );
    let receipt = writer(&topic, 1).receipt_id;
    let mut documents = [
        observation(&topic, 1),
        sparse_observation(&topic, 2),
        observation(&topic, 3),
    ];
    documents[1].writer.receipt_id.clone_from(&receipt);
    store.insert_observations(&documents).await?;
    let mut letters = [
        letter(Shelf::Dead, &topic, 1),
        letter(Shelf::Parked, &topic, 1),
        letter(Shelf::Parked, &topic, 4),
    ];
    letters[1].id = Letter::id_of(&receipt, Some(1), None);
    store.insert_letters(&letters).await?;
    store
        .close_letters(Shelf::Dead, std::slice::from_ref(&letters[0].id))
        .await?;
    letters[0].state = LetterState::Closed;
    let mut events = [event(&topic, 0, 1), event(&topic, 0, 2), event(&topic, 0, 3)];
    events[1].receipt_id.clone_from(&receipt);
    store.append_audit(&events).await?;

    let mut found = store.of_receipt(&receipt).await?;
    found.observations.sort_by_key(|o| o.0);
    let mut expected: Vec<_> = documents[..2]
        .iter()
        .map(|d| (d.id, d.writer.clone(), d.main))
        .collect();
    expected.sort_by_key(|o| o.0);
    ensure_eq!(
        found.observations,
        expected,
        "its Observations, with who wrote them"
    );
    found.letters.sort_by(|a, b| a.id.cmp(&b.id));
    ensure_eq!(
        found.letters,
        letters[..2],
        "its letters of both shelves in any state"
    );
    found.audit.sort_by_key(|a| a.id);
    let mut expected: Vec<_> = events[..2]
        .iter()
        .map(|e| RecordedEvent {
            id: e.id,
            outcome: e.outcome.clone(),
            recorded: e.recorded,
            chain: e.chain,
            seq: e.seq,
        })
        .collect();
    expected.sort_by_key(|a| a.id);
    ensure_eq!(found.audit, expected, "its audit events");
    Ok(())
}

pub(super) async fn a_lease_has_one_holder_at_a_time<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, _) = ground.store().await?;
    ensure!(store.lease("release", "a", 300).await?, "it is free");
    ensure!(!store.lease("release", "b", 300).await?, "it is taken");
    ensure!(store.lease("release", "a", 300).await?, "its holder renews it");
    ensure!(store.lease("other", "b", 300).await?, "another lease is free");
    ensure!(store.lease("short", "a", 1).await?, "it is free");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    until!(
        ground,
        "a lease ends by itself",
        store.lease("short", "b", 300).await?
    );
    ensure!(
        !store.lease("short", "a", 300).await?,
        "the old holder has lost it"
    );
    let racers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.lease("race", &format!("racer-{n}"), 300).await })
        })
        .collect();
    let mut holders = 0;
    for racer in racers {
        holders += usize::from(racer.await??);
    }
    ensure_eq!(holders, 1, "one of those who race gets it");
    Ok(())
}

/// The fields that a document must have kept.
fn kept(found: &[Value], expected: &[Value], fields: &[&str]) -> Kept {
    ensure_eq!(found.len(), expected.len(), "every document");
    for document in expected {
        let twin = found.iter().find(|f| f["_id"] == document["_id"]);
        let Some(twin) = twin else {
            return Err(Broken(format!("a document is missing: {}", document["_id"])));
        };
        for field in fields {
            ensure_eq!(twin[*field], document[*field], "the field {field}");
        }
    }
    Ok(())
}

pub(super) async fn the_registry_comes_back<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, _) = ground.store().await?;
    let empty = store.registry().await?;
    ensure!(
        empty.boxes.is_empty() && empty.devices.is_empty() && empty.patients.is_empty(),
        "an empty registry"
    );
    let oid = |n: u8| json!({"$oid": format!("65a0000000000000000000{n:02x}")});
    let documents = RegistryDocuments {
        boxes: vec![
            json!({"_id": oid(1), "mac_address": "02:00:00:AA:00:01", "patient_id": oid(0x21), "is_active": false}),
            json!({"_id": oid(2), "mac_address": " 020000AA0002 ", "patient_id": null, "is_deleted": true}),
        ],
        devices: vec![json!({
            "_id": oid(0x11), "mac_dusun_bps": "020000aa0011", "mac_bps": "", "mac_gluc": "02:00:00:AA:00:12",
            "patient_id": oid(0x21).to_string(),
        })],
        patients: vec![
            json!({"_id": oid(0x21), "ava_mac_address": "02:00:00:AA:00:01", "blood_pressure_mac_address": ""}),
            json!({"_id": oid(0x22), "weight_scale_mac_address": "020000aa0033", "is_deleted": true}),
        ],
    };
    ground.fixture.seed_registry(&store, &documents).await?;
    let found = store.registry().await?;
    kept(
        &found.boxes,
        &documents.boxes,
        &["mac_address", "patient_id", "is_deleted"],
    )?;
    kept(
        &found.devices,
        &documents.devices,
        &["mac_dusun_bps", "mac_bps", "mac_gluc", "patient_id"],
    )?;
    kept(
        &found.patients,
        &documents.patients,
        &[
            "ava_mac_address",
            "blood_pressure_mac_address",
            "weight_scale_mac_address",
            "is_deleted",
        ],
    )
}

pub(super) async fn an_outage_is_retriable_and_loses_nothing<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let (before, during) = (observation(&topic, 1), observation(&topic, 2));
    store.insert_observations(std::slice::from_ref(&before)).await?;
    if !ground.fixture.outage(true).await {
        return Ok(());
    }
    let patience = ground.fixture.patience();
    let answer =
        tokio::time::timeout(patience, store.insert_observations(std::slice::from_ref(&during))).await;
    match answer {
        Ok(Err(e)) => ensure!(e.is_retriable(), "waiting helps: {e:?}"),
        Ok(Ok(_)) => ensure!(false, "a store that is away took a document"),
        Err(_) => ensure!(false, "no answer while the store is away"),
    }
    ensure!(store.ping().await.is_err(), "the store is away");
    ensure!(ground.fixture.outage(false).await, "the server starts again");
    until!(ground, "the store is back", store.ping().await.is_ok());
    until!(
        ground,
        "it takes documents again",
        store
            .insert_observations(std::slice::from_ref(&during))
            .await
            .is_ok()
    );
    let writers = store.observation_writers(&[before.id, during.id]).await?;
    ensure_eq!(
        writers,
        vec![Some(before.writer.clone()), Some(during.writer)],
        "what was stored before and after is there"
    );
    let answer = store.insert_observations(std::slice::from_ref(&before)).await?;
    ensure_eq!(answer, vec![Won::Present(before.writer)], "and who won is known");
    Ok(())
}
