//! The door itself: bodies in, receipts out.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use stardust_pipeline::log::{Log, LogError};
use stardust_pipeline::relay::{LocalLog, Relay};
use stardust_pipeline::spool::{Spool, SpoolError};
use stardust_wire::Wire;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use uuid::Uuid;

use crate::backlog::Backlog;
use crate::config::DoorConfig;
use crate::fallback::{Fallback, Forwarding, Inline, Local, LocalLane};
use crate::fault::Fault;
use crate::forward::Forwarder;
use crate::intake::{Intake, Weight};
use crate::lane::{self, Departures, Lane, Processing};
use crate::letter::Letters;
use crate::metrics::Metrics;
use crate::registry::RegistryView;
use crate::rules::Rules;

/// Bodies from this size on (those of a batch together) are read off the async threads.
pub(crate) const LARGE: usize = 128 << 10;

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

/// Takes messages and answers when they are durable. Cheap to clone.
pub struct Door<M> {
    intake: Arc<Intake<M>>,
}

impl<M> Clone for Door<M> {
    fn clone(&self) -> Self {
        Self {
            intake: Arc::clone(&self.intake),
        }
    }
}

/// What runs behind the door: a lane for each partition, and the forwarder where there is a spool.
pub struct Running {
    /// One for each task: several that wait for one order would hear it in an order of tokio's own chance.
    stops: Vec<watch::Sender<bool>>,
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
        for stop in &self.stops {
            stop.send_replace(true);
        }
        timeout(within, async { while self.tasks.join_next().await.is_some() {} })
            .await
            .is_ok()
    }

    /// The order to stop of one more task.
    fn stopping(&mut self) -> watch::Receiver<bool> {
        let (stop, stopping) = watch::channel(false);
        self.stops.push(stop);
        stopping
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
        let (failed, failure) = watch::channel(None);
        let mut running = Running {
            stops: Vec::new(),
            failed: failure,
            tasks: JoinSet::new(),
        };
        let departures = Departures::every(config.linger);
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
                failed: failed.clone(),
            };
            let (most, stop) = (config.publish_records.max(1), running.stopping());
            running.tasks.spawn(lane::run(lane, most, departures, jobs, stop));
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
                backoff: config.backoff.clone(),
            };
            let stop = running.stopping();
            running.tasks.spawn(forwarder.run(stop));
        }
        let intake = Intake {
            memory: Arc::new(Semaphore::new(config.body_memory.min(Semaphore::MAX_PERMITS))),
            config,
            rules,
            registry,
            wire,
            lanes,
            metrics,
            inline: OnceLock::new(),
        };
        Ok((
            Self {
                intake: Arc::new(intake),
            },
            running,
        ))
    }

    /// Gives the door its synchronous fallback; the first one counts. `local` is the local log with the way from there
    /// to the broker; none where the door's log is on its own disk, so that its records need no other way.
    pub fn fall_back<K: LocalLog, R: Relay>(
        &self,
        running: &mut Running,
        fallback: Fallback,
        local: Option<(Local<K>, R)>,
    ) {
        let (intake, config) = (&self.intake, &self.intake.config);
        let mut topic = config.topics.raw.clone();
        let mut lane = None;
        if let Some((local, relay)) = local {
            topic.clone_from(&local.raw()[0]);
            let (sender, jobs) = mpsc::channel(config.lane_capacity.max(1));
            lane = Some(sender);
            let letters = Letters {
                wire: intake.wire.clone(),
                topic: config.topics.dead.clone(),
                mapping_version: intake.rules.version().to_owned(),
            };
            let forwarding = Forwarding::new(
                local.clone(),
                relay,
                config.topics.raw.clone(),
                letters,
                intake.metrics.clone(),
                config.backoff.clone(),
            );
            let local_lane = LocalLane {
                local,
                confirm_within: config.confirm_within,
            };
            let most = config.publish_records.max(1);
            let (lane_stop, forwarding_stop) = (running.stopping(), running.stopping());
            running
                .tasks
                .spawn(lane::run(local_lane, most, None, jobs, lane_stop));
            running.tasks.spawn(forwarding.run(forwarding_stop));
        }
        intake.metrics.is_async.set(fallback.mode.is_async().into());
        let inline = Inline {
            fallback,
            topic,
            lane,
        };
        if intake.inline.set(inline).is_err() {
            tracing::error!("the door has a synchronous fallback already");
        }
    }

    /// Sets which way every message goes from now on; says whether that is a change. None where there is one way only.
    pub fn switch(&self, asynchronous: bool) -> Option<bool> {
        let changed = self.intake.inline.get()?.fallback.mode.switch(asynchronous);
        self.intake.metrics.is_async.set(asynchronous.into());
        if changed {
            let mode = if asynchronous {
                "asynchronous"
            } else {
                "synchronous"
            };
            tracing::warn!(mode, "an operator switched the way of the messages");
        }
        Some(changed)
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
            self.intake.judge(message)
        } else {
            let intake = Arc::clone(&self.intake);
            spawn_blocking(move || intake.judge(message))
                .await
                .unwrap_or_else(|_| Err(Fault::internal()))
        };
        let ready = ready?;
        // From here on the client may go: a job that is in its lane is finished there.
        let durable = match self.intake.place(ready.record, weight).await {
            Ok(placed) => placed.durable().await,
            Err(trouble) => Err(trouble),
        };
        match durable {
            Ok(durable) => Ok(Taken {
                receipt_id: ready.receipt_id,
                observation_ids: ready.observation_ids,
                processing: self.intake.processing(durable, self.intake.until()).await,
            }),
            Err(trouble) => Err(self.intake.fault(trouble)),
        }
    }

    pub(crate) async fn take_all_weighed(
        &self,
        messages: Vec<Message>,
        weight: Weight,
    ) -> Result<Vec<Taken>, Vec<(Option<usize>, Fault)>> {
        // A task of its own: once begun, a batch is published to its end whatever the client does.
        let intake = Arc::clone(&self.intake);
        tokio::spawn(async move { intake.batch(messages, weight).await })
            .await
            .unwrap_or_else(|_| Err(vec![(None, Fault::internal())]))
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.intake.metrics
    }

    pub(crate) fn memory(&self) -> &Arc<Semaphore> {
        &self.intake.memory
    }

    pub(crate) fn retry_after(&self) -> Duration {
        self.intake.config.retry_after
    }
}
