//! Failures before and after the effect, and servers that are away.

use std::time::{Duration, Instant};

use mongodb::Client;
use mongodb::bson::{Bson, Document, doc};
use stardust_mongo::{Bulk, MongoStore};
use stardust_pipeline::store::{Store, StoreError, Won};
use tokio::sync::{Mutex, MutexGuard};

use crate::samples::{event, legacy, observation};
use crate::server::{Ground, uri, with_option};

/// The server has one fail point of this kind at a time.
static FAIL_POINT: Mutex<()> = Mutex::const_new(());

/// A server that will fail the commands of one store, and nobody else's.
struct Failing {
    ground: Ground,
    admin: Client,
    app: String,
    _alone: MutexGuard<'static, ()>,
}

impl Failing {
    async fn new() -> Option<Self> {
        let uri = uri()?;
        let alone = FAIL_POINT.lock().await;
        let app = format!("failing-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let ground = Ground::at(&with_option(&uri, &format!("appName={app}")), &uri).await?;
        ground.store.prepare().await.unwrap();
        let admin = Client::with_uri_str(&uri).await.unwrap();
        Some(Self {
            ground,
            admin,
            app,
            _alone: alone,
        })
    }

    /// The next so many of these commands fail like this.
    async fn fail(&self, times: i32, commands: &[&str], how: Document) {
        let mut data = doc! {"failCommands": commands.to_vec(), "appName": &self.app};
        data.extend(how);
        let set = doc! {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": data};
        self.admin.database("admin").run_command(set).await.unwrap();
    }

    async fn clean(self) {
        let off = doc! {"configureFailPoint": "failCommand", "mode": "off"};
        self.admin.database("admin").run_command(off).await.unwrap();
        self.ground.clean().await;
    }
}

const WRITES: [&str; 3] = ["update", "bulkWrite", "insert"];

#[tokio::test]
async fn a_failure_before_the_effect_leaves_nothing_and_can_be_repeated() {
    for way in [Bulk::Update, Bulk::Fitting] {
        let Some(failing) = Failing::new().await else {
            return;
        };
        let store = failing.ground.store.with_bulk(way);
        let documents: Vec<_> = (0..3).map(observation).collect();
        // Twice: the driver repeats some commands once by itself.
        failing.fail(2, &WRITES, doc! {"closeConnection": true}).await;
        let mut failures = 0;
        let won = loop {
            match store.insert_observations(&documents).await {
                Ok(won) => break won,
                Err(error) => assert!(error.is_retriable(), "{error:?}"),
            }
            failures += 1;
            assert!(failures < 5);
        };
        assert!(failures > 0);
        assert_eq!(won, vec![Won::Inserted; 3], "{way:?}");
        failing.clean().await;
    }
}

#[tokio::test]
async fn a_failure_after_the_effect_shows_oneself_as_the_writer() {
    for way in [Bulk::Update, Bulk::Fitting] {
        let Some(failing) = Failing::new().await else {
            return;
        };
        let store = failing.ground.store.with_bulk(way);
        let documents: Vec<_> = (0..3).map(observation).collect();
        let concern = doc! {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}};
        failing.fail(2, &WRITES, concern).await;
        let first = store.insert_observations(&documents).await;
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        failing.fail(0, &WRITES, doc! {}).await;
        let present: Vec<_> = documents.iter().map(|d| Won::Present(d.writer.clone())).collect();
        assert_eq!(
            store.insert_observations(&documents).await.unwrap(),
            present,
            "{way:?}"
        );
        failing.clean().await;
    }
}

#[tokio::test]
async fn a_chain_goes_on_after_a_write_that_was_not_confirmed() {
    let Some(failing) = Failing::new().await else {
        return;
    };
    let store = &failing.ground.store;
    let concern = doc! {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}};
    failing.fail(2, &WRITES, concern).await;
    let first = store.append_audit(&[event(1), event(2)]).await;
    assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
    failing.fail(0, &WRITES, doc! {}).await;
    // The recorder asks what is there and where the chain ends.
    assert_eq!(
        store
            .audit_present(&[event(1).id, event(2).id, event(3).id])
            .await
            .unwrap(),
        [true, true, false]
    );
    assert_eq!(store.chain_head(2).await.unwrap().unwrap().seq, 2);
    store.append_audit(&[event(3)]).await.unwrap();
    failing.clean().await;
}

