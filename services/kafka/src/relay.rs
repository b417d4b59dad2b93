//! The relay: records of a log elsewhere, published exactly once.
//!
//! Each transaction holds records and, as a committed offset of a group of its own, the place in the source behind
//! them. The group has no members and consumes nothing: it is where a place can be kept so that it becomes true
//! together with the records. Its offsets stand at partition 0 of a topic of ours and say nothing about that topic.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::{Offset, TopicPartitionList};
use stardust_pipeline::log::{Commit, LogError, NewRecord, Topic};
use stardust_pipeline::relay::Relay;

use crate::blocking::{blocking, locked};
use crate::config::KafkaConfig;
use crate::context::Logging;
use crate::errors::from_kafka;
use crate::member::{Failure, Transactions, Turn};
use crate::queries::drain;

/// How long a transaction, or the end of an earlier one, is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// Publishes what a log elsewhere holds, each record once.
///
/// Two relays of one name fence each other: the older one hears [`LogError::Fenced`] or finds its transaction aborted.
#[derive(Clone)]
pub struct KafkaRelay(Arc<Mutex<State>>);

struct State {
    config: KafkaConfig,
    name: String,
    /// Keeps the place.
    topic: Topic,
    open: Option<Open>,
}

struct Open {
    transactions: Transactions,
    consumer: BaseConsumer<Logging>,
    metadata: ConsumerGroupMetadata,
}

impl KafkaRelay {
    /// A relay of this name. `topic` has to exist by the time of the first record. Nothing is connected yet.
    #[must_use]
    pub fn new(config: KafkaConfig, name: &str, topic: &Topic) -> Self {
        Self(Arc::new(Mutex::new(State {
            config,
            name: name.to_owned(),
            topic: topic.clone(),
            open: None,
        })))
    }
}

impl Relay for KafkaRelay {
    async fn next(&mut self) -> Result<Option<i64>, LogError> {
        let state = Arc::clone(&self.0);
        blocking(move || locked(&state).next()).await
    }

    async fn forward(&mut self, records: Vec<NewRecord>, next: i64) -> Result<Commit, LogError> {
        let state = Arc::clone(&self.0);
        blocking(move || locked(&state).forward(&records, next)).await
    }
}

impl State {
    fn next(&mut self) -> Result<Option<i64>, LogError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        drain(&open.consumer);
        let mut list = TopicPartitionList::new();
        list.add_partition(self.topic.as_str(), 0);
        // An offset of an open transaction is waited for, not passed over.
        let found = open
            .consumer
            .committed_offsets(list, self.config.answer_within)
            .map_err(|error| self.error(&error))?;
        let element = found.find_partition(self.topic.as_str(), 0);
        let next = match element {
            Some(element) => {
                element.error().map_err(|error| self.error(&error))?;
                match element.offset() {
                    Offset::Offset(offset) => Some(offset),
                    _ => None,
                }
            }
            None => None,
        };
        self.open = Some(open);
        Ok(next)
    }

    /// Ends what an earlier relay of this name left open.
    fn connect(&self) -> Result<Open, LogError> {
        let transactions = Transactions::open(&self.config, &self.name, 0, &mut Until::new())?;
        let consumer: BaseConsumer<Logging> = self
            .config
            .group_queries(&self.name, true)
            .create_with_context(Logging)
            .map_err(|error| self.error(&error))?;
        let metadata = consumer
            .group_metadata()
            .ok_or_else(|| LogError::Fatal("a consumer without a group".to_owned()))?;
        Ok(Open {
            transactions,
            consumer,
            metadata,
        })
    }

    fn forward(&mut self, records: &[NewRecord], next: i64) -> Result<Commit, LogError> {
        let Some(open) = &self.open else {
            return Ok(Commit::Again);
        };
        let mut offsets = TopicPartitionList::new();
        offsets
            .add_partition_offset(self.topic.as_str(), 0, Offset::Offset(next))
            .map_err(|error| self.error(&error))?;
        let done = open
            .transactions
            .run(records, &offsets, &open.metadata, &mut Until::new());
        match done {
            Ok(()) => Ok(Commit::Done),
            Err(Failure::Aborted) => Ok(Commit::Again),
            Err(Failure::Faulty(error)) => Err(error),
            // The committed place tells what became of it, once another producer has ended it.
            Err(Failure::Unknown) => {
                self.open = None;
                Ok(Commit::Again)
            }
            Err(Failure::Stop(error)) => {
                self.open = None;
                Err(error)
            }
        }
    }

    fn error(&self, error: &rdkafka::error::KafkaError) -> LogError {
        from_kafka(error, self.topic.as_str(), &self.name)
    }
}

struct Until(Instant);

impl Until {
    fn new() -> Self {
        Self(Instant::now() + PATIENCE)
    }
}

impl Turn for Until {
    fn turn(&mut self) -> bool {
        Instant::now() < self.0
    }
}
