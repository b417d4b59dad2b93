//! Patients, devices and hospitals.

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use stardust_domain::registry::{RegistryResource, ResourceKind};
use stardust_domain::time::Timestamp;
use stardust_pipeline::resources::{ResourceStore, Stored, StoredResource};
use stardust_pipeline::store::{Store, StoreError};

use super::rows::{instant, limit, parsed_or_none};
use super::{EmbeddedStore, rest};
use crate::error::DbError;

fn put(conn: &Connection, resources: &[RegistryResource], at: Timestamp) -> Result<(), DbError> {
    let mut statement = conn.prepare_cached(
        "INSERT INTO resources (kind, id, resource, patient, device, created_us, updated_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
         ON CONFLICT (kind, id) DO UPDATE SET resource = excluded.resource, patient = excluded.patient,
         device = excluded.device, updated_us = excluded.updated_us",
    )?;
    for r in resources {
        statement.execute(params![
            r.kind.label(),
            r.id,
            r.json,
            r.patient.map(|patient| patient.to_string()),
            r.device.map(|device| device.to_string()),
            at.micros(),
        ])?;
    }
    Ok(())
}

fn stored(conn: &Connection, kind: ResourceKind, ids: &[String]) -> Result<Vec<Option<Stored>>, DbError> {
    let mut statement = conn.prepare_cached("SELECT resource FROM resources WHERE kind = ?1 AND id = ?2")?;
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let resource = statement
            .query_row(params![kind.label(), id], |r| r.get(0))
            .optional()?;
        // Nobody else writes here.
        found.push(resource.map(Stored::Ours));
    }
    Ok(found)
}

fn after(
    conn: &Connection,
    kind: ResourceKind,
    after: Option<&str>,
    most: usize,
) -> Result<Vec<StoredResource>, DbError> {
    let mut statement = conn.prepare_cached(
        "SELECT id, resource, patient, device, created_us, updated_us FROM resources
         WHERE kind = ?1 AND (?2 IS NULL OR id > ?2) ORDER BY id LIMIT ?3",
    )?;
    let rows = statement.query_map(params![kind.label(), after, limit(most)], |r| {
        Ok(StoredResource {
            resource: RegistryResource {
                kind,
                id: r.get(0)?,
                json: r.get(1)?,
                patient: parsed_or_none(r, 2)?,
                device: parsed_or_none(r, 3)?,
            },
            created: instant(r, 4)?,
            updated: instant(r, 5)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl ResourceStore for EmbeddedStore {
    async fn prepare_resources(&self) -> Result<(), StoreError> {
        // The tables are there from the moment the file is.
        self.ping().await
    }

    async fn stored_resources(
        &self,
        kind: ResourceKind,
        ids: &[String],
    ) -> Result<Vec<Option<Stored>>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |conn| stored(conn, kind, &ids)).await
    }

    async fn put_resources(&self, resources: &[RegistryResource], at: Timestamp) -> Result<(), StoreError> {
        let resources = resources.to_vec();
        self.write(move |conn| put(conn, &resources, at)).await
    }

    async fn resources_after(
        &self,
        kind: ResourceKind,
        start: Option<&str>,
        most: usize,
    ) -> Result<Vec<StoredResource>, StoreError> {
        let start = start.map(str::to_owned);
        self.read(move |conn| after(conn, kind, start.as_deref(), most))
            .await
    }

    async fn registry_documents(&self, collection: &str, _fields: &[&str]) -> Result<Vec<Value>, StoreError> {
        let collection = collection.to_owned();
        self.read(move |conn| rest::registry_of(conn, &collection)).await
    }
}
