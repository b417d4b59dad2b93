//! The forwarder: sends what the spool holds, in order, once the log takes it again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Log, LogError};
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::{Spool, SpoolError, Spooled};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::backlog::Backlog;
use crate::lane::{alone, publish};
use crate::letter::Letters;
use crate::metrics::Metrics;
use crate::stop::stopped;

/// Records that are looked at, at first and at most.
const WINDOW: usize = 500;
const WIDEST: usize = 8_000;
/// Bytes of records to hold at once, by the mean size.
const WINDOW_BYTES: u64 = 8 << 20;
/// The spool is looked at this often even if nothing seems to be in it.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) struct Forwarder<L, S> {
    pub(crate) log: L,
    pub(crate) backlog: Arc<Backlog<S>>,
    pub(crate) partitions: i32,
    pub(crate) letters: Letters,
    pub(crate) metrics: Metrics,
    pub(crate) confirm_within: Duration,
    pub(crate) failed: watch::Sender<Option<LogError>>,
    pub(crate) backoff: Backoff,
}

/// What is known of the partitions that do not take records now, and of the records that never go.
#[derive(Default)]
struct Memory {
    failing: HashMap<i32, (Backoff, Instant)>,
    /// By their place in the spool, with the partition.
    stuck: HashMap<i64, i32>,
    wide: usize,
}

/// What a round came to.
enum Round {
    /// The spool holds nothing that could be sent.
    Empty,
    /// Something was tried, or more is to be looked at.
    Again,
    /// Nothing can be sent before then.
    Wait(Instant),
}

