//! Which log and which store: chosen at start, one type for the rest of the wiring.

mod alike;
mod amend;
mod associations;
mod log;
mod resources;
mod runs;
mod store;

use stardust_embedded::{EmbeddedLog, EmbeddedMember, EmbeddedStore};
use stardust_kafka::{KafkaLog, KafkaMember};
use stardust_mongo::MongoStore;

/// The log.
#[derive(Clone)]
pub enum AnyLog {
    /// A broker.
    Kafka(KafkaLog),
    /// The file.
    Embedded(EmbeddedLog),
}

/// A member of a group.
pub enum AnyMember {
    /// Of a broker's.
    Kafka(KafkaMember),
    /// Of the file's.
    Embedded(EmbeddedMember),
}

/// The store.
#[derive(Clone)]
pub enum AnyStore {
    /// A database.
    Mongo(MongoStore),
    /// The file.
    Embedded(EmbeddedStore),
}
