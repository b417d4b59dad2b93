//! A running door.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use stardust_domain::registry::Registry;
use stardust_ingest::{
    Away, Component, Door, DoorConfig, Health, HttpConfig, QueueStats, ReceiptView, RegistryView, Rules,
    Running, State, Views, bind, routes, serve,
};
use stardust_pipeline::topics::Topics;
use stardust_wire::{RawRecord, Subject, Wire};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::fakes::{FakeLog, FakeRules, FakeSpool};

pub const PARTITIONS: i32 = 4;

pub struct Stack<M = FakeRules> {
    pub address: SocketAddr,
    pub log: FakeLog,
    pub spool: Option<FakeSpool>,
    pub door: Door<M>,
    pub running: Running,
    pub counters: prometheus::Registry,
    pub ready: Arc<Mutex<bool>>,
    pub registry: watch::Sender<Option<Arc<Registry>>>,
    pub stop: Option<oneshot::Sender<()>>,
    pub server: JoinHandle<usize>,
}

#[derive(Clone)]
pub struct FakeViews(pub Arc<Mutex<bool>>);

impl Views for FakeViews {
    async fn receipt(&self, receipt_id: &str) -> Result<Option<ReceiptView>, Away> {
        match receipt_id.as_bytes()[0] {
            b'0' => Ok(Some(json!({ "receipt_id": receipt_id, "state": "stored" }))),
            b'1' => Ok(None),
            _ => Err(Away),
        }
    }

    async fn health(&self) -> Health {
        let ready = *self.0.lock().unwrap();
        let status = if ready { State::Healthy } else { State::Unhealthy };
        let log = Component { status, detail: None };
        Health {
            ready,
            components: BTreeMap::from([("log".to_owned(), log)]),
        }
    }

    async fn queue(&self) -> QueueStats {
        QueueStats {
            enabled: true,
            queue_size: None,
            status: "unknown".to_owned(),
            queue_name: "fhir_processing_queue".to_owned(),
        }
    }

    fn outcomes(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("stored".to_owned(), 3)])
    }
}

pub struct Options {
    pub log: FakeLog,
    pub spool: Option<FakeSpool>,
    pub http: HttpConfig,
    pub confirm_within: Duration,
    pub lane_capacity: usize,
    pub place_within: Duration,
    pub body_memory: usize,
    pub linger: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log: FakeLog::new(PARTITIONS),
            spool: Some(FakeSpool::new(10_000)),
            http: HttpConfig::default(),
            confirm_within: Duration::from_secs(15),
            lane_capacity: 1_024,
            place_within: Duration::from_secs(5),
            body_memory: 32 << 20,
            linger: Duration::ZERO,
        }
    }
}

pub async fn start(options: Options) -> Stack {
    start_with(options, FakeRules, Registry::default()).await
}

/// A door with these rules.
pub async fn start_with<M: Rules>(options: Options, rules: M, known: Registry) -> Stack<M> {
    let config = DoorConfig {
        topics: Topics {
            partitions: PARTITIONS,
            ..Topics::default()
        },
        confirm_within: options.confirm_within,
        lane_capacity: options.lane_capacity,
        place_within: options.place_within,
        body_memory: options.body_memory,
        linger: options.linger,
        ..DoorConfig::default()
    };
    let counters = prometheus::Registry::new();
    let (registry, view): (_, RegistryView) = watch::channel(Some(Arc::new(known)));
    let (door, running) = Door::open(
        config,
        options.log.clone(),
        options.spool.clone(),
        Arc::new(rules),
        view,
        Wire::builtin().unwrap(),
        &counters,
    )
    .await
    .unwrap();
    let ready = Arc::new(Mutex::new(true));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let filter = routes(
        door.clone(),
        FakeViews(Arc::clone(&ready)),
        counters.clone(),
        options.http.clone(),
        "test-instance",
    );
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, filter, options.http, async {
        let _ = stopped.await;
    }));
    Stack {
        address,
        log: options.log,
        spool: options.spool,
        door,
        running,
        counters,
        ready,
        registry,
        stop: Some(stop),
        server,
    }
}

impl<M> Stack<M> {
    /// The raw records in the log.
    pub fn raw(&self) -> Vec<RawRecord> {
        let wire = Wire::builtin().unwrap();
        self.log
            .records()
            .iter()
            .filter(|record| record.topic.as_str() == "ava4.readings.raw")
            .map(|record| wire.decode(Subject::Raw, &record.value).unwrap())
            .collect()
    }
}

/// Waits until it is so.
pub async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A gateway's message with this number in it.
pub fn message(gateway: u8, number: usize) -> String {
    format!(r#"{{"mac":"02:00:00:AA:00:{gateway:02X}","n":{number},"readings":1}}"#)
}
