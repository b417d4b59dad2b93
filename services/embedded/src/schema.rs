//! The tables, and the pragmas of every connection.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// `SDst`: marks the file as ours.
pub(crate) const APPLICATION_ID: i64 = 0x5344_7374;
/// The format that this program reads and writes.
pub(crate) const FORMAT: i64 = 1;

/// Offsets take the lower bits of a record's id, the number of its partition the upper ones.
pub(crate) const OFFSET_BITS: u32 = 40;

/// How long a call waits for another process to finish its write: in tries of about a millisecond.
const BUSY_TRIES: i32 = 30_000;

/// Every table of format 1. Times are milliseconds since the epoch unless the name says `_us` (microseconds).
pub(crate) const TABLES: &str = "
CREATE TABLE topics (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL, retention_ms INTEGER,
    compacted INTEGER NOT NULL);
CREATE TABLE parts (
    tp INTEGER PRIMARY KEY, topic INTEGER NOT NULL, partition INTEGER NOT NULL, low INTEGER NOT NULL,
    high INTEGER NOT NULL, UNIQUE (topic, partition));
CREATE TABLE records (id INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
CREATE TABLE offsets (grp TEXT NOT NULL, tp INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (grp, tp))
    WITHOUT ROWID;

CREATE TABLE sessions (id TEXT PRIMARY KEY, host TEXT NOT NULL, exclusive INTEGER NOT NULL, heartbeat INTEGER NOT NULL)
    WITHOUT ROWID;
CREATE TABLE groups (name TEXT PRIMARY KEY, generation INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE members (
    grp TEXT NOT NULL, name TEXT NOT NULL, session TEXT NOT NULL, incarnation INTEGER NOT NULL,
    PRIMARY KEY (grp, name)) WITHOUT ROWID;
CREATE TABLE member_topics (grp TEXT NOT NULL, name TEXT NOT NULL, topic INTEGER NOT NULL, PRIMARY KEY (grp, name, topic))
    WITHOUT ROWID;
CREATE TABLE assignments (
    grp TEXT NOT NULL, tp INTEGER NOT NULL, member TEXT NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (grp, tp))
    WITHOUT ROWID;

CREATE TABLE spool (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL);
CREATE TABLE spool_level (one INTEGER PRIMARY KEY CHECK (one = 1), records INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO spool_level VALUES (1, 0, 0);

CREATE TABLE observations (
    id TEXT NOT NULL UNIQUE, main INTEGER NOT NULL, code TEXT NOT NULL, status TEXT NOT NULL, patient TEXT NOT NULL,
    device TEXT, gateway TEXT, effective_us INTEGER NOT NULL, recorded_us INTEGER NOT NULL,
    receipt_id TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
    item INTEGER NOT NULL, source TEXT NOT NULL, mapping_version TEXT NOT NULL, migration_run TEXT,
    legacy_collection TEXT, legacy_id TEXT, resource TEXT NOT NULL, raw_item TEXT NOT NULL, legacy_document TEXT);
CREATE INDEX observations_place ON observations (topic, partition, offset);
CREATE INDEX observations_receipt ON observations (receipt_id);
CREATE INDEX observations_run ON observations (migration_run) WHERE migration_run IS NOT NULL;

CREATE TABLE letters (
    shelf INTEGER NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, receipt_id TEXT NOT NULL, topic TEXT NOT NULL,
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, item INTEGER NOT NULL, field TEXT, partial INTEGER NOT NULL,
    stage TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT, gateway TEXT, device TEXT, mapping_version TEXT NOT NULL,
    first_try_us INTEGER NOT NULL, last_try_us INTEGER NOT NULL, PRIMARY KEY (shelf, id)) WITHOUT ROWID;
CREATE INDEX letters_place ON letters (topic, partition, offset);
CREATE INDEX letters_receipt ON letters (receipt_id);
CREATE INDEX letters_state ON letters (shelf, state, id);
CREATE TABLE kept_raw (receipt_id TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL);

CREATE TABLE legacy (
    collection TEXT NOT NULL, id TEXT NOT NULL, receipt_id TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (collection, id));
CREATE INDEX legacy_receipt ON legacy (receipt_id);

CREATE TABLE audit (
    id TEXT NOT NULL UNIQUE, chain INTEGER NOT NULL, seq INTEGER NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL,
    outcome TEXT NOT NULL, receipt_id TEXT NOT NULL, patient TEXT, gateway TEXT, recorded_us INTEGER NOT NULL,
    resource TEXT NOT NULL, UNIQUE (chain, seq));
CREATE INDEX audit_receipt ON audit (receipt_id);

CREATE TABLE registry (kind TEXT NOT NULL, place INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, place))
    WITHOUT ROWID;
CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
";

/// Tables that came after the first files of format 1: made where they are missing. A program that does not know them
/// leaves them alone.
pub(crate) const ADDED: &str = "
CREATE TABLE IF NOT EXISTS audit_heads (chain INTEGER PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS audit_checkpoints (
    mark TEXT NOT NULL, chain INTEGER NOT NULL, seq INTEGER NOT NULL, hash TEXT NOT NULL, at_us INTEGER NOT NULL,
    key_id TEXT NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (mark, chain, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS books (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, from_offset INTEGER NOT NULL, to_offset INTEGER NOT NULL,
    sums TEXT NOT NULL, PRIMARY KEY (topic, partition, from_offset)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, source TEXT NOT NULL, state TEXT NOT NULL, started_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL, version INTEGER NOT NULL, progress TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS associations (
    device TEXT NOT NULL, kind TEXT NOT NULL, number INTEGER NOT NULL, patient TEXT NOT NULL, from_ms INTEGER NOT NULL,
    until_ms INTEGER, PRIMARY KEY (device, kind, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS associations_at (what TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS associations_imported (
    place INTEGER PRIMARY KEY, device TEXT NOT NULL, patient TEXT NOT NULL, start_ms INTEGER, end_ms INTEGER);
CREATE TABLE IF NOT EXISTS associations_named (
    device TEXT NOT NULL, second INTEGER NOT NULL, patient TEXT NOT NULL, PRIMARY KEY (device, second)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS resources (
    kind TEXT NOT NULL, id TEXT NOT NULL, resource TEXT NOT NULL, patient TEXT, device TEXT, created_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID;
";

/// Waits for another process in short naps: it may leave the lock only for an instant.
fn nap(tries: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    tries < BUSY_TRIES
}

/// The connection of the writer thread.
pub(crate) fn writing(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_handler(Some(nap))?;
    // FULL: a commit is answered once the write-ahead log is on disk.
    conn.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16000; PRAGMA temp_store = MEMORY;
         PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;",
    )?;
    conn.execute_batch(ADDED)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// A connection that only reads.
pub(crate) fn reading(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_handler(Some(nap))?;
    conn.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000; PRAGMA temp_store = MEMORY;")?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}
