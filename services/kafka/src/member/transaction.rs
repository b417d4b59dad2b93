//! The transactional producer of a member. Every call blocks, in slices, and `turn` is asked between them.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::{BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};
use stardust_pipeline::log::{LogError, NewRecord};

use crate::blocking::locked;
use crate::config::KafkaConfig;
use crate::context::{log_error, log_line};
use crate::errors::{from_kafka, is_fence};
use crate::polled::Polled;

/// One blocking call of librdkafka.
const SLICE: Duration = Duration::from_millis(1_000);
/// How long opening waits for partitions without a leader. One that never gets one is not to hold up all others.
const LEADERS_WITHIN: Duration = Duration::from_secs(5);
/// How often it looks.
const LEADERS_LOOK: Duration = Duration::from_millis(100);
/// One wait for delivery reports.
const REPORT_SLICE: Duration = Duration::from_millis(200);

/// How an attempt to commit ended, where it did not succeed.
pub(crate) enum Failure {
    /// Nothing took effect, and the producer can go on: try the batch again.
    Aborted,
    /// Nothing took effect, the producer can go on, but the outputs have a fault of their own.
    Faulty(LogError),
    /// Whether it took effect has to be asked from the broker (it did not answer in time, or ended the transaction).
    /// The producer cannot go on: open another, and look at the committed offsets.
    Unknown,
    /// Nothing can be done here.
    Stop(LogError),
}

/// Tells a long call to go on (true) or to give up, and keeps the membership meanwhile.
pub(crate) trait Turn {
    /// Called at least once a second.
    fn turn(&mut self) -> bool;
}

/// The producer, with at most one transaction open.
pub(crate) struct Transactions {
    producer: Polled<Reports>,
    instance: String,
    timeout: Duration,
}

impl Transactions {
    /// Opens a producer and fences, or ends the work of, whoever had its id before.
    pub(crate) fn open(
        config: &KafkaConfig,
        group: &str,
        worker: usize,
        turn: &mut dyn Turn,
    ) -> Result<Self, LogError> {
        let settings = config.transactional(group, worker);
        let timeout = transaction_timeout(&settings);
        let id = config.transactional_id(group, worker);
        let producer = Polled::open(&settings, Reports, &id)?;
        let this = Self {
            producer,
            instance: id,
            timeout,
        };
        this.await_leaders(turn)?;
        loop {
            match this.producer.init_transactions(SLICE) {
                Ok(()) => return Ok(this),
                Err(KafkaError::Transaction(error)) if error.is_retriable() && turn.turn() => {}
                Err(error) => return Err(from_kafka(&error, "", &this.instance)),
            }
        }
    }

    /// Waits until every partition of the cluster has a leader.
    ///
    /// To open ends the transaction that an earlier producer of this id left. A broker that just came back (KRaft,
    /// 4.3) ends it without a marker on partitions that have no leader yet: readers would stand before it for ever, and
    /// its records would become part of the next transaction.
    fn await_leaders(&self, turn: &mut dyn Turn) -> Result<(), LogError> {
        let enough = Instant::now() + LEADERS_WITHIN;
        loop {
            let found = self.producer.client().fetch_metadata(None, SLICE);
            let led = found.as_ref().is_ok_and(|cluster| {
                let mut partitions = cluster.topics().iter().flat_map(MetadataTopic::partitions);
                partitions.all(|partition| partition.leader() >= 0)
            });
            if led || found.is_ok() && Instant::now() >= enough {
                return Ok(());
            }
            if !turn.turn() {
                return Err(found.err().map_or_else(
                    || LogError::Unavailable("some partitions have no leader yet".to_owned()),
                    |error| from_kafka(&error, "", &self.instance),
                ));
            }
            std::thread::sleep(LEADERS_LOOK);
        }
    }

