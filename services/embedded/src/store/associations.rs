//! Who had a device when.

use rusqlite::{Connection, OptionalExtension, Row, params};
use stardust_domain::registry::{Associations, Changes, DeviceKind, Holding, Named, Period};
use stardust_domain::time::Timestamp;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::store::StoreError;

use super::EmbeddedStore;
use super::rows::{parsed, unusable};
use crate::error::DbError;

/// Rows of `associations_at`.
const REFRESHED: &str = "refreshed";
const IMPORTED: &str = "imported";

#[derive(Debug, thiserror::Error)]
#[error("not a kind of device")]
struct UnknownKind;

fn instant(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis))
}

fn kind(row: &Row<'_>, at: usize) -> rusqlite::Result<DeviceKind> {
    DeviceKind::from_label(row.get_ref(at)?.as_str()?).ok_or_else(|| unusable(at, UnknownKind))
}

fn at(conn: &Connection, what: &str) -> Result<Option<Timestamp>, DbError> {
    let found = conn
        .prepare_cached("SELECT at_ms FROM associations_at WHERE what = ?1")?
        .query_row([what], |r| r.get(0))
        .optional()?;
    Ok(found.map(Timestamp::from_millis))
}

fn put_at(conn: &Connection, what: &str, at: Timestamp) -> Result<(), DbError> {
    conn.prepare_cached("INSERT OR REPLACE INTO associations_at (what, at_ms) VALUES (?1, ?2)")?
        .execute(params![what, at.millis()])?;
    Ok(())
}

fn read(conn: &Connection) -> Result<Associations, DbError> {
    let holdings = conn
        .prepare_cached("SELECT device, kind, number, patient, from_ms, until_ms FROM associations")?
        .query_map([], |r| {
            Ok(Holding {
                device: parsed(r, 0)?,
                kind: kind(r, 1)?,
                number: r.get(2)?,
                patient: parsed(r, 3)?,
                from: Timestamp::from_millis(r.get(4)?),
                until: instant(r, 5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let imported = conn
        .prepare_cached("SELECT device, patient, start_ms, end_ms FROM associations_imported ORDER BY place")?
        .query_map([], |r| {
            Ok(Period {
                device: parsed(r, 0)?,
                patient: parsed(r, 1)?,
                start: instant(r, 2)?,
                end: instant(r, 3)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let named = conn
        .prepare_cached("SELECT device, second, patient FROM associations_named")?
        .query_map([], |r| {
            Ok(Named {
                device: parsed(r, 0)?,
                at: Timestamp::from_seconds(r.get(1)?),
                patient: parsed(r, 2)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(Associations {
        holdings,
        refreshed: at(conn, REFRESHED)?,
        imported,
        imported_at: at(conn, IMPORTED)?,
        named,
    })
}

fn note(
    conn: &Connection,
    changes: &Changes,
    known: Option<Timestamp>,
    refreshed: Timestamp,
) -> Result<(), StoreError> {
    if at(conn, REFRESHED)? != known {
        return Err(StoreError::Conflict("another refresh was noted".to_owned()));
    }
    let refreshed = known.map_or(refreshed, |known| known.max(refreshed));
    Ok(add(conn, changes, refreshed)?)
}

fn add(conn: &Connection, changes: &Changes, refreshed: Timestamp) -> Result<(), DbError> {
    let mut close = conn.prepare_cached(
        "UPDATE associations SET until_ms = ?4
         WHERE device = ?1 AND kind = ?2 AND number = ?3 AND until_ms IS NULL",
    )?;
    for h in &changes.closed {
        let until = h.until.map(Timestamp::millis);
        close.execute(params![h.device.to_string(), h.kind.label(), h.number, until])?;
    }
    let mut open = conn.prepare_cached(
        "INSERT INTO associations (device, kind, number, patient, from_ms, until_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (device, kind, number) DO NOTHING",
    )?;
    for h in &changes.opened {
        open.execute(params![
            h.device.to_string(),
            h.kind.label(),
            h.number,
            h.patient.to_string(),
            h.from.millis(),
            h.until.map(Timestamp::millis)
        ])?;
    }
    put_at(conn, REFRESHED, refreshed)
}

fn import(conn: &Connection, periods: &[Period], at: Timestamp) -> Result<(), DbError> {
    conn.execute("DELETE FROM associations_imported", [])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO associations_imported (place, device, patient, start_ms, end_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (place, p) in (0_i64..).zip(periods) {
        let (start, end) = (p.start.map(Timestamp::millis), p.end.map(Timestamp::millis));
        insert.execute(params![
            place,
            p.device.to_string(),
            p.patient.to_string(),
            start,
            end
        ])?;
    }
    put_at(conn, IMPORTED, at)
}

fn name(conn: &Connection, named: &[Named]) -> Result<(), DbError> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO associations_named (device, second, patient) VALUES (?1, ?2, ?3)
         ON CONFLICT (device, second) DO UPDATE SET patient = excluded.patient",
    )?;
    for n in named {
        insert.execute(params![
            n.device.to_string(),
            n.at.seconds(),
            n.patient.to_string()
        ])?;
    }
    Ok(())
}

impl AssociationStore for EmbeddedStore {
    async fn associations(&self) -> Result<Associations, StoreError> {
        self.read(read).await
    }

    async fn note_refresh(
        &self,
        changes: &Changes,
        known: Option<Timestamp>,
        refreshed: Timestamp,
    ) -> Result<(), StoreError> {
        let changes = changes.clone();
        self.shared
            .write(move |unit| note(unit.conn, &changes, known, refreshed))
            .await
    }

    async fn import_periods(&self, periods: &[Period], at: Timestamp) -> Result<(), StoreError> {
        let periods = periods.to_vec();
        self.write(move |conn| import(conn, &periods, at)).await
    }

    async fn name_patients(&self, named: &[Named]) -> Result<(), StoreError> {
        if named.is_empty() {
            return Ok(());
        }
        let named = named.to_vec();
        self.write(move |conn| name(conn, &named)).await
    }
}
