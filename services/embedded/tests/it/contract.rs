//! The promises of log and store.

use std::time::Duration;

use stardust_embedded::{Embedded, EmbeddedLog, EmbeddedStore};
use stardust_pipeline::contract::{
    LogFixture, StoreFixture, amend_contract, association_contract, log_contract, resources_contract,
    runs_contract, store_contract,
};
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

impl LogFixture for Folder {
    type Log = EmbeddedLog;

    // Each client opens the file anew, as a process of its own would.
    async fn log(&self, instance: &str) -> EmbeddedLog {
        let (folder, instance) = (self.0.path().to_owned(), instance.to_owned());
        tokio::task::spawn_blocking(move || Embedded::open(folder, &instance).unwrap().log())
            .await
            .unwrap()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(90)
    }
}

impl StoreFixture for Folder {
    type Store = EmbeddedStore;

    async fn store(&self) -> EmbeddedStore {
        let folder = self.0.path().join(uuid::Uuid::new_v4().to_string());
        tokio::task::spawn_blocking(move || Embedded::open(folder, "test").unwrap().store())
            .await
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_keeps_its_promises() {
    log_contract(Folder::new()).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_keeps_its_promises() {
    store_contract(Folder::new()).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_can_be_amended() {
    amend_contract(Folder::new()).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_keep_their_promises() {
    runs_contract(Folder::new()).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_a_device_when_is_kept() {
    association_contract(Folder::new()).await.assert_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn resources_keep_their_promises() {
    resources_contract(Folder::new()).await.assert_kept();
}
