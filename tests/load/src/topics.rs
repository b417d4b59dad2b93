//! Topics for the baselines, and how far a group is behind.

use std::time::Duration;

use anyhow::{Context, bail};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

/// Partitions of every topic, as the raw topic has.
pub const PARTITIONS: i32 = 12;

const ANSWER: Duration = Duration::from_secs(3);

/// Creates a topic unless it is there.
///
/// # Errors
/// Where the broker does not answer or refuses.
pub async fn create(brokers: &str, topic: &str) -> anyhow::Result<()> {
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    for result in admin.create_topics([&new], &AdminOptions::new()).await? {
        match result {
            Ok(_) | Err((_, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => bail!("{topic}: {code}"),
        }
    }
    Ok(())
}

/// How far a group is: records of the topic, and those that it has not committed.
pub struct Behind {
    consumer: BaseConsumer,
    topic: String,
    /// A transaction's marker at the end of a partition, which no consumer commits.
    marker: i64,
}

impl Behind {
    /// Asks for a group without joining it. `transactional`: partitions end with a marker that is no record.
    ///
    /// # Errors
    /// Where the client cannot be made.
    pub fn new(brokers: &str, group: &str, topic: &str, transactional: bool) -> anyhow::Result<Self> {
        let consumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", group)
            .set("isolation.level", "read_uncommitted")
            .create()?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            marker: i64::from(transactional),
        })
    }

    /// (records, lag), both by offsets.
    ///
    /// # Errors
    /// Where the broker does not answer.
    pub fn ask(&self) -> anyhow::Result<(i64, i64)> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), ANSWER)?;
        let count = metadata.topics().first().map_or(0, |t| t.partitions().len());
        let mut list = TopicPartitionList::new();
        let mut ends = Vec::new();
        for partition in 0..i32::try_from(count)? {
            let range = self
                .consumer
                .fetch_watermarks(&self.topic, partition, ANSWER)
                .with_context(|| format!("{} {partition}", self.topic))?;
            ends.push(range);
            list.add_partition(&self.topic, partition);
        }
        let committed = self.consumer.committed_offsets(list, ANSWER)?;
        let (mut records, mut lag) = (0, 0);
        for (element, (low, high)) in committed.elements().iter().zip(ends) {
            let records_of = |from: i64| (high - from - self.marker).max(0);
            records += records_of(low);
            lag += match element.offset() {
                Offset::Offset(at) => records_of(at),
                _ => records_of(low),
            };
        }
        Ok((records, lag))
    }
}
