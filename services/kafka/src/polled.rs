//! A producer whose delivery reports are taken by a thread of its own.
//!
//! As `ThreadedProducer` of rust-rdkafka, which polls in slices of 100 ms: in the last millisecond of each its wait is
//! rounded down to none and it turns on the spot (`Deadline` and `rd_kafka_queue_poll`), about 1 % of a core for each
//! producer even when nothing happens. In longer slices that is too rare to count; a report is taken at once in
//! either, since it ends the wait.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, ProducerContext};
use stardust_pipeline::log::LogError;

use crate::errors::from_kafka;

/// One poll; also the longest that dropping waits for the thread.
const SLICE: Duration = Duration::from_secs(1);

/// A producer that is polled until it is dropped.
pub(crate) struct Polled<C: ProducerContext + 'static> {
    producer: Arc<BaseProducer<C>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<C: ProducerContext + 'static> Polled<C> {
    /// Creates the producer and starts its thread. `name` is for the error only.
    pub(crate) fn open(config: &ClientConfig, context: C, name: &str) -> Result<Self, LogError> {
        let producer: BaseProducer<C> = config
            .create_with_context(context)
            .map_err(|error: KafkaError| from_kafka(&error, "", name))?;
        let producer = Arc::new(producer);
        let stop = Arc::new(AtomicBool::new(false));
        let (polled, stopped) = (Arc::clone(&producer), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("deliveries".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    polled.poll(SLICE);
                }
            })
            .map_err(|error| LogError::Fatal(format!("no thread for a producer: {error}")))?;
        Ok(Self {
            producer,
            stop,
            thread: Some(thread),
        })
    }
}

impl<C: ProducerContext + 'static> Deref for Polled<C> {
    type Target = BaseProducer<C>;

    fn deref(&self) -> &BaseProducer<C> {
        &self.producer
    }
}

impl<C: ProducerContext + 'static> Drop for Polled<C> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of a producer ended in a panic");
        }
    }
}
