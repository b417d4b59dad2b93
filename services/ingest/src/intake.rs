//! What happens to a message between its body and its lane.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use stardust_domain::ids::Mac;
use stardust_domain::outcome::Source;
use stardust_domain::reading::Admission;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::NewRecord;
use stardust_pipeline::partition::partition_of;
use stardust_wire::{RawRecord, Subject, Wire};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::config::DoorConfig;
use crate::door::{LARGE, Message, Taken};
use crate::fallback::Inline;
use crate::fault::Fault;
use crate::lane::{Durable, Job, Processing, Trouble};
use crate::metrics::Metrics;
use crate::registry::RegistryView;
use crate::rules::Rules;

/// A share of the memory for bodies.
pub(crate) type Weight = Option<Arc<OwnedSemaphorePermit>>;

/// A message that may be published.
pub(crate) struct Ready {
    pub(crate) receipt_id: Uuid,
    pub(crate) observation_ids: Vec<Uuid>,
    pub(crate) record: NewRecord,
}

/// Rules, registry and lanes together.
pub(crate) struct Intake<M> {
    pub(crate) config: DoorConfig,
    pub(crate) rules: Arc<M>,
    pub(crate) registry: RegistryView,
    pub(crate) wire: Wire,
    pub(crate) lanes: Vec<mpsc::Sender<Job>>,
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) metrics: Metrics,
    pub(crate) inline: OnceLock<Inline>,
}

/// A record that a lane has for good.
pub(crate) struct Placed {
    answer: oneshot::Receiver<Result<Durable, Trouble>>,
    /// The answer waits for the store.
    waits: bool,
}

impl Placed {
    /// Waits until it is durable.
    pub(crate) async fn durable(self) -> Result<(Durable, bool), Trouble> {
        let durable = self.answer.await.unwrap_or(Err(Trouble::Closing))?;
        Ok((durable, self.waits))
    }
}

impl<M: Rules> Intake<M> {
    /// The whole judgement of a message: pure computation.
    pub(crate) fn judge(&self, message: Message) -> Result<Ready, Fault> {
        let now = (self.config.clock.now)();
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
        let receipt_id = self.config.clock.id(now);
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
            // The tag only: the text of the error may quote the record.
            tracing::error!(tag = e.tag(), "a raw record could not be written");
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
    pub(crate) async fn place(&self, record: NewRecord, weight: Weight) -> Result<Placed, Trouble> {
        let inline = self.inline.get().filter(|i| !i.fallback.mode.is_async());
        let partition = partition_of(&record.key, self.config.topics.partitions);
        let lane = inline.and_then(|i| i.lane.as_ref()).or_else(|| {
            let at = usize::try_from(partition).ok()?;
            self.lanes.get(at)
        });
        let lane = lane.ok_or(Trouble::Closing)?;
        let (answer, receiver) = oneshot::channel();
        let waits = inline.is_some();
        let job = Job {
            record,
            answer,
            waits,
            _weight: weight,
        };
        let placed = Placed {
            answer: receiver,
            waits,
        };
        match lane.try_send(job) {
            Ok(()) => Ok(placed),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Trouble::Closing),
            Err(mpsc::error::TrySendError::Full(job)) => {
                match timeout(self.config.place_within, lane.send(job)).await {
                    Ok(Ok(())) => Ok(placed),
                    Ok(Err(_)) => Err(Trouble::Closing),
                    Err(_) => Err(Trouble::Busy),
                }
            }
        }
    }

    /// Until when an answer waits for the store.
    pub(crate) fn until(&self) -> Instant {
        let within = self.inline.get().map(|i| i.fallback.within);
        Instant::now() + within.unwrap_or_default()
    }

    /// Where a record is by the time of the answer. In the synchronous mode the store is waited for.
    pub(crate) async fn processing(&self, (durable, waits): (Durable, bool), until: Instant) -> Processing {
        let (Some(inline), true) = (self.inline.get(), waits) else {
            return durable.processing;
        };
        let reached = async {
            // What is in no log is not worked by this process.
            let at = durable.at?;
            let settled = &inline.fallback.settled;
            let reached = settled.reached(&inline.topic, at.partition, at.offset);
            timeout_at(until, reached).await.ok()
        };
        if reached.await.is_some() {
            self.metrics.stored.inc();
            Processing::Stored
        } else {
            self.metrics.spooled.inc();
            Processing::Spooled
        }
    }

    pub(crate) async fn batch(
        self: Arc<Self>,
        messages: Vec<Message>,
        weight: Weight,
    ) -> Result<Vec<Taken>, Vec<(Option<usize>, Fault)>> {
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        let judge = Arc::clone(&self);
        let all = move || -> Vec<_> { messages.into_iter().map(|message| judge.judge(message)).collect() };
        let judged = if bytes < LARGE {
            all()
        } else {
            let judged = spawn_blocking(all).await;
            judged.map_err(|_| vec![(None, Fault::internal())])?
        };
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
        let mut durable = Vec::with_capacity(waiting.len());
        let mut trouble = None;
        for (receipt_id, observation_ids, placed) in waiting {
            match placed.durable().await {
                Ok(one) => durable.push((receipt_id, observation_ids, one)),
                Err(e) => trouble = Some(e),
            }
        }
        if let Some(trouble) = trouble {
            return Err(trouble);
        }
        let until = self.until();
        let mut taken = Vec::with_capacity(durable.len());
        for (receipt_id, observation_ids, one) in durable {
            taken.push(Taken {
                receipt_id,
                observation_ids,
                processing: self.processing(one, until).await,
            });
        }
        Ok(taken)
    }

    pub(crate) fn fault(&self, trouble: Trouble) -> Fault {
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
            Trouble::LocalFull => Fault::unavailable("The local log is full.", seconds),
            Trouble::LocalFailed => Fault::unavailable("The local log failed.", seconds),
            Trouble::Busy => Fault::unavailable("Too much is under way.", seconds),
            Trouble::Closing => Fault::unavailable("The service is stopping.", seconds),
        }
    }
}
