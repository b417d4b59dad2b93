//! The door itself: bodies in, receipts out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stardust_domain::ids::Mac;
use stardust_domain::outcome::Source;
use stardust_domain::reading::Admission;
use stardust_domain::time::Timestamp;
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Log, LogError, NewRecord};
use stardust_pipeline::partition::partition_of;
use stardust_pipeline::spool::{Spool, SpoolError};
use stardust_wire::{RawRecord, Subject, Wire};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use uuid::Uuid;

use crate::backlog::Backlog;
use crate::clock;
use crate::config::DoorConfig;
use crate::fault::Fault;
use crate::forward::Forwarder;
use crate::lane::{Job, Lane, Processing, Trouble};
use crate::letter::Letters;
use crate::metrics::Metrics;
use crate::registry::RegistryView;
use crate::rules::Rules;

/// Bodies from this size on are read off the async threads.
const LARGE: usize = 128 << 10;

/// The door cannot open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DoorError {
    /// The spool cannot be read.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The counters cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl DoorError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Spool(_) => "spool",
            Self::Metrics(_) => "metrics",
        }
    }

    /// Whether opening again can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Spool(_))
    }
}

/// One message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    /// The bytes.
    pub body: Bytes,
    /// Content-Type of the request.
    pub content_type: Option<String>,
    /// The request.
    pub request_id: String,
    /// Old messages sent in bulk: their event times count as they are.
    pub backfill: bool,
}

/// A message that is durable.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The receipt: UUIDv7.
    pub receipt_id: Uuid,
    /// Ids of the Observations that the mapping accepts.
    pub observation_ids: Vec<Uuid>,
    /// Where it is.
    pub processing: Processing,
}

/// A share of the memory for bodies.
pub(crate) type Weight = Option<Arc<OwnedSemaphorePermit>>;

/// A message that may be published.
struct Ready {
    receipt_id: Uuid,
    observation_ids: Vec<Uuid>,
    record: NewRecord,
}

struct Inner<M> {
    config: DoorConfig,
    rules: Arc<M>,
    registry: RegistryView,
    wire: Wire,
    lanes: Vec<mpsc::Sender<Job>>,
    memory: Arc<Semaphore>,
    metrics: Metrics,
}

/// Takes messages and answers when they are durable. Cheap to clone.
pub struct Door<M> {
    inner: Arc<Inner<M>>,
}

