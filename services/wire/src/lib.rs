//! Avro records of every topic and the Confluent framing.
