//! Observations: inserted if absent, with who won.

use rusqlite::{Connection, OptionalExtension, Row, params};
use stardust_pipeline::store::{LegacyContent, ObservationDocument, Won, Writer, Written};
use uuid::Uuid;

use super::rows::{WRITER, instant, parsed, parsed_or_none, writer};
use crate::error::DbError;

pub(super) const COLUMNS: &str = "id, main, code, status, patient, device, gateway, effective_us, recorded_us, receipt_id, topic, \
     partition, offset, item, source, mapping_version, migration_run, legacy_collection, legacy_id, resource, raw_item, \
     legacy_document";

pub(super) fn insert(conn: &Connection, documents: &[ObservationDocument]) -> Result<Vec<Won>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "INSERT INTO observations ({COLUMNS}) VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)
         ON CONFLICT (id) DO NOTHING"
    ))?;
    let mut answers = Vec::with_capacity(documents.len());
    for d in documents {
        let id = d.id.to_string();
        let at = &d.writer.position;
        let new = statement.execute(params![
            id,
            d.main,
            d.code,
            d.status,
            d.patient.to_string(),
            d.device.map(|m| m.to_string()),
            d.gateway.map(|m| m.to_string()),
            d.effective.micros(),
            d.recorded.micros(),
            d.writer.receipt_id,
            at.topic,
            at.partition,
            at.offset,
            at.item,
            d.source,
            d.mapping_version,
            d.migration_run,
            d.legacy.as_ref().map(|l| &l.collection),
            d.legacy.as_ref().map(|l| &l.id),
            d.resource,
            d.raw_item,
            d.legacy.as_ref().map(|l| &l.document),
        ])?;
        answers.push(match new {
            0 => Won::Present(
                writer_of(conn, &id)?
                    .ok_or_else(|| DbError::Damaged("an Observation is and is not there".into()))?,
            ),
            _ => Won::Inserted,
        });
    }
    Ok(answers)
}

fn writer_of(conn: &Connection, id: &str) -> Result<Option<Writer>, DbError> {
    Ok(conn
        .prepare_cached(&format!("SELECT {WRITER} FROM observations WHERE id = ?1"))?
        .query_row([id], |r| writer(r, 0))
        .optional()?)
}

pub(super) fn writers(conn: &Connection, ids: &[Uuid]) -> Result<Vec<Option<Writer>>, DbError> {
    ids.iter().map(|id| writer_of(conn, &id.to_string())).collect()
}

pub(super) fn at(
    conn: &Connection,
    topic: &str,
    partition: i32,
    from: i64,
    to: i64,
) -> Result<Vec<ObservationDocument>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM observations WHERE topic = ?1 AND partition = ?2 AND offset BETWEEN ?3 AND ?4
         ORDER BY offset, item, id"
    ))?;
    let rows = statement.query_map(params![topic, partition, from, to], document)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn written(
    conn: &Connection,
    topic: &str,
    partition: i32,
    from: i64,
    to: i64,
) -> Result<Vec<Written>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {WRITER}, id, main, legacy_collection, legacy_id FROM observations
         WHERE topic = ?1 AND partition = ?2 AND offset BETWEEN ?3 AND ?4 ORDER BY offset, item, id"
    ))?;
    let rows = statement.query_map(params![topic, partition, from, to], |r| {
        let collection: Option<String> = r.get(7)?;
        Ok(Written {
            id: parsed(r, 5)?,
            main: r.get(6)?,
            writer: writer(r, 0)?,
            legacy: match collection {
                Some(collection) => Some((collection, r.get(8)?)),
                None => None,
            },
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn of_receipt(conn: &Connection, receipt_id: &str) -> Result<Vec<(Uuid, Writer, bool)>, DbError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {WRITER}, id, main FROM observations WHERE receipt_id = ?1 ORDER BY id"
    ))?;
    let rows = statement.query_map([receipt_id], |r| Ok((parsed(r, 5)?, writer(r, 0)?, r.get(6)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn by_id(conn: &Connection, ids: &[Uuid]) -> Result<Vec<Option<ObservationDocument>>, DbError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM observations WHERE id = ?1"))?;
    ids.iter()
        .map(|id| Ok(statement.query_row([id.to_string()], document).optional()?))
        .collect()
}

pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<ObservationDocument> {
    let collection: Option<String> = row.get(17)?;
    let legacy = match collection {
        Some(collection) => Some(LegacyContent {
            collection,
            id: row.get(18)?,
            document: row.get(21)?,
        }),
        None => None,
    };
    Ok(ObservationDocument {
        id: parsed(row, 0)?,
        main: row.get(1)?,
        code: row.get(2)?,
        status: row.get(3)?,
        patient: parsed(row, 4)?,
        device: parsed_or_none(row, 5)?,
        gateway: parsed_or_none(row, 6)?,
        effective: instant(row, 7)?,
        recorded: instant(row, 8)?,
        writer: writer(row, 9)?,
        source: row.get(14)?,
        mapping_version: row.get(15)?,
        migration_run: row.get(16)?,
        resource: row.get(19)?,
        raw_item: row.get(20)?,
        legacy,
    })
}

pub(super) fn highest_offset(
    conn: &Connection,
    topic: &str,
    partition: i32,
    from: i64,
) -> Result<Option<i64>, DbError> {
    let highest = |table: &str| {
        conn.prepare_cached(&format!(
            "SELECT max(offset) FROM {table} WHERE topic = ?1 AND partition = ?2 AND offset >= ?3"
        ))?
        .query_row(params![topic, partition, from], |r| r.get::<_, Option<i64>>(0))
    };
    Ok(highest("observations")?.max(highest("letters")?))
}
