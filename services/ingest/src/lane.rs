//! A lane: the records of one partition, published one batch at a time so that their order holds through an outage.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stardust_pipeline::log::{Ack, Log, LogError, NewRecord};
use stardust_pipeline::spool::{Spool, SpoolError};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::backlog::Backlog;
use crate::letter::Letters;
use crate::metrics::Metrics;
use crate::stop::stopped;

/// Where a message is when the door answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Processing {
    /// In the log.
    Queued,
    /// On the door's disk, to be forwarded.
    Spooled,
    /// In the store (the synchronous fallback).
    Stored,
}

/// A record that is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Durable {
    /// Where, in words.
    pub(crate) processing: Processing,
    /// Where it stands, if it is in a log.
    pub(crate) at: Option<Ack>,
}

impl Durable {
    const fn queued(at: Option<Ack>) -> Self {
        Self {
            processing: Processing::Queued,
            at,
        }
    }

    const fn spooled() -> Self {
        Self {
            processing: Processing::Spooled,
            at: None,
        }
    }

    /// In the local log of the synchronous fallback.
    pub(crate) const fn local(at: Ack) -> Self {
        Self {
            processing: Processing::Spooled,
            at: Some(at),
        }
    }
}

/// Why a record is not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The log does not confirm and there is no spool.
    Away,
    /// The log does not confirm and the spool is full.
    SpoolFull,
    /// The log does not confirm and the spool failed.
    SpoolFailed,
    /// The local log of the synchronous fallback is full.
    LocalFull,
    /// The local log of the synchronous fallback failed.
    LocalFailed,
    /// The log refuses it, and as a dead letter too.
    Refused,
    /// The lane has too much to do.
    Busy,
    /// The door closes.
    Closing,
}

/// A record on its way, with the request that waits for it.
pub(crate) struct Job {
    pub(crate) record: NewRecord,
    pub(crate) answer: oneshot::Sender<Result<Durable, Trouble>>,
    /// The answer waits for the store, and is counted then.
    pub(crate) waits: bool,
    /// The share of the memory for bodies that the record holds.
    pub(crate) _weight: Option<Arc<OwnedSemaphorePermit>>,
}

impl Job {
    pub(crate) fn done(self, result: Result<Durable, Trouble>) {
        // The client may have gone; what was done stands.
        let _ = self.answer.send(result);
    }
}

pub(crate) struct Lane<L, S> {
    pub(crate) partition: i32,
    pub(crate) log: L,
    pub(crate) backlog: Option<Arc<Backlog<S>>>,
    pub(crate) letters: Letters,
    pub(crate) metrics: Metrics,
    pub(crate) confirm_within: Duration,
    pub(crate) failed: watch::Sender<Option<LogError>>,
}

/// Makes jobs durable, one batch at a time.
pub(crate) trait Settle: Send + 'static {
    /// Answers every job of the batch.
    fn settle(&self, jobs: Vec<Job>) -> impl Future<Output = ()> + Send;
}

/// When the lanes publish to a broker: all at the same moments. A lane that publishes as soon as it can has always a
/// batch under way and one that came meanwhile and waits: twice the requests for the same records, and twice the wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departures {
    first: Instant,
    every: Duration,
}

impl Departures {
    /// Every so often from now on; none: always.
    pub(crate) fn every(every: Duration) -> Option<Self> {
        let first = Instant::now();
        (!every.is_zero()).then_some(Self { first, every })
    }

    async fn next(self) {
        let since = self.first.elapsed().as_nanos() % self.every.as_nanos();
        let since = Duration::from_nanos(u64::try_from(since).unwrap_or(0));
        sleep(self.every.saturating_sub(since)).await;
    }
}

/// Works until the stop, then through what it has taken.
pub(crate) async fn run<T: Settle>(
    lane: T,
    most: usize,
    departures: Option<Departures>,
    mut jobs: mpsc::Receiver<Job>,
    mut stop: watch::Receiver<bool>,
) {
    let mut batch = Vec::new();
    let mut closing = false;
    loop {
        tokio::select! {
            // Jobs first: whatever is in the channel when it is closed is still taken.
            biased;
            taken = jobs.recv_many(&mut batch, most) => {
                if taken == 0 {
                    return;
                }
                if let Some(departures) = departures
                    && !closing
                    && batch.len() < most
                {
                    departures.next().await;
                    while batch.len() < most
                        && let Ok(job) = jobs.try_recv()
                    {
                        batch.push(job);
                    }
                }
                lane.settle(std::mem::take(&mut batch)).await;
            }
            () = stopped(&mut stop), if !closing => {
                jobs.close();
                closing = true;
            }
        }
    }
}

