//! Migration runs and what they wrote.

use rusqlite::{Connection, OptionalExtension, Row, params};
use stardust_pipeline::runs::{Retractions, Run, RunDocument, RunState, Runs};
use stardust_pipeline::store::{ObservationDocument, Shelf, StoreError};
use uuid::Uuid;

use super::rows::{WRITER, instant, limit, parsed, writer};
use super::{EmbeddedStore, letters, observations};
use crate::error::DbError;

const COLUMNS: &str = "id, kind, source, state, started_us, updated_us, version, progress";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let state: String = row.get(3)?;
    Ok(Run {
        id: row.get(0)?,
        kind: row.get(1)?,
        source: row.get(2)?,
        state: RunState::from_label(&state).ok_or(rusqlite::Error::InvalidQuery)?,
        started: instant(row, 4)?,
        updated: instant(row, 5)?,
        version: row.get(6)?,
        progress: row.get(7)?,
    })
}

fn add(conn: &Connection, run: &Run) -> Result<bool, DbError> {
    let added = conn
        .prepare_cached(&format!(
            "INSERT INTO runs ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING"
        ))?
        .execute(params![
            run.id,
            run.kind,
            run.source,
            run.state.label(),
            run.started.micros(),
            run.updated.micros(),
            run.version,
            run.progress
        ])?;
    Ok(added > 0)
}

fn save(conn: &Connection, run: &Run) -> Result<bool, DbError> {
    let saved = conn
        .prepare_cached(
            "UPDATE runs SET state = ?3, updated_us = ?4, progress = ?5, version = version + 1
             WHERE id = ?1 AND version = ?2",
        )?
        .execute(params![
            run.id,
            run.version,
            run.state.label(),
            run.updated.micros(),
            run.progress
        ])?;
    Ok(saved > 0)
}

fn find(conn: &Connection, id: &str) -> Result<Option<Run>, DbError> {
    Ok(conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?)
}

fn all(conn: &Connection) -> Result<Vec<Run>, DbError> {
    let mut statement =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM runs ORDER BY started_us, id"))?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn written(
    conn: &Connection,
    run: &str,
    after: Option<Uuid>,
    most: usize,
) -> Result<Vec<RunDocument>, DbError> {
    // Texts sort after the empty one.
    let after = after.map(|id| id.to_string()).unwrap_or_default();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {WRITER}, id, main, patient, status, raw_item FROM observations WHERE migration_run = ?1 AND id > ?2 ORDER BY id LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![run, after, limit(most)], |r| {
        Ok(RunDocument {
            id: parsed(r, 5)?,
            main: r.get(6)?,
            patient: r.get(7)?,
            writer: writer(r, 0)?,
            status: r.get(8)?,
            raw_item: r.get(9)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn remove_written(conn: &Connection, run: &str, ids: &[Uuid]) -> Result<u64, DbError> {
    let mut statement =
        conn.prepare_cached("DELETE FROM observations WHERE id = ?1 AND migration_run = ?2")?;
    let mut removed = 0;
    for id in ids {
        removed += statement.execute(params![id.to_string(), run])? as u64;
    }
    Ok(removed)
}

fn remove_raw(conn: &Connection, receipts: &[String]) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached("DELETE FROM kept_raw WHERE receipt_id = ?1")?;
    for receipt in receipts {
        statement.execute([receipt])?;
    }
    Ok(())
}

fn retracted(conn: &Connection, ids: &[String]) -> Result<Vec<String>, DbError> {
    let mut found = Vec::new();
    for id in ids {
        if find(conn, id)?.is_some_and(|run| run.state.is_retracted()) {
            found.push(id.clone());
        }
    }
    Ok(found)
}

fn sweep(conn: &Connection, run: &str) -> Result<u64, DbError> {
    let removed = conn
        .prepare_cached("DELETE FROM observations WHERE migration_run = ?1")?
        .execute([run])?;
    Ok(removed as u64)
}

fn sweep_letters(conn: &Connection, places: &[(String, i32, i64)]) -> Result<(), DbError> {
    let mut raws = conn.prepare_cached(
        "DELETE FROM kept_raw WHERE receipt_id IN
         (SELECT receipt_id FROM letters WHERE topic = ?1 AND partition = ?2 AND offset = ?3)",
    )?;
    let mut letters =
        conn.prepare_cached("DELETE FROM letters WHERE topic = ?1 AND partition = ?2 AND offset = ?3")?;
    for (topic, partition, offset) in places {
        raws.execute(params![topic, partition, offset])?;
        letters.execute(params![topic, partition, offset])?;
    }
    Ok(())
}

impl Runs for EmbeddedStore {
    async fn add_run(&self, run: &Run) -> Result<bool, StoreError> {
        let run = run.clone();
        self.write(move |conn| add(conn, &run)).await
    }

    async fn save_run(&self, run: &Run) -> Result<bool, StoreError> {
        let run = run.clone();
        self.write(move |conn| save(conn, &run)).await
    }

    async fn run(&self, id: &str) -> Result<Option<Run>, StoreError> {
        let id = id.to_owned();
        self.read(move |conn| find(conn, &id)).await
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        self.read(all).await
    }

    async fn written_by_run(
        &self,
        run: &str,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<RunDocument>, StoreError> {
        let run = run.to_owned();
        self.read(move |conn| written(conn, &run, after, most)).await
    }

    async fn remove_written(&self, run: &str, ids: &[Uuid]) -> Result<u64, StoreError> {
        let (run, ids) = (run.to_owned(), ids.to_vec());
        self.write(move |conn| remove_written(conn, &run, &ids)).await
    }

    async fn remove_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        let ids = ids.to_vec();
        self.write(move |conn| letters::remove(conn, shelf, &ids)).await
    }

    async fn remove_raw(&self, receipts: &[String]) -> Result<(), StoreError> {
        let receipts = receipts.to_vec();
        self.write(move |conn| remove_raw(conn, &receipts)).await
    }

    async fn observations_by_id(&self, ids: &[Uuid]) -> Result<Vec<Option<ObservationDocument>>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| observations::by_id(conn, &ids)).await
    }
}

impl Retractions for EmbeddedStore {
    async fn retracted(&self, runs: &[String]) -> Result<Vec<String>, StoreError> {
        let runs = runs.to_vec();
        self.read(move |conn| retracted(conn, &runs)).await
    }

    async fn sweep(&self, run: &str) -> Result<u64, StoreError> {
        let run = run.to_owned();
        self.write(move |conn| sweep(conn, &run)).await
    }

    async fn sweep_letters(&self, places: &[(String, i32, i64)]) -> Result<(), StoreError> {
        let places = places.to_vec();
        self.write(move |conn| sweep_letters(conn, &places)).await
    }
}
