//! Legacy documents, the registry and leases.

use rusqlite::{Connection, params};
use serde_json::Value;
use stardust_pipeline::store::{LegacyDocument, RegistryDocuments};

use crate::clock::now_ms;
use crate::error::DbError;

pub(super) fn insert_legacy(conn: &Connection, documents: &[LegacyDocument]) -> Result<Vec<bool>, DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO legacy (collection, id, receipt_id, document) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (collection, id) DO NOTHING",
    )?;
    let mut new = Vec::with_capacity(documents.len());
    for d in documents {
        let c = &d.content;
        new.push(statement.execute(params![c.collection, c.id, d.receipt_id, c.document])? > 0);
    }
    Ok(new)
}

pub(super) fn legacy_present(conn: &Connection, ids: &[(String, String)]) -> Result<Vec<bool>, DbError> {
    let mut statement = conn.prepare_cached("SELECT 1 FROM legacy WHERE collection = ?1 AND id = ?2")?;
    let mut found = Vec::with_capacity(ids.len());
    for (collection, id) in ids {
        found.push(statement.exists([collection, id])?);
    }
    Ok(found)
}

/// The documents of one collection, as they were imported.
pub(super) fn registry_of(conn: &Connection, collection: &str) -> Result<Vec<Value>, DbError> {
    let mut statement =
        conn.prepare_cached("SELECT document FROM registry WHERE kind = ?1 ORDER BY place")?;
    let mut rows = statement.query([collection])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = row
            .get_ref(0)?
            .as_str()
            .map_err(|e| DbError::Damaged(e.to_string()))?;
        all.push(serde_json::from_str(text).map_err(|e| DbError::Damaged(format!("registry: {e}")))?);
    }
    Ok(all)
}

pub(super) fn registry(conn: &Connection) -> Result<RegistryDocuments, DbError> {
    Ok(RegistryDocuments {
        boxes: registry_of(conn, "amy_boxes")?,
        devices: registry_of(conn, "amy_devices")?,
        patients: registry_of(conn, "patients")?,
    })
}

pub(super) fn import_registry(conn: &Connection, documents: &RegistryDocuments) -> Result<(), DbError> {
    conn.execute("DELETE FROM registry", [])?;
    let mut statement =
        conn.prepare_cached("INSERT INTO registry (kind, place, document) VALUES (?1, ?2, ?3)")?;
    let kinds = [
        ("amy_boxes", &documents.boxes),
        ("amy_devices", &documents.devices),
        ("patients", &documents.patients),
    ];
    for (kind, all) in kinds {
        for (place, document) in (0_i64..).zip(all) {
            statement.execute(params![kind, place, document.to_string()])?;
        }
    }
    Ok(())
}

/// Takes a lease that is free, has ended, or is the holder's own.
pub(super) fn lease(conn: &Connection, name: &str, holder: &str, seconds: u32) -> Result<bool, DbError> {
    let now = now_ms();
    let taken = conn
        .prepare_cached(
            "INSERT INTO leases (name, holder, until) VALUES (?1, ?2, ?3)
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
             WHERE leases.holder = excluded.holder OR leases.until <= ?4",
        )?
        .execute(params![name, holder, now + i64::from(seconds) * 1_000, now])?;
    Ok(taken > 0)
}
