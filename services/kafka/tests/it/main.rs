//! Against a real broker: `TEST_KAFKA_BROKERS=127.0.0.1:PORT`, and `TEST_KAFKA_DIR` where its folder is ours, so that
//! it may be stopped. `tests/stack/kafka with cargo test -p stardust-kafka` sets both.

// The whole binary is tests; clippy only sees that of the functions marked so.
#![allow(clippy::unwrap_used, clippy::panic)]

mod contract;
mod fencing;
mod membership;
mod outage;
mod publishing;
mod relay;
mod stack;
