//! A file with log and store, and the services that work it, one turn at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use stardust_audit_recorder::Recorder;
use stardust_books::{Groups, Reconciler, Report, Tracer};
use stardust_domain::mapping::{Mapping, Settings};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_embedded::{Embedded, EmbeddedLog, EmbeddedSpool, EmbeddedStore};
use stardust_fhir_parser::{Counters, Filter, Parser, Releaser, Replayer, Rules};
use stardust_legacy_router::Router;
use stardust_pipeline::log::{Budget, Commit, Log, Member, NewRecord, Topic, TopicSpec};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::Stage;
use stardust_wire::{LetterItem, LetterRecord, RawRecord, Subject, Wire};
use tokio::sync::watch;

pub(crate) const PATIENT: &str = "65a000000000000000000001";
pub(crate) const KNOWN: &str = "020000bb0001";
pub(crate) const STRANGER: &str = "020000cc0001";

pub(crate) struct Bench {
    _folder: tempfile::TempDir,
    pub(crate) file: Embedded,
    pub(crate) rules: Rules,
    registry: watch::Sender<Arc<Registry>>,
    pub(crate) groups: Groups,
}

fn registry(devices: &[&str]) -> Arc<Registry> {
    let owner = json!({"$oid": PATIENT});
    let patients = [json!({"_id": owner})];
    let boxes = [json!({"mac_address": "02:00:00:AA:00:01", "patient_id": owner})];
    let devices = devices
        .iter()
        .map(|mac| json!({"patient_id": owner, "mac_bps": mac}));
    Arc::new(Registry::from_documents(boxes, devices, patients).0)
}

fn settings() -> Settings {
    Settings {
        zone: "+07:00".parse().unwrap(),
        identifier_base: "urn:stardust:".to_owned(),
    }
}

/// The time of day: the file stamps its records with it.
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_micros(i64::try_from(since.unwrap().as_micros()).unwrap())
}

/// A time after everything that was published.
pub(crate) fn later() -> Timestamp {
    Timestamp::from_seconds(now().seconds() + 60)
}

impl Bench {
    /// With a raw topic that keeps its records so long once it is cut.
    pub(crate) async fn new(raw_kept: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open_exclusive(folder.path(), "test").unwrap();
        let topics = Topics {
            partitions: 2,
            ..Topics::default()
        };
        let specs: Vec<TopicSpec> = topics
            .specs()
            .into_iter()
            .map(|spec| {
                let retention = if spec.topic == topics.raw {
                    raw_kept
                } else {
                    spec.retention
                };
                TopicSpec { retention, ..spec }
            })
            .collect();
        file.log().create(&specs).await.unwrap();
        let (registry, view) = watch::channel(registry(&[KNOWN]));
        Self {
            _folder: folder,
            file,
            rules: Rules {
                wire: Wire::builtin().unwrap(),
                mapping: Arc::new(Mapping::builtin(settings()).unwrap()),
                registry: view,
                topics,
                legacy_routing: true,
            },
            registry,
            groups: Groups {
                parser: "parser".to_owned(),
                router: "router".to_owned(),
                recorder: "recorder".to_owned(),
            },
        }
    }

    pub(crate) fn topics(&self) -> &Topics {
        &self.rules.topics
    }

    /// The raw record of a message, as the door writes it.
    pub(crate) fn record(&self, (n, received, body): &(u8, Timestamp, String)) -> NewRecord {
        let raw = RawRecord {
            receipt_id: receipt(*n, *received),
            request_id: format!("request-{n}"),
            received_at: received.micros(),
            source: "http".to_owned(),
            content_type: None,
            gateway: Some("020000aa0001".to_owned()),
            migration_run: None,
            items: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        };
        NewRecord {
            topic: self.topics().raw.clone(),
            key: Bytes::from_static(b"020000aa0001"),
            value: Bytes::from(self.rules.wire.encode(Subject::Raw, &raw).unwrap()),
        }
    }

    /// Publishes messages of one gateway: number, time of the receipt, body.
    pub(crate) async fn publish(&self, messages: &[(u8, Timestamp, String)]) {
        let records = messages.iter().map(|m| self.record(m)).collect();
        for acked in self.file.log().publish(records).await {
            acked.unwrap();
        }
    }

    /// A tracer with the door's spool.
    pub(crate) fn tracer(&self) -> Tracer<EmbeddedLog, EmbeddedStore, EmbeddedSpool> {
        Tracer {
            log: self.file.log(),
            store: self.file.store(),
            spool: Some(self.file.spool(1 << 20)),
            wire: self.rules.wire.clone(),
            topics: self.topics().clone(),
            groups: self.groups.clone(),
        }
    }

    async fn lag(&self, group: &str, topics: &[Topic]) -> u64 {
        let mut lag = 0;
        for topic in topics {
            lag += self.file.log().lag(group, topic).await.unwrap();
        }
        lag
    }

    async fn drain<S: Stage>(&self, group: &str, topics: &[Topic], mut stage: S) {
        let log = self.file.log();
        let mut member = log.join(group, topics, 0).await.unwrap();
        while self.lag(group, topics).await > 0 {
            let budget = Budget {
                records: 100,
                bytes: 1 << 20,
                wait: Duration::from_millis(200),
            };
            let batch = member.next(budget).await.unwrap();
            if batch.is_empty() {
                continue;
            }
            let outputs = stage.work(&batch).await.unwrap();
            assert_eq!(member.commit(outputs).await.unwrap(), Commit::Done);
        }
        member.leave().await.unwrap();
    }

