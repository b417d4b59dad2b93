//! Opening the data file: it is checked before anything touches it, made whole or not at all, and locked.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::error::OpenError;
use crate::schema::{APPLICATION_ID, FORMAT, TABLES};

/// The data file's name in its folder.
pub(crate) const DATA: &str = "stardust.db";
const LOCK: &str = "stardust.lock";
const MAKING: &str = "stardust.making";

/// Files up to this size are read whole at the start; of larger ones the pages in use by the tables' roots.
const WHOLE_CHECK: u64 = 64 << 20;

fn unusable(path: &Path, reason: impl ToString) -> OpenError {
    OpenError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

fn damaged(path: &Path, reason: impl ToString) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Takes the folder for one process. The lock goes with the process, however it ends.
pub(crate) fn lock(folder: &Path, instance: &str) -> Result<File, OpenError> {
    make_folder(folder)?;
    let path = folder.join(LOCK);
    let mut file = open_private(&path).map_err(|e| unusable(&path, e))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Best effort: only the message is poorer without it.
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            return Err(OpenError::InUse {
                path,
                holder: if holder.is_empty() {
                    "another process".into()
                } else {
                    holder.into()
                },
            });
        }
        Err(TryLockError::Error(e)) => return Err(unusable(&path, e)),
    }
    let note = format!("process {} ({instance})\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(note.as_bytes()))
        .map_err(|e| unusable(&path, e))?;
    Ok(file)
}

/// The checked data file of a folder; made where it is missing, if `make`.
pub(crate) fn checked(folder: &Path, make: bool) -> Result<PathBuf, OpenError> {
    let path = folder.join(DATA);
    match path.try_exists() {
        Ok(true) => check(&path)?,
        Ok(false) if make => {
            make_folder(folder)?;
            create(folder, &path)?;
            check(&path)?;
        }
        Ok(false) => return Err(OpenError::Missing(path)),
        Err(e) => return Err(unusable(&path, e)),
    }
    Ok(path)
}

fn make_folder(folder: &Path) -> Result<(), OpenError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // Readings of patients are nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|e| unusable(folder, e))
}

fn open_private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes the file beside its place and moves it there, so that no kill leaves half a file behind.
fn create(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let guard_path = folder.join(MAKING);
    let guard = open_private(&guard_path).map_err(|e| unusable(&guard_path, e))?;
    guard.lock().map_err(|e| unusable(&guard_path, e))?;
    if path.exists() {
        return Ok(());
    }
    let draft = folder.join(format!("{DATA}.draft"));
    for rest in [
        draft.clone(),
        folder.join(format!("{DATA}.draft-wal")),
        folder.join(format!("{DATA}.draft-shm")),
    ] {
        match fs::remove_file(&rest) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(unusable(&rest, e)),
        }
    }
    open_private(&draft).map_err(|e| unusable(&draft, e))?;
    fill(&draft).map_err(|e| unusable(&draft, e))?;
    File::open(&draft)
        .and_then(|f| f.sync_all())
        .map_err(|e| unusable(&draft, e))?;
    fs::rename(&draft, path).map_err(|e| unusable(path, e))?;
    File::open(folder)
        .and_then(|f| f.sync_all())
        .map_err(|e| unusable(folder, e))
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let conn = Connection::open(path)?;
    conn.execute_batch(&format!(
        "BEGIN; {TABLES} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT}; COMMIT;"
    ))?;
    // The mode is kept in the file. All of it is in the main file before the move: closing checkpoints.
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.close().map_err(|(_, e)| e)
}

fn check(path: &Path) -> Result<(), OpenError> {
    check_header(path)?;
    let whole = fs::metadata(path).map_err(|e| unusable(path, e))?.len() <= WHOLE_CHECK;
    let wal = wal_of(path);
    // Without a write-ahead log nobody has the file open, and it can be read without making files beside it.
    let alone = fs::metadata(&wal).map_or(true, |m| m.len() == 0);
    match check_content(path, alone, whole) {
        Err(_) if alone && wal.exists() => check_content(path, false, whole),
        answer => answer,
    }
}

fn wal_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// The first 100 bytes say what a file is. Ours are final from the moment the file has its name.
fn check_header(path: &Path) -> Result<(), OpenError> {
    let mut header = [0_u8; 100];
    let mut file = File::open(path).map_err(|e| unusable(path, e))?;
    match file.read_exact(&mut header) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(damaged(path, "it is cut off"));
        }
        Err(e) => return Err(unusable(path, e)),
    }
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(damaged(path, "its first bytes are not those of a data file"));
    }
    let number = |at: usize| {
        i64::from(u32::from_be_bytes([
            header[at],
            header[at + 1],
            header[at + 2],
            header[at + 3],
        ]))
    };
    verdict(path, number(68), number(60))
}

fn verdict(path: &Path, application: i64, format: i64) -> Result<(), OpenError> {
    if application != APPLICATION_ID {
        return Err(OpenError::Foreign(path.to_owned()));
    }
    if format > FORMAT {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found: format,
            known: FORMAT,
        });
    }
    Ok(())
}

fn check_content(path: &Path, alone: bool, whole: bool) -> Result<(), OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let uri = format!(
        "file:{}{}",
        escaped(path),
        if alone { "?immutable=1" } else { "" }
    );
    let examine = || -> rusqlite::Result<(i64, i64, String)> {
        let conn = Connection::open_with_flags(&uri, flags)?;
        conn.busy_timeout(std::time::Duration::from_secs(30))?;
        let application = conn.query_row("PRAGMA application_id", [], |r| r.get(0))?;
        let format = conn.query_row("PRAGMA user_version", [], |r| r.get(0))?;
        for table in [
            "records",
            "observations",
            "letters",
            "audit",
            "legacy",
            "spool",
            "offsets",
            "registry",
        ] {
            conn.query_row(
                &format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1)"),
                [],
                |r| r.get::<_, i64>(0),
            )?;
        }
        let found = if whole {
            conn.query_row("PRAGMA quick_check(1)", [], |r| r.get(0))?
        } else {
            "ok".to_owned()
        };
        Ok((application, format, found))
    };
    match examine() {
        Ok((application, format, found)) => {
            verdict(path, application, format)?;
            if found == "ok" {
                Ok(())
            } else {
                Err(damaged(path, found.lines().next().unwrap_or("its check failed")))
            }
        }
        Err(e) => match e.sqlite_error_code() {
            Some(
                rusqlite::ErrorCode::DatabaseBusy
                | rusqlite::ErrorCode::CannotOpen
                | rusqlite::ErrorCode::PermissionDenied
                | rusqlite::ErrorCode::ReadOnly
                | rusqlite::ErrorCode::SystemIoFailure,
            ) => Err(unusable(path, e)),
            _ => Err(damaged(path, e)),
        },
    }
}

/// A path as a part of a URI.
fn escaped(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.as_os_str().as_encoded_bytes().iter().copied() {
        match byte {
            b'%' | b'?' | b'#' | 0x80.. => text.push_str(&format!("%{byte:02x}")),
            byte => text.push(char::from(byte)),
        }
    }
    text
}
