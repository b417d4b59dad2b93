//! What librdkafka's errors mean to the pipeline.

use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use stardust_pipeline::log::LogError;

/// The meaning of a code; `topic` names the topic and `instance` who we are.
///
/// Only what is in the record itself is `Refused`: a missing right or a wrong clock can be mended, and a record must
/// not become a dead letter for it.
pub(crate) fn from_code(code: RDKafkaErrorCode, topic: &str, instance: &str) -> LogError {
    match code {
        RDKafkaErrorCode::QueueFull => LogError::QueueFull,
        RDKafkaErrorCode::MessageSizeTooLarge
        | RDKafkaErrorCode::InvalidMessageSize
        | RDKafkaErrorCode::MessageBatchTooLarge
        | RDKafkaErrorCode::InvalidRecord => LogError::Refused(code.to_string()),
        RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition
        | RDKafkaErrorCode::UnknownPartition => LogError::UnknownTopic(topic.to_owned()),
        _ if is_fence(code) => LogError::Fenced(instance.to_owned()),
        RDKafkaErrorCode::Fatal => LogError::Fatal(code.to_string()),
        _ => LogError::Unavailable(code.to_string()),
    }
}

/// The meaning of an error of a call about `topic`.
pub(crate) fn from_kafka(error: &KafkaError, topic: &str, instance: &str) -> LogError {
    match (error, error.rdkafka_error_code()) {
        (KafkaError::MessageConsumptionFatal(code), _) if !is_fence(*code) => {
            LogError::Fatal(code.to_string())
        }
        (KafkaError::Transaction(error), Some(code)) if error.is_fatal() && !is_fence(code) => {
            LogError::Fatal(error.to_string())
        }
        (_, Some(code)) => from_code(code, topic, instance),
        (KafkaError::ClientConfig(_, reason, name, _), None) => LogError::Fatal(format!("{name}: {reason}")),
        (KafkaError::ClientCreation(reason), None) => LogError::Fatal(reason.clone()),
        (other, None) => LogError::Unavailable(other.to_string()),
    }
}

/// Whether the code says that another client with our id is at work (or that the broker ended our transaction).
pub(crate) fn is_fence(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
            | RDKafkaErrorCode::FencedInstanceId
    )
}

/// Asks again, for a while, where partitions are without their leader or groups without their coordinator for a moment:
/// after a restart of a broker, and right after a topic was made.
pub(crate) fn while_leaders_change<T>(
    within: Duration,
    mut ask: impl FnMut() -> Result<T, KafkaError>,
) -> Result<T, KafkaError> {
    let deadline = Instant::now() + within;
    loop {
        match ask() {
            Err(error)
                if matches!(
                    error.rdkafka_error_code(),
                    Some(
                        RDKafkaErrorCode::NotLeaderForPartition
                            | RDKafkaErrorCode::LeaderNotAvailable
                            | RDKafkaErrorCode::ReplicaNotAvailable
                            | RDKafkaErrorCode::NotCoordinator
                            | RDKafkaErrorCode::CoordinatorNotAvailable
                            | RDKafkaErrorCode::CoordinatorLoadInProgress
                    )
                ) && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(100));
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_record_itself_can_be_refused() {
        let meaning = |code| from_code(code, "t", "i").tag();
        assert_eq!(meaning(RDKafkaErrorCode::MessageSizeTooLarge), "refused");
        assert_eq!(meaning(RDKafkaErrorCode::TopicAuthorizationFailed), "unavailable");
        assert_eq!(meaning(RDKafkaErrorCode::InvalidTimestamp), "unavailable");
        assert_eq!(meaning(RDKafkaErrorCode::MessageTimedOut), "unavailable");
        assert_eq!(
            meaning(RDKafkaErrorCode::UnknownTopicOrPartition),
            "unknown_topic"
        );
        assert_eq!(meaning(RDKafkaErrorCode::ProducerFenced), "fenced");
        assert_eq!(meaning(RDKafkaErrorCode::QueueFull), "queue_full");
    }
}
