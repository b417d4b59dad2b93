//! What only a log on the own disk can do: list its topics, and let records go.

use rusqlite::params;
use stardust_pipeline::log::{LogError, Topic};
use stardust_pipeline::relay::LocalLog;

use super::{EmbeddedLog, id_of, topics};
use crate::error::DbError;

/// Records removed in one job: the writer is never held for long.
const CHUNK: i64 = 2_000;

impl EmbeddedLog {
    /// The topics whose name starts like this, the oldest first.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub async fn topics_named(&self, start: &str) -> Result<Vec<Topic>, LogError> {
        let start = start.to_owned();
        self.shared
            .read(move |conn| {
                let mut statement = conn
                    .prepare("SELECT name FROM topics WHERE substr(name, 1, length(?1)) = ?1 ORDER BY id")?;
                let names = statement.query_map([start], |r| Ok(Topic::new(r.get_ref(0)?.as_str()?)))?;
                Ok::<_, DbError>(names.collect::<Result<_, _>>()?)
            })
            .await
            .map_err(Into::into)
    }
}

impl LocalLog for EmbeddedLog {
    async fn trim(&self, topic: &Topic, partition: i32, below: i64) -> Result<(), LogError> {
        loop {
            let topic = topic.clone();
            let done = self
                .shared
                .write(move |unit| {
                    let part = topics::part(unit.conn, &topic, partition)?;
                    let job = || -> Result<bool, DbError> {
                        let (low, high): (i64, i64) = unit
                            .conn
                            .prepare_cached("SELECT low, high FROM parts WHERE tp = ?1")?
                            .query_row([part.tp], |r| Ok((r.get(0)?, r.get(1)?)))?;
                        let below = below.min(high);
                        // Offsets have no gaps here, so that a chunk is a span of offsets.
                        let end = below.min(low.saturating_add(CHUNK));
                        if end > low {
                            unit.conn
                                .prepare_cached("DELETE FROM records WHERE id >= ?1 AND id < ?2")?
                                .execute([id_of(part.tp, low), id_of(part.tp, end)])?;
                            unit.conn
                                .prepare_cached("UPDATE parts SET low = ?2 WHERE tp = ?1")?
                                .execute([part.tp, end])?;
                        }
                        Ok(end >= below)
                    };
                    Ok::<_, LogError>(job()?)
                })
                .await?;
            if done {
                return Ok(());
            }
        }
    }

    async fn size(&self, topic: &Topic, below: i64) -> Result<(u64, u64), LogError> {
        let topic = topic.clone();
        self.shared
            .read(move |conn| {
                let (id, _) = topics::find(conn, &topic)?;
                let sum = || -> Result<(i64, i64), DbError> {
                    let mut total = (0, 0);
                    let mut statement = conn.prepare("SELECT tp, low, high FROM parts WHERE topic = ?1")?;
                    let mut rows = statement.query([id])?;
                    while let Some(row) = rows.next()? {
                        let (tp, low, high): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                        let (records, bytes): (i64, i64) = conn.query_row(
                            "SELECT count(*), coalesce(sum(length(key) + length(value)), 0) FROM records
                             WHERE id >= ?1 AND id < ?2",
                            params![id_of(tp, low), id_of(tp, high.min(below).max(low))],
                            |r| Ok((r.get(0)?, r.get(1)?)),
                        )?;
                        total = (total.0 + records, total.1 + bytes);
                    }
                    Ok(total)
                };
                let (records, bytes) = sum()?;
                Ok::<_, LogError>((records.unsigned_abs(), bytes.unsigned_abs()))
            })
            .await
    }
}
