//! The synchronous fallback: records go to a log on the door's own disk, a worker in this process works them, and the
//! answer comes after the store.
//!
//! ```text
//!  place ─▶ lane ─▶ sync/<instance> ─▶ worker (the parser's stage) ─▶ journal ─▶ relay ─▶ topics of the broker
//!    ▲              (fsynced)              │ one commit: its place in sync/<instance>,     (a transaction with the
//!    └────────────── settled ◀─────────────┘ outputs, and behind them copies of the         place in the journal)
//!                                            raw records
//! ```
//!
//! A copy of a raw record enters the journal only with the commit that ends its work, behind its outputs. So no other
//! parser ever works a record at the same time, and one that finds the copy finds its documents too.
//!
//! Where the door's log is on its own disk anyway, records take their ordinary way and only the answer waits.

mod journal;
mod lane;
mod mode;
mod relay;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stardust_pipeline::log::{LogError, Topic, TopicSpec};
use stardust_pipeline::relay::LocalLog;
use stardust_pipeline::settled::Settled;
use stardust_pipeline::spool::SpoolLevel;
use tokio::sync::{Notify, mpsc};

pub use journal::Journaled;
pub(crate) use lane::LocalLane;
pub use mode::Mode;
pub(crate) use relay::Forwarding;

use crate::lane::Job;

/// How long an answer waits for the store.
const WITHIN: Duration = Duration::from_secs(2);

/// What the door needs for the fallback.
#[derive(Debug, Clone)]
pub struct Fallback {
    /// Which way records go.
    pub mode: Mode,
    /// What the worker of this process has done.
    pub settled: Settled,
    /// How long an answer waits for the store.
    pub within: Duration,
}

impl Fallback {
    /// With the usual patience.
    #[must_use]
    pub fn new(mode: Mode, settled: Settled) -> Self {
        Self {
            mode,
            settled,
            within: WITHIN,
        }
    }
}

/// The fallback as the intake sees it.
pub(crate) struct Inline {
    pub(crate) fallback: Fallback,
    /// Where the records stand that an answer waits for.
    pub(crate) topic: Topic,
    /// The lane of the local log; none where the lanes of the log lead there.
    pub(crate) lane: Option<mpsc::Sender<Job>>,
}

/// The local log of a door whose log is elsewhere.
#[derive(Debug, Clone)]
pub struct Local<K> {
    pub(crate) log: K,
    pub(crate) raw: Vec<Topic>,
    pub(crate) journal: Topic,
    pub(crate) held: Held,
    pub(crate) limit_bytes: u64,
}

impl<K: LocalLog> Local<K> {
    /// The worker's group.
    pub const GROUP: &'static str = "sync";

    /// Opens the topics of a local log, making what is missing. Records go to the first of `raw`; the others hold what
    /// this door kept under an earlier name. Beyond `limit_bytes` no more is taken.
    ///
    /// # Errors
    /// Where the file fails.
    pub async fn open(log: K, raw: Vec<Topic>, journal: Topic, limit_bytes: u64) -> Result<Self, LogError> {
        let spec = |topic: &Topic| TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            // Records go when they are elsewhere, not when they are old.
            retention: None,
            compacted: false,
        };
        let specs: Vec<TopicSpec> = raw.iter().chain([&journal]).map(spec).collect();
        log.create(&specs).await?;
        let local = Self {
            log,
            raw,
            journal,
            held: Held::default(),
            limit_bytes,
        };
        local.count().await?;
        Ok(local)
    }

    /// Counts what waits: raw records that are not worked, and what is not forwarded.
    async fn count(&self) -> Result<(), LogError> {
        self.trim_worked().await?;
        let mut level = SpoolLevel::default();
        for topic in self.raw.iter().chain([&self.journal]) {
            let (records, bytes) = self.log.size(topic, i64::MAX).await?;
            level.records += records;
            level.bytes += bytes;
        }
        self.held.add(level.records, level.bytes);
        Ok(())
    }

    /// Lets raw records go that are worked: their copies stand in the journal.
    pub(crate) async fn trim_worked(&self) -> Result<(), LogError> {
        for topic in &self.raw {
            for (partition, next) in self.log.committed(Self::GROUP, topic).await? {
                if let Some(next) = next {
                    self.log.trim(topic, partition, next).await?;
                }
            }
        }
        Ok(())
    }

    /// The log.
    pub const fn log(&self) -> &K {
        &self.log
    }

    /// The topics that the worker follows.
    #[must_use]
    pub fn raw(&self) -> &[Topic] {
        &self.raw
    }

    /// What waits in it.
    pub const fn held(&self) -> &Held {
        &self.held
    }
}

/// What the local log holds that is not elsewhere yet. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Held(Arc<Counts>);

/// Signed: an entry may be forwarded before the worker that made it has come to count it.
#[derive(Debug, Default)]
struct Counts {
    records: AtomicI64,
    bytes: AtomicI64,
    more: Notify,
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Held {
    pub(crate) fn add(&self, records: u64, bytes: u64) {
        self.0.records.fetch_add(signed(records), Ordering::AcqRel);
        self.0.bytes.fetch_add(signed(bytes), Ordering::AcqRel);
        self.0.more.notify_one();
    }

    pub(crate) fn remove(&self, records: u64, bytes: u64) {
        self.0.records.fetch_sub(signed(records), Ordering::AcqRel);
        self.0.bytes.fetch_sub(signed(bytes), Ordering::AcqRel);
    }

    /// How much it is.
    #[must_use]
    pub fn level(&self) -> SpoolLevel {
        let count = |n: &AtomicI64| n.load(Ordering::Acquire).max(0).unsigned_abs();
        SpoolLevel {
            records: count(&self.0.records),
            bytes: count(&self.0.bytes),
        }
    }

    /// Resolves when something has come in since the last time.
    pub(crate) async fn more(&self) {
        self.0.more.notified().await;
    }
}

/// Bytes of keys and values.
fn bytes<'a>(sizes: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> u64 {
    sizes
        .into_iter()
        .map(|(key, value)| (key.len() + value.len()) as u64)
        .sum()
}
