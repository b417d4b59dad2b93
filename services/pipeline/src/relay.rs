//! From one log to another, exactly once: what the door's local log holds goes to the broker.

use std::future::Future;

use crate::log::{Commit, Log, LogError, NewRecord, Topic};

/// A log on this machine's own disk, whose records can be removed once they are elsewhere.
pub trait LocalLog: Log {
    /// Removes the records of a partition below an offset; may be repeated.
    fn trim(
        &self,
        topic: &Topic,
        partition: i32,
        below: i64,
    ) -> impl Future<Output = Result<(), LogError>> + Send;

    /// Records of a topic below an offset, and the bytes of their keys and values. Reads all of them.
    fn size(&self, topic: &Topic, below: i64) -> impl Future<Output = Result<(u64, u64), LogError>> + Send;
}

/// The other end: publishes records together with the place in their source up to which it has come, both or
/// neither. Whatever dies in between, asking for the place tells where to go on.
pub trait Relay: Send + Sync + 'static {
    /// The next record of the source that is not published; none where nothing ever was. To be asked before the
    /// first record and after anything but [`Commit::Done`].
    fn next(&mut self) -> impl Future<Output = Result<Option<i64>, LogError>> + Send;

    /// Publishes records; `next` is the place in the source behind them.
    fn forward(
        &mut self,
        records: Vec<NewRecord>,
        next: i64,
    ) -> impl Future<Output = Result<Commit, LogError>> + Send;
}
