//! What the wiring may set.

use std::time::Duration;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::topics::Topics;

use crate::clock::Clock;

/// How the door treats records.
#[derive(Debug, Clone)]
pub struct DoorConfig {
    /// The topics; records are keyed into `topics.partitions` lanes.
    pub topics: Topics,
    /// How long a publish may take before its records go to the spool. Above the log's own deadline: a record that
    /// the log gives up itself is known to be late, one that we give up may still arrive.
    pub confirm_within: Duration,
    /// How long a request waits for a place in its lane.
    pub place_within: Duration,
    /// Requests that one lane holds.
    pub lane_capacity: usize,
    /// Most records of one publish.
    pub publish_records: usize,
    /// Every so often the lanes publish, all at once. A log that takes a request for each partition costs less so: more
    /// records go in each, and the requests go together. Zero: each lane at once.
    pub linger: Duration,
    /// Bytes of bodies under way, all requests together.
    pub body_memory: usize,
    /// What 503 tells the client to wait.
    pub retry_after: Duration,
    /// Time and chance of the receipts.
    pub clock: Clock,
    /// The waits of the forwarder while the log is away.
    pub backoff: Backoff,
}

impl Default for DoorConfig {
    fn default() -> Self {
        Self {
            topics: Topics::default(),
            confirm_within: Duration::from_secs(15),
            place_within: Duration::from_secs(5),
            lane_capacity: 1_024,
            publish_records: 500,
            linger: Duration::ZERO,
            body_memory: 32 << 20,
            retry_after: Duration::from_secs(5),
            clock: Clock::default(),
            backoff: Backoff::default(),
        }
    }
}

/// How the door treats connections and requests.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Connections at once; further ones wait in the kernel.
    pub connections: usize,
    /// How long a client may take for a request's head; also how long an idle connection is kept.
    pub head_within: Duration,
    /// How long a client may take for a body.
    pub body_within: Duration,
    /// How long open requests may go on after the stop.
    pub drain_within: Duration,
    /// Largest body of a single message, bytes.
    pub single_limit: usize,
    /// Largest body of a batch, bytes.
    pub batch_limit: usize,
    /// Most messages of a batch.
    pub batch_messages: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connections: 1_024,
            head_within: Duration::from_secs(30),
            body_within: Duration::from_secs(30),
            drain_within: Duration::from_secs(10),
            single_limit: 1 << 20,
            batch_limit: 8 << 20,
            batch_messages: 1_000,
        }
    }
}