impl<L: Log, S: Spool> Settle for Lane<L, S> {
    async fn settle(&self, jobs: Vec<Job>) {
        if let Some(backlog) = &self.backlog
            && backlog.waiting(self.partition) > 0
        {
            return self.spool(backlog, jobs).await;
        }
        let records = jobs.iter().map(|job| job.record.clone()).collect();
        let mut results = publish(&self.log, records, self.confirm_within).await.into_iter();
        let mut late = Vec::new();
        for job in jobs {
            match results.next().unwrap_or_else(|| Err(unconfirmed())) {
                Ok(at) => {
                    if !job.waits {
                        self.metrics.queued.inc();
                    }
                    job.done(Ok(Durable::queued(Some(at))));
                }
                Err(LogError::Refused(why)) => {
                    self.count(&LogError::Refused(String::new()));
                    tracing::error!(partition = self.partition, "the log refuses a record: {why}");
                    self.bury(job).await;
                }
                Err(e) => {
                    self.count(&e);
                    if late.is_empty() {
                        tracing::warn!(partition = self.partition, tag = e.tag(), "not confirmed: {e}");
                    }
                    if matches!(e, LogError::Fatal(_) | LogError::Fenced(_)) {
                        self.failed.send_replace(Some(e));
                    }
                    late.push(job);
                }
            }
        }
        if late.is_empty() {
            return;
        }
        match &self.backlog {
            Some(backlog) => self.spool(backlog, late).await,
            None => late.into_iter().for_each(|job| job.done(Err(Trouble::Away))),
        }
    }
}

impl<L: Log, S: Spool> Lane<L, S> {
    fn count(&self, e: &LogError) {
        self.metrics.publish_failures.with_label_values(&[e.tag()]).inc();
    }

    /// Appends in order. Where not all fit, as many as fit, one by one: the rest is told so.
    async fn spool(&self, backlog: &Backlog<S>, jobs: Vec<Job>) {
        let records = |jobs: &[Job]| jobs.iter().map(|job| job.record.clone()).collect::<Vec<_>>();
        match backlog.append(self.partition, records(&jobs)).await {
            Ok(()) => jobs.into_iter().for_each(|job| self.spooled(backlog, job)),
            Err(SpoolError::Full(_)) if jobs.len() > 1 => {
                let mut full = false;
                for job in jobs {
                    if full {
                        job.done(Err(Trouble::SpoolFull));
                        continue;
                    }
                    match backlog.append(self.partition, vec![job.record.clone()]).await {
                        Ok(()) => self.spooled(backlog, job),
                        Err(e) => {
                            full = true;
                            job.done(Err(trouble(&e)));
                        }
                    }
                }
            }
            Err(e) => {
                tracing::error!(partition = self.partition, "{e}");
                let trouble = trouble(&e);
                jobs.into_iter().for_each(|job| job.done(Err(trouble)));
            }
        }
    }

    fn spooled(&self, backlog: &Backlog<S>, job: Job) {
        self.metrics.spooled.inc();
        self.metrics
            .spool_records
            .set(i64::try_from(backlog.total()).unwrap_or(i64::MAX));
        job.done(Ok(Durable::spooled()));
    }

    /// A record that the log never takes: its dead letter is as durable as the record would have been.
    async fn bury(&self, job: Job) {
        match alone(&self.log, &job.record, self.confirm_within).await {
            Err(LogError::Refused(_)) => {}
            Err(_) => return job.done(Err(Trouble::Away)),
            Ok(at) => {
                if !job.waits {
                    self.metrics.queued.inc();
                }
                return job.done(Ok(Durable::queued(Some(at))));
            }
        }
        let letter = match self.letters.of(&job.record) {
            Ok(letter) => letter,
            Err(e) => {
                tracing::error!(tag = e.tag(), "a dead letter could not be written");
                return job.done(Err(Trouble::Refused));
            }
        };
        let mut results = publish(&self.log, vec![letter], self.confirm_within).await;
        job.done(match results.pop() {
            Some(Ok(_)) => {
                self.metrics.dead_letters.inc();
                self.metrics.queued.inc();
                Ok(Durable::queued(None))
            }
            Some(Err(LogError::Refused(_))) => Err(Trouble::Refused),
            _ => Err(Trouble::Away),
        });
    }
}

fn trouble(e: &SpoolError) -> Trouble {
    match e {
        SpoolError::Full(_) => Trouble::SpoolFull,
        _ => Trouble::SpoolFailed,
    }
}

fn unconfirmed() -> LogError {
    LogError::Unavailable("no confirmation in time".to_owned())
}

/// Publishes a record that was refused among others. A broker refuses whole batches for one record in them (or for their
/// size): only what it refuses alone is refused for good.
pub(crate) async fn alone<L: Log>(log: &L, record: &NewRecord, within: Duration) -> Result<Ack, LogError> {
    let mut results = publish(log, vec![record.clone()], within).await;
    results.pop().unwrap_or_else(|| Err(unconfirmed()))
}

/// Publishes under a deadline; one result per record whatever the log answers.
pub(crate) async fn publish<L: Log>(
    log: &L,
    records: Vec<NewRecord>,
    within: Duration,
) -> Vec<Result<Ack, LogError>> {
    let many = records.len();
    let mut results = timeout(within, log.publish(records)).await.unwrap_or_default();
    results.resize_with(many, || Err(unconfirmed()));
    results
}