impl<M> Clone for Door<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// What runs behind the door: a lane for each partition, and the forwarder where there is a spool.
pub struct Running {
    stop: watch::Sender<bool>,
    failed: watch::Receiver<Option<LogError>>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Resolves when the log's client failed for good: the process has to end and start again.
    pub async fn failed(&self) -> LogError {
        let mut failed = self.failed.clone();
        // The value is taken out first: its guard must not live across the wait below.
        let error = failed.wait_for(Option::is_some).await.map(|error| error.clone());
        match error {
            Ok(error) => error.unwrap_or_else(|| LogError::Fatal("unknown".to_owned())),
            // Every lane has ended: nothing can fail any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Finishes what the lanes have taken; false where that took longer than `within`.
    pub async fn stop(mut self, within: Duration) -> bool {
        self.stop.send_replace(true);
        timeout(within, async { while self.tasks.join_next().await.is_some() {} })
            .await
            .is_ok()
    }
}

impl<M: Rules> Door<M> {
    /// Opens the door over a log, with a spool for the log's outages where there is one.
    ///
    /// # Errors
    /// Where the spool cannot be read or the counters cannot be registered.
    pub async fn open<L: Log, S: Spool>(
        config: DoorConfig,
        log: L,
        spool: Option<S>,
        rules: Arc<M>,
        registry: RegistryView,
        wire: Wire,
        counters: &prometheus::Registry,
    ) -> Result<(Self, Running), DoorError> {
        let metrics = Metrics::new(counters)?;
        let partitions = config.topics.partitions.max(1);
        let backlog = match spool {
            Some(spool) => Some(Arc::new(Backlog::open(spool, partitions).await?)),
            None => None,
        };
        let letters = Letters {
            wire: wire.clone(),
            topic: config.topics.dead.clone(),
            mapping_version: rules.version().to_owned(),
        };
        let (stop, stopping) = watch::channel(false);
        let (failed, failure) = watch::channel(None);
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::new();
        for partition in 0..partitions {
            let (sender, jobs) = mpsc::channel(config.lane_capacity.max(1));
            lanes.push(sender);
            let lane = Lane {
                partition,
                log: log.clone(),
                backlog: backlog.clone(),
                letters: letters.clone(),
                metrics: metrics.clone(),
                confirm_within: config.confirm_within,
                publish_records: config.publish_records.max(1),
                failed: failed.clone(),
            };
            tasks.spawn(lane.run(jobs, stopping.clone()));
        }
        if let Some(backlog) = backlog {
            let forwarder = Forwarder {
                log,
                backlog,
                partitions,
                letters,
                metrics: metrics.clone(),
                confirm_within: config.confirm_within,
                failed,
                backoff: Backoff::default(),
            };
            tasks.spawn(forwarder.run(stopping));
        }
        let inner = Inner {
            memory: Arc::new(Semaphore::new(config.body_memory.min(Semaphore::MAX_PERMITS))),
            config,
            rules,
            registry,
            wire,
            lanes,
            metrics,
        };
        let running = Running {
            stop,
            failed: failure,
            tasks,
        };
        Ok((
            Self {
                inner: Arc::new(inner),
            },
            running,
        ))
    }

    /// Takes one message; answers when it is durable.
    ///
    /// # Errors
    /// The refusal, or 503 where it cannot be made durable now.
    pub async fn take(&self, message: Message) -> Result<Taken, Fault> {
        self.take_weighed(message, None).await
    }

    /// Takes all messages or, where one is refused, none. The faults come with the index of their message.
    ///
    /// # Errors
    /// Each refusal with its index; a single one without index where the messages could not be made durable: some may
    /// be in the log then, and sending all again is safe.
    pub async fn take_all(&self, messages: Vec<Message>) -> Result<Vec<Taken>, Vec<(Option<usize>, Fault)>> {
        self.take_all_weighed(messages, None).await
    }

    pub(crate) async fn take_weighed(&self, message: Message, weight: Weight) -> Result<Taken, Fault> {
        let ready = if message.body.len() < LARGE {
            self.inner.judge(message)
        } else {
            let inner = Arc::clone(&self.inner);
            spawn_blocking(move || inner.judge(message))
                .await
                .unwrap_or_else(|_| Err(Fault::internal()))
        };
        let ready = ready?;
        // From here on the client may go: a job that is in its lane is finished there.
        let answer = self.inner.place(ready.record, weight).await;
        let answer = match answer {
            Ok(answer) => answer.await.unwrap_or(Err(Trouble::Closing)),
            Err(trouble) => Err(trouble),
        };
        match answer {
            Ok(processing) => Ok(Taken {
                receipt_id: ready.receipt_id,
                observation_ids: ready.observation_ids,
                processing,
            }),
            Err(trouble) => Err(self.inner.fault(trouble)),
        }
    }

    pub(crate) async fn take_all_weighed(
        &self,
        messages: Vec<Message>,
        weight: Weight,
    ) -> Result<Vec<Taken>, Vec<(Option<usize>, Fault)>> {
        // A task of its own: once begun, a batch is published to its end whatever the client does.
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.batch(messages, weight).await })
            .await
            .unwrap_or_else(|_| Err(vec![(None, Fault::internal())]))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    pub(crate) fn memory(&self) -> &Arc<Semaphore> {
        &self.inner.memory
    }

    pub(crate) fn retry_after(&self) -> Duration {
        self.inner.config.retry_after
    }
}

impl<M: Rules> Inner<M> {
    /// The whole judgement of a message: pure computation.
    fn judge(&self, message: Message) -> Result<Ready, Fault> {
        let now = clock::now();
        let admission = self
            .rules
            .admit(&message.body, now, message.backfill)
            .map_err(Fault::refusal)?;
        if admission.api_call && !self.known(admission.gateway) {
            return Err(Fault::device_not_found());
        }
        self.record(message, admission, now)
    }

    fn known(&self, gateway: Mac) -> bool {
        match &*self.registry.borrow() {
            Some(registry) => self.rules.knows(registry, gateway),
            None => true,
        }
    }

