//! The log that was chosen.

use stardust_pipeline::log::{
    Ack, Bounds, Budget, Commit, Log, LogError, LogRecord, Member, MemberInfo, NewRecord, Topic, TopicSpec,
    TopicState,
};

use super::{AnyLog, AnyMember};

impl Log for AnyLog {
    type Member = AnyMember;

    async fn join(&self, group: &str, topics: &[Topic], worker: usize) -> Result<AnyMember, LogError> {
        match self {
            Self::Kafka(log) => log.join(group, topics, worker).await.map(AnyMember::Kafka),
            Self::Embedded(log) => log.join(group, topics, worker).await.map(AnyMember::Embedded),
        }
    }

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        match self {
            Self::Kafka(log) => log.publish(records).await,
            Self::Embedded(log) => log.publish(records).await,
        }
    }

    async fn ping(&self) -> Result<(), LogError> {
        match self {
            Self::Kafka(log) => log.ping().await,
            Self::Embedded(log) => log.ping().await,
        }
    }

    async fn describe(&self, topics: &[Topic]) -> Result<Vec<TopicState>, LogError> {
        match self {
            Self::Kafka(log) => log.describe(topics).await,
            Self::Embedded(log) => log.describe(topics).await,
        }
    }

    async fn create(&self, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        match self {
            Self::Kafka(log) => log.create(specs).await,
            Self::Embedded(log) => log.create(specs).await,
        }
    }

    async fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        match self {
            Self::Kafka(log) => log.bounds(topic).await,
            Self::Embedded(log) => log.bounds(topic).await,
        }
    }

    async fn committed(&self, group: &str, topic: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        match self {
            Self::Kafka(log) => log.committed(group, topic).await,
            Self::Embedded(log) => log.committed(group, topic).await,
        }
    }

    async fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        match self {
            Self::Kafka(log) => log.lag(group, topic).await,
            Self::Embedded(log) => log.lag(group, topic).await,
        }
    }

    async fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, LogError> {
        match self {
            Self::Kafka(log) => log.read(topic, partition, from, budget).await,
            Self::Embedded(log) => log.read(topic, partition, from, budget).await,
        }
    }

    async fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        match self {
            Self::Kafka(log) => log.offset_at(topic, partition, timestamp_ms).await,
            Self::Embedded(log) => log.offset_at(topic, partition, timestamp_ms).await,
        }
    }

    async fn set_offsets(&self, group: &str, topic: &Topic, offsets: &[(i32, i64)]) -> Result<(), LogError> {
        match self {
            Self::Kafka(log) => log.set_offsets(group, topic, offsets).await,
            Self::Embedded(log) => log.set_offsets(group, topic, offsets).await,
        }
    }

    async fn members(&self, group: &str) -> Result<Vec<MemberInfo>, LogError> {
        match self {
            Self::Kafka(log) => log.members(group).await,
            Self::Embedded(log) => log.members(group).await,
        }
    }
}

impl Member for AnyMember {
    async fn next(&mut self, budget: Budget) -> Result<Vec<LogRecord>, LogError> {
        match self {
            Self::Kafka(member) => member.next(budget).await,
            Self::Embedded(member) => member.next(budget).await,
        }
    }

    async fn lost(&mut self) {
        match self {
            Self::Kafka(member) => member.lost().await,
            Self::Embedded(member) => member.lost().await,
        }
    }

    async fn commit(&mut self, outputs: Vec<NewRecord>) -> Result<Commit, LogError> {
        match self {
            Self::Kafka(member) => member.commit(outputs).await,
            Self::Embedded(member) => member.commit(outputs).await,
        }
    }

    async fn rewind(&mut self) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.rewind().await,
            Self::Embedded(member) => member.rewind().await,
        }
    }

    fn assignment(&self) -> Vec<(Topic, i32)> {
        match self {
            Self::Kafka(member) => member.assignment(),
            Self::Embedded(member) => member.assignment(),
        }
    }

    async fn leave(self) -> Result<(), LogError> {
        match self {
            Self::Kafka(member) => member.leave().await,
            Self::Embedded(member) => member.leave().await,
        }
    }
}
