//! Setting the offsets of a group that has no members. Every call blocks.

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use stardust_pipeline::log::{LogError, MemberInfo, Topic};

use crate::config::KafkaConfig;
use crate::context::Logging;
use crate::errors::from_kafka;

/// The refusal that names the members.
pub(crate) fn refuse_members(group: &str, members: &[MemberInfo]) -> Result<(), LogError> {
    if members.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = members
        .iter()
        .map(|member| format!("{} on {}", member.name, member.host))
        .collect();
    Err(LogError::Refused(format!(
        "the group {group} has members, stop them first: {}",
        names.join(", ")
    )))
}

/// Commits offsets as nobody's member: the broker takes them only while the group is empty.
///
/// The call of librdkafka has no time limit of its own. That the group's coordinator has just answered a question is
/// what keeps it short. The question waits for a transaction that a member left open, which would set them again.
pub(crate) fn set(
    config: &KafkaConfig,
    group: &str,
    topic: &Topic,
    offsets: &[(i32, i64)],
) -> Result<(), LogError> {
    let name = topic.as_str();
    let error = |error: &KafkaError| from_kafka(error, name, &config.instance);
    let client: BaseConsumer<Logging> = config
        .group_queries(group, true)
        .create_with_context(Logging)
        .map_err(|e| error(&e))?;
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(name, *partition, Offset::Offset(*offset))
            .map_err(|e| error(&e))?;
    }
    client
        .committed_offsets(list.clone(), config.answer_within)
        .map_err(|e| error(&e))?;
    match client.commit(&list, CommitMode::Sync) {
        Ok(()) => {}
        Err(KafkaError::ConsumerCommit(
            RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::RebalanceInProgress,
        )) => {
            return Err(LogError::Refused(format!(
                "the group {group} got a member just now; stop it first"
            )));
        }
        Err(e) => return Err(error(&e)),
    }
    let found = client
        .committed_offsets(list.clone(), config.answer_within)
        .map_err(|e| error(&e))?;
    let taken = offsets.iter().all(|(partition, offset)| {
        found
            .find_partition(name, *partition)
            .is_some_and(|element| element.offset() == Offset::Offset(*offset))
    });
    if taken {
        Ok(())
    } else {
        Err(LogError::Unavailable(format!(
            "the offsets of {group} were not taken"
        )))
    }
}
