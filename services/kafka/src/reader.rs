//! Reading partitions without being a member: committed records only, and the end is told at once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};
use stardust_pipeline::log::{Budget, LogError, LogRecord, Topic};

use crate::blocking::locked;
use crate::config::KafkaConfig;
use crate::context::Logging;
use crate::errors::{from_kafka, while_leaders_change};
use crate::queries::Queries;

type Client = BaseConsumer<Logging>;

/// Consumers kept for the next read.
const KEPT: usize = 2;

/// How long a read at the end waits for a transaction there to become visible: a commit is answered before that.
const VISIBLE_WITHIN: Duration = Duration::from_millis(500);
/// How often that is looked at.
const VISIBLE_CHECK: Duration = Duration::from_millis(10);

/// A small pool of consumers that are assigned by hand.
pub(crate) struct Readers {
    config: KafkaConfig,
    queries: Arc<Queries>,
    idle: Mutex<Vec<Client>>,
}

impl Readers {
    pub(crate) fn new(config: KafkaConfig, queries: Arc<Queries>) -> Self {
        Self {
            config,
            queries,
            idle: Mutex::new(Vec::new()),
        }
    }

    /// Committed records of one partition from an offset on, in order; empty at the end. Blocks.
    pub(crate) fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, LogError> {
        let mut records = Vec::new();
        let mut bytes = 0;
        self.wait_until_visible(topic, partition, from)?;
        self.walk(topic, partition, from, budget.wait, |message| {
            let record = record_of(topic, message);
            bytes += record.value.len();
            records.push(record);
            records.len() < budget.records && bytes < budget.bytes
        })?;
        Ok(records)
    }

    /// Returns once something committed stands at or after `from`, or no transaction is open there, or time is up.
    fn wait_until_visible(&self, topic: &Topic, partition: i32, from: i64) -> Result<(), LogError> {
        let deadline = Instant::now() + VISIBLE_WITHIN;
        while self.committed_bounds(topic, partition)?.1 <= from
            && self.queries.high(topic, partition)? > from
            && Instant::now() < deadline
        {
            std::thread::sleep(VISIBLE_CHECK);
        }
        Ok(())
    }

    /// How many committed records stand from an offset on. Blocks.
    pub(crate) fn count(&self, topic: &Topic, partition: i32, from: i64) -> Result<u64, LogError> {
        let mut count = 0;
        self.walk(topic, partition, from, Duration::ZERO, |_| {
            count += 1;
            true
        })?;
        Ok(count)
    }

    /// The bounds of what is committed: the end is that of the last finished transaction.
    pub(crate) fn committed_bounds(&self, topic: &Topic, partition: i32) -> Result<(i64, i64), LogError> {
        self.with_client(|client| self.bounds(client, topic, partition))
    }

    /// Shows the records from `from` to the end, as long as `more` answers true.
    fn walk(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        wait: Duration,
        mut more: impl FnMut(&BorrowedMessage<'_>) -> bool,
    ) -> Result<(), LogError> {
        self.with_client(|client| {
            let error = |error: &KafkaError| from_kafka(error, topic.as_str(), &self.config.instance);
            let (low, end) = self.bounds(client, topic, partition)?;
            // An offset outside would be reset to the beginning, which is wrong beyond the end.
            let from = from.max(low);
            if from >= end {
                return Ok(());
            }
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic.as_str(), partition, Offset::Offset(from))
                .map_err(|e| error(&e))?;
            client.assign(&list).map_err(|e| error(&e))?;
            let mut deadline = self.deadline(wait);
            loop {
                match client.poll(Duration::from_millis(100)) {
                    Some(Ok(message)) => {
                        let last = message.offset() + 1 >= end;
                        if !more(&message) || last {
                            return Ok(());
                        }
                        deadline = self.deadline(wait);
                    }
                    Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                    // librdkafka tries by itself until the deadline, unless trying is of no use.
                    Some(Err(e)) if !error(&e).is_retriable() => return Err(error(&e)),
                    Some(Err(_)) | None => {}
                }
                if Instant::now() > deadline {
                    return Err(LogError::Unavailable(format!(
                        "no answer about {topic}, partition {partition}"
                    )));
                }
            }
        })
    }

    fn deadline(&self, wait: Duration) -> Instant {
        Instant::now() + self.config.answer_within.max(wait)
    }

    fn bounds(&self, client: &Client, topic: &Topic, partition: i32) -> Result<(i64, i64), LogError> {
        let within = self.config.answer_within;
        while_leaders_change(within, || {
            client.fetch_watermarks(topic.as_str(), partition, within)
        })
        .map_err(|error| from_kafka(&error, topic.as_str(), &self.config.instance))
    }

    fn with_client<T>(&self, work: impl FnOnce(&Client) -> Result<T, LogError>) -> Result<T, LogError> {
        let pooled = locked(&self.idle).pop();
        let client = match pooled {
            Some(client) => client,
            None => self
                .config
                .reader()
                .create_with_context(Logging)
                .map_err(|error| from_kafka(&error, "", &self.config.instance))?,
        };
        let result = work(&client);
        // One that met an error is not used again.
        if result.is_ok() && client.unassign().is_ok() {
            while client.poll(Duration::ZERO).is_some() {}
            let mut idle = locked(&self.idle);
            if idle.len() < KEPT {
                idle.push(client);
            }
        }
        result
    }
}

/// A record of ours from librdkafka's message.
pub(crate) fn record_of(topic: &Topic, message: &BorrowedMessage<'_>) -> LogRecord {
    LogRecord {
        topic: topic.clone(),
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map_or_else(Bytes::new, Bytes::copy_from_slice),
    }
}