    /// Publishes the outputs and commits the offsets, both or neither.
    pub(crate) fn run(
        &self,
        outputs: &[NewRecord],
        offsets: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
        turn: &mut dyn Turn,
    ) -> Result<(), Failure> {
        let begun = Instant::now();
        if let Err(error) = self.producer.begin_transaction() {
            return Err(self.judge(&error, begun));
        }
        let prepared = self
            .deliver(outputs, turn)
            .and_then(|()| self.send_offsets(offsets, metadata, turn));
        if let Err(step) = prepared {
            return Err(match step {
                Step::Given(fault) => self.abort(begun, fault, turn),
                Step::Kafka(error) if self.must_stop(&error) => self.judge(&error, begun),
                Step::Kafka(error) => {
                    match error.rdkafka_error_code() {
                        // Every rebalance under load meets some: the group has another generation by now.
                        Some(RDKafkaErrorCode::IllegalGeneration | RDKafkaErrorCode::RebalanceInProgress) => {
                            tracing::info!(
                                "the group changes: a transaction is given up, its batch comes again"
                            );
                        }
                        _ => tracing::warn!("a transaction is given up and its batch comes again: {error}"),
                    }
                    self.abort(begun, None, turn)
                }
            });
        }
        self.finish(begun, turn)
    }

    fn deliver(&self, outputs: &[NewRecord], turn: &mut dyn Turn) -> Result<(), Step> {
        let deliveries = Arc::new(Deliveries::new(outputs.len()));
        for output in outputs {
            loop {
                let message = BaseRecord::with_opaque_to(output.topic.as_str(), Arc::clone(&deliveries))
                    .key(&output.key[..])
                    .payload(&output.value[..]);
                match self.producer.send(message) {
                    Ok(()) => break,
                    Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                        std::thread::sleep(Duration::from_millis(5));
                        if !turn.turn() {
                            return Err(Step::Given(None));
                        }
                    }
                    Err((error, _)) => return Err(self.fault(error, output.topic.as_str())),
                }
            }
        }
        while !deliveries.wait() {
            if !turn.turn() {
                return Err(Step::Given(None));
            }
        }
        match deliveries.failure() {
            None => Ok(()),
            Some((code, topic)) => Err(self.fault(KafkaError::MessageProduction(code), &topic)),
        }
    }

    /// A fault of a record of ours is told to the worker; everything else is the broker's.
    fn fault(&self, error: KafkaError, topic: &str) -> Step {
        match from_kafka(&error, topic, &self.instance) {
            fault @ (LogError::Refused(_) | LogError::UnknownTopic(_)) => Step::Given(Some(fault)),
            _ => Step::Kafka(error),
        }
    }

    fn send_offsets(
        &self,
        offsets: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
        turn: &mut dyn Turn,
    ) -> Result<(), Step> {
        if offsets.count() == 0 {
            return Ok(());
        }
        loop {
            let sent = self
                .producer
                .send_offsets_to_transaction(offsets, metadata, SLICE);
            match sent {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {
                    if !turn.turn() {
                        return Err(Step::Given(None));
                    }
                }
                Err(error) => return Err(Step::Kafka(error)),
            }
        }
    }

    fn finish(&self, begun: Instant, turn: &mut dyn Turn) -> Result<(), Failure> {
        loop {
            match self.producer.commit_transaction(SLICE) {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Flush(_)) => {}
                Err(error) if self.must_stop(&error) => return Err(self.judge(&error, begun)),
                Err(error) => {
                    // The broker may have committed before we gave up here: only it can tell.
                    tracing::warn!("whether a transaction was committed is not known: {error}");
                    return Err(Failure::Unknown);
                }
            }
            if !turn.turn() {
                return Err(Failure::Unknown);
            }
        }
    }

    fn abort(&self, begun: Instant, fault: Option<LogError>, turn: &mut dyn Turn) -> Failure {
        loop {
            match self.producer.abort_transaction(SLICE) {
                Ok(()) => return fault.map_or(Failure::Aborted, Failure::Faulty),
                Err(KafkaError::Transaction(error)) if error.is_retriable() => {}
                Err(KafkaError::Flush(_)) => {}
                Err(error) if self.must_stop(&error) => return self.judge(&error, begun),
                // The next producer of this id ends the transaction; a fault shows itself again in the next try.
                Err(_) => return Failure::Unknown,
            }
            if !turn.turn() {
                return Failure::Unknown;
            }
        }
    }

    fn is_fatal(&self) -> bool {
        self.producer.client().fatal_error().is_some()
    }

    fn must_stop(&self, error: &KafkaError) -> bool {
        matches!(error, KafkaError::Transaction(error) if error.is_fatal()) || self.is_fatal()
    }

    /// What an error means after which this producer cannot go on.
    ///
    /// The broker raises the epoch when a transaction has lasted longer than its timeout, with the same code as when
    /// another process took our id. The age of the transaction tells the two apart: within the timeout it was not the
    /// broker. After it, another producer is opened; should there be another process of our id after all, that one
    /// is fenced by this and ends. Whatever else is fatal to a producer (a broker that came back from a crash may not
    /// know its transaction) is over with the next one.
    fn judge(&self, error: &KafkaError, begun: Instant) -> Failure {
        let fatal = self.producer.client().fatal_error().map(|(code, _)| code);
        let code = fatal.or_else(|| error.rdkafka_error_code());
        let fenced = code.is_some_and(is_fence);
        tracing::warn!(
            fenced,
            "the transactional producer {} cannot go on: {error}",
            self.instance
        );
        if fenced && begun.elapsed() < self.timeout {
            Failure::Stop(LogError::Fenced(self.instance.clone()))
        } else {
            Failure::Unknown
        }
    }
}

