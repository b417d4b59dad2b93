//! Groups: members, who has which partition, committed offsets.
//!
//! All of it is rows, so that processes on one file agree, and a commit checks the ownership in its own transaction.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, params};
use stardust_pipeline::log::{LogError, MemberInfo, Topic};

use super::balance::{Slot, balance};
use super::sessions::{EXPIRY_MS, Identity};
use super::topics::{self, Part};
use crate::bells::Bell;
use crate::clock::now_ms;
use crate::error::DbError;
use crate::writer::Unit;

/// A member's place in a group.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    /// The group.
    pub(crate) group: String,
    /// The member's name: `<group>/<instance>/<worker>`.
    pub(crate) name: String,
    /// What it follows.
    pub(crate) topics: Vec<Topic>,
}

/// A partition that a member has.
#[derive(Debug, Clone)]
pub(crate) struct Owned {
    /// The partition.
    pub(crate) part: Part,
    /// Changes with each owner; a commit under another epoch is void.
    pub(crate) epoch: i64,
    /// The next record to deliver.
    pub(crate) next: i64,
    /// The partition's end.
    pub(crate) high: i64,
}

/// How a member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is a member.
    Seated,
    /// It was silent too long and has been removed; it may join again.
    Removed,
    /// Another one has joined under its name.
    Fenced,
}

/// Joins and shares the partitions anew; answers the member's incarnation.
pub(crate) fn join(unit: &mut Unit<'_>, identity: &Identity, seat: &Seat) -> Result<i64, LogError> {
    let topics = topics::ids(unit.conn, &seat.topics)?;
    let incarnation = sit_down(unit, identity, seat, &topics)?;
    Ok(incarnation)
}

