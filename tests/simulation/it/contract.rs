//! The simulated backends are backends: they pass the suite that Kafka, MongoDB and SQLite pass.

use libtest_mimic::Failed;
use stardust_pipeline::contract::{
    LogFixture, StoreFixture, association_contract, log_contract, store_contract,
};
use stardust_simulation::fixture::Calm;

struct Logs(Calm);

impl LogFixture for Logs {
    type Log = stardust_simulation::SimLog;

    async fn log(&self, instance: &str) -> Self::Log {
        self.0.log(instance)
    }
}

struct Stores;

impl StoreFixture for Stores {
    type Store = stardust_simulation::SimStore;

    async fn store(&self) -> Self::Store {
        Calm::default().store()
    }
}

/// The suite measures with the real clock.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

pub fn log() -> Result<(), Failed> {
    runtime().block_on(async {
        let report = log_contract(Logs(Calm::default())).await;
        report.verdict().map_err(Failed::from)
    })
}

pub fn store() -> Result<(), Failed> {
    runtime().block_on(async { store_contract(Stores).await.verdict().map_err(Failed::from) })
}

pub fn associations() -> Result<(), Failed> {
    runtime().block_on(async { association_contract(Stores).await.verdict().map_err(Failed::from) })
}
