//! Promises about Observations.

use super::broken::{Kept, ensure, ensure_eq};
use super::samples::{letter, observation, sparse_observation, writer};
use super::store_ground::{StoreFixture, StoreGround};
use crate::store::{ObservationDocument, Shelf, Store, Won, Written};

/// The same documents from another receipt, with other content.
fn again(documents: &[ObservationDocument], topic: &str) -> Vec<ObservationDocument> {
    documents
        .iter()
        .enumerate()
        .map(|(n, d)| ObservationDocument {
            writer: writer(topic, 5_000 + i64::try_from(n).unwrap_or(0)),
            status: "preliminary".into(),
            mapping_version: "m2".into(),
            ..d.clone()
        })
        .collect()
}

pub(super) async fn the_first_writer_of_an_observation_wins<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(store.insert_observations(&[]).await?, vec![], "nothing to insert");
    let first: Vec<_> = (0..3).map(|n| observation(&topic, n)).collect();
    ensure_eq!(
        store.insert_observations(&first).await?,
        vec![Won::Inserted; 3],
        "they were absent"
    );
    let present: Vec<_> = first.iter().map(|d| Won::Present(d.writer.clone())).collect();
    let other = again(&first, &topic);
    ensure_eq!(
        store.insert_observations(&other).await?,
        present,
        "the first receipt won"
    );
    ensure_eq!(
        store.insert_observations(&first).await?,
        present,
        "the same once more"
    );
    let mut kept = store.observations_at(&topic, 3, 0, 9).await?;
    kept.sort_by_key(|d| d.writer.position.offset);
    ensure_eq!(kept, first, "nothing of the second came in");
    Ok(())
}

pub(super) async fn answers_come_in_the_order_of_the_documents<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let all: Vec<_> = (0..20).map(|n| observation(&topic, n)).collect();
    let odd: Vec<_> = all
        .iter()
        .filter(|d| d.writer.position.offset % 2 == 1)
        .cloned()
        .collect();
    store.insert_observations(&odd).await?;
    let mixed: Vec<_> = again(&all, &topic).into_iter().rev().collect();
    let answers = store.insert_observations(&mixed).await?;
    for (answer, first) in answers.iter().zip(all.iter().rev()) {
        let expected = match first.writer.position.offset % 2 {
            1 => Won::Present(first.writer.clone()),
            _ => Won::Inserted,
        };
        ensure_eq!(
            *answer,
            expected,
            "the answer for offset {}",
            first.writer.position.offset
        );
    }
    let mut ids: Vec<_> = all.iter().map(|d| d.id).collect();
    ids.insert(7, uuid::Uuid::nil());
    let writers = store.observation_writers(&ids).await?;
    ensure_eq!(writers.len(), 21, "one answer an id");
    ensure_eq!(writers[7], None, "none where absent");
    ensure_eq!(
        writers[1].as_ref(),
        Some(&all[1].writer),
        "in the order of the ids"
    );
    ensure_eq!(
        writers[8].as_ref(),
        Some(&all[7].writer),
        "in the order of the ids"
    );
    ensure_eq!(
        writers[0].as_ref().map(|w| &w.receipt_id),
        Some(&mixed[19].writer.receipt_id),
        "who inserted it"
    );
    Ok(())
}

pub(super) async fn writers_that_race_agree_on_who_won<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let base: Vec<_> = (0..40).map(|n| observation(&topic, n)).collect();
    let tasks: Vec<_> = (0..4_i64)
        .map(|racer| {
            let store = store.clone();
            let mine: Vec<_> = base
                .iter()
                .map(|d| ObservationDocument {
                    writer: writer(&topic, 1_000 * (racer + 1) + d.writer.position.offset),
                    ..d.clone()
                })
                .collect();
            tokio::spawn(async move {
                let answers = store.insert_observations(&mine).await?;
                Ok::<_, super::Broken>((mine, answers))
            })
        })
        .collect();
    let mut inserted = vec![0; base.len()];
    let ids: Vec<_> = base.iter().map(|d| d.id).collect();
    let mut claims = Vec::new();
    for task in tasks {
        let (mine, answers) = task.await??;
        for (n, (document, answer)) in mine.into_iter().zip(answers).enumerate() {
            match answer {
                Won::Inserted => {
                    inserted[n] += 1;
                    claims.push((n, document.writer));
                }
                Won::Present(writer) => claims.push((n, writer)),
            }
        }
    }
    ensure_eq!(inserted, vec![1; base.len()], "each was inserted by one");
    let winners = store.observation_writers(&ids).await?;
    for (n, claim) in claims {
        ensure_eq!(Some(&claim), winners[n].as_ref(), "all name the same winner");
    }
    Ok(())
}

