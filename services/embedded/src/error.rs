//! What can go wrong with the file.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use stardust_pipeline::log::LogError;
use stardust_pipeline::spool::SpoolError;
use stardust_pipeline::store::StoreError;

/// Why the data folder cannot be opened. Nothing in it has been changed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no data file.
    #[error("{path} does not exist; start `stardust up` once, or name the folder with --data-dir", path = .0.display())]
    Missing(PathBuf),
    /// The folder or the file cannot be read or made.
    #[error("{path} cannot be used: {reason}; check its rights, or name another folder with --data-dir", path = path.display())]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The file is damaged.
    #[error(
        "{path} is damaged ({reason}) and was left as it is; restore it from a backup, or save what can be read with \
         `sqlite3 {path} .recover`, or start afresh with another --data-dir",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file belongs to something else.
    #[error("{path} is not a data file of Stardust and was left as it is; name another folder with --data-dir", path = .0.display())]
    Foreign(PathBuf),
    /// The file was written by a newer version.
    #[error(
        "{path} has format {found}, this program knows up to {known}, so the file was left as it is; run the version \
         that wrote it (or a later one), or name another folder with --data-dir",
        path = path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The format of this program.
        known: i64,
    },
    /// Another process runs on the folder.
    #[error("{path} is in use by {holder}; stop that process first, or name another folder with --data-dir", path = path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
        /// Who has it, as far as the lock file says.
        holder: String,
    },
}

impl OpenError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Unusable { .. } => "unusable",
            Self::Damaged { .. } => "damaged",
            Self::Foreign(_) => "foreign",
            Self::Newer { .. } => "newer",
            Self::InUse { .. } => "in_use",
        }
    }

    /// Whether waiting can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}

/// What SQLite answers, as far as callers must tell it apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DbError {
    /// Another process held the file too long, or the disk failed for now.
    Unavailable(String),
    /// No space is left.
    Full(String),
    /// A value that SQLite never takes.
    TooBig(String),
    /// The file is damaged, or its content is not what we wrote.
    Damaged(String),
    /// The file has been closed.
    Closed,
}

impl std::fmt::Display for DbError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(e) | Self::Full(e) | Self::TooBig(e) | Self::Damaged(e) => f.write_str(e),
            Self::Closed => f.write_str("the data file has been closed"),
        }
    }
}

impl From<rusqlite::Error> for DbError {
    fn from(e: rusqlite::Error) -> Self {
        let text = e.to_string();
        match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::TooBig) => Self::TooBig(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(text),
            Some(_) => Self::Unavailable(text),
            // A column of another type or a missing row: the content is not ours.
            None => Self::Damaged(text),
        }
    }
}

impl From<DbError> for LogError {
    fn from(e: DbError) -> Self {
        match e {
            DbError::Unavailable(e) | DbError::Full(e) => Self::Unavailable(e),
            DbError::TooBig(e) => Self::Refused(e),
            DbError::Damaged(e) => Self::Fatal(e),
            DbError::Closed => Self::Fatal(e.to_string()),
        }
    }
}

impl From<DbError> for StoreError {
    fn from(e: DbError) -> Self {
        match e {
            DbError::Unavailable(e) | DbError::Full(e) => Self::Unavailable(e),
            DbError::TooBig(e) => Self::Refused(e),
            DbError::Damaged(e) => Self::Unusable(e),
            DbError::Closed => Self::Unusable(e.to_string()),
        }
    }
}

impl From<DbError> for SpoolError {
    fn from(e: DbError) -> Self {
        match e {
            DbError::Full(e) => Self::Full(e),
            e => Self::Failed(e.to_string()),
        }
    }
}
