//! Exports, a page at a time, in the order of the ids.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Export, LetterState, Page, Shelf};

use super::letters;
use super::rows::limit;
use crate::error::DbError;

pub(super) fn page(
    conn: &Connection,
    what: Export,
    after: Option<&str>,
    most: usize,
) -> Result<Page, DbError> {
    // A page without room would never end.
    let most = most.max(1);
    match what {
        Export::Observations => resources(conn, "observations", after, most),
        Export::Audit => resources(conn, "audit", after, most),
        Export::Legacy => legacy(conn, after, most),
        Export::Dead => letter_lines(conn, Shelf::Dead, after, most),
        Export::Parked => letter_lines(conn, Shelf::Parked, after, most),
    }
}

/// Cuts the extra row off that tells whether there is more. Rows are (id, line).
fn cut(mut rows: Vec<(String, String)>, most: usize) -> Page {
    let more = rows.len() > most;
    rows.truncate(most);
    let next = if more {
        rows.last().map(|(id, _)| id.clone())
    } else {
        None
    };
    Page {
        lines: rows.into_iter().map(|(_, line)| line).collect(),
        next,
    }
}

fn resources(conn: &Connection, table: &str, after: Option<&str>, most: usize) -> Result<Page, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT id, resource FROM {table} WHERE id > ?1 ORDER BY id LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![after.unwrap_or_default(), limit(most + 1)], |r| {
        Ok((r.get(0)?, r.get(1)?))
    })?;
    Ok(cut(rows.collect::<Result<_, _>>()?, most))
}

fn legacy(conn: &Connection, after: Option<&str>, most: usize) -> Result<Page, DbError> {
    let (collection, id) = after.and_then(|a| a.split_once('/')).unwrap_or_default();
    let mut statement = conn.prepare_cached(
        "SELECT collection, id, document FROM legacy WHERE (collection, id) > (?1, ?2) ORDER BY collection, id LIMIT ?3",
    )?;
    let line = |r: &Row<'_>| -> rusqlite::Result<(String, String)> {
        let (collection, id, document): (String, String, String) = (r.get(0)?, r.get(1)?, r.get(2)?);
        let name = serde_json::Value::from(collection.as_str());
        Ok((
            format!("{collection}/{id}"),
            format!(r#"{{"collection":{name},"document":{document}}}"#),
        ))
    };
    let rows = statement.query_map(params![collection, id, limit(most + 1)], line)?;
    Ok(cut(rows.collect::<Result<_, _>>()?, most))
}

/// A line of `export dead` or `export parked`.
#[derive(Serialize)]
struct Line<'l> {
    receipt_id: &'l str,
    gateway: Option<String>,
    stage: &'l str,
    reason: &'l str,
    field: Option<&'l str>,
    item_index: Option<i32>,
    first_try: Option<String>,
    last_try: Option<String>,
}

fn letter_lines(conn: &Connection, shelf: Shelf, after: Option<&str>, most: usize) -> Result<Page, DbError> {
    let found = letters::after(conn, shelf, &[LetterState::Open], after, most + 1)?;
    let mut rows = Vec::with_capacity(found.len());
    for l in &found {
        let item = l.writer.position.item;
        let line = Line {
            receipt_id: &l.writer.receipt_id,
            gateway: l.gateway.map(|g| g.to_string()),
            stage: &l.stage,
            reason: &l.reason,
            field: l.field.as_deref(),
            item_index: (item >= 0).then_some(item),
            first_try: Timestamp::instant(l.first_try),
            last_try: Timestamp::instant(l.last_try),
        };
        let text = serde_json::to_string(&line).map_err(|e| DbError::Damaged(e.to_string()))?;
        rows.push((l.id.clone(), text));
    }
    Ok(cut(rows, most))
}
