//! librdkafka's log lines and global errors go to `tracing`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaErrorCode;

/// The context of clients that need nothing but the log.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Logging;

impl ClientContext for Logging {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Logging {}

/// A line of librdkafka's log.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        // That a property of one kind of client does nothing in another: we hand all to all.
        _ if facility == "CONFWARN" => tracing::debug!(target: "librdkafka", "{facility} {message}"),
        _ if facility == "FAIL" => CONNECTIONS.say(message),
        // A member says itself what ended its transaction, and what comes of that.
        _ if facility == "TXNERR" => tracing::debug!(target: "librdkafka", "{facility} {message}"),
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => tracing::error!(target: "librdkafka", "{facility} {message}"),
        RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", "{facility} {message}"),
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info => {
            tracing::info!(target: "librdkafka", "{facility} {message}");
        }
        RDKafkaLogLevel::Debug => tracing::debug!(target: "librdkafka", "{facility} {message}"),
    }
}

/// A global error: librdkafka goes on trying by itself unless it is fatal, and then the call that meets it says so.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        // The end of a partition is what a reader waits for.
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve,
        ) => CONNECTIONS.say(reason),
        _ => tracing::warn!(target: "librdkafka", "{error}: {reason}"),
    }
}

/// What is said about lost connections.
static CONNECTIONS: Seldom = Seldom {
    every: Duration::from_secs(10),
    last: Mutex::new((None, 0)),
};

/// Every client of the process meets an outage again and again, and says so each time: one line tells as much as a
/// thousand. Services say themselves what waits for the broker.
struct Seldom {
    every: Duration,
    /// When it was said last, and how often it was not since.
    last: Mutex<(Option<Instant>, u64)>,
}

impl Seldom {
    fn say(&self, message: &str) {
        if let Some(left_out) = self.turn(Instant::now()) {
            tracing::warn!(target: "librdkafka", left_out, "connection: {message}");
        }
    }

    /// How many were left out before this one; none where this one is left out too.
    fn turn(&self, now: Instant) -> Option<u64> {
        let Ok(mut last) = self.last.lock() else {
            return Some(0);
        };
        if last.0.is_some_and(|at| now.duration_since(at) < self.every) {
            last.1 += 1;
            return None;
        }
        Some(std::mem::replace(&mut *last, (Some(now), 0)).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_said_seldom_and_counted() {
        let seldom = Seldom {
            every: Duration::from_secs(10),
            last: Mutex::new((None, 0)),
        };
        let start = Instant::now();
        let said: Vec<Option<u64>> = [0, 1, 9, 10, 11, 30]
            .into_iter()
            .map(|s| seldom.turn(start + Duration::from_secs(s)))
            .collect();
        assert_eq!(said, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
