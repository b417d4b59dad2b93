//! Dead letters and parked readings, and the raw records kept for them.

use rusqlite::{Connection, OptionalExtension, Row, params};
use stardust_pipeline::store::{Letter, LetterState, Shelf, Won, Writer};

use super::rows::{WRITER, instant, limit, parsed_or_none, unusable, writer};
use crate::error::DbError;

const COLUMNS: &str = "id, state, receipt_id, topic, partition, offset, item, field, partial, stage, reason, detail, \
     gateway, device, mapping_version, first_try_us, last_try_us";

/// A label in the file that is not one of ours.
#[derive(Debug, thiserror::Error)]
#[error("an unknown state of a letter")]
struct UnknownState;

pub(super) const fn number(shelf: Shelf) -> i64 {
    match shelf {
        Shelf::Dead => 0,
        Shelf::Parked => 1,
    }
}

pub(super) fn insert(conn: &Connection, letters: &[Letter]) -> Result<Vec<Won>, DbError> {
    letters.iter().map(|letter| insert_one(conn, letter)).collect()
}

fn insert_one(conn: &Connection, l: &Letter) -> Result<Won, DbError> {
    let at = &l.writer.position;
    let new = conn
        .prepare_cached(&format!(
            "INSERT INTO letters (shelf, {COLUMNS}) VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
             ON CONFLICT (shelf, id) DO NOTHING"
        ))?
        .execute(params![
            number(l.shelf),
            l.id,
            l.state.label(),
            l.writer.receipt_id,
            at.topic,
            at.partition,
            at.offset,
            at.item,
            l.field,
            l.partial,
            l.stage,
            l.reason,
            l.detail,
            l.gateway.map(|m| m.to_string()),
            l.device.map(|m| m.to_string()),
            l.mapping_version,
            l.first_try.micros(),
            l.last_try.micros(),
        ])?;
    if new > 0 {
        return Ok(Won::Inserted);
    }
    let (state, present): (LetterState, Writer) = conn
        .prepare_cached(&format!(
            "SELECT {WRITER}, state FROM letters WHERE shelf = ?1 AND id = ?2"
        ))?
        .query_row(params![number(l.shelf), l.id], |r| {
            Ok((state(r, 5)?, writer(r, 0)?))
        })?;
    let opens = match state {
        LetterState::Open => false,
        LetterState::Releasing => true,
        // The record that wrote it comes again after its letter was closed: nothing has changed.
        LetterState::Closed => present.position != *at,
    };
    if !opens {
        return Ok(Won::Present(present));
    }
    conn.prepare_cached(
        "UPDATE letters SET state = 'open', receipt_id = ?3, topic = ?4, partition = ?5, offset = ?6, item = ?7,
             stage = ?8, reason = ?9, detail = ?10, mapping_version = ?11, last_try_us = ?12, field = ?13, gateway = ?14,
             device = ?15
         WHERE shelf = ?1 AND id = ?2",
    )?
    .execute(params![
        number(l.shelf),
        l.id,
        l.writer.receipt_id,
        at.topic,
        at.partition,
        at.offset,
        at.item,
        l.stage,
        l.reason,
        l.detail,
        l.mapping_version,
        l.last_try.micros(),
        l.field,
        l.gateway.map(|m| m.to_string()),
        l.device.map(|m| m.to_string()),
    ])?;
    Ok(Won::Inserted)
}

fn state(row: &Row<'_>, at: usize) -> rusqlite::Result<LetterState> {
    LetterState::from_label(row.get_ref(at)?.as_str()?).ok_or_else(|| unusable(at, UnknownState))
}

fn letter(shelf: Shelf, row: &Row<'_>) -> rusqlite::Result<Letter> {
    Ok(Letter {
        shelf,
        id: row.get(0)?,
        state: state(row, 1)?,
        writer: writer(row, 2)?,
        field: row.get(7)?,
        partial: row.get(8)?,
        stage: row.get(9)?,
        reason: row.get(10)?,
        detail: row.get(11)?,
        gateway: parsed_or_none(row, 12)?,
        device: parsed_or_none(row, 13)?,
        mapping_version: row.get(14)?,
        first_try: instant(row, 15)?,
        last_try: instant(row, 16)?,
    })
}

