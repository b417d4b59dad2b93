//! Forwarding: what the journal holds goes to the broker, each entry once.

use std::time::Duration;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Bounds, Budget, Commit, LogError, LogRecord, NewRecord, Topic};
use stardust_pipeline::relay::{LocalLog, Relay};
use tokio::sync::watch;
use tokio::time::sleep;

use super::journal;
use super::{Local, bytes};
use crate::letter::Letters;
use crate::metrics::Metrics;
use crate::stop::stopped;

/// Entries of one transaction.
const MOST: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;
/// The journal is looked at this often even if nothing seems to be in it.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) struct Forwarding<K, R> {
    local: Local<K>,
    relay: R,
    /// The topic of the copies.
    raw: Topic,
    letters: Letters,
    metrics: Metrics,
    backoff: Backoff,
    /// The next entry, where it is known for certain.
    place: Option<i64>,
    most: usize,
}

/// What a round came to.
enum Round {
    /// Entries were forwarded.
    Done,
    /// There is nothing to forward.
    Empty,
    /// Nothing took effect, or that is not known: the place has to be asked for.
    Again,
}

impl<K: LocalLog, R: Relay> Forwarding<K, R> {
    pub(crate) fn new(
        local: Local<K>,
        relay: R,
        raw: Topic,
        letters: Letters,
        metrics: Metrics,
        backoff: Backoff,
    ) -> Self {
        Self {
            local,
            relay,
            raw,
            letters,
            metrics,
            backoff,
            place: None,
            most: MOST,
        }
    }

    /// Works until the stop. What is left stays in the journal for the next start.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut troubles = self.backoff.clone();
        loop {
            let round = tokio::select! {
                biased;
                // A transaction that is cut off here is ended, or found committed, by the next start.
                () = stopped(&mut stop) => return,
                round = self.round() => round,
            };
            self.show();
            let wait = match round {
                Ok(Round::Done) => {
                    troubles = self.backoff.clone();
                    continue;
                }
                Ok(Round::Empty) => {
                    troubles = self.backoff.clone();
                    tokio::select! {
                        biased;
                        () = stopped(&mut stop) => return,
                        () = self.local.held.more() => {}
                        () = sleep(IDLE) => {}
                    }
                    continue;
                }
                Ok(Round::Again) => troubles.next_wait(),
                Err(e) => {
                    self.place = None;
                    if troubles.tries() == 0 {
                        tracing::warn!(tag = e.tag(), "what was worked synchronously waits: {e}");
                    }
                    troubles.next_wait()
                }
            };
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                () = sleep(wait) => {}
            }
        }
    }

    async fn round(&mut self) -> Result<Round, LogError> {
        self.local.trim_worked().await?;
        let Some(bounds) = self.local.log.bounds(&self.local.journal).await?.pop() else {
            return Ok(Round::Empty);
        };
        if bounds.low >= bounds.high {
            return Ok(Round::Empty);
        }
        let from = match self.place {
            Some(place) => place,
            None => self.begin(bounds).await?,
        };
        self.place = Some(from);
        let budget = Budget {
            records: self.most,
            bytes: MOST_BYTES,
            wait: Duration::ZERO,
        };
        let entries = self.local.log.read(&self.local.journal, 0, from, budget).await?;
        if entries.is_empty() {
            return Ok(Round::Empty);
        }
        self.send(&entries).await
    }

    /// Where to go on: where the broker says that we are. What it has is let go here.
    async fn begin(&mut self, bounds: Bounds) -> Result<i64, LogError> {
        let place = match self.relay.next().await? {
            Some(place) if place > bounds.high => {
                // A file that was set back to an earlier state. Rather twice than never.
                tracing::error!(
                    place,
                    end = bounds.high,
                    "the journal is older than what was forwarded of it"
                );
                return Ok(bounds.low);
            }
            Some(place) => place.max(bounds.low),
            None => bounds.low,
        };
        if place > bounds.low {
            tracing::info!(
                from = bounds.low,
                place,
                "entries of the journal were forwarded before"
            );
            let (records, bytes) = self.local.log.size(&self.local.journal, place).await?;
            self.local.held.remove(records, bytes);
            self.local.log.trim(&self.local.journal, 0, place).await?;
        }
        Ok(place)
    }

    async fn send(&mut self, entries: &[LogRecord]) -> Result<Round, LogError> {
        let Some(next) = entries.last().map(|entry| entry.offset + 1) else {
            return Ok(Round::Empty);
        };
        let records: Vec<NewRecord> = entries.iter().filter_map(journal::record).collect();
        let copies = records.iter().filter(|r| r.topic == self.raw).count();
        let done = match self.relay.forward(records, next).await {
            Err(LogError::Refused(why)) if entries.len() > 1 => {
                tracing::error!("the broker refuses an entry of the journal, looking for it: {why}");
                self.place = None;
                self.most = 1;
                return Ok(Round::Again);
            }
            Err(LogError::Refused(why)) => self.bury(entries, next, why).await?,
            done => done?,
        };
        match done {
            Commit::Done => {
                self.most = if self.most < MOST { self.most * 2 } else { MOST };
                self.place = Some(next);
                self.metrics.forwarded.inc_by(copies as u64);
                let sizes = entries
                    .iter()
                    .map(|e| (e.key.as_deref().unwrap_or_default(), &e.value[..]));
                self.local.held.remove(entries.len() as u64, bytes(sizes));
                self.local.log.trim(&self.local.journal, 0, next).await?;
                Ok(Round::Done)
            }
            Commit::Again => {
                self.place = None;
                Ok(Round::Again)
            }
        }
    }

    /// A copy that the broker never takes becomes a dead letter. Any other entry stays, and all behind it: it is ours,
    /// and a broker that does not take it is not set up as it must be.
    async fn bury(&mut self, entries: &[LogRecord], next: i64, why: String) -> Result<Commit, LogError> {
        tracing::error!("the broker refuses an entry of the journal: {why}");
        let copy = entries
            .first()
            .and_then(journal::record)
            .filter(|r| r.topic == self.raw);
        let Some(letter) = copy.and_then(|copy| self.letters.of(&copy).ok()) else {
            return Err(LogError::Refused(why));
        };
        // After a refusal the place has to be asked for again; it is where it was.
        self.relay.next().await?;
        let done = self.relay.forward(vec![letter], next).await?;
        if done == Commit::Done {
            self.metrics.dead_letters.inc();
        }
        Ok(done)
    }

    fn show(&self) {
        let level = self.local.held.level();
        let shown = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.metrics.local_records.set(shown(level.records));
        self.metrics.local_bytes.set(shown(level.bytes));
    }
}