pub(super) async fn every_field_of_an_observation_comes_back<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let (full, sparse) = (observation(&topic, 1), sparse_observation(&topic, 2));
    store.insert_observations(&[full.clone(), sparse.clone()]).await?;
    let mut back = store.observations_at(&topic, 3, 1, 2).await?;
    back.sort_by_key(|d| d.writer.position.offset);
    ensure_eq!(back.len(), 2, "both come back");
    ensure!(
        back[0].resource.contains(r#""value":36.60,"#),
        "decimals keep their digits: {}",
        back[0].resource
    );
    ensure_eq!(back[0].resource, full.resource, "the resource as it was");
    ensure_eq!(back[0].raw_item, full.raw_item, "the item as it came");
    ensure_eq!(back[0].legacy, full.legacy, "the legacy content");
    ensure_eq!(back, vec![full, sparse], "every field");
    Ok(())
}

pub(super) async fn observations_are_found_by_their_place_in_the_log<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    let mut documents: Vec<_> = (10..20).map(|n| observation(&topic, n)).collect();
    // Two items of one record, a neighbour partition and a neighbour topic.
    documents[1].writer.position.offset = 10;
    documents[1].writer.position.item = 1;
    documents[2].writer.position.partition = 4;
    documents[3].writer.position.topic = format!("{topic}-other");
    documents[4] = ObservationDocument {
        writer: documents[4].writer.clone(),
        ..sparse_observation(&topic, 4)
    };
    store.insert_observations(&documents).await?;
    let found = store.observations_at(&topic, 3, 10, 16).await?;
    let mut ids: Vec<_> = found.iter().map(|d| d.id).collect();
    ids.sort();
    let mut expected: Vec<_> = [0, 1, 4, 5, 6].iter().map(|i| documents[*i].id).collect();
    expected.sort();
    ensure_eq!(
        ids,
        expected,
        "from 10 to 16, both included, of this partition only"
    );
    ensure_eq!(
        store.observations_at(&topic, 3, 100, 200).await?,
        vec![],
        "none beyond"
    );
    let mut written = store.written_at(&topic, 3, 10, 16).await?;
    written.sort_by_key(|w| w.id);
    let mut expected: Vec<_> = found
        .iter()
        .map(|d| Written {
            id: d.id,
            main: d.main,
            writer: d.writer.clone(),
            legacy: d.legacy.as_ref().map(|l| (l.collection.clone(), l.id.clone())),
        })
        .collect();
    expected.sort_by_key(|w| w.id);
    ensure_eq!(written, expected, "the same ones without content");
    Ok(())
}

pub(super) async fn a_batch_of_five_hundred_is_one_call<F: StoreFixture>(ground: StoreGround<F>) -> Kept {
    let (store, topic) = ground.store().await?;
    let all: Vec<_> = (0..500).map(|n| observation(&topic, n)).collect();
    ensure_eq!(
        store.insert_observations(&all).await?,
        vec![Won::Inserted; 500],
        "all at once"
    );
    let present: Vec<_> = all.iter().map(|d| Won::Present(d.writer.clone())).collect();
    ensure_eq!(
        store.insert_observations(&again(&all, &topic)).await?,
        present,
        "and who won"
    );
    ensure_eq!(
        store.observations_at(&topic, 3, 0, 499).await?.len(),
        500,
        "and read again"
    );
    Ok(())
}

pub(super) async fn the_highest_offset_spans_observations_and_letters<F: StoreFixture>(
    ground: StoreGround<F>,
) -> Kept {
    let (store, topic) = ground.store().await?;
    ensure_eq!(store.highest_offset(&topic, 3, 0).await?, None, "an empty store");
    store
        .insert_observations(&[observation(&topic, 5), observation(&topic, 7)])
        .await?;
    ensure_eq!(
        store.highest_offset(&topic, 3, 0).await?,
        Some(7),
        "of the Observations"
    );
    store.insert_letters(&[letter(Shelf::Parked, &topic, 6)]).await?;
    ensure_eq!(
        store.highest_offset(&topic, 3, 0).await?,
        Some(7),
        "a lower letter changes nothing"
    );
    store.insert_letters(&[letter(Shelf::Dead, &topic, 9)]).await?;
    ensure_eq!(
        store.highest_offset(&topic, 3, 0).await?,
        Some(9),
        "of the letters"
    );
    store.insert_letters(&[letter(Shelf::Parked, &topic, 11)]).await?;
    ensure_eq!(
        store.highest_offset(&topic, 3, 0).await?,
        Some(11),
        "of either shelf"
    );
    for (from, highest) in [(8, Some(11)), (11, Some(11)), (12, None)] {
        let found = store.highest_offset(&topic, 3, from).await?;
        ensure_eq!(found, highest, "from an offset on");
    }
    ensure_eq!(
        store.highest_offset(&topic, 4, 0).await?,
        None,
        "another partition"
    );
    ensure_eq!(
        store.highest_offset("elsewhere", 3, 0).await?,
        None,
        "another topic"
    );
    Ok(())
}
