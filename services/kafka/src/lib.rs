//! The log on Kafka or Redpanda.
