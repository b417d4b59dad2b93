//! The log: topics, records, groups and their members, all rows of the one file.

mod balance;
pub(crate) mod groups;
mod local;
mod member;
mod records;
pub(crate) mod sessions;
mod topics;

use std::sync::Arc;

use stardust_pipeline::log::{
    Ack, Bounds, Budget, Log, LogError, LogRecord, MemberInfo, NewRecord, Topic, TopicSpec, TopicState,
};

pub use member::EmbeddedMember;
pub(crate) use records::{after, id_of};

use crate::clock::now_ms;
use crate::shared::Shared;

/// The log of an opened data folder.
#[derive(Clone)]
pub struct EmbeddedLog {
    pub(crate) shared: Arc<Shared>,
}

impl Log for EmbeddedLog {
    type Member = EmbeddedMember;

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        let count = records.len();
        if count == 0 {
            return Vec::new();
        }
        self.shared
            .write(move |unit| Ok::<_, LogError>(records::append(unit, &records)?))
            .await
            .unwrap_or_else(|e| vec![Err(e); count])
    }

    async fn join(&self, group: &str, topics: &[Topic], worker: usize) -> Result<EmbeddedMember, LogError> {
        let seat = groups::Seat {
            group: group.to_owned(),
            name: format!("{group}/{}/{worker}", self.shared.instance),
            topics: topics.to_vec(),
        };
        let mut member = EmbeddedMember::new(self.shared.clone(), seat);
        member.sit_down().await?;
        let topics = topics.to_vec();
        member.listen(self.shared.read(move |conn| topics::ids(conn, &topics)).await?);
        Ok(member)
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.shared
            .read(|conn| {
                conn.query_row("SELECT 1 FROM topics LIMIT 1", [], |_| Ok(()))
                    .or_else(|e| match e {
                        rusqlite::Error::QueryReturnedNoRows => Ok(()),
                        e => Err(crate::error::DbError::from(e)),
                    })
            })
            .await
            .map_err(|e: crate::error::DbError| e.into())
    }

    async fn describe(&self, topics: &[Topic]) -> Result<Vec<TopicState>, LogError> {
        let topics = topics.to_vec();
        self.shared
            .read(move |conn| topics::describe(conn, &topics))
            .await
    }

    async fn create(&self, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        let specs = specs.to_vec();
        self.shared.write(move |unit| topics::create(unit, &specs)).await
    }

    async fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        let topic = topic.clone();
        self.shared.read(move |conn| topics::bounds(conn, &topic)).await
    }

    async fn committed(&self, group: &str, topic: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        let (group, topic) = (group.to_owned(), topic.clone());
        self.shared
            .read(move |conn| groups::committed(conn, &group, &topic))
            .await
    }

    async fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        let (group, topic) = (group.to_owned(), topic.clone());
        self.shared
            .read(move |conn| groups::lag(conn, &group, &topic))
            .await
    }

    async fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, LogError> {
        let topic = topic.clone();
        self.shared
            .read(move |conn| {
                let part = topics::part(conn, &topic, partition)?;
                let mut found = Vec::new();
                after(conn, &part, from, budget, &mut found)?;
                Ok(found)
            })
            .await
    }

    async fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        let topic = topic.clone();
        self.shared
            .read(move |conn| {
                let part = topics::part(conn, &topic, partition)?;
                Ok(records::offset_at(conn, part.tp, timestamp_ms)?)
            })
            .await
    }

    async fn set_offsets(&self, group: &str, topic: &Topic, offsets: &[(i32, i64)]) -> Result<(), LogError> {
        let (group, topic, offsets) = (group.to_owned(), topic.clone(), offsets.to_vec());
        self.shared
            .write(move |unit| groups::set_offsets(unit, &group, &topic, &offsets))
            .await
    }

    async fn members(&self, group: &str) -> Result<Vec<MemberInfo>, LogError> {
        let group = group.to_owned();
        self.shared
            .read(move |conn| Ok::<_, LogError>(groups::members(conn, &group, now_ms())?))
            .await
    }
}
