//! Pages of the books.

use rusqlite::{Connection, params};
use stardust_pipeline::store::BookPage;

use super::rows::limit;
use crate::error::DbError;

pub(super) fn add(conn: &Connection, page: &BookPage) -> Result<bool, DbError> {
    let added = conn
        .prepare_cached(
            "INSERT INTO books (topic, partition, from_offset, to_offset, sums) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (topic, partition, from_offset) DO NOTHING",
        )?
        .execute(params![page.topic, page.partition, page.from, page.to, page.sums])?;
    Ok(added > 0)
}

pub(super) fn pages(
    conn: &Connection,
    topic: &str,
    partition: i32,
    from: i64,
    most: usize,
) -> Result<Vec<BookPage>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT from_offset, to_offset, sums FROM books
         WHERE topic = ?1 AND partition = ?2 AND from_offset >= ?3 ORDER BY from_offset LIMIT ?4",
    )?;
    let rows = statement.query_map(params![topic, partition, from, limit(most)], |r| {
        Ok(BookPage {
            topic: topic.to_owned(),
            partition,
            from: r.get(0)?,
            to: r.get(1)?,
            sums: r.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn booked(conn: &Connection, topic: &str, partition: i32) -> Result<Option<i64>, DbError> {
    Ok(conn
        .prepare_cached("SELECT max(to_offset) FROM books WHERE topic = ?1 AND partition = ?2")?
        .query_row(params![topic, partition], |r| r.get(0))?)
}
