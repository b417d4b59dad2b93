//! The promises that every store keeps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Bson, Document};
use stardust_mongo::{Bulk, MongoStore};
use stardust_pipeline::contract::{
    Report, StoreFixture, amend_contract, association_contract, resources_contract, runs_contract,
    store_contract,
};
use stardust_pipeline::store::{RegistryDocuments, StoreError};

use crate::proxy::Proxy;
use crate::server;

struct Fixture {
    proxy: Proxy,
    uri: String,
    bulk: Bulk,
    plain: Client,
    databases: Arc<Mutex<Vec<(String, String)>>>,
}

impl StoreFixture for Fixture {
    type Store = MongoStore;

    async fn store(&self) -> MongoStore {
        let (main, fhir) = server::names();
        let store = MongoStore::connect(&self.uri, &main, &fhir).await.unwrap();
        self.databases.lock().unwrap().push((main, fhir));
        store.with_bulk(self.bulk)
    }

    async fn seed_registry(
        &self,
        _store: &MongoStore,
        documents: &RegistryDocuments,
    ) -> Result<(), StoreError> {
        // One promise runs at a time here, so the newest database is that of the store.
        let (main, _) = self.databases.lock().unwrap().last().unwrap().clone();
        for (collection, documents) in [
            ("amy_boxes", &documents.boxes),
            ("amy_devices", &documents.devices),
            ("patients", &documents.patients),
        ] {
            let collection = self.plain.database(&main).collection::<Document>(collection);
            for document in documents {
                collection.insert_one(from_extended(document)).await.unwrap();
            }
        }
        Ok(())
    }

    async fn outage(&self, down: bool) -> bool {
        self.proxy.cut(down);
        true
    }

    fn at_once(&self) -> usize {
        1
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// Enough of Extended JSON for registry documents.
fn from_extended(value: &serde_json::Value) -> Document {
    value
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            let value = match value.get("$oid").and_then(|id| id.as_str()) {
                Some(id) => Bson::ObjectId(id.parse().unwrap()),
                None => match value {
                    serde_json::Value::Null => Bson::Null,
                    serde_json::Value::Bool(value) => Bson::Boolean(*value),
                    value => Bson::String(value.as_str().unwrap().to_owned()),
                },
            };
            (name.clone(), value)
        })
        .collect()
}

async fn holds(bulk: Bulk, suite: impl AsyncFnOnce(Fixture) -> Report) {
    let Some(uri) = server::uri() else { return };
    let (proxy, direct) = Proxy::before(&uri).await;
    let databases = Arc::new(Mutex::new(Vec::new()));
    let plain = Client::with_uri_str(&uri).await.unwrap();
    let fixture = Fixture {
        proxy,
        uri: direct,
        bulk,
        plain: plain.clone(),
        databases: databases.clone(),
    };
    let report = suite(fixture).await;
    let databases = databases.lock().unwrap().clone();
    for (main, fhir) in databases {
        plain.database(&main).drop().await.unwrap();
        plain.database(&fhir).drop().await.unwrap();
    }
    report.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_its_promises() {
    holds(Bulk::Fitting, store_contract).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_them_on_servers_without_bulk_write() {
    holds(Bulk::Update, store_contract).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_can_be_amended() {
    holds(Bulk::Fitting, amend_contract).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_keep_their_promises() {
    holds(Bulk::Fitting, runs_contract).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_a_device_when_is_kept() {
    for bulk in [Bulk::Fitting, Bulk::Update] {
        holds(bulk, association_contract).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_keep_their_promises() {
    holds(Bulk::Fitting, resources_contract).await;
}
