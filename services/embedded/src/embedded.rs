//! The opened data folder.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::bells::Bells;
use crate::error::OpenError;
use crate::log::{EmbeddedLog, sessions};
use crate::readers::Readers;
use crate::shared::{MOST_WAITING, Shared};
use crate::spool::EmbeddedSpool;
use crate::store::EmbeddedStore;
use crate::upkeep::{self, Removed};
use crate::writer::Writer;
use crate::{file, schema};

/// An opened data folder. Cheap to clone; the file is closed when the last handle is gone.
#[derive(Clone)]
pub struct Embedded {
    pub(crate) shared: Arc<Shared>,
}

impl Embedded {
    /// Opens the data file of a folder beside whoever else has it open, and makes it where it is missing. Blocks.
    ///
    /// # Errors
    /// Where the file is damaged, foreign, newer or cannot be used; it is then left as it is.
    pub fn open(folder: impl AsRef<Path>, instance: &str) -> Result<Self, OpenError> {
        Self::start(folder.as_ref(), instance, true, false)
    }

    /// Opens the data file of a folder only where there is one. Blocks.
    ///
    /// # Errors
    /// As [`Self::open`], and [`OpenError::Missing`].
    pub fn open_existing(folder: impl AsRef<Path>, instance: &str) -> Result<Self, OpenError> {
        Self::start(folder.as_ref(), instance, false, false)
    }

    /// Opens the data file as the one process that runs on the folder (`up`, `ingest`), and looks after it: old
    /// records are removed every hour. Others may still open it with [`Self::open`]. Blocks.
    ///
    /// # Errors
    /// As [`Self::open`], and [`OpenError::InUse`].
    pub fn open_exclusive(folder: impl AsRef<Path>, instance: &str) -> Result<Self, OpenError> {
        Self::start(folder.as_ref(), instance, true, true)
    }

    fn start(folder: &Path, instance: &str, make: bool, exclusive: bool) -> Result<Self, OpenError> {
        let lock = exclusive.then(|| file::lock(folder, instance)).transpose()?;
        let path = file::checked(folder, make)?;
        let unusable = |e: &dyn ToString| OpenError::Unusable {
            path: path.clone(),
            reason: e.to_string(),
        };
        let conn = schema::writing(&path).map_err(|e| unusable(&e))?;
        if exclusive {
            // We hold the lock: members of earlier exclusive sessions are dead.
            sessions::bury(&conn).map_err(|e| unusable(&e))?;
        }
        let watch = schema::reading(&path).map_err(|e| unusable(&e))?;
        let bells = Arc::new(Bells::default());
        let session = Uuid::new_v4().to_string();
        let last = session.clone();
        let writer = Writer::start(conn, bells.clone(), lock, move |conn| {
            sessions::farewell(conn, &last)
        })
        .map_err(|e| unusable(&e))?;
        let shared = Arc::new(Shared {
            instance: instance.to_owned(),
            session,
            exclusive,
            joined: AtomicBool::new(false),
            writer,
            readers: Arc::new(Readers::new(path.clone())),
            bells,
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
        });
        upkeep::start(&shared, watch).map_err(|e| unusable(&e))?;
        Ok(Self { shared })
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> EmbeddedLog {
        EmbeddedLog {
            shared: self.shared.clone(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> EmbeddedStore {
        EmbeddedStore {
            shared: self.shared.clone(),
        }
    }

    /// The spool; it takes this many bytes of keys and values.
    #[must_use]
    pub fn spool(&self, limit_bytes: u64) -> EmbeddedSpool {
        EmbeddedSpool {
            shared: self.shared.clone(),
            limit_bytes,
        }
    }

    /// Removes records older than their topic's retention, and superseded ones of compacted topics. An exclusive
    /// opening does it by itself every hour.
    ///
    /// # Errors
    /// Where the file fails; what was removed until then stays removed.
    pub async fn maintain(&self) -> Result<Removed, stardust_pipeline::log::LogError> {
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || upkeep::maintain(&shared))
            .await
            .unwrap_or_else(|e| Err(crate::error::DbError::Unavailable(e.to_string())))
            .map_err(Into::into)
    }

    /// Closes the file after the work handed in so far, and lets the folder's lock go. Other handles hear errors.
    pub async fn close(&self) {
        // An error means that the writer has ended already.
        let _ = self.shared.writer.end().await;
    }
}
