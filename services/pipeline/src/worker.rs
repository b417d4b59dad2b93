//! The worker: takes a batch, works it, commits outputs and offsets together; waits out outages.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::Backoff;
use crate::log::{Budget, Commit, Log, LogError, LogRecord, Member, NewRecord, Topic};
use crate::pulse::Pulse;
use crate::store::StoreError;

/// What a service does with a batch.
pub trait Stage: Send + 'static {
    /// Writes what is new to the store and returns the records to publish. Called again with the same batch after an
    /// error that can pass; dropped in the middle when the batch is lost. Everything it does must bear repetition.
    fn work(
        &mut self,
        batch: &[LogRecord],
    ) -> impl Future<Output = Result<Vec<NewRecord>, StageError>> + Send;

    /// The batch of the last `work` is durable.
    fn committed(&mut self);

    /// Forget what is remembered of partitions: the assignment has changed or work was undone.
    fn reset(&mut self);
}

/// Why a batch could not be worked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An invariant of ours is broken: the process ends, the records come again.
    #[error("{0}")]
    Broken(String),
}

impl StageError {
    fn is_retriable(&self) -> bool {
        match self {
            Self::Store(e) => e.is_retriable(),
            Self::Broken(_) => false,
        }
    }
}

/// Why a worker ended without being told to.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// The log.
    #[error("{group}: {error}")]
    Log {
        /// The group.
        group: String,
        /// The error.
        error: LogError,
    },
    /// The stage.
    #[error("{group}: {error}")]
    Stage {
        /// The group.
        group: String,
        /// The error.
        error: StageError,
    },
}

/// Settings of a worker.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The consumer group.
    pub group: String,
    /// What it reads.
    pub topics: Vec<Topic>,
    /// Tells the members of one process apart.
    pub worker: usize,
    /// How much it takes at once.
    pub budget: Budget,
    /// How long after a batch the next one is taken at the earliest, unless much waits: each batch costs the log a
    /// transaction and the store some commands, however few records it has.
    pub gather: Duration,
    /// How long the batch at hand may take once the service is told to stop, its commit included; and then the leave.
    pub drain: Duration,
    /// The waits of an outage.
    pub backoff: Backoff,
}

/// Runs one group member until `shutdown` turns true.
///
/// # Errors
/// Where waiting cannot help: fenced, a fatal client error, a store that refuses, a broken invariant.
pub async fn run<L: Log, S: Stage>(
    log: L,
    config: WorkerConfig,
    mut stage: S,
    mut shutdown: watch::Receiver<bool>,
    pulse: Arc<Pulse>,
) -> Result<(), WorkerError> {
    let group = config.group.clone();
    let fail = |error| WorkerError::Log {
        group: group.clone(),
        error,
    };
    let Some(mut member) = join(&log, &config, &mut shutdown, &pulse).await.map_err(fail)? else {
        return Ok(());
    };
    let mut backoff = config.backoff.clone();
    let mut assignment = Vec::new();
    while !*shutdown.borrow() {
        let next = tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break,
            next = member.next(config.budget) => next,
        };
        let taken = Instant::now();
        let batch = match next {
            Ok(batch) => batch,
            Err(e) if e.is_retriable() => {
                pulse.waits(&format!("log: {e}"));
                pause(&mut backoff, &mut shutdown).await;
                continue;
            }
            Err(e) => return Err(fail(e)),
        };
        let now = member.assignment();
        if now != assignment {
            stage.reset();
            assignment = now;
            pulse.assigned(config.worker, assignment.len());
        }
        if batch.is_empty() {
            pulse.runs();
            backoff = config.backoff.clone();
            continue;
        }
        let done = unit(&mut member, &mut stage, &batch, &config, &mut shutdown, &pulse).await?;
        match done {
            Unit::Committed => {
                stage.committed();
                pulse.runs();
                pulse.progressed();
                backoff = config.backoff.clone();
                if is_small(&batch, config.budget) {
                    rest(
                        &mut shutdown,
                        (taken + config.gather).saturating_duration_since(Instant::now()),
                    )
                    .await;
                }
            }
            Unit::Again => {
                stage.reset();
                assignment.clear();
            }
            Unit::Later => {
                stage.reset();
                pause(&mut backoff, &mut shutdown).await;
            }
        }
    }
    pulse.assigned(config.worker, 0);
    match timeout(config.drain, member.leave()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) if e.is_retriable() => Ok(()),
        Ok(Err(e)) => Err(fail(e)),
        Err(_) => Ok(()),
    }
}

/// What came of one unit of work.
enum Unit {
    /// Done.
    Committed,
    /// Undone; the records come again at once.
    Again,
    /// Undone; wait before the next try.
    Later,
}

