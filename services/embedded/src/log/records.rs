//! Records: appended at the end of their partition, read in order.

use std::collections::HashMap;

use bytes::Bytes;
use rusqlite::{Connection, params};
use stardust_pipeline::log::{Ack, Budget, LogError, LogRecord, NewRecord};
use stardust_pipeline::partition::partition_of;

use super::topics::{self, Part};
use crate::bells::Bell;
use crate::clock::now_ms;
use crate::error::DbError;
use crate::schema::OFFSET_BITS;
use crate::writer::Unit;

/// The largest record: key and value.
const LARGEST: usize = 4 << 20;
const MASK: i64 = (1 << OFFSET_BITS) - 1;

/// The id of a record.
pub(crate) const fn id_of(tp: i64, offset: i64) -> i64 {
    (tp << OFFSET_BITS) | offset
}

/// The ids of a partition from an offset on.
const fn ids_from(tp: i64, offset: i64) -> (i64, i64) {
    let from = if offset < 0 {
        0
    } else if offset > MASK {
        MASK
    } else {
        offset
    };
    (id_of(tp, from), id_of(tp, MASK))
}

/// Appends what can be taken; the error of the call is the file's and undoes all.
pub(crate) fn append(
    unit: &mut Unit<'_>,
    records: &[NewRecord],
) -> Result<Vec<Result<Ack, LogError>>, DbError> {
    let timestamp = now_ms();
    let mut topics: HashMap<&str, Result<(i64, i32), LogError>> = HashMap::new();
    // The next offset of each partition touched: read once, written once.
    let mut ends: HashMap<(i64, i32), (i64, i64)> = HashMap::new();
    let mut insert = unit
        .conn
        .prepare_cached("INSERT INTO records (id, timestamp, key, value) VALUES (?1, ?2, ?3, ?4)")?;
    let mut acks = Vec::with_capacity(records.len());
    for record in records {
        let found = topics
            .entry(record.topic.as_str())
            .or_insert_with(|| topics::find(unit.conn, &record.topic));
        let (topic, partitions) = match found {
            Ok(found) => *found,
            Err(e @ LogError::UnknownTopic(_)) => {
                acks.push(Err(e.clone()));
                continue;
            }
            Err(e) => return Err(DbError::Unavailable(e.to_string())),
        };
        let size = record.key.len() + record.value.len();
        if size > LARGEST {
            acks.push(Err(LogError::Refused(format!(
                "{size} bytes are more than {LARGEST}"
            ))));
            continue;
        }
        let partition = partition_of(&record.key, partitions);
        let end = match ends.entry((topic, partition)) {
            std::collections::hash_map::Entry::Occupied(end) => end.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(
                unit.conn
                    .prepare_cached("SELECT tp, high FROM parts WHERE topic = ?1 AND partition = ?2")?
                    .query_row(params![topic, partition], |r| Ok((r.get(0)?, r.get(1)?)))?,
            ),
        };
        let (tp, offset) = *end;
        insert.execute(params![
            id_of(tp, offset),
            timestamp,
            &record.key[..],
            &record.value[..]
        ])?;
        end.1 += 1;
        acks.push(Ok(Ack { partition, offset }));
    }
    for ((topic, _), (tp, high)) in ends {
        unit.conn
            .prepare_cached("UPDATE parts SET high = ?2 WHERE tp = ?1")?
            .execute([tp, high])?;
        unit.ring(Bell::Topic(topic));
    }
    Ok(acks)
}

/// Adds the records of a partition from an offset on to `found`, as far as the budget for all of `found` goes.
pub(crate) fn after(
    conn: &Connection,
    part: &Part,
    from: i64,
    budget: Budget,
    found: &mut Vec<LogRecord>,
) -> Result<(), DbError> {
    let mut bytes: usize = found.iter().map(|r| r.value.len()).sum();
    let (first, last) = ids_from(part.tp, from);
    let mut statement = conn.prepare_cached(
        "SELECT id, timestamp, key, value FROM records WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
    )?;
    let mut rows = statement.query([first, last])?;
    while found.len() < budget.records && (bytes < budget.bytes || found.is_empty()) {
        let Some(row) = rows.next()? else { break };
        let id: i64 = row.get(0)?;
        let (key, value): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        bytes += value.len();
        found.push(LogRecord {
            topic: part.topic.clone(),
            partition: part.partition,
            offset: id & MASK,
            timestamp_ms: row.get(1)?,
            key: Some(Bytes::from(key)),
            value: Bytes::from(value),
        });
    }
    Ok(())
}

/// The first offset at or after a time. Clocks may be set back, so timestamps need not rise: each is looked at.
pub(crate) fn offset_at(conn: &Connection, tp: i64, timestamp_ms: i64) -> Result<Option<i64>, DbError> {
    let (first, last) = ids_from(tp, 0);
    let mut statement = conn.prepare_cached(
        "SELECT id FROM records WHERE id BETWEEN ?1 AND ?2 AND timestamp >= ?3 ORDER BY id LIMIT 1",
    )?;
    let mut rows = statement.query([first, last, timestamp_ms])?;
    Ok(match rows.next()? {
        Some(row) => Some(row.get::<_, i64>(0)? & MASK),
        None => None,
    })
}