#[tokio::test]
async fn codes_of_the_server_say_whether_waiting_helps() {
    let Some(failing) = Failing::new().await else {
        return;
    };
    let store = &failing.ground.store;
    for (code, tag) in [
        (10_107, "unavailable"),
        (11_600, "unavailable"),
        (189, "unavailable"),
        (112, "unavailable"),
        (13, "unusable"),
        (18, "unusable"),
        (9, "refused"),
        (10_334, "refused"),
    ] {
        failing.fail(4, &WRITES, doc! {"errorCode": code}).await;
        for way in [Bulk::Update, Bulk::Fitting] {
            let error = store
                .with_bulk(way)
                .insert_observations(&[observation(1)])
                .await
                .unwrap_err();
            assert_eq!(error.tag(), tag, "{code} {way:?}: {error}");
        }
        let error = store
            .insert_legacy(&[legacy("spo2_histories", 1)])
            .await
            .unwrap_err();
        assert_eq!(error.tag(), tag, "{code}: {error}");
    }
    failing.clean().await;
}

#[tokio::test]
async fn a_primary_that_does_not_know_bulk_write_gets_updates() {
    let Some(failing) = Failing::new().await else {
        return;
    };
    failing.fail(1, &["bulkWrite"], doc! {"errorCode": 59}).await;
    let documents = [legacy("spo2_histories", 1), legacy("step_histories", 2)];
    assert_eq!(
        failing.ground.store.insert_legacy(&documents).await.unwrap(),
        [true, true]
    );
    assert_eq!(
        failing.ground.store.insert_legacy(&documents).await.unwrap(),
        [false, false]
    );
    failing.clean().await;
}

#[tokio::test]
async fn a_read_that_fails_once_is_repeated_and_a_lasting_failure_is_told() {
    let Some(failing) = Failing::new().await else {
        return;
    };
    let store = &failing.ground.store;
    store.insert_observations(&[observation(1)]).await.unwrap();
    failing.fail(1, &["find"], doc! {"closeConnection": true}).await;
    assert_eq!(
        store.highest_offset("ava4.readings.raw", 3, 0).await.unwrap(),
        Some(1)
    );
    failing.fail(20, &["find"], doc! {"closeConnection": true}).await;
    let answer = store.observation_writers(&[observation(1).id]).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    failing.clean().await;
}

#[tokio::test]
async fn a_server_that_is_away_is_told_within_seconds() {
    // No server listens on port 1; the store exists all the same.
    let store = MongoStore::connect("mongodb://127.0.0.1:1/?directConnection=true", "AMY", "FHIR")
        .await
        .unwrap();
    let start = Instant::now();
    let answer = store.ping().await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    let answer = store.insert_observations(&[observation(1)]).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_uri_that_is_none_is_told_with_its_variable() {
    for uri in [
        "",
        "localhost",
        "mongodb://",
        "mongodb://127.0.0.1/?readPreference=never",
    ] {
        let error = MongoStore::connect(uri, "AMY", "FHIR").await.unwrap_err();
        assert_eq!(error.tag(), "unusable", "{uri}: {error}");
        assert!(error.to_string().contains("MONGODB_URI"), "{error}");
    }
}

#[tokio::test]
async fn a_uri_that_cannot_be_read_does_not_show_its_password() {
    for uri in [
        "mongodb://user:se/cret@127.0.0.1:1/",
        "mongodb://user:se:cret@127.0.0.1:1/",
        "mongodb://user:cret@127.0.0.1:port/",
        "mongodb://user:cret%@127.0.0.1:1/",
    ] {
        if let Err(error) = MongoStore::connect(uri, "AMY", "FHIR").await {
            assert!(!error.to_string().contains("cret"), "{error}");
        }
    }
}

#[tokio::test]
async fn errors_do_not_quote_documents() {
    let Some(failing) = Failing::new().await else {
        return;
    };
    let how = doc! {"errorCode": 9, "errmsg": "36.60"};
    failing.fail(1, &WRITES, how).await;
    let error = failing
        .ground
        .store
        .insert_observations(&[observation(1)])
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("36.60"), "{error}");
    assert_eq!(Bson::from(error.tag()), Bson::from("refused"));
    failing.clean().await;
}
