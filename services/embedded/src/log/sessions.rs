//! Sessions: who has the file open and has members. A session lives as long as it sends heartbeats.

use rusqlite::{Connection, params};

use super::groups;
use crate::clock::now_ms;
use crate::error::DbError;
use crate::shared::Shared;
use crate::writer::Unit;

/// Silence after which a session counts as dead, in milliseconds. Heartbeats come every two seconds.
pub(crate) const EXPIRY_MS: i64 = 12_000;

/// What a session writes about itself.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    session: String,
    host: String,
    exclusive: bool,
}

impl Identity {
    pub(crate) fn of(shared: &Shared) -> Self {
        Self {
            session: shared.session.clone(),
            host: format!("{} (process {})", shared.instance, std::process::id()),
            exclusive: shared.exclusive,
        }
    }

    /// The session's id.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// Says that the session lives.
    pub(crate) fn beat(&self, conn: &Connection) -> Result<(), DbError> {
        conn.prepare_cached(
            "INSERT INTO sessions (id, host, exclusive, heartbeat) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET heartbeat = excluded.heartbeat",
        )?
        .execute(params![self.session, self.host, self.exclusive, now_ms()])?;
        Ok(())
    }
}

/// Groups with members whose session is silent or gone.
pub(crate) fn with_dead_members(conn: &Connection, own: &str) -> Result<Vec<String>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT DISTINCT m.grp FROM members m LEFT JOIN sessions s ON s.id = m.session
         WHERE m.session <> ?1 AND (s.id IS NULL OR s.heartbeat < ?2)",
    )?;
    let groups = statement
        .query_map(params![own, now_ms() - EXPIRY_MS], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(groups)
}

/// Removes the sessions of exclusive openings, since whoever holds the folder's lock knows that they are dead, and
/// those that have been silent for an hour.
pub(crate) fn bury(conn: &Connection) -> rusqlite::Result<()> {
    let silent = now_ms() - 3_600_000;
    let dead: i64 = conn.query_row(
        "SELECT count(*) FROM sessions WHERE exclusive OR heartbeat < ?1",
        [silent],
        |r| r.get(0),
    )?;
    if dead == 0 {
        return Ok(());
    }
    conn.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         DELETE FROM sessions WHERE exclusive OR heartbeat < {silent};
         DELETE FROM members WHERE session NOT IN (SELECT id FROM sessions);
         DELETE FROM member_topics WHERE NOT EXISTS
             (SELECT 1 FROM members m WHERE m.grp = member_topics.grp AND m.name = member_topics.name);
         DELETE FROM assignments WHERE NOT EXISTS
             (SELECT 1 FROM members m WHERE m.grp = assignments.grp AND m.name = assignments.member);
         COMMIT;"
    ))
}

/// The session's last word: its members leave, so that others take over at once.
pub(crate) fn farewell(conn: &Connection, session: &str) {
    let work = || -> Result<(), DbError> {
        let known: i64 = conn.query_row("SELECT count(*) FROM sessions WHERE id = ?1", [session], |r| {
            r.get(0)
        })?;
        if known == 0 {
            return Ok(());
        }
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let mut unit = Unit::new(conn);
        let groups: Vec<String> = conn
            .prepare("SELECT DISTINCT grp FROM members WHERE session = ?1")?
            .query_map([session], |r| r.get(0))?
            .collect::<Result<_, _>>()?;
        conn.execute("DELETE FROM members WHERE session = ?1", [session])?;
        conn.execute("DELETE FROM sessions WHERE id = ?1", [session])?;
        for group in groups {
            groups::rebalance(&mut unit, &group, "")?;
        }
        conn.execute_batch("COMMIT")?;
        Ok(())
    };
    // Where it fails, the session expires by itself; the connection's end undoes what is half done.
    if let Err(e) = work() {
        tracing::debug!("leaving the data file: {e}");
    }
}