/// Why the transaction was not brought to its commit.
enum Step {
    /// We gave it up ourselves, perhaps for a fault of an output.
    Given(Option<LogError>),
    /// Kafka did.
    Kafka(KafkaError),
}

fn transaction_timeout(settings: &ClientConfig) -> Duration {
    let given = settings
        .get("transaction.timeout.ms")
        .and_then(|ms| ms.parse().ok());
    Duration::from_millis(given.unwrap_or(60_000))
}

/// The delivery reports of one transaction.
pub(crate) struct Deliveries {
    pending: Mutex<Pending>,
    done: Condvar,
}

struct Pending {
    left: usize,
    failure: Option<(RDKafkaErrorCode, String)>,
}

impl Deliveries {
    fn new(left: usize) -> Self {
        Self {
            pending: Mutex::new(Pending { left, failure: None }),
            done: Condvar::new(),
        }
    }

    fn report(&self, failure: Option<(RDKafkaErrorCode, String)>) {
        let mut pending = locked(&self.pending);
        pending.left = pending.left.saturating_sub(1);
        if pending.failure.is_none() {
            pending.failure = failure;
        }
        if pending.left == 0 {
            self.done.notify_all();
        }
    }

    /// Waits for one slice; whether every report is here.
    fn wait(&self) -> bool {
        let pending = locked(&self.pending);
        let (pending, _) = self
            .done
            .wait_timeout_while(pending, REPORT_SLICE, |pending| pending.left > 0)
            .unwrap_or_else(PoisonError::into_inner);
        pending.left == 0
    }

    fn failure(&self) -> Option<(RDKafkaErrorCode, String)> {
        locked(&self.pending).failure.clone()
    }
}

/// Takes the delivery reports on the producer's polling thread, at once: a flush would wait in slices of 100 ms.
struct Reports;

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Deliveries>;

    fn delivery(&self, report: &DeliveryResult<'_>, deliveries: Arc<Deliveries>) {
        deliveries.report(match report {
            Ok(_) => None,
            Err((error, message)) => Some((
                error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
                message.topic().to_owned(),
            )),
        });
    }
}
