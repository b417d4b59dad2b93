//! Audit events and their chains.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use stardust_pipeline::store::{ChainHead, ChainedEvent, RecordedEvent, StoreError};
use uuid::Uuid;

use super::checkpoints;
use super::rows::{instant, limit, parsed, parsed_or_none};
use crate::error::DbError;

const COLUMNS: &str =
    "id, chain, seq, prev, hash, outcome, receipt_id, patient, gateway, recorded_us, resource";

/// Appends all events or none.
pub(super) fn append(conn: &Connection, events: &[ChainedEvent]) -> Result<(), StoreError> {
    let mut statement = conn
        .prepare_cached(&format!(
            "INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
        ))
        .map_err(DbError::from)?;
    for e in events {
        let done = statement.execute(params![
            e.id.to_string(),
            e.chain,
            e.seq,
            e.prev,
            e.hash,
            e.outcome,
            e.receipt_id,
            e.patient.map(|p| p.to_string()),
            e.gateway.map(|m| m.to_string()),
            e.recorded.micros(),
            e.resource,
        ]);
        match done {
            Ok(_) => {}
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation) => {
                return Err(StoreError::Conflict(format!(
                    "place {} of chain {} (or its event) is taken",
                    e.seq, e.chain
                )));
            }
            Err(error) => return Err(DbError::from(error).into()),
        }
    }
    Ok(())
}

pub(super) fn present(conn: &Connection, ids: &[Uuid]) -> Result<Vec<bool>, DbError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM audit WHERE id = ?1")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(statement.exists([id.to_string()])?);
    }
    Ok(found)
}

pub(super) fn of_receipt(conn: &Connection, receipt_id: &str) -> Result<Vec<RecordedEvent>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT id, outcome, recorded_us, chain, seq FROM audit WHERE receipt_id = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([receipt_id], |r| {
        Ok(RecordedEvent {
            id: parsed(r, 0)?,
            outcome: r.get(1)?,
            recorded: instant(r, 2)?,
            chain: r.get(3)?,
            seq: r.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn head(conn: &Connection, chain: i32) -> Result<Option<ChainHead>, DbError> {
    let event = conn
        .prepare_cached("SELECT seq, hash FROM audit WHERE chain = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([chain], |r| {
            Ok(ChainHead {
                seq: r.get(0)?,
                hash: r.get(1)?,
            })
        })
        .optional()?;
    let cut = checkpoints::last_cut(conn, chain)?;
    Ok(event.into_iter().chain(cut).max_by_key(|head| head.seq))
}

pub(super) fn chains(conn: &Connection) -> Result<Vec<i32>, DbError> {
    // From one chain to the next by the index, however many events each has.
    let mut statement = conn.prepare_cached("SELECT min(chain) FROM audit WHERE chain > ?1")?;
    let mut chains = Vec::new();
    let mut last = i64::MIN;
    while let Some(chain) = statement.query_row([last], |r| r.get::<_, Option<i32>>(0))? {
        chains.push(chain);
        last = chain.into();
    }
    Ok(chains)
}

pub(super) fn from(
    conn: &Connection,
    chain: i32,
    seq: i64,
    most: usize,
) -> Result<Vec<ChainedEvent>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit WHERE chain = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![chain, seq, limit(most)], event)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn event(row: &Row<'_>) -> rusqlite::Result<ChainedEvent> {
    Ok(ChainedEvent {
        id: parsed(row, 0)?,
        chain: row.get(1)?,
        seq: row.get(2)?,
        prev: row.get(3)?,
        hash: row.get(4)?,
        outcome: row.get(5)?,
        receipt_id: row.get(6)?,
        patient: parsed_or_none(row, 7)?,
        gateway: parsed_or_none(row, 8)?,
        recorded: instant(row, 9)?,
        resource: row.get(10)?,
    })
}
