//! The log on Kafka: thin, each question goes to the part that knows.

use std::sync::{Arc, Mutex};

use stardust_pipeline::log::{
    Ack, Bounds, Budget, Log, LogError, LogRecord, MemberInfo, NewRecord, Topic, TopicSpec, TopicState,
};

use crate::admin::{self, Admin};
use crate::blocking::{blocking, locked};
use crate::config::{ConfigError, KafkaConfig};
use crate::member::KafkaMember;
use crate::offsets;
use crate::publisher::Publisher;
use crate::queries::Queries;
use crate::reader::Readers;

/// Up to here a difference between a group's offset and the end is looked at, as markers of transactions may stand
/// there. Above, it is a backlog, and a few markers among it do not matter.
const LOOK_UP_TO: i64 = 500;

/// The log on Kafka or Redpanda. Cheap to clone; clients are opened at their first use.
#[derive(Clone)]
pub struct KafkaLog(Arc<Parts>);

struct Parts {
    config: KafkaConfig,
    publisher: Mutex<Option<Arc<Publisher>>>,
    queries: Arc<Queries>,
    readers: Readers,
    admin: Admin,
}

impl KafkaLog {
    /// A log of these settings. Nothing is connected yet.
    ///
    /// # Errors
    /// Where a property cannot work.
    pub fn new(config: KafkaConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let queries = Arc::new(Queries::new(config.clone()));
        Ok(Self(Arc::new(Parts {
            publisher: Mutex::new(None),
            readers: Readers::new(config.clone(), Arc::clone(&queries)),
            queries,
            admin: Admin::new(config.clone()),
            config,
        })))
    }

    fn publisher(&self) -> Result<Arc<Publisher>, LogError> {
        let mut publisher = locked(&self.0.publisher);
        if let Some(publisher) = publisher.as_ref() {
            return Ok(Arc::clone(publisher));
        }
        let opened = Arc::new(Publisher::open(&self.0.config)?);
        *publisher = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Asks the brokers, off the async threads.
    async fn ask<T, F>(&self, question: F) -> Result<T, LogError>
    where
        T: Send + 'static,
        F: FnOnce(&Parts) -> Result<T, LogError> + Send + 'static,
    {
        let parts = Arc::clone(&self.0);
        blocking(move || question(&parts)).await
    }
}

impl Parts {
    fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        let mut lag = 0;
        for (partition, committed) in self.queries.committed(group, topic)? {
            let (low, end) = self.readers.committed_bounds(topic, partition)?;
            let next = committed.unwrap_or(low).clamp(low, end);
            lag += match end - next {
                0 => 0,
                gap if gap <= LOOK_UP_TO => self.readers.count(topic, partition, next)?,
                gap => gap.unsigned_abs(),
            };
        }
        Ok(lag)
    }
}

impl Log for KafkaLog {
    type Member = KafkaMember;

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        match self.publisher() {
            Ok(publisher) => publisher.publish(records).await,
            Err(error) => vec![Err(error); records.len()],
        }
    }

    async fn join(&self, group: &str, topics: &[Topic], worker: usize) -> Result<KafkaMember, LogError> {
        KafkaMember::join(&self.0.config, group, topics, worker).await
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.ask(|parts| parts.queries.ping()).await
    }

    async fn describe(&self, topics: &[Topic]) -> Result<Vec<TopicState>, LogError> {
        let asked = topics.to_vec();
        let found = self
            .ask(move |parts| {
                let mut found = Vec::new();
                for topic in asked {
                    match parts.queries.bounds(&topic) {
                        Ok(bounds) => found.push((topic, bounds)),
                        Err(LogError::UnknownTopic(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(found)
            })
            .await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<Topic> = found.iter().map(|(topic, _)| topic.clone()).collect();
        let policies = self.0.admin.policies(&names).await?;
        Ok(found
            .into_iter()
            .zip(policies)
            .map(|((topic, bounds), policy)| TopicState {
                spec: TopicSpec {
                    topic,
                    partitions: i32::try_from(bounds.len()).unwrap_or(i32::MAX),
                    retention: policy.retention,
                    compacted: policy.compacted,
                },
                bounds,
            })
            .collect())
    }

    async fn create(&self, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        let asked: Vec<Topic> = specs.iter().map(|spec| spec.topic.clone()).collect();
        let existing = self
            .ask(move |parts| {
                asked
                    .iter()
                    .map(|topic| Ok(parts.queries.find_partitions(topic)?.is_some()))
                    .collect::<Result<Vec<bool>, LogError>>()
            })
            .await?;
        let missing: Vec<TopicSpec> = specs
            .iter()
            .zip(existing)
            .filter(|(_, exists)| !exists)
            .map(|(spec, _)| spec.clone())
            .collect();
        if missing.is_empty() {
            return Ok(Vec::new());
        }
        let created = self.0.admin.create(&missing).await?;
        let new = created.clone();
        self.ask(move |parts| {
            admin::wait_until_known(&new, |topic| match parts.queries.bounds(topic) {
                Ok(_) => Ok(true),
                Err(error) if error.is_retriable() => Ok(false),
                Err(error) => Err(error),
            })
        })
        .await?;
        Ok(created)
    }

    async fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        let topic = topic.clone();
        self.ask(move |parts| parts.queries.bounds(&topic)).await
    }

    async fn committed(&self, group: &str, topic: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        let (group, topic) = (group.to_owned(), topic.clone());
        self.ask(move |parts| parts.queries.committed(&group, &topic))
            .await
    }

    async fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        let (group, topic) = (group.to_owned(), topic.clone());
        self.ask(move |parts| parts.lag(&group, &topic)).await
    }

    async fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, LogError> {
        let topic = topic.clone();
        self.ask(move |parts| parts.readers.read(&topic, partition, from, budget))
            .await
    }

    async fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        let topic = topic.clone();
        self.ask(move |parts| parts.queries.offset_at(&topic, partition, timestamp_ms))
            .await
    }

    async fn set_offsets(&self, group: &str, topic: &Topic, offsets: &[(i32, i64)]) -> Result<(), LogError> {
        let (group, topic, offsets) = (group.to_owned(), topic.clone(), offsets.to_vec());
        self.ask(move |parts| {
            offsets::refuse_members(&group, &parts.queries.members(&group)?)?;
            offsets::set(&parts.config, &group, &topic, &offsets)
        })
        .await
    }

    async fn members(&self, group: &str) -> Result<Vec<MemberInfo>, LogError> {
        let group = group.to_owned();
        self.ask(move |parts| parts.queries.members(&group)).await
    }
}
