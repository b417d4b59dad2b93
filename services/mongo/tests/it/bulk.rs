//! The two ways to write many documents.

use futures_util::TryStreamExt;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use stardust_mongo::Bulk;
use stardust_pipeline::store::{ObservationDocument, Shelf, Store, StoreError, Won};

use crate::samples::{legacy, letter, observation};
use crate::server::Ground;

const WAYS: [Bulk; 2] = [Bulk::Fitting, Bulk::Update];

#[tokio::test]
async fn both_ways_store_the_same_documents() {
    let mut stored = Vec::new();
    for way in WAYS {
        let Some(ground) = Ground::prepared().await else {
            return;
        };
        let documents: Vec<_> = (0..50).map(observation).collect();
        let won = ground
            .store
            .with_bulk(way)
            .insert_observations(&documents)
            .await
            .unwrap();
        assert_eq!(won, vec![Won::Inserted; 50]);
        let observations = ground.fhir.collection::<Document>("fhir_observations");
        let found = observations.find(doc! {}).sort(doc! {"_id": 1});
        stored.push(found.await.unwrap().try_collect::<Vec<_>>().await.unwrap());
        ground.clean().await;
    }
    assert_eq!(stored[0], stored[1]);
}

#[tokio::test]
async fn several_collections_are_written_and_answered_in_order() {
    for way in WAYS {
        let Some(ground) = Ground::prepared().await else {
            return;
        };
        let store = ground.store.with_bulk(way);
        let collections = ["spo2_histories", "step_histories", "lipid_histories"];
        let all: Vec<_> = (0..30_u8)
            .map(|n| legacy(collections[usize::from(n % 3)], i64::from(n)))
            .collect();
        let odd: Vec<_> = all.iter().skip(1).step_by(2).cloned().collect();
        assert_eq!(store.insert_legacy(&odd).await.unwrap(), vec![true; 15]);
        let expected: Vec<_> = (0..30).map(|n| n % 2 == 0).collect();
        assert_eq!(store.insert_legacy(&all).await.unwrap(), expected, "{way:?}");
        let letters: Vec<_> = (0..6)
            .map(|n| letter(if n % 2 == 0 { Shelf::Dead } else { Shelf::Parked }, n))
            .collect();
        assert_eq!(
            store.insert_letters(&letters).await.unwrap(),
            vec![Won::Inserted; 6]
        );
        let again = store.insert_letters(&letters).await.unwrap();
        let present: Vec<_> = letters.iter().map(|l| Won::Present(l.writer.clone())).collect();
        assert_eq!(again, present, "{way:?}");
        ground.clean().await;
    }
}

/// In order a server stops at the first statement that fails: a key that is there must not keep the rest away.
#[tokio::test]
async fn observations_behind_a_key_that_is_there_are_written() {
    for way in WAYS {
        let Some(ground) = Ground::prepared().await else {
            return;
        };
        let observations = ground.fhir.collection::<Document>("fhir_observations");
        let unique = IndexOptions::builder().unique(true).build();
        let index = IndexModel::builder().keys(doc! {"raw_item": 1}).options(unique);
        observations.create_index(index.build()).await.unwrap();
        let documents: Vec<_> = [0, 1, 1, 2, 2, 3]
            .into_iter()
            .zip(0..)
            .map(|(item, n)| ObservationDocument {
                raw_item: format!("item {item}"),
                ..observation(n)
            })
            .collect();
        let answer = ground.store.with_bulk(way).insert_observations(&documents).await;
        // Who wrote those is asked for, and they are not there.
        assert!(matches!(answer, Err(StoreError::Conflict(_))), "{answer:?}");
        let found = observations.find(doc! {}).sort(doc! {"raw_item": 1});
        let found: Vec<_> = found.await.unwrap().try_collect().await.unwrap();
        let ids: Vec<_> = found
            .iter()
            .map(|d| d.get_str("_id").unwrap().to_owned())
            .collect();
        let expected: Vec<_> = [0, 1, 3, 5].map(|n| documents[n].id.to_string()).to_vec();
        assert_eq!(ids, expected, "{way:?}");
        ground.clean().await;
    }
}

#[tokio::test]
async fn more_than_a_command_holds_goes_in_parts() {
    for way in WAYS {
        let Some(ground) = Ground::prepared().await else {
            return;
        };
        let records: Vec<_> = (0..5)
            .map(|n| (format!("receipt-{n}"), vec![7_u8; 5 << 20]))
            .collect();
        ground.store.with_bulk(way).keep_raw(&records).await.unwrap();
        for (receipt, record) in &records {
            assert_eq!(
                ground.store.kept_raw(receipt).await.unwrap().as_ref(),
                Some(record)
            );
        }
        ground.clean().await;
    }
}

#[tokio::test]
async fn a_document_that_no_server_takes_is_refused() {
    for way in WAYS {
        let Some(ground) = Ground::prepared().await else {
            return;
        };
        let mut large = observation(1);
        large.raw_item = "x".repeat(17 << 20);
        let answer = ground.store.with_bulk(way).insert_observations(&[large]).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
        ground.clean().await;
    }
}
