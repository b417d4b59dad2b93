//! The settings, and the one place where librdkafka's properties are spelled.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

/// The largest record with its framing, for every topic and client.
pub(crate) const LARGEST_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Properties that the guarantees of this crate rest on: they cannot be set from outside.
const FIXED: &[&str] = &[
    "bootstrap.servers",
    "metadata.broker.list",
    "client.id",
    "group.id",
    "group.protocol",
    "partition.assignment.strategy",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "isolation.level",
    "enable.idempotence",
    "acks",
    "request.required.acks",
    "transactional.id",
    "partitioner",
    "auto.offset.reset",
];

/// Makes the members of this process static.
const STATIC: &str = "group.instance.id";

/// How to reach the brokers, and as whom.
#[derive(Clone)]
pub struct KafkaConfig {
    /// The brokers: `host:port,host:port`.
    pub brokers: String,
    /// Properties for librdkafka, over ours (`KAFKA_PROPERTIES`).
    pub properties: Vec<(String, String)>,
    /// The name of this instance: the middle of the transactional id `<group>/<instance>/<worker>`.
    pub instance: String,
    /// How long a publish waits for room in the producer's queue.
    pub queue_wait: Duration,
    /// How long a question to the brokers may take.
    pub answer_within: Duration,
}

impl std::fmt::Debug for KafkaConfig {
    // Values of properties may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("properties", &names)
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}

/// Settings that cannot work.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No `name=value`. It is not quoted: it may be a password.
    #[error("it does not start with name=value; separate several with commas")]
    NotAPair,
    /// A property that guarantees rest on.
    #[error("`{0}` is fixed: acknowledged records would not be safe with another value")]
    Fixed(String),
    /// librdkafka does not take it.
    #[error("`{name}`: {reason}")]
    Rejected {
        /// The property.
        name: String,
        /// librdkafka's words.
        reason: String,
    },
}

impl ConfigError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::NotAPair => "not_a_pair",
            Self::Fixed(_) => "fixed_property",
            Self::Rejected { .. } => "rejected_property",
        }
    }

    /// Whether waiting can help: never.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        false
    }
}

/// Reads `name=value,name=value`. A part without a `=` continues the value before it, so that a value may hold commas.
///
/// # Errors
/// Where the first part is no `name=value`.
pub fn parse_properties(text: &str) -> Result<Vec<(String, String)>, ConfigError> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        match (part.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) if is_property_name(name.trim()) => {
                pairs.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            (_, Some((_, value))) => {
                value.push(',');
                value.push_str(part);
            }
            (_, None) => return Err(ConfigError::NotAPair),
        }
    }
    Ok(pairs)
}

/// With an instance of 200 characters and a worker's number it is a name that brokers take.
fn is_static_name(value: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    (1..=40).contains(&value.len()) && value.bytes().all(fits)
}

fn is_property_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'_')
}