    pub(crate) async fn parse(&self) {
        let counters = Arc::new(Counters::register(&prometheus::Registry::new()).unwrap());
        let parser = Parser::new(self.file.store(), self.rules.clone(), counters, now);
        let topics = [self.topics().raw.clone(), self.topics().dead.clone()];
        self.drain(&self.groups.parser, &topics, parser).await;
    }

    /// From now on the rules know one more name of the cuff.
    pub(crate) fn learn_name(&mut self, name: &str) {
        let catalogue = include_str!("../../../domain/catalogue.json");
        let known = r#""WBP_JUMPER""#;
        assert!(catalogue.contains(known));
        let catalogue = catalogue.replacen(known, &format!("{known}, \"{name}\""), 1);
        self.rules.mapping = Arc::new(Mapping::from_text(&catalogue, settings()).unwrap());
    }

    /// Dead letters go back.
    pub(crate) async fn replay(&self) {
        let replayer = Replayer {
            log: self.file.log(),
            store: self.file.store(),
            rules: self.rules.clone(),
            holder: "test".to_owned(),
        };
        assert!(replayer.run(&Filter::default(), false).await.unwrap().sent > 0);
    }

    /// A message that the log refused, as the door writes its letter.
    pub(crate) async fn refused(&self, receipt: u8, received: Timestamp, body: &str) {
        let letter = LetterRecord {
            receipt_id: self::receipt(receipt, received),
            request_id: "request".to_owned(),
            received_at: received.micros(),
            source: "http".to_owned(),
            content_type: None,
            gateway: Some("020000aa0001".to_owned()),
            migration_run: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
            items: vec![LetterItem {
                item_index: None,
                stage: "spool".to_owned(),
                reason: "refused by the log".to_owned(),
                field: None,
            }],
            mapping_version: self.rules.mapping.version().to_owned(),
            first_try: received.micros(),
            last_try: received.micros(),
        };
        let record = NewRecord {
            topic: self.topics().dead.clone(),
            key: Bytes::from_static(b"020000aa0001"),
            value: Bytes::from(self.rules.wire.encode(Subject::Dead, &letter).unwrap()),
        };
        for acked in self.file.log().publish(vec![record]).await {
            acked.unwrap();
        }
    }

    /// Router and recorder take what the parser wrote.
    pub(crate) async fn store_outputs(&self) {
        let (store, wire, topics) = (self.file.store(), self.rules.wire.clone(), self.topics().clone());
        let counters = stardust_legacy_router::Counters::register(&prometheus::Registry::new()).unwrap();
        let router = Router::new(store.clone(), wire.clone(), topics.clone(), counters);
        let one = std::slice::from_ref;
        self.drain(&self.groups.router, one(&topics.legacy), router).await;
        let counters = stardust_audit_recorder::Counters::register(&prometheus::Registry::new()).unwrap();
        let recorder = Recorder::new(store, wire, topics.clone(), counters);
        self.drain(&self.groups.recorder, one(&topics.audit), recorder)
            .await;
    }

    pub(crate) async fn work(&self) {
        self.parse().await;
        self.store_outputs().await;
    }

    /// The registry learns of the stranger, and what waited for that goes back.
    pub(crate) async fn release(&self) {
        self.registry.send_replace(registry(&[KNOWN, STRANGER]));
        let releaser = Releaser {
            log: self.file.log(),
            store: self.file.store(),
            rules: self.rules.clone(),
            holder: "test".to_owned(),
        };
        let released = releaser.run(&Filter::default(), false, false).await.unwrap();
        assert!(released.released > 0);
    }

    pub(crate) fn books(&self) -> Reconciler<EmbeddedLog, EmbeddedStore> {
        Reconciler {
            log: self.file.log(),
            store: self.file.store(),
            wire: self.rules.wire.clone(),
            mapping: self.rules.mapping.clone(),
            registry: self.rules.registry.borrow().clone(),
            topics: self.topics().clone(),
            groups: self.groups.clone(),
            patience: Duration::ZERO,
        }
    }

    pub(crate) async fn report(&self) -> Report {
        self.books().run().await.unwrap()
    }

    /// Closes everything; how many pages that were.
    pub(crate) async fn close(&self) -> u64 {
        let closed = self.books().close_books(later(), now(), "test").await.unwrap();
        assert_eq!((closed.held, closed.busy), (0, false));
        closed.pages
    }

    /// The raw topic loses what is older than its retention.
    pub(crate) async fn cut(&self) {
        let kept = self
            .file
            .log()
            .describe(std::slice::from_ref(&self.topics().raw))
            .await
            .unwrap();
        tokio::time::sleep(kept[0].spec.retention.unwrap() * 2).await;
        self.file.maintain().await.unwrap();
        for bounds in self.file.log().bounds(&self.topics().raw).await.unwrap() {
            assert_eq!(bounds.low, bounds.high, "nothing is left");
        }
    }
}

/// A receipt of the tests, as the door gives them.
pub(crate) fn receipt(n: u8, received: Timestamp) -> String {
    let millis = u64::try_from(received.millis()).unwrap();
    uuid::Builder::from_unix_timestamp_millis(millis, &[n; 10])
        .into_uuid()
        .to_string()
}

/// A message with these items.
pub(crate) fn message(at: Timestamp, items: &[String]) -> String {
    format!(
        r#"{{"mac":"02:00:00:AA:00:01","time":{},"type":"reportAttribute","data":{{"attribute":"BP_BIOLIGTH","value":{{"device_list":[{}]}}}}}}"#,
        at.seconds(),
        items.join(",")
    )
}

/// A pressure of a cuff.
pub(crate) fn pressure(at: Timestamp, cuff: &str, systolic: u32) -> String {
    format!(
        r#"{{"scan_time":{},"ble_addr":"{cuff}","bp_high":{systolic},"bp_low":80,"PR":70}}"#,
        at.seconds()
    )
}
