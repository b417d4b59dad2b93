//! What the group gives and takes, as librdkafka's callback sees it.

use std::sync::Mutex;

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;

use crate::blocking::locked;
use crate::context::{log_error, log_line};

/// A change of the assignment.
pub(crate) enum Change {
    Given(Vec<(String, i32)>),
    Taken(Vec<(String, i32)>),
}

/// Records changes; the member's thread applies them after the poll that brought them. The callback never waits:
/// partitions go back at once, and whatever was under way for them is of no use from then on.
#[derive(Default)]
pub(crate) struct Changes(Mutex<Vec<Change>>);

impl Changes {
    /// The changes since the last time, oldest first.
    pub(crate) fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *locked(&self.0))
    }
}

impl ClientContext for Changes {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Changes {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Revoke(list) = rebalance {
            locked(&self.0).push(Change::Taken(partitions(list)));
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) = rebalance {
            locked(&self.0).push(Change::Given(partitions(list)));
        }
    }
}

fn partitions(list: &TopicPartitionList) -> Vec<(String, i32)> {
    list.elements()
        .iter()
        .map(|element| (element.topic().to_owned(), element.partition()))
        .collect()
}
