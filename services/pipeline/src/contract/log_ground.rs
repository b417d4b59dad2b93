//! What the promises of the log stand on: a fixture, fresh names, and helpers that wait.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use super::broken::Broken;
use super::wait::Wait;
use super::wait::until;
use crate::log::{Ack, Budget, Commit, Log, LogRecord, Member, NewRecord, Topic, TopicSpec};

/// A backend under test.
pub trait LogFixture: Send + Sync + 'static {
    /// The log.
    type Log: Log;

    /// A client of the one log under test, as a process with this instance id would open it. The ids of one promise
    /// differ unless it means the same process; they are unique among promises.
    fn log(&self, instance: &str) -> impl Future<Output = Self::Log> + Send;

    /// Stops (`true`) or starts (`false`) the server, keeping its data; answers false where the backend has none.
    fn outage(&self, _down: bool) -> impl Future<Output = bool> + Send {
        async { false }
    }

    /// How many promises may run at a time.
    fn at_once(&self) -> usize {
        4
    }

    /// How long anything that is bound to happen may take.
    fn patience(&self) -> Duration {
        Duration::from_secs(120)
    }
}

/// What a promise gets to stand on.
pub struct LogGround<F> {
    pub(super) fixture: Arc<F>,
}

impl<F> Clone for LogGround<F> {
    fn clone(&self) -> Self {
        Self {
            fixture: self.fixture.clone(),
        }
    }
}

/// The budget of most reads here.
pub(super) const ROOMY: Budget = Budget {
    records: 1_000,
    bytes: 16 << 20,
    wait: Duration::from_millis(300),
};

impl<F: LogFixture> LogGround<F> {
    pub(super) fn new(fixture: F) -> Self {
        Self {
            fixture: Arc::new(fixture),
        }
    }

    /// A name that nothing else has.
    pub(super) fn name(&self, what: &str) -> String {
        format!("{what}-{}", Uuid::new_v4().simple())
    }

    /// A client with an instance id of its own.
    pub(super) async fn log(&self) -> F::Log {
        self.fixture.log(&self.name("instance")).await
    }

    /// A fresh topic without retention.
    pub(super) async fn topic(&self, log: &F::Log, partitions: i32) -> Result<Topic, Broken> {
        let topic = Topic::new(&self.name("topic"));
        log.create(&[TopicSpec {
            topic: topic.clone(),
            partitions,
            retention: None,
            compacted: false,
        }])
        .await?;
        until!(
            self,
            "the new topic can be read",
            log.bounds(&topic)
                .await
                .is_ok_and(|b| b.len() == usize::try_from(partitions).unwrap_or(0))
        );
        Ok(topic)
    }

    /// Tells a loop that waits for something when to give up.
    pub(super) fn wait(&self, what: &'static str) -> Wait {
        Wait::new(what, self.fixture.patience())
    }

    /// Awaits something that is bound to happen.
    pub(super) async fn soon<T>(&self, what: &str, event: impl Future<Output = T>) -> Result<T, Broken> {
        tokio::time::timeout(self.fixture.patience(), event)
            .await
            .map_err(|_| Broken(format!("waited in vain: {what}")))
    }

    /// Asks a member until it has records.
    pub(super) async fn batch<M: Member>(
        &self,
        member: &mut M,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, Broken> {
        let end = Instant::now() + self.fixture.patience();
        loop {
            let records = member.next(budget).await?;
            if !records.is_empty() {
                return Ok(records);
            }
            if Instant::now() > end {
                return Err(Broken("waited in vain: records for a member".into()));
            }
        }
    }

    /// Takes batches and commits copies of them to `to` until the member has committed this many records.
    pub(super) async fn copy<M: Member>(
        &self,
        member: &mut M,
        to: &Topic,
        count: usize,
    ) -> Result<Vec<LogRecord>, Broken> {
        let mut done = Vec::new();
        while done.len() < count {
            let records = self.batch(member, ROOMY).await?;
            if member.commit(copies(&records, to)).await? == Commit::Done {
                done.extend(records);
            }
        }
        Ok(done)
    }

    /// Every committed record of a topic, partition by partition.
    pub(super) async fn everything(&self, log: &F::Log, topic: &Topic) -> Result<Vec<LogRecord>, Broken> {
        let mut all = Vec::new();
        for bounds in log.bounds(topic).await? {
            let mut from = bounds.low;
            loop {
                let page = log.read(topic, bounds.partition, from, ROOMY).await?;
                let Some(last) = page.last() else { break };
                from = last.offset + 1;
                all.extend(page);
            }
        }
        Ok(all)
    }
}

/// A record with text as key and value.
pub(super) fn record(topic: &Topic, key: &str, value: &str) -> NewRecord {
    NewRecord {
        topic: topic.clone(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
    }
}

/// Records `<prefix>0`, `<prefix>1`, … spread over this many keys.
pub(super) fn numbered(topic: &Topic, prefix: &str, count: usize, keys: usize) -> Vec<NewRecord> {
    (0..count)
        .map(|n| {
            record(
                topic,
                &format!("key-{}", n % keys.max(1)),
                &format!("{prefix}{n:06}"),
            )
        })
        .collect()
}

/// The same records for another topic.
pub(super) fn copies(records: &[LogRecord], to: &Topic) -> Vec<NewRecord> {
    records
        .iter()
        .map(|r| NewRecord {
            topic: to.clone(),
            key: r.key.clone().unwrap_or_default(),
            value: r.value.clone(),
        })
        .collect()
}

/// Publishes and wants every record acknowledged.
pub(super) async fn published<L: Log>(log: &L, records: Vec<NewRecord>) -> Result<Vec<Ack>, Broken> {
    let count = records.len();
    let acks: Vec<Ack> = log.publish(records).await.into_iter().collect::<Result<_, _>>()?;
    if acks.len() == count {
        Ok(acks)
    } else {
        Err(Broken(format!("{} answers for {count} records", acks.len())))
    }
}

/// The values of records as text.
pub(super) fn values(records: &[LogRecord]) -> Vec<String> {
    records
        .iter()
        .map(|r| String::from_utf8_lossy(&r.value).into_owned())
        .collect()
}

/// The values of records as sorted text.
pub(super) fn sorted_values(records: &[LogRecord]) -> Vec<String> {
    let mut all = values(records);
    all.sort();
    all
}

/// The values of new records as sorted text.
pub(super) fn sorted_new(records: &[NewRecord]) -> Vec<String> {
    let mut all: Vec<String> = records
        .iter()
        .map(|r| String::from_utf8_lossy(&r.value).into_owned())
        .collect();
    all.sort();
    all
}

/// The first key whose values do not rise in the order given.
pub(super) fn out_of_order(records: &[LogRecord]) -> Option<String> {
    let mut last: std::collections::HashMap<&[u8], &[u8]> = std::collections::HashMap::new();
    for r in records {
        let key = r.key.as_deref().unwrap_or_default();
        if let Some(before) = last.insert(key, &r.value)
            && before >= &r.value[..]
        {
            return Some(String::from_utf8_lossy(key).into_owned());
        }
    }
    None
}