fn sit_down(unit: &mut Unit<'_>, identity: &Identity, seat: &Seat, topics: &[i64]) -> Result<i64, DbError> {
    let conn = unit.conn;
    identity.beat(conn)?;
    conn.prepare_cached(
        "INSERT INTO groups (name, generation) VALUES (?1, 0) ON CONFLICT (name) DO NOTHING",
    )?
    .execute([&seat.group])?;
    let incarnation: i64 = conn
        .prepare_cached("UPDATE groups SET generation = generation + 1 WHERE name = ?1 RETURNING generation")?
        .query_row([&seat.group], |r| r.get(0))?;
    // Whoever had this name before loses its partitions: what it has open is void.
    for table in [
        "assignments WHERE grp = ?1 AND member = ?2",
        "member_topics WHERE grp = ?1 AND name = ?2",
    ] {
        conn.prepare_cached(&format!("DELETE FROM {table}"))?
            .execute([&seat.group, &seat.name])?;
    }
    conn.prepare_cached(
        "INSERT OR REPLACE INTO members (grp, name, session, incarnation) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![seat.group, seat.name, identity.session(), incarnation])?;
    for topic in topics {
        conn.prepare_cached("INSERT OR IGNORE INTO member_topics (grp, name, topic) VALUES (?1, ?2, ?3)")?
            .execute(params![seat.group, seat.name, topic])?;
    }
    rebalance(unit, &seat.group, identity.session())?;
    Ok(incarnation)
}

/// Leaves, where this is still the member of that name. A member that never heard its incarnation leaves as the one
/// of its session.
pub(crate) fn leave(
    unit: &mut Unit<'_>,
    seat: &Seat,
    incarnation: i64,
    session: &str,
) -> Result<(), DbError> {
    let left = unit
        .conn
        .prepare_cached(
            "DELETE FROM members WHERE grp = ?1 AND name = ?2 AND (incarnation = ?3 OR ?3 = 0 AND session = ?4)",
        )?
        .execute(params![seat.group, seat.name, incarnation, session])?;
    if left > 0 {
        rebalance(unit, &seat.group, session)?;
    }
    Ok(())
}

/// Removes members of dead sessions (never of `own`) and shares the partitions out.
pub(crate) fn rebalance(unit: &mut Unit<'_>, group: &str, own: &str) -> Result<(), DbError> {
    let conn = unit.conn;
    conn.prepare_cached(
        "DELETE FROM members WHERE grp = ?1 AND session <> ?2 AND NOT EXISTS
             (SELECT 1 FROM sessions s WHERE s.id = members.session AND s.heartbeat >= ?3)",
    )?
    .execute(params![group, own, now_ms() - EXPIRY_MS])?;
    conn.prepare_cached(
        "DELETE FROM member_topics WHERE grp = ?1 AND NOT EXISTS
             (SELECT 1 FROM members m WHERE m.grp = ?1 AND m.name = member_topics.name)",
    )?
    .execute([group])?;
    let mut members: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    let mut statement = conn.prepare_cached("SELECT name, topic FROM member_topics WHERE grp = ?1")?;
    let mut rows = statement.query([group])?;
    while let Some(row) = rows.next()? {
        members.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    let slots: Vec<Slot> = conn
        .prepare_cached(
            "SELECT tp, topic FROM parts WHERE topic IN (SELECT topic FROM member_topics WHERE grp = ?1) ORDER BY tp",
        )?
        .query_map([group], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let current: BTreeMap<i64, String> = conn
        .prepare_cached("SELECT tp, member FROM assignments WHERE grp = ?1")?
        .query_map([group], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let target = balance(&members, &slots, &current);
    if target != current {
        let epoch: i64 = conn
            .prepare_cached(
                "UPDATE groups SET generation = generation + 1 WHERE name = ?1 RETURNING generation",
            )?
            .query_row([group], |r| r.get(0))?;
        for tp in current.keys().filter(|tp| !target.contains_key(tp)) {
            conn.prepare_cached("DELETE FROM assignments WHERE grp = ?1 AND tp = ?2")?
                .execute(params![group, tp])?;
        }
        for (tp, member) in target
            .iter()
            .filter(|(tp, member)| current.get(tp) != Some(member))
        {
            conn.prepare_cached(
                "INSERT OR REPLACE INTO assignments (grp, tp, member, epoch) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![group, tp, member, epoch])?;
        }
    }
    unit.ring(Bell::Group(group.to_owned()));
    Ok(())
}

/// How the member of this name and incarnation stands.
pub(crate) fn standing(conn: &Connection, seat: &Seat, incarnation: i64) -> Result<Standing, DbError> {
    let now: Option<i64> = conn
        .prepare_cached("SELECT incarnation FROM members WHERE grp = ?1 AND name = ?2")?
        .query_row([&seat.group, &seat.name], |r| r.get(0))
        .optional()?;
    Ok(match now {
        None => Standing::Removed,
        Some(now) if now == incarnation => Standing::Seated,
        Some(_) => Standing::Fenced,
    })
}

/// The partitions of a member, with the next record of each.
pub(crate) fn owned(conn: &Connection, seat: &Seat) -> Result<Vec<Owned>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT a.tp, t.name, p.partition, a.epoch, max(coalesce(o.next, p.low), p.low), p.high
         FROM assignments a JOIN parts p ON p.tp = a.tp JOIN topics t ON t.id = p.topic
         LEFT JOIN offsets o ON o.grp = a.grp AND o.tp = a.tp
         WHERE a.grp = ?1 AND a.member = ?2 ORDER BY a.tp",
    )?;
    let mut rows = statement.query([&seat.group, &seat.name])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let name = row
            .get_ref(1)?
            .as_str()
            .map_err(|e| DbError::Damaged(e.to_string()))?;
        let topic = seat.topics.iter().find(|t| t.as_str() == name);
        all.push(Owned {
            part: Part {
                tp: row.get(0)?,
                topic: topic.cloned().unwrap_or_else(|| Topic::new(name)),
                partition: row.get(2)?,
            },
            epoch: row.get(3)?,
            next: row.get(4)?,
            high: row.get(5)?,
        });
    }
    Ok(all)
}

/// Whether a member has each of these partitions still under the epoch it took them.
pub(crate) fn still_owned(
    conn: &Connection,
    seat: &Seat,
    taken: impl IntoIterator<Item = (i64, i64)>,
) -> Result<bool, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT 1 FROM assignments WHERE grp = ?1 AND tp = ?2 AND member = ?3 AND epoch = ?4",
    )?;
    for (tp, epoch) in taken {
        if !statement.exists(params![seat.group, tp, seat.name, epoch])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes the next record of a partition.
pub(crate) fn set_next(conn: &Connection, group: &str, tp: i64, next: i64) -> Result<(), DbError> {
    conn.prepare_cached(
        "INSERT INTO offsets (grp, tp, next) VALUES (?1, ?2, ?3) ON CONFLICT (grp, tp) DO UPDATE SET next = excluded.next",
    )?
    .execute(params![group, tp, next])?;
    Ok(())
}

/// Committed offsets of each partition.
pub(crate) fn committed(
    conn: &Connection,
    group: &str,
    topic: &Topic,
) -> Result<Vec<(i32, Option<i64>)>, LogError> {
    let (id, _) = topics::find(conn, topic)?;
    let all = || -> Result<Vec<_>, DbError> {
        let mut statement = conn.prepare_cached(
            "SELECT p.partition, o.next FROM parts p LEFT JOIN offsets o ON o.grp = ?1 AND o.tp = p.tp
             WHERE p.topic = ?2 ORDER BY p.partition",
        )?;
        let rows = statement.query_map(params![group, id], |r| Ok((r.get(0)?, r.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    Ok(all()?)
}

/// Records that the group has not done. Compaction leaves gaps, so there records are counted one by one.
pub(crate) fn lag(conn: &Connection, group: &str, topic: &Topic) -> Result<u64, LogError> {
    let (id, _) = topics::find(conn, topic)?;
    let count = || -> Result<i64, DbError> {
        let compacted: bool =
            conn.query_row("SELECT compacted FROM topics WHERE id = ?1", [id], |r| r.get(0))?;
        let mut statement = conn.prepare_cached(
            "SELECT p.tp, max(coalesce(o.next, p.low), p.low), p.high FROM parts p
             LEFT JOIN offsets o ON o.grp = ?1 AND o.tp = p.tp WHERE p.topic = ?2",
        )?;
        let mut rows = statement.query(params![group, id])?;
        let mut total = 0;
        while let Some(row) = rows.next()? {
            let (tp, next, high): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            total += if !compacted {
                (high - next).max(0)
            } else {
                conn.prepare_cached("SELECT count(*) FROM records WHERE id >= ?1 AND id < ?2")?
                    .query_row([super::id_of(tp, next), super::id_of(tp, high)], |r| r.get(0))?
            };
        }
        Ok(total)
    };
    Ok(count()?.unsigned_abs())
}

/// Members of living sessions.
pub(crate) fn members(conn: &Connection, group: &str, now: i64) -> Result<Vec<MemberInfo>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT m.name, s.host FROM members m JOIN sessions s ON s.id = m.session
         WHERE m.grp = ?1 AND s.heartbeat >= ?2 ORDER BY m.name",
    )?;
    let rows = statement.query_map(params![group, now - EXPIRY_MS], |r| {
        Ok(MemberInfo {
            name: r.get(0)?,
            host: r.get(1)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sets offsets of a group without members.
pub(crate) fn set_offsets(
    unit: &mut Unit<'_>,
    group: &str,
    topic: &Topic,
    offsets: &[(i32, i64)],
) -> Result<(), LogError> {
    let active = members(unit.conn, group, now_ms())?;
    if !active.is_empty() {
        let names: Vec<_> = active
            .iter()
            .map(|m| format!("{} on {}", m.name, m.host))
            .collect();
        return Err(LogError::Refused(format!(
            "the group {group} has members ({}); stop them first",
            names.join(", ")
        )));
    }
    // Whoever is silent is out from here on: should it wake up, its commit is void.
    rebalance(unit, group, "")?;
    for (partition, offset) in offsets {
        let part = topics::part(unit.conn, topic, *partition)?;
        let (low, high): (i64, i64) = unit
            .conn
            .query_row("SELECT low, high FROM parts WHERE tp = ?1", [part.tp], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .map_err(DbError::from)?;
        set_next(unit.conn, group, part.tp, (*offset).clamp(low, high))?;
    }
    Ok(())
}