    fn record(&self, message: Message, admission: Admission, now: Timestamp) -> Result<Ready, Fault> {
        let receipt_id = clock::new_id(now);
        let gateway = admission.gateway.to_string();
        let key = Bytes::copy_from_slice(gateway.as_bytes());
        let source = if message.backfill {
            Source::Backfill
        } else {
            Source::Http
        };
        let raw = RawRecord {
            receipt_id: receipt_id.to_string(),
            request_id: message.request_id,
            received_at: now.micros(),
            source: source.label().to_owned(),
            content_type: message.content_type,
            gateway: Some(gateway),
            migration_run: None,
            items: None,
            body: message.body,
        };
        let value = self.wire.encode(Subject::Raw, &raw).map_err(|e| {
            tracing::error!(tag = e.tag(), "a raw record could not be written: {e}");
            Fault::internal()
        })?;
        Ok(Ready {
            receipt_id,
            observation_ids: admission.observation_ids,
            record: NewRecord {
                topic: self.config.topics.raw.clone(),
                key,
                value: Bytes::from(value),
            },
        })
    }

    /// Hands a record to the lane of its partition. After `Ok` the lane has it for good.
    async fn place(
        &self,
        record: NewRecord,
        weight: Weight,
    ) -> Result<oneshot::Receiver<Result<Processing, Trouble>>, Trouble> {
        let partition = partition_of(&record.key, self.config.topics.partitions);
        let lane = usize::try_from(partition)
            .ok()
            .and_then(|at| self.lanes.get(at))
            .ok_or(Trouble::Closing)?;
        let (answer, receiver) = oneshot::channel();
        let job = Job {
            record,
            answer,
            _weight: weight,
        };
        match lane.try_send(job) {
            Ok(()) => Ok(receiver),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Trouble::Closing),
            Err(mpsc::error::TrySendError::Full(job)) => {
                match timeout(self.config.place_within, lane.send(job)).await {
                    Ok(Ok(())) => Ok(receiver),
                    Ok(Err(_)) => Err(Trouble::Closing),
                    Err(_) => Err(Trouble::Busy),
                }
            }
        }
    }

    async fn batch(
        self: Arc<Self>,
        messages: Vec<Message>,
        weight: Weight,
    ) -> Result<Vec<Taken>, Vec<(Option<usize>, Fault)>> {
        let judge = Arc::clone(&self);
        let judged = spawn_blocking(move || {
            messages
                .into_iter()
                .map(|message| judge.judge(message))
                .collect::<Vec<_>>()
        });
        let judged = judged.await.map_err(|_| vec![(None, Fault::internal())])?;
        let mut ready = Vec::with_capacity(judged.len());
        let mut faults = Vec::new();
        for (index, judged) in judged.into_iter().enumerate() {
            match judged {
                Ok(one) => ready.push(one),
                Err(fault) => faults.push((Some(index), fault)),
            }
        }
        if !faults.is_empty() {
            self.metrics
                .refused
                .inc_by(u64::try_from(faults.len() + ready.len()).unwrap_or(0));
            return Err(faults);
        }
        self.publish_all(ready, weight)
            .await
            .map_err(|trouble| vec![(None, self.fault(trouble))])
    }

    /// All are in their lanes before the first answer is awaited.
    async fn publish_all(&self, ready: Vec<Ready>, weight: Weight) -> Result<Vec<Taken>, Trouble> {
        let mut waiting = Vec::with_capacity(ready.len());
        for one in ready {
            let answer = self.place(one.record, weight.clone()).await?;
            waiting.push((one.receipt_id, one.observation_ids, answer));
        }
        let mut taken = Vec::with_capacity(waiting.len());
        let mut trouble = None;
        for (receipt_id, observation_ids, answer) in waiting {
            match answer.await.unwrap_or(Err(Trouble::Closing)) {
                Ok(processing) => taken.push(Taken {
                    receipt_id,
                    observation_ids,
                    processing,
                }),
                Err(e) => trouble = Some(e),
            }
        }
        trouble.map_or(Ok(taken), Err)
    }

    fn fault(&self, trouble: Trouble) -> Fault {
        let seconds = self.config.retry_after;
        match trouble {
            Trouble::Refused => Fault::internal(),
            Trouble::Away => Fault::unavailable("The log does not confirm.", seconds),
            Trouble::SpoolFull => {
                Fault::unavailable("The log does not confirm and the spool is full.", seconds)
            }
            Trouble::SpoolFailed => {
                Fault::unavailable("The log does not confirm and the spool failed.", seconds)
            }
            Trouble::Busy => Fault::unavailable("Too much is under way.", seconds),
            Trouble::Closing => Fault::unavailable("The service is stopping.", seconds),
        }
    }
}