impl<L: Log, S: Spool> Forwarder<L, S> {
    /// Works until the stop. What is left stays in the spool for the next start.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut memory = Memory {
            wide: WINDOW,
            ..Memory::default()
        };
        let mut troubles = self.backoff.clone();
        while !*stop.borrow() {
            let wait = match self.round(&mut memory).await {
                Ok(Round::Again) => {
                    troubles = self.backoff.clone();
                    continue;
                }
                Ok(Round::Empty) => {
                    tokio::select! {
                        biased;
                        () = self.backlog.appended() => {}
                        () = sleep(IDLE) => {}
                        () = stopped(&mut stop) => {}
                    }
                    continue;
                }
                Ok(Round::Wait(until)) => until.saturating_duration_since(Instant::now()),
                Err(e) => {
                    if troubles.tries() == 0 {
                        tracing::error!("the spool cannot be read: {e}");
                    }
                    troubles.next_wait()
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => {}
                () = sleep(wait) => {}
            }
        }
    }

    async fn round(&self, memory: &mut Memory) -> Result<Round, SpoolError> {
        if self.backlog.recount(self.partitions).await? {
            // These hold nothing up.
            memory
                .stuck
                .values()
                .for_each(|partition| self.backlog.release(*partition, 1));
        }
        let level = self.backlog.spool().level().await?;
        self.metrics
            .spool_records
            .set(i64::try_from(level.records).unwrap_or(i64::MAX));
        self.metrics
            .spool_bytes
            .set(i64::try_from(level.bytes).unwrap_or(i64::MAX));
        if level.records == 0 {
            return Ok(Round::Empty);
        }
        let mean = (level.bytes / level.records).max(1);
        let fitting = usize::try_from(WINDOW_BYTES / mean).unwrap_or(WINDOW).max(1);
        let most = memory.wide.min(fitting) + memory.stuck.len();
        let front = self.backlog.spool().front(most).await?;
        let whole = front.len() < most;
        let now = Instant::now();
        let batch = self.choose(front, memory, now);
        if batch.is_empty() {
            // A partition that is due and has nothing here needs no probe any more.
            memory.failing.retain(|_, (_, until)| *until > now);
            let next = memory.failing.values().map(|(_, until)| *until).min();
            return Ok(match next {
                // Others may wait behind the partitions that fail.
                Some(_) if !whole && memory.wide < WIDEST => {
                    memory.wide *= 2;
                    Round::Again
                }
                Some(until) => Round::Wait(until),
                None => Round::Empty,
            });
        }
        self.send(batch, memory).await;
        // Whether there is something to wait for the next round sees: others may stand behind those that failed.
        Ok(Round::Again)
    }

    /// What to send: all that is due, but only the first record of a partition that failed last, as a probe.
    /// A record behind one that stays is never chosen.
    fn choose(&self, front: Vec<Spooled>, memory: &Memory, now: Instant) -> Vec<(i32, Spooled)> {
        let mut probed = HashSet::new();
        front
            .into_iter()
            .filter(|spooled| !memory.stuck.contains_key(&spooled.seq))
            .map(|spooled| (partition_of(&spooled.record.key, self.partitions), spooled))
            .filter(|(partition, _)| match memory.failing.get(partition) {
                None => true,
                Some((_, until)) => *until <= now && probed.insert(*partition),
            })
            .collect()
    }

    async fn send(&self, batch: Vec<(i32, Spooled)>, memory: &mut Memory) {
        let records = batch.iter().map(|(_, spooled)| spooled.record.clone()).collect();
        let results = publish(&self.log, records, self.confirm_within).await;
        let mut gone: Vec<(i32, i64)> = Vec::new();
        let mut late: BTreeSet<i32> = BTreeSet::new();
        for ((partition, spooled), result) in batch.into_iter().zip(results) {
            let error = match result {
                Ok(_) => {
                    self.metrics.forwarded.inc();
                    gone.push((partition, spooled.seq));
                    continue;
                }
                Err(LogError::Refused(why)) => match self.bury(&spooled, &why).await {
                    Ok(true) => {
                        gone.push((partition, spooled.seq));
                        continue;
                    }
                    Ok(false) => {
                        memory.stuck.insert(spooled.seq, partition);
                        self.metrics
                            .spool_stuck
                            .set(i64::try_from(memory.stuck.len()).unwrap_or(i64::MAX));
                        // It stays on disk but no longer holds its partition up.
                        self.backlog.release(partition, 1);
                        continue;
                    }
                    Err(e) => e,
                },
                Err(e) => e,
            };
            if late.insert(partition) {
                tracing::warn!(partition, tag = error.tag(), "the spool waits: {error}");
            }
            if matches!(error, LogError::Fatal(_) | LogError::Fenced(_)) {
                self.failed.send_replace(Some(error));
            }
        }
        let now = Instant::now();
        for (partition, _) in &gone {
            if !late.contains(partition) {
                memory.failing.remove(partition);
            }
        }
        for partition in late {
            let (backoff, until) = memory
                .failing
                .entry(partition)
                .or_insert_with(|| (self.backoff.clone(), now));
            *until = now + backoff.next_wait();
        }
        if memory.failing.is_empty() {
            memory.wide = WINDOW;
        }
        self.remove(&gone).await;
    }

    /// Removes what is durable elsewhere, trying as long as it takes: to go on would send the same records again.
    async fn remove(&self, gone: &[(i32, i64)]) {
        if gone.is_empty() {
            return;
        }
        let seqs: Vec<i64> = gone.iter().map(|(_, seq)| *seq).collect();
        let mut backoff = self.backoff.clone();
        while let Err(e) = self.backlog.spool().remove(&seqs).await {
            if backoff.tries() == 0 {
                tracing::error!("records that were forwarded cannot be removed from the spool: {e}");
            }
            sleep(backoff.next_wait()).await;
        }
        for (partition, _) in gone {
            self.backlog.release(*partition, 1);
        }
        self.metrics
            .spool_records
            .set(i64::try_from(self.backlog.total()).unwrap_or(i64::MAX));
    }

    /// Whether the record is durable now, in the dead letters where the log refuses it; false where it refuses the letter
    /// too.
    async fn bury(&self, spooled: &Spooled, why: &str) -> Result<bool, LogError> {
        match alone(&self.log, &spooled.record, self.confirm_within).await {
            Err(LogError::Refused(_)) => {}
            Err(e) => return Err(e),
            Ok(_) => {
                self.metrics.forwarded.inc();
                return Ok(true);
            }
        }
        tracing::error!(seq = spooled.seq, "the log refuses a spooled record: {why}");
        let letter = match self.letters.of(&spooled.record) {
            Ok(letter) => letter,
            Err(e) => {
                tracing::error!(
                    seq = spooled.seq,
                    tag = e.tag(),
                    "its dead letter could not be written"
                );
                return Ok(false);
            }
        };
        match publish(&self.log, vec![letter], self.confirm_within).await.pop() {
            Some(Ok(_)) => {
                self.metrics.dead_letters.inc();
                Ok(true)
            }
            Some(Err(LogError::Refused(why))) => {
                tracing::error!(seq = spooled.seq, "the log refuses its dead letter too: {why}");
                Ok(false)
            }
            Some(Err(e)) => Err(e),
            None => Err(LogError::Unavailable("no answer".to_owned())),
        }
    }
}