async fn unit<M: Member, S: Stage>(
    member: &mut M,
    stage: &mut S,
    batch: &[LogRecord],
    config: &WorkerConfig,
    shutdown: &mut watch::Receiver<bool>,
    pulse: &Pulse,
) -> Result<Unit, WorkerError> {
    let group = &config.group;
    let log_error = |error| WorkerError::Log {
        group: group.clone(),
        error,
    };
    let over = drained(shutdown.clone(), config.drain);
    tokio::pin!(over);
    let outputs = tokio::select! {
        // Losing the batch comes first: nothing that a lost batch still does is of use.
        biased;
        () = member.lost() => None,
        outputs = work(stage, batch, config, shutdown, over.as_mut(), pulse) => outputs?,
    };
    let Some(outputs) = outputs else {
        return match member.rewind().await {
            Ok(()) => Ok(Unit::Again),
            Err(e) if e.is_retriable() => Ok(Unit::Later),
            Err(e) => Err(log_error(e)),
        };
    };
    let committed = tokio::select! {
        biased;
        committed = member.commit(outputs) => committed,
        // The log is away. Whether the batch was committed shows at the next start, wherever that is.
        () = over => {
            give_up(group);
            return Ok(Unit::Later);
        }
    };
    match committed {
        Ok(Commit::Done) => Ok(Unit::Committed),
        Ok(Commit::Again) => Ok(Unit::Again),
        Err(e) if e.is_retriable() => {
            pulse.waits(&format!("log: {e}"));
            match member.rewind().await {
                Ok(()) => Ok(Unit::Later),
                Err(e) if e.is_retriable() => Ok(Unit::Later),
                Err(e) => Err(log_error(e)),
            }
        }
        Err(e) => Err(log_error(e)),
    }
}

fn give_up(group: &str) {
    tracing::warn!(
        group,
        "stopping: the batch at hand takes too long; it comes again"
    );
}

/// Works a batch until it succeeds; none where the service is told to stop while the store is away.
async fn work<S: Stage>(
    stage: &mut S,
    batch: &[LogRecord],
    config: &WorkerConfig,
    shutdown: &mut watch::Receiver<bool>,
    mut over: Pin<&mut impl Future<Output = ()>>,
    pulse: &Pulse,
) -> Result<Option<Vec<NewRecord>>, WorkerError> {
    let mut backoff = config.backoff.clone();
    loop {
        let tried = tokio::select! {
            // What is done is done, even where the time is over.
            biased;
            tried = stage.work(batch) => tried,
            () = &mut over => {
                give_up(&config.group);
                return Ok(None);
            }
        };
        match tried {
            Ok(outputs) => return Ok(Some(outputs)),
            Err(e) if e.is_retriable() => {
                pulse.waits(&format!("store: {e}"));
                if *shutdown.borrow() {
                    return Ok(None);
                }
                pause(&mut backoff, shutdown).await;
            }
            Err(error) => {
                return Err(WorkerError::Stage {
                    group: config.group.clone(),
                    error,
                });
            }
        }
    }
}

async fn join<L: Log>(
    log: &L,
    config: &WorkerConfig,
    shutdown: &mut watch::Receiver<bool>,
    pulse: &Pulse,
) -> Result<Option<L::Member>, LogError> {
    let mut backoff = config.backoff.clone();
    while !*shutdown.borrow() {
        match log.join(&config.group, &config.topics, config.worker).await {
            Ok(member) => return Ok(Some(member)),
            Err(e) if e.is_retriable() => {
                pulse.waits(&format!("log: {e}"));
                pause(&mut backoff, shutdown).await;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(None)
}

/// Resolves once the service is told to stop (or nobody is left who could tell it).
pub async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop as well.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

async fn drained(mut shutdown: watch::Receiver<bool>, drain: Duration) {
    stopped(&mut shutdown).await;
    sleep(drain).await;
}

/// Whether a batch is far from what the budget allows, so that nothing of account waits behind it.
fn is_small(batch: &[LogRecord], budget: Budget) -> bool {
    let bytes = || batch.iter().map(|record| record.value.len()).sum::<usize>();
    batch.len() < budget.records / 4 && bytes() < budget.bytes / 4
}

async fn pause(backoff: &mut Backoff, shutdown: &mut watch::Receiver<bool>) {
    rest(shutdown, backoff.next_wait()).await;
}

/// Waits, unless the service is told to stop.
async fn rest(shutdown: &mut watch::Receiver<bool>, wait: Duration) {
    if wait.is_zero() {
        return;
    }
    tokio::select! {
        biased;
        () = stopped(shutdown) => {}
        () = sleep(wait) => {}
    }
}
