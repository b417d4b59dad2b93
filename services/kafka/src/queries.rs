//! Questions to the brokers that need no membership. Every call blocks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset, TopicPartitionList};
use stardust_pipeline::log::{Bounds, LogError, MemberInfo, Topic};

use crate::blocking::locked;
use crate::config::KafkaConfig;
use crate::context::Logging;
use crate::errors::{from_code, from_kafka, while_leaders_change};

type Client = Arc<BaseConsumer<Logging>>;

/// How long a question about offsets waits for the end of a transaction.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

/// Shared clients: one for topics, one for each group that was asked about.
pub(crate) struct Queries {
    config: KafkaConfig,
    topics: Mutex<Option<Client>>,
    groups: Mutex<HashMap<(String, bool), Client>>,
}

impl Queries {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        Self {
            config,
            topics: Mutex::new(None),
            groups: Mutex::new(HashMap::new()),
        }
    }

    fn within(&self) -> Duration {
        self.config.answer_within
    }

    fn error(&self, error: &KafkaError, topic: &str) -> LogError {
        from_kafka(error, topic, &self.config.instance)
    }

    fn topics_client(&self) -> Result<Client, LogError> {
        let mut client = locked(&self.topics);
        if client.is_none() {
            let opened = self.config.queries().create_with_context(Logging);
            *client = Some(Arc::new(opened.map_err(|error| self.error(&error, ""))?));
        }
        let client = client
            .clone()
            .ok_or_else(|| LogError::Fatal("no client".to_owned()))?;
        drain(&client);
        Ok(client)
    }

    fn group_client(&self, group: &str, settled: bool) -> Result<Client, LogError> {
        let mut groups = locked(&self.groups);
        let key = (group.to_owned(), settled);
        if let Some(client) = groups.get(&key) {
            drain(client);
            return Ok(Arc::clone(client));
        }
        let opened = self
            .config
            .group_queries(group, settled)
            .create_with_context(Logging);
        let client: Client = Arc::new(opened.map_err(|error| self.error(&error, ""))?);
        groups.insert(key, Arc::clone(&client));
        Ok(client)
    }

    /// Whether a broker answers.
    pub(crate) fn ping(&self) -> Result<(), LogError> {
        self.topics_client()?
            .fetch_metadata(None, self.within())
            .map(drop)
            .map_err(|error| self.error(&error, ""))
    }

    /// The partitions of a topic; none where it does not exist, is being created, or has lost a leader.
    pub(crate) fn find_partitions(&self, topic: &Topic) -> Result<Option<Vec<i32>>, LogError> {
        let metadata = self
            .topics_client()?
            .fetch_metadata(Some(topic.as_str()), self.within())
            .map_err(|error| self.error(&error, topic.as_str()))?;
        let Some(found) = metadata.topics().iter().find(|t| t.name() == topic.as_str()) else {
            return Ok(None);
        };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(from_code(code, topic.as_str(), &self.config.instance)),
        }
        let mut partitions: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
        partitions.sort_unstable();
        Ok((!partitions.is_empty()).then_some(partitions))
    }

    /// The partitions of a topic that has to exist.
    pub(crate) fn partitions(&self, topic: &Topic) -> Result<Vec<i32>, LogError> {
        self.find_partitions(topic)?
            .ok_or_else(|| LogError::UnknownTopic(topic.as_str().to_owned()))
    }

    /// Bounds of every partition.
    pub(crate) fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        let partitions = self.partitions(topic)?;
        let client = self.topics_client()?;
        partitions
            .into_iter()
            .map(|partition| {
                let (low, high) = while_leaders_change(self.within(), || {
                    client.fetch_watermarks(topic.as_str(), partition, self.within())
                })
                .map_err(|error| self.error(&error, topic.as_str()))?;
                Ok(Bounds { partition, low, high })
            })
            .collect()
    }

    /// The next offset to be written, whatever transactions are open.
    pub(crate) fn high(&self, topic: &Topic, partition: i32) -> Result<i64, LogError> {
        let client = self.topics_client()?;
        while_leaders_change(self.within(), || {
            client.fetch_watermarks(topic.as_str(), partition, self.within())
        })
        .map(|(_, high)| high)
        .map_err(|error| self.error(&error, topic.as_str()))
    }

    /// The first offset at or after a time.
    pub(crate) fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        at_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        let name = topic.as_str();
        if !self.partitions(topic)?.contains(&partition) {
            return Err(LogError::UnknownTopic(format!("{name}, partition {partition}")));
        }
        let mut times = TopicPartitionList::new();
        times
            .add_partition_offset(name, partition, Offset::Offset(at_ms.max(0)))
            .map_err(|error| self.error(&error, name))?;
        let client = self.topics_client()?;
        let found = while_leaders_change(self.within(), || {
            client.offsets_for_times(times.clone(), self.within())
        })
        .map_err(|error| self.error(&error, name))?;
        let Some(element) = found.find_partition(name, partition) else {
            return Ok(None);
        };
        element.error().map_err(|error| self.error(&error, name))?;
        Ok(match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        })
    }

    /// The committed offsets of a group.
    ///
    /// A commit is answered before its offsets can be read: they are waited for. Where a transaction stays open (its
    /// member is dead) the offsets before it are told.
    pub(crate) fn committed(&self, group: &str, topic: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        let name = topic.as_str();
        let mut list = TopicPartitionList::new();
        for partition in self.partitions(topic)? {
            list.add_partition(name, partition);
        }
        let settled = self
            .group_client(group, true)?
            .committed_offsets(list.clone(), self.within().min(SETTLED_WITHIN));
        let found = match settled.and_then(each_known) {
            Ok(found) => found,
            Err(_) => {
                let client = self.group_client(group, false)?;
                while_leaders_change(self.within(), || {
                    client
                        .committed_offsets(list.clone(), self.within())
                        .and_then(each_known)
                })
                .map_err(|error| self.error(&error, name))?
            }
        };
        let offsets = found.elements().into_iter().map(|element| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
            (element.partition(), offset)
        });
        Ok(offsets.collect())
    }

    /// The members of a group.
    pub(crate) fn members(&self, group: &str) -> Result<Vec<MemberInfo>, LogError> {
        let list = self
            .topics_client()?
            .fetch_group_list(Some(group), self.within())
            .map_err(|error| self.error(&error, ""))?;
        let members = list
            .groups()
            .iter()
            .filter(|found| found.name() == group)
            .flat_map(|found| found.members());
        Ok(members
            .map(|member| MemberInfo {
                name: member.client_id().to_owned(),
                host: member.client_host().trim_start_matches('/').to_owned(),
            })
            .collect())
    }
}

/// The answer, where none of its partitions has an error of its own.
fn each_known(found: TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
    found
        .elements()
        .iter()
        .try_for_each(TopicPartitionListElem::error)?;
    Ok(found)
}

/// Nobody polls these clients: what piled up in their queue (log lines of an outage) is taken out before a use.
pub(crate) fn drain(client: &BaseConsumer<Logging>) {
    for _ in 0..1_000 {
        if client.poll(Duration::ZERO).is_none() {
            break;
        }
    }
}
