//! The recorder and its chains over a real store.
#![allow(clippy::unwrap_used, clippy::panic)]

mod keeping;
mod recording;
mod tampering;

use bytes::Bytes;
use rusqlite::Connection;
use stardust_audit_recorder::{
    ChainReport, Counters, Heads, Keeper, PublicKey, Recorder, Signer, SigningKey, verify,
};
use stardust_domain::time::Timestamp;
use stardust_embedded::{Embedded, EmbeddedStore};
use stardust_pipeline::log::{LogRecord, Topic};
use stardust_pipeline::store::{ChainHead, ChainedEvent, Store};
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::Stage;
use stardust_wire::{AuditRecord, Subject, Wire};
use tokio::sync::watch;
use uuid::Uuid;

/// The example of RFC 8410, section 10.
pub(crate) const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";

pub(crate) fn key() -> SigningKey {
    SigningKey::from_pem(KEY.as_bytes()).unwrap()
}

pub(crate) fn public() -> Vec<PublicKey> {
    vec![key().public().clone()]
}

/// A store with a recorder at work.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) file: Embedded,
    pub(crate) heads: Heads,
    pub(crate) recorder: Recorder<EmbeddedStore>,
    pub(crate) wire: Wire,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open_exclusive(folder.path(), "test").unwrap();
        let (heads, wire) = (Heads::default(), Wire::builtin().unwrap());
        Self {
            recorder: recorder(&file, &heads, &wire),
            folder,
            file,
            heads,
            wire,
        }
    }

    /// With so many events in chain 0.
    pub(crate) async fn with(events: i64) -> Self {
        let mut bench = Self::new();
        bench.record(1..=events).await;
        bench
    }

    pub(crate) fn store(&self) -> EmbeddedStore {
        self.file.store()
    }

    /// Records events in chain 0.
    pub(crate) async fn record(&mut self, numbers: impl Iterator<Item = i64>) {
        let batch: Vec<LogRecord> = numbers.map(|n| self.message(0, n, &content(n))).collect();
        assert!(self.recorder.work(&batch).await.unwrap().is_empty());
        self.recorder.committed();
    }

    /// A record of the audit topic.
    pub(crate) fn message(&self, partition: i32, n: i64, event: &str) -> LogRecord {
        let record = AuditRecord {
            id: id(n).to_string().into(),
            receipt_id: format!("receipt-{n}").into(),
            recorded: 1_772_323_200_000_000 + n,
            patient: Some("65a000000000000000000001".into()),
            gateway: Some("020000aa0001".into()),
            outcome: "created".into(),
            reason: None,
            mapping_version: "m".into(),
            event: event.into(),
        };
        LogRecord {
            topic: Topic::new("audit.events"),
            partition,
            offset: n,
            timestamp_ms: 0,
            key: None,
            value: Bytes::from(self.wire.encode(Subject::Audit, &record).unwrap()),
        }
    }

    /// A keeper of what this bench records, with the key, at this time.
    pub(crate) fn keeper(&self, clock: fn() -> Timestamp) -> Keeper<EmbeddedStore> {
        let signer = Signer {
            key: key(),
            every: std::time::Duration::from_secs(60),
        };
        Keeper::new(self.store(), self.heads.clone(), Some(signer), clock, counters())
    }

    /// As a keeper without a key does it.
    pub(crate) async fn note(&self) {
        let mut keeper = Keeper::new(self.store(), self.heads.clone(), None, || NOON, counters());
        assert!(keeper.keep(false).await);
    }

    pub(crate) async fn sign(&self) {
        assert!(self.keeper(|| NOON).keep(true).await);
    }

    /// What somebody with the file does behind everybody's back.
    pub(crate) fn sql(&self, statements: &str) {
        let conn = Connection::open(self.folder.path().join("stardust.db")).unwrap();
        conn.execute_batch(statements).unwrap();
    }

    /// Writes all hashes of chain 0 anew, as somebody does who knows how they are made.
    pub(crate) async fn rehash(&self) {
        let events = self.store().chain_from(0, i64::MIN, 1_000).await.unwrap();
        let mut prev = stardust_audit_recorder::START.to_owned();
        for event in events {
            let event = ChainedEvent { prev, ..event };
            let hash = stardust_audit_recorder::link(&event).unwrap();
            self.sql(&format!(
                "UPDATE audit SET prev = '{}', hash = '{hash}' WHERE id = '{}'",
                event.prev, event.id
            ));
            prev = hash;
        }
    }

    /// Verifies all chains.
    pub(crate) async fn walked(&self, keys: &[PublicKey], kept: &[(i32, ChainHead)]) -> Vec<ChainReport> {
        let (_going, going) = watch::channel(false);
        verify(&self.store(), keys, kept, &going).await.unwrap()
    }

    /// Verifies chain 0.
    pub(crate) async fn verified(&self, keys: &[PublicKey]) -> ChainReport {
        let reports = self.walked(keys, &[]).await;
        assert_eq!(reports.len(), 1);
        reports[0].clone()
    }

    /// The first bad place, and the number of the event there.
    pub(crate) async fn broken(&self) -> Option<(i64, Option<Uuid>)> {
        let broken = self.verified(&public()).await.broken?;
        Some((broken.seq, broken.id.map(|id| id.parse().unwrap())))
    }
}

pub(crate) const NOON: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

pub(crate) fn counters() -> Counters {
    Counters::register(&prometheus::Registry::new()).unwrap()
}

pub(crate) fn recorder(file: &Embedded, heads: &Heads, wire: &Wire) -> Recorder<EmbeddedStore> {
    Recorder::new(file.store(), wire.clone(), Topics::default(), counters()).telling(heads.clone())
}

pub(crate) fn id(n: i64) -> Uuid {
    Uuid::from_u128(u128::from(n.unsigned_abs()))
}

pub(crate) fn content(n: i64) -> String {
    format!(r#"{{"resourceType":"AuditEvent","id":"{}","action":"C"}}"#, id(n))
}
