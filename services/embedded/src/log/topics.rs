//! Topics and their partitions.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use stardust_pipeline::log::{Bounds, LogError, Topic, TopicSpec, TopicState};

use crate::error::DbError;
use crate::writer::Unit;

/// A partition of a topic.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Its number in the file.
    pub(crate) tp: i64,
    /// The topic.
    pub(crate) topic: Topic,
    /// Its number in the topic.
    pub(crate) partition: i32,
}

/// A topic's id and count of partitions.
pub(crate) fn find(conn: &Connection, topic: &Topic) -> Result<(i64, i32), LogError> {
    conn.prepare_cached("SELECT id, partitions FROM topics WHERE name = ?1")
        .and_then(|mut s| {
            s.query_row([topic.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()
        })
        .map_err(DbError::from)?
        .ok_or_else(|| LogError::UnknownTopic(topic.to_string()))
}

/// The ids of topics, in order.
pub(crate) fn ids(conn: &Connection, topics: &[Topic]) -> Result<Vec<i64>, LogError> {
    topics.iter().map(|t| find(conn, t).map(|(id, _)| id)).collect()
}

/// A partition of a topic.
pub(crate) fn part(conn: &Connection, topic: &Topic, partition: i32) -> Result<Part, LogError> {
    let (id, partitions) = find(conn, topic)?;
    let tp = conn
        .prepare_cached("SELECT tp FROM parts WHERE topic = ?1 AND partition = ?2")
        .and_then(|mut s| s.query_row(params![id, partition], |r| r.get(0)).optional())
        .map_err(DbError::from)?
        .ok_or_else(|| {
            LogError::Refused(format!(
                "{topic} has the partitions 0 to {}, not {partition}",
                partitions - 1
            ))
        })?;
    Ok(Part {
        tp,
        topic: topic.clone(),
        partition,
    })
}

/// Creates what is missing.
pub(crate) fn create(unit: &mut Unit<'_>, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
    let mut made = Vec::new();
    for spec in specs {
        if spec.partitions < 1 {
            return Err(LogError::Refused(format!(
                "{} needs at least one partition",
                spec.topic
            )));
        }
        let retention = spec
            .retention
            .map(|r| i64::try_from(r.as_millis()).unwrap_or(i64::MAX));
        if insert(unit.conn, spec, retention).map_err(DbError::from)? {
            made.push(spec.topic.clone());
        }
    }
    Ok(made)
}

fn insert(conn: &Connection, spec: &TopicSpec, retention_ms: Option<i64>) -> rusqlite::Result<bool> {
    let new = conn.execute(
        "INSERT INTO topics (name, partitions, retention_ms, compacted) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (name) DO NOTHING",
        params![spec.topic.as_str(), spec.partitions, retention_ms, spec.compacted],
    )?;
    if new == 0 {
        return Ok(false);
    }
    let topic = conn.last_insert_rowid();
    for partition in 0..spec.partitions {
        conn.execute(
            "INSERT INTO parts (topic, partition, low, high) VALUES (?1, ?2, 0, 0)",
            params![topic, partition],
        )?;
    }
    Ok(true)
}

/// Topics that exist, among those asked for.
pub(crate) fn describe(conn: &Connection, topics: &[Topic]) -> Result<Vec<TopicState>, LogError> {
    let mut states = Vec::new();
    for topic in topics {
        let spec = conn
            .prepare_cached("SELECT partitions, retention_ms, compacted FROM topics WHERE name = ?1")
            .and_then(|mut s| {
                s.query_row([topic.as_str()], |r| {
                    let retention: Option<i64> = r.get(1)?;
                    Ok(TopicSpec {
                        topic: topic.clone(),
                        partitions: r.get(0)?,
                        retention: retention.map(|ms| Duration::from_millis(ms.unsigned_abs())),
                        compacted: r.get(2)?,
                    })
                })
                .optional()
            })
            .map_err(DbError::from)?;
        if let Some(spec) = spec {
            states.push(TopicState {
                spec,
                bounds: bounds(conn, topic)?,
            });
        }
    }
    Ok(states)
}

/// The bounds of each partition.
pub(crate) fn bounds(conn: &Connection, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
    let (id, _) = find(conn, topic)?;
    let all = || -> rusqlite::Result<Vec<Bounds>> {
        let mut statement = conn
            .prepare_cached("SELECT partition, low, high FROM parts WHERE topic = ?1 ORDER BY partition")?;
        let rows = statement.query_map([id], |r| {
            Ok(Bounds {
                partition: r.get(0)?,
                low: r.get(1)?,
                high: r.get(2)?,
            })
        })?;
        rows.collect()
    };
    Ok(all().map_err(DbError::from)?)
}
