//! The log on Kafka or Redpanda.
//!
//! [`KafkaLog`] publishes with one idempotent producer a process. Each member of a group ([`KafkaMember`]) has an
//! operating-system thread of its own that owns a consumer and a transactional producer; the async side only talks to
//! it. See the README beside this crate for the invariants and the failure modes.

#![forbid(unsafe_code)]

mod admin;
mod blocking;
mod config;
mod context;
mod errors;
mod kafka_log;
mod member;
mod offsets;
mod polled;
mod publisher;
mod queries;
mod reader;
mod relay;

pub use config::{ConfigError, KafkaConfig, parse_properties};
pub use kafka_log::KafkaLog;
pub use member::KafkaMember;
pub use relay::KafkaRelay;
