//! The spool: a queue of its own in the same file.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{Connection, params};
use stardust_pipeline::log::{NewRecord, Topic};
use stardust_pipeline::spool::{Spool, SpoolError, SpoolLevel, Spooled};

use crate::error::DbError;
use crate::shared::Shared;

/// The spool of an opened data folder.
#[derive(Clone)]
pub struct EmbeddedSpool {
    pub(crate) shared: Arc<Shared>,
    pub(crate) limit_bytes: u64,
}

fn level(conn: &Connection) -> Result<SpoolLevel, DbError> {
    let level = conn
        .prepare_cached("SELECT records, bytes FROM spool_level WHERE one = 1")?
        .query_row([], |r| {
            Ok(SpoolLevel {
                records: r.get::<_, i64>(0)?.unsigned_abs(),
                bytes: r.get::<_, i64>(1)?.unsigned_abs(),
            })
        })?;
    Ok(level)
}

fn shift_level(conn: &Connection, records: i64, bytes: i64) -> Result<(), DbError> {
    conn.prepare_cached("UPDATE spool_level SET records = records + ?1, bytes = bytes + ?2 WHERE one = 1")?
        .execute([records, bytes])?;
    Ok(())
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Spool for EmbeddedSpool {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), SpoolError> {
        let limit = self.limit_bytes;
        self.shared
            .write(move |unit| {
                let bytes: usize = records.iter().map(|r| r.key.len() + r.value.len()).sum();
                let now = level(unit.conn)?;
                if now.bytes.saturating_add(bytes as u64) > limit {
                    return Err(SpoolError::Full(format!(
                        "{} records with {} of {limit} bytes wait for the broker",
                        now.records, now.bytes
                    )));
                }
                insert(unit.conn, &records)?;
                shift_level(unit.conn, signed(records.len()), signed(bytes))?;
                Ok(())
            })
            .await
    }

    async fn front(&self, most: usize) -> Result<Vec<Spooled>, SpoolError> {
        self.shared
            .read(move |conn| Ok::<_, SpoolError>(front(conn, most)?))
            .await
    }

    async fn remove(&self, seqs: &[i64]) -> Result<(), SpoolError> {
        let seqs = seqs.to_vec();
        self.shared
            .write(move |unit| Ok::<_, SpoolError>(remove(unit.conn, &seqs)?))
            .await
    }

    async fn level(&self) -> Result<SpoolLevel, SpoolError> {
        self.shared.read(|conn| Ok::<_, SpoolError>(level(conn)?)).await
    }

    async fn keys(&self) -> Result<Vec<(Bytes, u64)>, SpoolError> {
        self.shared.read(|conn| Ok::<_, SpoolError>(keys(conn)?)).await
    }
}

fn keys(conn: &Connection) -> Result<Vec<(Bytes, u64)>, DbError> {
    let mut statement = conn.prepare_cached("SELECT key, COUNT(*) FROM spool GROUP BY key")?;
    let rows = statement.query_map([], |r| {
        Ok((
            Bytes::from(r.get::<_, Vec<u8>>(0)?),
            r.get::<_, i64>(1)?.unsigned_abs(),
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn insert(conn: &Connection, records: &[NewRecord]) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached("INSERT INTO spool (topic, key, value) VALUES (?1, ?2, ?3)")?;
    for r in records {
        statement.execute(params![r.topic.as_str(), &r.key[..], &r.value[..]])?;
    }
    Ok(())
}

fn front(conn: &Connection, most: usize) -> Result<Vec<Spooled>, DbError> {
    let mut statement =
        conn.prepare_cached("SELECT seq, topic, key, value FROM spool ORDER BY seq LIMIT ?1")?;
    let rows = statement.query_map([signed(most)], |r| {
        Ok(Spooled {
            seq: r.get(0)?,
            record: NewRecord {
                topic: Topic::new(r.get_ref(1)?.as_str()?),
                key: Bytes::from(r.get::<_, Vec<u8>>(2)?),
                value: Bytes::from(r.get::<_, Vec<u8>>(3)?),
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn remove(conn: &Connection, seqs: &[i64]) -> Result<(), DbError> {
    let mut statement =
        conn.prepare_cached("DELETE FROM spool WHERE seq = ?1 RETURNING length(key) + length(value)")?;
    let (mut records, mut bytes) = (0, 0);
    for seq in seqs {
        let mut rows = statement.query([seq])?;
        if let Some(row) = rows.next()? {
            records += 1;
            bytes += row.get::<_, i64>(0)?;
        }
    }
    shift_level(conn, -records, -bytes)
}
