//! The main database (AMY): histories are added, nothing else of it changes.

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use stardust_pipeline::store::{RegistryDocuments, Store, StoreError};

use crate::samples::{PATIENT, legacy, observation};
use crate::server::Ground;

async fn shape(database: &Database) -> Vec<String> {
    let mut shape = Vec::new();
    for name in database.list_collection_names().await.unwrap() {
        let collection = database.collection::<Document>(&name);
        let mut indexes = collection.list_index_names().await.unwrap();
        indexes.sort();
        let documents = collection.count_documents(doc! {}).await.unwrap();
        shape.push(format!("{name} {indexes:?} {documents}"));
    }
    shape.sort();
    shape
}

#[tokio::test]
async fn nothing_but_histories_is_added() {
    let Some(ground) = Ground::new().await else { return };
    let patients = ground.main.collection::<Document>("patients");
    patients.insert_one(doc! {"name": "x"}).await.unwrap();
    let histories = ground.main.collection::<Document>("spo2_histories");
    histories
        .insert_one(doc! {"patient_id": "x", "data": []})
        .await
        .unwrap();
    let before = shape(&ground.main).await;

    ground.store.prepare().await.unwrap();
    ground.store.ping().await.unwrap();
    ground.store.insert_observations(&[observation(1)]).await.unwrap();
    ground.store.registry().await.unwrap();
    ground.store.lease("x", "y", 5).await.unwrap();
    let refused = ground.store.import_registry(&RegistryDocuments::default()).await;
    assert!(matches!(refused, Err(StoreError::Unusable(_))));
    assert_eq!(shape(&ground.main).await, before);

    ground
        .store
        .insert_legacy(&[legacy("spo2_histories", 1)])
        .await
        .unwrap();
    let after = shape(&ground.main).await;
    assert_eq!(after, [before[0].clone(), before[1].replace(" 1", " 2")]);
    ground.clean().await;
}

#[tokio::test]
async fn a_history_has_the_types_that_the_app_reads() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    ground
        .store
        .insert_legacy(&[legacy("temprature_data_histories", 5)])
        .await
        .unwrap();
    let stored = ground
        .main
        .collection::<Document>("temprature_data_histories")
        .find_one(doc! {})
        .await;
    let stored = stored.unwrap().unwrap();
    let at = DateTime::parse_rfc3339_str("2028-03-17T10:00:01Z").unwrap();
    assert_eq!(
        stored.get("_id"),
        Some(&Bson::ObjectId(
            ObjectId::parse_str(format!("{:024x}", 5)).unwrap()
        ))
    );
    assert_eq!(
        stored.get("patient_id"),
        Some(&Bson::ObjectId(ObjectId::parse_str(PATIENT).unwrap()))
    );
    assert_eq!(stored.get("timestamp"), Some(&Bson::DateTime(at)));
    assert!(matches!(stored.get("created_at"), Some(Bson::DateTime(_))));
    let entry = stored.get_array("data").unwrap()[0].as_document().unwrap();
    assert_eq!(
        entry,
        &doc! {"temperature": 36.6, "pulse": 84, "mode": "Head", "timestamp": at}
    );
    ground.clean().await;
}

#[tokio::test]
async fn a_document_for_another_collection_is_refused() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    for (collection, id) in [
        ("patients", None),
        ("spo2_histories", Some("65a0000000000000000000ff")),
    ] {
        let mut document = legacy(collection, 1);
        if let Some(id) = id {
            document.content.id = id.to_owned();
        }
        let answer = ground.store.insert_legacy(&[document]).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
    }
    assert_eq!(shape(&ground.main).await, Vec::<String>::new());
    ground.clean().await;
}

#[tokio::test]
async fn a_unique_index_that_stands_in_the_way_is_told_and_not_taken_for_presence() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    let histories = ground.main.collection::<Document>("spo2_histories");
    let options = IndexOptions::builder().unique(true).build();
    let index = IndexModel::builder()
        .keys(doc! {"device_id": 1})
        .options(options)
        .build();
    histories.create_index(index).await.unwrap();
    let (first, second) = (legacy("spo2_histories", 1), legacy("spo2_histories", 2));
    assert_eq!(ground.store.insert_legacy(&[first]).await.unwrap(), [true]);
    let answer = ground.store.insert_legacy(&[second]).await;
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
    ground.clean().await;
}

#[tokio::test]
async fn only_the_needed_fields_of_the_registry_are_read() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    let id = ObjectId::parse_str(PATIENT).unwrap();
    let patient = doc! {
        "_id": id, "name": "x", "phone": "y", "weight_scale_mac_address": "02:00:00:AA:00:33", "is_deleted": false,
    };
    ground
        .main
        .collection::<Document>("patients")
        .insert_one(patient)
        .await
        .unwrap();
    let found = ground.store.registry().await.unwrap();
    let expected = serde_json::json!({
        "_id": {"$oid": PATIENT}, "weight_scale_mac_address": "02:00:00:AA:00:33", "is_deleted": false,
    });
    assert_eq!(found.patients, [expected]);
    ground.clean().await;
}
