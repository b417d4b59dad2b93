//! Promises about Observations that are amended.

use super::broken::{Kept, ensure_eq};
use super::samples::{instant, observation, resource, sparse_observation};
use super::store_ground::{StoreFixture, StoreGround};
use crate::amend::{Amend, Amendment};
use crate::store::{ObservationDocument, Position, Store};

fn amendment(document: &ObservationDocument) -> Amendment {
    Amendment {
        id: document.id,
        from_mapping: document.mapping_version.clone(),
        to_mapping: "m2".into(),
        resource: resource(document.id)
            .replace("\"final\"", "\"amended\"")
            .replace("36.60", "36.70"),
        code: "59408-5".into(),
        status: "amended".into(),
        at: instant(9_000),
    }
}

fn amended(document: &ObservationDocument) -> ObservationDocument {
    let change = amendment(document);
    ObservationDocument {
        resource: change.resource,
        code: change.code,
        status: change.status,
        mapping_version: change.to_mapping,
        ..document.clone()
    }
}

pub(super) async fn an_amendment_changes_what_it_names_and_nothing_else<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture,
    F::Store: Amend,
{
    let (store, topic) = ground.store().await?;
    let whole = observation(&topic, 1);
    let sparse = sparse_observation(&topic, 2);
    let left = observation(&topic, 3);
    let documents = [whole.clone(), sparse.clone(), left.clone()];
    store.insert_observations(&documents).await?;
    ensure_eq!(store.amend(&[]).await?, 0, "nothing to amend");
    let changes = [amendment(&whole), amendment(&sparse)];
    ensure_eq!(store.amend(&changes).await?, 2, "both were as expected");
    let expected = vec![amended(&whole), amended(&sparse), left.clone()];
    ensure_eq!(
        store.observations_at(&topic, 3, 0, 9).await?,
        expected,
        "the new content"
    );
    // Once more, and one that somebody else has changed meanwhile: left alone.
    ensure_eq!(
        store.amend(&changes).await?,
        0,
        "they are of another mapping by now"
    );
    let late = Amendment {
        from_mapping: "m0".into(),
        ..amendment(&left)
    };
    ensure_eq!(store.amend(&[late]).await?, 0, "it is not what was expected");
    ensure_eq!(
        store.observations_at(&topic, 3, 0, 9).await?,
        expected,
        "unchanged"
    );
    let again = store.insert_observations(&documents).await?;
    ensure_eq!(again.len(), 3, "an insert of what is there changes nothing");
    ensure_eq!(
        store.observations_at(&topic, 3, 0, 9).await?,
        expected,
        "still unchanged"
    );
    // Back to a content that needs no text of its own.
    let plain = Amendment {
        from_mapping: "m2".into(),
        to_mapping: "m3".into(),
        resource: format!(r#"{{"resourceType":"Observation","id":"{}"}}"#, whole.id),
        ..amendment(&whole)
    };
    ensure_eq!(
        store.amend(std::slice::from_ref(&plain)).await?,
        1,
        "it was of m2"
    );
    let stored = store.observations_at(&topic, 3, 1, 1).await?;
    ensure_eq!(stored[0].resource, plain.resource, "the newest content");
    Ok(())
}

pub(super) async fn observations_come_in_the_order_of_the_log<F>(ground: StoreGround<F>) -> Kept
where
    F: StoreFixture,
    F::Store: Amend,
{
    let (store, topic) = ground.store().await?;
    ensure_eq!(
        store.observations_after(None, 10).await?,
        vec![],
        "nothing is there"
    );
    ensure_eq!(store.foreign_observations().await?, 0, "nothing foreign either");
    let other = format!("{topic}-z");
    let mut documents: Vec<_> = (0..7).map(|n| observation(&topic, n * 3)).collect();
    documents.push(observation(&other, 1));
    let mut moved = observation(&topic, 100);
    moved.writer.position = Position {
        partition: 11,
        offset: 2,
        ..moved.writer.position
    };
    documents.insert(7, moved);
    let shuffled: Vec<_> = documents.iter().rev().cloned().collect();
    store.insert_observations(&shuffled).await?;
    for page in [1, 2, 100] {
        let mut found: Vec<ObservationDocument> = Vec::new();
        loop {
            let after = found.last().map(|d| d.writer.position.clone());
            let got = store.observations_after(after.as_ref(), page).await?;
            ensure_eq!(got.len() <= page, true, "{} on a page of {page}", got.len());
            if got.is_empty() {
                break;
            }
            found.extend(got);
        }
        ensure_eq!(found, documents, "in order, pages of {page}");
    }
    Ok(())
}
