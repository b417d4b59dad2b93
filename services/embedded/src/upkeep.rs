//! The upkeep thread: heartbeats, dead sessions, what other processes wrote, and old records.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::clock::now_ms;
use crate::error::DbError;
use crate::log::sessions::{self, Identity};
use crate::log::{groups, id_of};
use crate::shared::Shared;

/// How often the file is asked whether anyone has written to it.
const LOOK: Duration = Duration::from_millis(100);
const HEARTBEAT: Duration = Duration::from_secs(2);
const MAINTENANCE: Duration = Duration::from_secs(3_600);
const FIRST_MAINTENANCE: Duration = Duration::from_secs(300);
/// Records removed in one job: the writer is never held for long.
const CHUNK: i64 = 2_000;

/// What maintenance removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Removed {
    /// Records older than the retention of their topic.
    pub expired: u64,
    /// Records of compacted topics whose key has a newer one.
    pub superseded: u64,
}

/// Starts the thread. It ends soon after the last handle is gone.
pub(crate) fn start(shared: &Arc<Shared>, conn: Connection) -> std::io::Result<()> {
    let shared = Arc::downgrade(shared);
    std::thread::Builder::new()
        .name("stardust-upkeep".into())
        .spawn(move || run(&shared, &conn))
        .map(drop)
}

fn run(shared: &Weak<Shared>, conn: &Connection) {
    let mut version = 0;
    let mut beat = Instant::now();
    let mut maintained = Instant::now();
    let mut due = FIRST_MAINTENANCE;
    loop {
        std::thread::sleep(LOOK);
        let Some(shared) = shared.upgrade() else { return };
        if !shared.bells.is_silent()
            && let Ok(now) = conn.query_row("PRAGMA data_version", [], |r| r.get::<_, i64>(0))
            && now != version
        {
            version = now;
            shared.bells.ring_all();
        }
        if shared.joined.load(Ordering::Relaxed) && beat.elapsed() >= HEARTBEAT {
            beat = Instant::now();
            heartbeat(&shared, conn);
        }
        if shared.exclusive && maintained.elapsed() >= due {
            match maintain(&shared) {
                Ok(removed) => tracing::info!(
                    expired = removed.expired,
                    superseded = removed.superseded,
                    "old records removed"
                ),
                Err(DbError::Closed) => return,
                Err(e) => tracing::warn!("old records could not be removed: {e}"),
            }
            (maintained, due) = (Instant::now(), MAINTENANCE);
        }
    }
}

/// Says that this session lives, and shares out what dead ones leave behind. Nobody waits for the answer.
fn heartbeat(shared: &Arc<Shared>, conn: &Connection) {
    let identity = Identity::of(shared);
    drop(shared.writer.submit(None, move |unit| identity.beat(unit.conn)));
    for group in sessions::with_dead_members(conn, &shared.session).unwrap_or_default() {
        let own = shared.session.clone();
        drop(
            shared
                .writer
                .submit(None, move |unit| groups::rebalance(unit, &group, &own)),
        );
    }
}

/// A topic that has a policy.
struct Policy {
    topic: i64,
    retention_ms: Option<i64>,
    compacted: bool,
}

/// Removes old and superseded records. Blocks.
pub(crate) fn maintain(shared: &Shared) -> Result<Removed, DbError> {
    let mut removed = Removed::default();
    let policies: Vec<Policy> = shared.readers.read_now(|conn| {
        let mut statement = conn.prepare(
            "SELECT id, retention_ms, compacted FROM topics WHERE retention_ms IS NOT NULL OR compacted",
        )?;
        let rows = statement.query_map([], |r| {
            Ok(Policy {
                topic: r.get(0)?,
                retention_ms: r.get(1)?,
                compacted: r.get(2)?,
            })
        })?;
        Ok::<_, DbError>(rows.collect::<Result<_, _>>()?)
    })?;
    for policy in policies {
        let parts: Vec<i64> = shared.readers.read_now(|conn| {
            let mut statement = conn.prepare("SELECT tp FROM parts WHERE topic = ?1")?;
            let rows = statement.query_map([policy.topic], |r| r.get(0))?;
            Ok::<_, DbError>(rows.collect::<Result<_, _>>()?)
        })?;
        for tp in parts {
            if let Some(retention) = policy.retention_ms {
                removed.expired += expire(shared, tp, now_ms().saturating_sub(retention))?;
            }
            if policy.compacted {
                removed.superseded += compact(shared, tp)?;
            }
        }
    }
    Ok(removed)
}

/// Removes the records at the start of a partition that are older than `before`.
fn expire(shared: &Shared, tp: i64, before: i64) -> Result<u64, DbError> {
    let mut total = 0;
    loop {
        let removed = shared.write_now(move |unit| {
            let (low, high): (i64, i64) = unit
                .conn
                .prepare_cached("SELECT low, high FROM parts WHERE tp = ?1")?
                .query_row([tp], |r| Ok((r.get(0)?, r.get(1)?)))?;
            // The first that stays, among the next chunk; offsets stay in order whatever the clock did.
            let stays: Option<i64> = unit
                .conn
                .prepare_cached(
                    "SELECT min(id) FROM (SELECT id, timestamp FROM records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3)
                     WHERE timestamp >= ?4",
                )?
                .query_row(params![id_of(tp, low), id_of(tp, high), CHUNK, before], |r| r.get(0))?;
            let end = match stays {
                Some(id) => id - id_of(tp, 0),
                None => unit
                    .conn
                    .prepare_cached("SELECT max(id) FROM (SELECT id FROM records WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3)")?
                    .query_row(params![id_of(tp, low), id_of(tp, high), CHUNK], |r| r.get::<_, Option<i64>>(0))?
                    .map_or(high, |id| id - id_of(tp, 0) + 1),
            };
            let count = unit
                .conn
                .prepare_cached("DELETE FROM records WHERE id >= ?1 AND id < ?2")?
                .execute([id_of(tp, low), id_of(tp, end)])?;
            unit.conn
                .prepare_cached("UPDATE parts SET low = ?2 WHERE tp = ?1")?
                .execute([tp, end])?;
            Ok::<_, DbError>((count as u64, stays.is_none() && end < high))
        })?;
        total += removed.0;
        if !removed.1 {
            return Ok(total);
        }
    }
}

/// Removes records of a partition whose key has a newer one.
fn compact(shared: &Shared, tp: i64) -> Result<u64, DbError> {
    let old: Vec<i64> = shared.readers.read_now(|conn| {
        let mut newest: HashMap<Vec<u8>, i64> = HashMap::new();
        let mut old = Vec::new();
        let mut statement =
            conn.prepare("SELECT id, key FROM records WHERE id >= ?1 AND id < ?2 ORDER BY id")?;
        let mut rows = statement.query([id_of(tp, 0), id_of(tp + 1, 0)])?;
        while let Some(row) = rows.next()? {
            let id = row.get(0)?;
            old.extend(newest.insert(row.get(1)?, id));
        }
        Ok::<_, DbError>(old)
    })?;
    let mut total = 0;
    for chunk in old.chunks(1_000) {
        let chunk = chunk.to_vec();
        total += shared.write_now(move |unit| {
            let mut statement = unit.conn.prepare_cached("DELETE FROM records WHERE id = ?1")?;
            let mut count = 0;
            for id in chunk {
                count += statement.execute([id])? as u64;
            }
            Ok::<_, DbError>(count)
        })?;
    }
    Ok(total)
}
