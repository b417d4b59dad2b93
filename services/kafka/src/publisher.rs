//! The one idempotent producer of the process.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext};
use stardust_pipeline::log::{Ack, LogError, NewRecord};
use tokio::sync::oneshot;

use crate::blocking::locked;
use crate::config::KafkaConfig;
use crate::context::{log_error, log_line};
use crate::errors::{from_code, from_kafka};
use crate::polled::Polled;

type Answer = Result<Ack, LogError>;

/// How long a dropped publisher waits for what is under way.
const FLUSH_WITHIN: Duration = Duration::from_secs(6);
/// How often a full queue is tried again.
const ROOM_CHECK: Duration = Duration::from_millis(5);

/// Publishes records and tells when each is durable.
pub(crate) struct Publisher {
    producer: Polled<Deliveries>,
    queue_wait: Duration,
    instance: Arc<str>,
}

impl Publisher {
    pub(crate) fn open(config: &KafkaConfig) -> Result<Self, LogError> {
        let instance: Arc<str> = Arc::from(config.instance.as_str());
        let context = Deliveries {
            instance: Arc::clone(&instance),
        };
        let producer = Polled::open(&config.publisher(), context, &instance)?;
        Ok(Self {
            producer,
            queue_wait: config.queue_wait,
            instance,
        })
    }

    /// Enqueues every record, then waits for all delivery reports together.
    pub(crate) async fn publish(&self, records: Vec<NewRecord>) -> Vec<Answer> {
        if records.is_empty() {
            return Vec::new();
        }
        let count = records.len();
        let (done, answers) = oneshot::channel();
        let call = Arc::new(Call::new(count, done));
        let deadline = Instant::now() + self.queue_wait;
        for (index, record) in records.iter().enumerate() {
            if let Err(error) = self.enqueue(&call, index, record, deadline).await {
                // After one that found no room none may overtake it.
                let full = matches!(error, LogError::QueueFull);
                let last = if full { count } else { index + 1 };
                for index in index..last {
                    call.answer(index, Err(error.clone()));
                }
                if full {
                    break;
                }
            }
        }
        answers
            .await
            .unwrap_or_else(|_| vec![Err(LogError::Unavailable("the producer was closed".to_owned())); count])
    }

    async fn enqueue(
        &self,
        call: &Arc<Call>,
        index: usize,
        record: &NewRecord,
        deadline: Instant,
    ) -> Result<(), LogError> {
        let topic = record.topic.as_str();
        let mut slot = Box::new(Slot {
            call: Arc::clone(call),
            index,
        });
        loop {
            let message = BaseRecord::with_opaque_to(topic, slot)
                .key(&record.key[..])
                .payload(&record.value[..]);
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), unsent))
                    if Instant::now() < deadline =>
                {
                    slot = unsent.delivery_opaque;
                    tokio::time::sleep(ROOM_CHECK).await;
                }
                Err((error, _)) => return Err(from_kafka(&error, topic, &self.instance)),
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // Dropping the producer purges what is under way; records whose caller went away are still wanted.
        if self.producer.in_flight_count() > 0 && self.producer.flush(FLUSH_WITHIN).is_err() {
            tracing::warn!(
                records = self.producer.in_flight_count(),
                "records without an acknowledgement were given up at the end"
            );
        }
    }
}

/// One publish: its answers, handed over when the last has come.
struct Call(Mutex<Pending>);

struct Pending {
    answers: Vec<Option<Answer>>,
    left: usize,
    done: Option<oneshot::Sender<Vec<Answer>>>,
}

impl Call {
    fn new(count: usize, done: oneshot::Sender<Vec<Answer>>) -> Self {
        Self(Mutex::new(Pending {
            answers: vec![None; count],
            left: count,
            done: Some(done),
        }))
    }

    fn answer(&self, index: usize, answer: Answer) {
        let mut pending = locked(&self.0);
        if let Some(place @ None) = pending.answers.get_mut(index) {
            *place = Some(answer);
            pending.left -= 1;
        }
        if pending.left == 0
            && let Some(done) = pending.done.take()
        {
            // Nobody waits any more where the caller was dropped.
            let _ = done.send(pending.answers.drain(..).flatten().collect());
        }
    }
}

/// The place of one record in its call.
struct Slot {
    call: Arc<Call>,
    index: usize,
}

/// Takes the delivery reports, on the producer's polling thread.
struct Deliveries {
    instance: Arc<str>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Slot>;

    fn delivery(&self, report: &DeliveryResult<'_>, slot: Box<Slot>) {
        let answer = match report {
            Ok(message) => Ok(Ack {
                partition: message.partition(),
                offset: message.offset(),
            }),
            Err((KafkaError::MessageProduction(code), message)) => {
                Err(from_code(*code, message.topic(), &self.instance))
            }
            Err((error, message)) => Err(from_kafka(error, message.topic(), &self.instance)),
        };
        slot.call.answer(slot.index, answer);
    }
}