impl KafkaConfig {
    /// Settings with their defaults.
    #[must_use]
    pub fn new(brokers: &str, instance: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            properties: Vec::new(),
            instance: instance.to_owned(),
            queue_wait: Duration::from_secs(1),
            answer_within: Duration::from_secs(5),
        }
    }

    /// Whether librdkafka takes the properties.
    ///
    /// # Errors
    /// Names the first property that is fixed or that librdkafka refuses.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (name, value) in &self.properties {
            if FIXED.contains(&name.as_str()) {
                return Err(ConfigError::Fixed(name.clone()));
            }
            // The broker would refuse another one, again and again, while the member waits.
            if name == STATIC && !is_static_name(value) {
                return Err(ConfigError::Rejected {
                    name: name.clone(),
                    reason: "letters, digits, `.`, `_` and `-`, at most 40; instance and worker are added"
                        .to_owned(),
                });
            }
            let mut alone = ClientConfig::new();
            alone.set(name, value);
            if let Err(error) = alone.create_native_config() {
                let reason = match error {
                    rdkafka::error::KafkaError::ClientConfig(_, reason, ..) => reason,
                    other => other.to_string(),
                };
                return Err(ConfigError::Rejected {
                    name: name.clone(),
                    reason,
                });
            }
        }
        Ok(())
    }

    /// The client id of a member, by which operators know it.
    pub(crate) fn member_name(&self, worker: usize) -> String {
        format!("{}/{worker}", self.instance)
    }

    /// The transactional id of a member.
    pub(crate) fn transactional_id(&self, group: &str, worker: usize) -> String {
        format!("{group}/{}/{worker}", self.instance)
    }

    fn client(&self, name: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set_log_level(RDKafkaLogLevel::Info)
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", name)
            .set("log.connection.close", "false")
            // The default of 10 s would make every short outage of a broker last that long.
            .set("reconnect.backoff.max.ms", "2000")
            .set("message.max.bytes", LARGEST_RECORD_BYTES.to_string());
        config
    }

    fn with_properties(&self, mut config: ClientConfig, worker: Option<usize>) -> ClientConfig {
        for (name, value) in &self.properties {
            match (name.as_str(), worker) {
                // Static membership is by member, and for members only. One value serves every process.
                (STATIC, Some(worker)) => {
                    config.set(name, format!("{value}-{}-{worker}", self.instance));
                }
                (STATIC, None) => {}
                _ => {
                    config.set(name, value);
                }
            }
        }
        config
    }

    fn producer(&self, name: &str) -> ClientConfig {
        let mut config = self.client(name);
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            // An unknown topic is told within this, not only when the message has timed out.
            .set("topic.metadata.propagation.max.ms", "2000");
        config
    }

    /// The producer of the process.
    pub(crate) fn publisher(&self) -> ClientConfig {
        let mut config = self.producer(&self.instance);
        config
            // Who publishes puts records together himself; this is for those of one call to go together.
            .set("linger.ms", "1")
            .set("message.timeout.ms", "5000")
            .set("queue.buffering.max.kbytes", "16384");
        self.with_properties(config, None)
    }

    /// The transactional producer of a member. Its `message.timeout.ms` follows from the transaction's.
    pub(crate) fn transactional(&self, group: &str, worker: usize) -> ClientConfig {
        let mut config = self.producer(&self.member_name(worker));
        config
            .set("transactional.id", self.transactional_id(group, worker))
            .set("transaction.timeout.ms", "10000")
            .set("linger.ms", "1")
            .set("queue.buffering.max.kbytes", "32768");
        self.with_properties(config, None)
    }

    fn consumer(&self, name: &str, group: &str) -> ClientConfig {
        let mut config = self.client(name);
        config
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// The consumer of a member.
    pub(crate) fn member(&self, group: &str, worker: usize) -> ClientConfig {
        let mut config = self.consumer(&self.member_name(worker), group);
        config
            .set("partition.assignment.strategy", "cooperative-sticky")
            // Heartbeats come from librdkafka's own thread, so that this is only about dead processes.
            .set("session.timeout.ms", "10000")
            // With a heartbeat a member hears that the group changes: a partition that moves between two that stay waits
            // for two of them. librdkafka looks every 500 ms whether one is due; of that interval it would miss some.
            .set("heartbeat.interval.ms", "400")
            // A partition that is given is asked for once the answer that is waited for has come.
            .set("fetch.wait.max.ms", "250")
            .set("fetch.queue.backoff.ms", "20")
            // A batch or two ahead. More is memory for nothing, and is fetched twice: a member that works longer than its
            // patience pauses, which throws away what was fetched.
            .set("fetch.message.max.bytes", "524288")
            .set("fetch.max.bytes", LARGEST_RECORD_BYTES.to_string())
            .set("queued.max.messages.kbytes", "2048");
        self.with_properties(config, Some(worker))
    }

    /// A consumer that reads one partition to its end and is never a member.
    pub(crate) fn reader(&self) -> ClientConfig {
        let name = format!("{}/reader", self.instance);
        let mut config = self.consumer(&name, &name);
        config
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.queue.backoff.ms", "10")
            .set("queued.max.messages.kbytes", "8192");
        self.with_properties(config, None)
    }

    /// A client for metadata, watermarks and times.
    pub(crate) fn queries(&self) -> ClientConfig {
        let mut config = self.client(&format!("{}/queries", self.instance));
        config
            .set("isolation.level", "read_uncommitted")
            .set("allow.auto.create.topics", "false");
        self.with_properties(config, None)
    }

    /// A client that asks for the offsets of a group, or sets them, without being a member. `settled`: it waits for
    /// those of an open transaction.
    pub(crate) fn group_queries(&self, group: &str, settled: bool) -> ClientConfig {
        let mut config = self.consumer(&format!("{}/queries", self.instance), group);
        if !settled {
            config.set("isolation.level", "read_uncommitted");
        }
        self.with_properties(config, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_commas_and_equal_signs() {
        let pairs =
            parse_properties("security.protocol=sasl_ssl, ssl.cipher.suites=A,B,sasl.password=x=y").unwrap();
        let expected = [
            ("security.protocol", "sasl_ssl"),
            ("ssl.cipher.suites", "A,B"),
            ("sasl.password", "x=y"),
        ];
        assert_eq!(pairs, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
        assert!(parse_properties("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_pair_is_not_quoted() {
        for text in ["hush", "hush,sasl.username=ward", " Password=hush"] {
            let error = parse_properties(text).unwrap_err();
            assert_eq!(error.tag(), "not_a_pair");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
    }

    #[test]
    fn what_guarantees_rest_on_cannot_be_set() {
        let mut config = KafkaConfig::new("127.0.0.1:1", "here");
        config.properties = vec![("acks".to_owned(), "1".to_owned())];
        assert_eq!(config.validate().unwrap_err().tag(), "fixed_property");
    }

    #[test]
    fn an_unknown_property_is_named() {
        let mut config = KafkaConfig::new("127.0.0.1:1", "here");
        config.properties = vec![("lingr.ms".to_owned(), "1".to_owned())];
        let error = config.validate().unwrap_err();
        assert!(error.to_string().contains("lingr.ms"), "{error}");
    }

    #[test]
    fn a_name_of_static_members_that_no_broker_takes_is_refused() {
        let mut config = KafkaConfig::new("127.0.0.1:1", "here");
        for (value, good) in [
            ("ward-1.a_B", true),
            ("", false),
            ("a/b", false),
            (&*"x".repeat(41), false),
        ] {
            config.properties = vec![("group.instance.id".to_owned(), value.to_owned())];
            assert_eq!(config.validate().is_ok(), good, "{value}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let mut config = KafkaConfig::new("127.0.0.1:1", "here");
        config.properties = vec![("sasl.password".to_owned(), "hush".to_owned())];
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn every_client_takes_its_properties() {
        let mut config = KafkaConfig::new("127.0.0.1:1", "here");
        config.properties = vec![("group.instance.id".to_owned(), "ward".to_owned())];
        config.validate().unwrap();
        for client in [
            config.publisher(),
            config.transactional("g", 0),
            config.member("g", 2),
            config.reader(),
            config.queries(),
            config.group_queries("g", true),
        ] {
            client.create_native_config().unwrap();
        }
        assert_eq!(
            config.member("g", 2).get("group.instance.id"),
            Some("ward-here-2")
        );
        assert_eq!(config.reader().get("group.instance.id"), None);
        assert_eq!(
            config.transactional("g", 1).get("transactional.id"),
            Some("g/here/1")
        );
    }
}
