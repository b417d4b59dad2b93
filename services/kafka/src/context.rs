//! librdkafka's log lines and global errors go to `tracing`.

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
    // The end of a partition is what a reader waits for.
    if matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
        return;
    }
    tracing::warn!(target: "librdkafka", "{error}: {reason}");
}
