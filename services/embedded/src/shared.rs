//! What the handles of one opened file share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::bells::Bells;
use crate::error::DbError;
use crate::readers::Readers;
use crate::writer::{Unit, Writer};

/// Jobs that may wait for the writer; more wait outside, in their callers.
pub(crate) const MOST_WAITING: usize = 4_096;

/// One opened file.
pub(crate) struct Shared {
    pub(crate) instance: String,
    /// This opening's entry among the sessions.
    pub(crate) session: String,
    pub(crate) exclusive: bool,
    /// The session has an entry and needs heartbeats.
    pub(crate) joined: AtomicBool,
    pub(crate) writer: Writer,
    pub(crate) readers: Arc<Readers>,
    pub(crate) bells: Arc<Bells>,
    pub(crate) waiting: Arc<Semaphore>,
}

impl Shared {
    /// Runs a job in the next transaction and answers once it is durable. The job runs to its end even where the
    /// caller is gone.
    pub(crate) async fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Unit<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let permit = self
            .waiting
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| DbError::Closed)?;
        self.writer
            .submit(Some(permit), work)
            .await
            .unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// The same from a thread of its own.
    pub(crate) fn write_now<T, E>(
        &self,
        work: impl FnOnce(&mut Unit<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.writer
            .submit(None, work)
            .blocking_recv()
            .unwrap_or_else(|_| Err(DbError::Closed.into()))
    }

    /// Reads one consistent state of the file.
    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        self.readers.read(work).await
    }
}
