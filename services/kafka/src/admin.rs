//! Topics: what exists, and making what is missing.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use stardust_pipeline::log::{LogError, Topic, TopicSpec};

use crate::blocking::locked;
use crate::config::{KafkaConfig, LARGEST_RECORD_BYTES};
use crate::context::Logging;
use crate::errors::{from_code, from_kafka};

/// How long a new topic may take until every broker knows it.
pub(crate) const KNOWN_WITHIN: Duration = Duration::from_secs(10);

/// The client for topics, opened at the first use.
pub(crate) struct Admin {
    config: KafkaConfig,
    client: Mutex<Option<Arc<AdminClient<Logging>>>>,
}

impl Admin {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        Self {
            config,
            client: Mutex::new(None),
        }
    }

    fn client(&self) -> Result<Arc<AdminClient<Logging>>, LogError> {
        let mut client = locked(&self.client);
        if let Some(client) = client.as_ref() {
            return Ok(Arc::clone(client));
        }
        let opened: AdminClient<Logging> = self
            .config
            .queries()
            .create_with_context(Logging)
            .map_err(|error| self.error(&error))?;
        let opened = Arc::new(opened);
        *client = Some(Arc::clone(&opened));
        Ok(opened)
    }

    fn error(&self, error: &KafkaError) -> LogError {
        from_kafka(error, "", &self.config.instance)
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.config.answer_within))
            .operation_timeout(Some(self.config.answer_within))
    }

    /// Creates these topics; says which were missing.
    pub(crate) async fn create(&self, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        let settings: Vec<[(&str, String); 3]> = specs.iter().map(settings_of).collect();
        let topics: Vec<NewTopic<'_>> = specs
            .iter()
            .zip(&settings)
            .map(|(spec, settings)| {
                // -1: as many copies as the cluster makes by default.
                let new = NewTopic::new(spec.topic.as_str(), spec.partitions, TopicReplication::Fixed(-1));
                settings
                    .iter()
                    .fold(new, |new, (name, value)| new.set(name, value))
            })
            .collect();
        let results = self
            .client()?
            .create_topics(&topics, &self.options())
            .await
            .map_err(|error| self.error(&error))?;
        let mut created = Vec::new();
        for result in results {
            match result {
                Ok(name) => created.push(Topic::new(&name)),
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => {
                    return Err(match from_code(code, &name, &self.config.instance) {
                        LogError::Unavailable(why) => {
                            LogError::Unavailable(format!("creating the topic {name}: {why}"))
                        }
                        other => other,
                    });
                }
            }
        }
        Ok(created)
    }

    /// Retention and compaction of topics that exist, in the order asked.
    pub(crate) async fn policies(&self, topics: &[Topic]) -> Result<Vec<Policy>, LogError> {
        let resources: Vec<ResourceSpecifier<'_>> = topics
            .iter()
            .map(|topic| ResourceSpecifier::Topic(topic.as_str()))
            .collect();
        let results = self
            .client()?
            .describe_configs(&resources, &self.options())
            .await
            .map_err(|error| self.error(&error))?;
        results
            .into_iter()
            .zip(topics)
            .map(|(result, topic)| {
                let resource =
                    result.map_err(|code| from_code(code, topic.as_str(), &self.config.instance))?;
                let value = |name| resource.get(name).and_then(|entry| entry.value.clone());
                Ok(Policy {
                    retention: value("retention.ms")
                        .and_then(|ms| ms.parse().ok())
                        .map(Duration::from_millis),
                    compacted: value("cleanup.policy").is_some_and(|policy| policy.contains("compact")),
                })
            })
            .collect()
    }
}

/// The policy of a topic, in our words.
pub(crate) struct Policy {
    pub(crate) retention: Option<Duration>,
    pub(crate) compacted: bool,
}

fn settings_of(spec: &TopicSpec) -> [(&'static str, String); 3] {
    let retention = spec
        .retention
        .map_or_else(|| "-1".to_owned(), |time| time.as_millis().to_string());
    let cleanup = match (spec.compacted, spec.retention) {
        (true, Some(_)) => "compact,delete",
        (true, None) => "compact",
        (false, _) => "delete",
    };
    [
        ("retention.ms", retention),
        ("cleanup.policy", cleanup.to_owned()),
        ("max.message.bytes", LARGEST_RECORD_BYTES.to_string()),
    ]
}

/// Waits until `known` is true of every topic: the broker that answered is not the one that will be asked.
pub(crate) fn wait_until_known(
    topics: &[Topic],
    known: impl Fn(&Topic) -> Result<bool, LogError>,
) -> Result<(), LogError> {
    let deadline = Instant::now() + KNOWN_WITHIN;
    for topic in topics {
        while !known(topic)? {
            if Instant::now() > deadline {
                return Err(LogError::Unavailable(format!(
                    "the new topic {topic} has no leader yet"
                )));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}
