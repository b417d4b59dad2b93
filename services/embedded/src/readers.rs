//! Reads: a few read-only connections on blocking threads.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::error::DbError;
use crate::schema;

/// Most reads at a time.
const MOST: usize = 6;

/// The pool.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self {
            path,
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(MOST)),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads one consistent state of the file. Blocks.
    pub(crate) fn read_now<T, E: From<DbError>>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, E>,
    ) -> Result<T, E> {
        let idle = self.idle().pop();
        let conn = match idle {
            Some(conn) => conn,
            None => schema::reading(&self.path).map_err(DbError::from)?,
        };
        let snapshot = conn.unchecked_transaction().map_err(DbError::from)?;
        let answer = work(&conn);
        let ended = snapshot.rollback().map_err(DbError::from);
        // A connection in doubt is not used again.
        if ended.is_ok() {
            self.idle().push(conn);
        }
        answer
    }

    /// Reads one consistent state of the file on a blocking thread.
    pub(crate) async fn read<T, E>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let permit = self
            .permits
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| DbError::Closed)?;
        let pool = self.clone();
        tokio::task::spawn_blocking(move || {
            let _permit = permit;
            pool.read_now(work)
        })
        .await
        .unwrap_or_else(|e| Err(DbError::Unavailable(format!("a read was cut off: {e}")).into()))
    }
}
