//! Documents as those who read the FHIR database find them.

use mongodb::bson::{Bson, DateTime, Decimal128, Document, doc};
use stardust_domain::ids::Mac;
use stardust_pipeline::store::{Export, RecordedEvent, Store, Won};

use crate::samples::{PATIENT, event, observation, writer};
use crate::server::Ground;

fn decimal(text: &str) -> Bson {
    Bson::Decimal128(text.parse::<Decimal128>().unwrap())
}

#[tokio::test]
async fn decimals_are_decimal128_with_their_digits() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    ground.store.insert_observations(&[observation(1)]).await.unwrap();
    let stored = ground.stored("fhir_observations").await;
    let resource = stored.get_document("resource_data").unwrap();
    assert_eq!(
        resource.get_document("valueQuantity").unwrap().get("value"),
        Some(&decimal("36.60"))
    );
    // A number to the server, not only digits.
    let observations = ground.fhir.collection::<Document>("fhir_observations");
    let warm = doc! {"resource_data.valueQuantity.value": {"$gt": 36.5, "$lt": 36.7}};
    assert_eq!(observations.count_documents(warm).await.unwrap(), 1);
    ground.clean().await;
}

#[tokio::test]
async fn the_wrapper_has_the_fields_that_readers_query() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    let document = observation(7);
    ground
        .store
        .insert_observations(std::slice::from_ref(&document))
        .await
        .unwrap();
    let mut stored = ground.stored("fhir_observations").await;
    let id = document.id.to_string();
    let device: Mac = "020000aa0001".parse().unwrap();
    let receipt = DateTime::from_millis(1_836_900_060_123);
    assert_eq!(
        stored
            .remove("resource_data")
            .unwrap()
            .as_document()
            .unwrap()
            .get_str("id")
            .unwrap(),
        id
    );
    let legacy = stored.remove("legacy").unwrap();
    assert_eq!(
        legacy.as_document().unwrap().get_str("collection").unwrap(),
        "temprature_data_histories"
    );
    let expected = doc! {
        "_id": &id,
        "resource_type": "Observation",
        "resource_id": &id,
        "fhir_version": "5.0.0",
        "patient_id": PATIENT,
        "device_id": device.device_id().to_string(),
        "device_mac_address": "020000aa0001",
        "gateway_mac_address": "020000aa0002",
        "effective_datetime": DateTime::from_millis(1_836_900_001_000),
        "recorded_datetime": receipt,
        "recorded_datetime_us": 456,
        "source_system": "stardust",
        "source": "http",
        "status": "final",
        "code": "8310-5",
        "main": true,
        "is_deleted": false,
        "created_at": receipt,
        "updated_at": receipt,
        "receipt_id": "receipt-7",
        "raw": {"topic": "ava4.readings.raw", "partition": 3, "offset": 7_i64, "item": 0},
        "raw_item": r#"{"attribute":"BODY_TEMP"}"#,
        "mapping_version": "m1",
    };
    let names = |document: &Document| {
        let mut names: Vec<_> = document.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&stored), names(&expected));
    for (name, value) in &expected {
        assert_eq!(stored.get(name), Some(value), "{name}");
    }
    ground.clean().await;
}

#[tokio::test]
async fn an_audit_event_has_the_wrapper_and_its_place() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    ground.store.append_audit(&[event(1)]).await.unwrap();
    let stored = ground.stored("fhir_audit_events").await;
    assert_eq!(stored.get_str("resource_type").unwrap(), "AuditEvent");
    assert_eq!(stored.get_str("fhir_version").unwrap(), "5.0.0");
    assert_eq!(stored.get("chain"), Some(&Bson::Int32(2)));
    assert_eq!(stored.get("seq"), Some(&Bson::Int64(1)));
    assert_eq!(stored.get_str("prev").unwrap(), "0".repeat(64));
    assert_eq!(stored.get("is_deleted"), Some(&Bson::Boolean(false)));
    ground.clean().await;
}

#[tokio::test]
async fn microseconds_and_any_spelling_come_back() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    let mut odd = observation(1);
    odd.resource = format!(r#"{{ "id":"{}", "a":1.50, "b":"\u00e9" }}"#, odd.id);
    ground
        .store
        .insert_observations(std::slice::from_ref(&odd))
        .await
        .unwrap();
    assert_eq!(
        ground
            .store
            .observations_at("ava4.readings.raw", 3, 1, 1)
            .await
            .unwrap(),
        [odd]
    );
    ground.clean().await;
}

#[tokio::test]
async fn copies_of_an_older_database_do_not_disturb() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    let document = observation(1);
    let old =
        doc! {"_id": document.id.to_string(), "resource_type": "Observation", "resource_data": {"value": 1}};
    let observations = ground.fhir.collection::<Document>("fhir_observations");
    observations.insert_one(old).await.unwrap();
    observations
        .insert_one(doc! {"resource_type": "Observation", "resource_data": {}})
        .await
        .unwrap();
    observations
        .insert_one(doc! {"_id": "old", "n": 1})
        .await
        .unwrap();
    let audit = ground.fhir.collection::<Document>("fhir_audit_events");
    for _ in 0..2 {
        audit
            .insert_one(doc! {"resource_type": "AuditEvent", "resource_data": {}})
            .await
            .unwrap();
    }
    ground.store.prepare().await.unwrap();
    let won = ground
        .store
        .insert_observations(&[document, observation(2)])
        .await
        .unwrap();
    assert_eq!(won[1], Won::Inserted);
    assert!(matches!(&won[0], Won::Present(other) if other.receipt_id.is_empty() && *other != writer(1)));
    assert_eq!(
        ground
            .store
            .highest_offset("ava4.readings.raw", 3, 0)
            .await
            .unwrap(),
        Some(2)
    );
    assert_eq!(ground.store.chains().await.unwrap(), Vec::<i32>::new());
    assert_eq!(ground.store.chain_head(2).await.unwrap(), None);
    let exported = ground.store.export(Export::Observations, None, 10).await.unwrap();
    let copies = exported.lines.iter().filter(|line| *line == r#"{"value":1}"#);
    assert_eq!((exported.lines.len(), copies.count()), (2, 1), "{exported:?}");
    ground.clean().await;
}

#[tokio::test]
async fn what_a_receipt_left_is_found() {
    let Some(ground) = Ground::prepared().await else {
        return;
    };
    use crate::samples::letter;
    use stardust_pipeline::store::Shelf;
    assert_eq!(
        ground.store.of_receipt("receipt-1").await.unwrap(),
        Default::default()
    );
    let (one, other) = (observation(1), observation(2));
    ground
        .store
        .insert_observations(&[one.clone(), other])
        .await
        .unwrap();
    let letters = [letter(Shelf::Dead, 1), letter(Shelf::Parked, 2)];
    ground.store.insert_letters(&letters).await.unwrap();
    ground.store.append_audit(&[event(1), event(2)]).await.unwrap();
    let found = ground.store.of_receipt("receipt-1").await.unwrap();
    assert_eq!(found.observations, [(one.id, one.writer, true)]);
    assert_eq!(found.letters, letters[..1]);
    let recorded = RecordedEvent {
        id: event(1).id,
        outcome: "created".to_owned(),
        recorded: event(1).recorded,
        chain: event(1).chain,
        seq: event(1).seq,
    };
    assert_eq!(found.audit, [recorded]);
    ground.clean().await;
}
