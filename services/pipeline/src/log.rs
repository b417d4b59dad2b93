//! The log: partitioned topics, consumer groups, and outputs committed together with offsets.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// The name of a topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A topic of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A record to publish. Its partition follows from the key ([`crate::partition::partition_of`]); its
/// timestamp is the time of the publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to.
    pub topic: Topic,
    /// The key; every topic of ours is keyed.
    pub key: Bytes,
    /// The value with its framing.
    pub value: Bytes,
}

/// A record as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The topic.
    pub topic: Topic,
    /// The partition.
    pub partition: i32,
    /// The offset: rises within a partition, gaps happen.
    pub offset: i64,
    /// The log's timestamp, milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key, where there is one.
    pub key: Option<Bytes>,
    /// The value with its framing.
    pub value: Bytes,
}

/// Where a published record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

/// The bounds of a partition: the first offset kept, and the one after the last (control records included).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The partition.
    pub partition: i32,
    /// First offset still kept.
    pub low: i64,
    /// The next offset to be written.
    pub high: i64,
}

/// How much a member takes at once. The last record may pass the limit of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Most records.
    pub records: usize,
    /// Most bytes of values.
    pub bytes: usize,
    /// How long to wait for a first record.
    pub wait: Duration,
}

/// What came of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commit {
    /// Outputs and offsets are durable.
    Done,
    /// Nothing took effect: the partitions were lost or the transaction was aborted. The member has gone back to the
    /// committed offsets and delivers the records again, to itself or to another.
    Again,
}

/// Why the log did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The broker or the file cannot be reached now; the effect of the call is unknown.
    #[error("the log is unavailable: {0}")]
    Unavailable(String),
    /// More is under way than the client holds; nothing was sent.
    #[error("the log's queue is full")]
    QueueFull,
    /// The log will never take this record.
    #[error("the log refuses the record: {0}")]
    Refused(String),
    /// Another process works under the same id.
    #[error(
        "fenced: another process runs with the same instance id ({0}); set STARDUST_INSTANCE_ID to tell them apart"
    )]
    Fenced(String),
    /// A topic that does not exist.
    #[error("the topic {0} does not exist; create it with `stardust topics create`")]
    UnknownTopic(String),
    /// The client cannot go on; the process has to end and start again.
    #[error("the log client failed for good: {0}")]
    Fatal(String),
}

impl LogError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::QueueFull => "queue_full",
            Self::Refused(_) => "refused",
            Self::Fenced(_) => "fenced",
            Self::UnknownTopic(_) => "unknown_topic",
            Self::Fatal(_) => "fatal",
        }
    }

    /// Whether waiting can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::QueueFull | Self::UnknownTopic(_)
        )
    }
}

/// The policy of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// The name.
    pub topic: Topic,
    /// How many partitions.
    pub partitions: i32,
    /// How long records are kept; none: without limit.
    pub retention: Option<Duration>,
    /// Keep only the newest record of each key.
    pub compacted: bool,
}

/// A topic as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// Its policy in force.
    pub spec: TopicSpec,
    /// The bounds of its partitions.
    pub bounds: Vec<Bounds>,
}

/// A group's member as the log knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// The member's name: the client id.
    pub name: String,
    /// Where it runs, as far as the log can tell.
    pub host: String,
}

/// A partitioned, durable log with consumer groups. Cheap to clone.
pub trait Log: Clone + Send + Sync + 'static {
    /// A member of a consumer group.
    type Member: Member;

    /// Publishes records and waits until each is durable, or until the deadline of the backend has passed.
    /// All are under way before the first is awaited; records of one key keep their order. One result per record.
    fn publish(&self, records: Vec<NewRecord>) -> impl Future<Output = Vec<Result<Ack, LogError>>> + Send;

    /// Joins a group. `worker` tells members of one process apart (transactional id `<group>/<instance>/<worker>`).
    fn join(
        &self,
        group: &str,
        topics: &[Topic],
        worker: usize,
    ) -> impl Future<Output = Result<Self::Member, LogError>> + Send;

    /// Whether the log can be reached now.
    fn ping(&self) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Topics that exist, among those asked for.
    fn describe(&self, topics: &[Topic]) -> impl Future<Output = Result<Vec<TopicState>, LogError>> + Send;

    /// Creates the topics that are missing and says which; existing ones stay as they are.
    fn create(&self, specs: &[TopicSpec]) -> impl Future<Output = Result<Vec<Topic>, LogError>> + Send;

    /// Bounds of every partition of a topic.
    fn bounds(&self, topic: &Topic) -> impl Future<Output = Result<Vec<Bounds>, LogError>> + Send;

    /// Committed offsets of a group: the next record of each partition; none where it never committed.
    fn committed(
        &self,
        group: &str,
        topic: &Topic,
    ) -> impl Future<Output = Result<Vec<(i32, Option<i64>)>, LogError>> + Send;

    /// Records that the group has not done yet, over all partitions; 0 for a group at the end of each partition,
    /// whatever control records stand there. A group that never committed starts at the first record.
    fn lag(&self, group: &str, topic: &Topic) -> impl Future<Output = Result<u64, LogError>> + Send;

    /// Committed records of one partition from an offset on (the first at or after it), in order; empty at the end.
    fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> impl Future<Output = Result<Vec<LogRecord>, LogError>> + Send;

    /// The first offset whose timestamp is at or after this time; none where there is none.
    fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        timestamp_ms: i64,
    ) -> impl Future<Output = Result<Option<i64>, LogError>> + Send;

    /// Sets a group's offsets. The group must have no members.
    fn set_offsets(
        &self,
        group: &str,
        topic: &Topic,
        offsets: &[(i32, i64)],
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// The members that a group has now.
    fn members(&self, group: &str) -> impl Future<Output = Result<Vec<MemberInfo>, LogError>> + Send;
}

/// A member of a consumer group with one unit of work open at a time.
///
/// `next` opens a batch; `commit` or `rewind` closes it. Between the two the member keeps its membership by itself,
/// however long the work takes.
pub trait Member: Send + 'static {
    /// Takes the next records of the partitions assigned to this member, in order within each partition.
    /// Empty where nothing came within `budget.wait`. Cancel-safe: what was fetched is not lost.
    fn next(&mut self, budget: Budget) -> impl Future<Output = Result<Vec<LogRecord>, LogError>> + Send;

    /// Resolves when a partition of the open batch was taken away; the batch is then of no use. Cancel-safe.
    fn lost(&mut self) -> impl Future<Output = ()> + Send;

    /// Publishes `outputs` and commits the open batch's offsets, both or neither.
    fn commit(&mut self, outputs: Vec<NewRecord>) -> impl Future<Output = Result<Commit, LogError>> + Send;

    /// Gives the open batch back: its records come again from `next`, here or at another member.
    fn rewind(&mut self) -> impl Future<Output = Result<(), LogError>> + Send;

    /// The partitions that this member has now: (topic, partition).
    fn assignment(&self) -> Vec<(Topic, i32)>;

    /// Leaves the group so that others take over at once.
    fn leave(self) -> impl Future<Output = Result<(), LogError>> + Send;
}