pub(super) fn close(conn: &Connection, shelf: Shelf, ids: &[String]) -> Result<u64, DbError> {
    let mut statement = conn.prepare_cached(
        "UPDATE letters SET state = 'closed' WHERE shelf = ?1 AND id = ?2 AND state <> 'closed'",
    )?;
    let mut closed = 0;
    for id in ids {
        closed += statement.execute(params![number(shelf), id])? as u64;
    }
    Ok(closed)
}

pub(super) fn mark_releasing(
    conn: &Connection,
    shelf: Shelf,
    ids: Vec<String>,
) -> Result<Vec<String>, DbError> {
    let mut statement = conn.prepare_cached(
        "UPDATE letters SET state = 'releasing' WHERE shelf = ?1 AND id = ?2 AND state = 'open'",
    )?;
    let mut open = Vec::new();
    for id in ids {
        if statement.execute(params![number(shelf), id])? > 0 {
            open.push(id);
        }
    }
    Ok(open)
}

pub(super) fn by_id(conn: &Connection, shelf: Shelf, ids: &[String]) -> Result<Vec<Option<Letter>>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM letters WHERE shelf = ?1 AND id = ?2"
    ))?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        found.push(
            statement
                .query_row(params![number(shelf), id], |r| letter(shelf, r))
                .optional()?,
        );
    }
    Ok(found)
}

pub(super) fn after(
    conn: &Connection,
    shelf: Shelf,
    states: &[LetterState],
    after: Option<&str>,
    most: usize,
) -> Result<Vec<Letter>, DbError> {
    let after = after.unwrap_or_default();
    let collect = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<Vec<Letter>, DbError> {
        let mut statement = conn.prepare_cached(sql)?;
        let rows = statement.query_map(params, |r| letter(shelf, r))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    // One state is read along its own index: among many closed letters the few open ones are found at once.
    if let [state] = states {
        return collect(
            &format!(
                "SELECT {COLUMNS} FROM letters INDEXED BY letters_state
                 WHERE shelf = ?1 AND state = ?2 AND id > ?3 ORDER BY id LIMIT ?4"
            ),
            &[&number(shelf), &state.label(), &after, &limit(most)],
        );
    }
    let wanted = |state| states.contains(&state).then(|| LetterState::label(state));
    collect(
        &format!(
            "SELECT {COLUMNS} FROM letters
             WHERE shelf = ?1 AND state IN (?2, ?3, ?4) AND id > ?5 ORDER BY id LIMIT ?6"
        ),
        &[
            &number(shelf),
            &wanted(LetterState::Open),
            &wanted(LetterState::Releasing),
            &wanted(LetterState::Closed),
            &after,
            &limit(most),
        ],
    )
}

pub(super) fn of_receipt(conn: &Connection, receipt_id: &str) -> Result<Vec<Letter>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS}, shelf FROM letters WHERE receipt_id = ?1 ORDER BY id, shelf"
    ))?;
    let rows = statement.query_map([receipt_id], |r| {
        let shelf = if r.get::<_, i64>(17)? == number(Shelf::Dead) {
            Shelf::Dead
        } else {
            Shelf::Parked
        };
        letter(shelf, r)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn keep_raw(conn: &Connection, records: &[(String, Vec<u8>)]) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO kept_raw (receipt_id, bytes) VALUES (?1, ?2) ON CONFLICT (receipt_id) DO NOTHING",
    )?;
    for (receipt, bytes) in records {
        statement.execute(params![receipt, bytes])?;
    }
    Ok(())
}

pub(super) fn kept_raw(conn: &Connection, receipt_id: &str) -> Result<Option<Vec<u8>>, DbError> {
    Ok(conn
        .prepare_cached("SELECT bytes FROM kept_raw WHERE receipt_id = ?1")?
        .query_row([receipt_id], |r| r.get(0))
        .optional()?)
}

pub(super) fn remove(conn: &Connection, shelf: Shelf, ids: &[String]) -> Result<u64, DbError> {
    let mut statement = conn.prepare_cached("DELETE FROM letters WHERE shelf = ?1 AND id = ?2")?;
    let mut removed = 0;
    for id in ids {
        removed += statement.execute(params![number(shelf), id])? as u64;
    }
    Ok(removed)
}
