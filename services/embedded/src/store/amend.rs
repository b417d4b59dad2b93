//! Observations from the first to the last, and their amendments.

use rusqlite::{Connection, params};
use stardust_pipeline::amend::{Amend, Amendment};
use stardust_pipeline::store::{ObservationDocument, Position, StoreError};

use super::EmbeddedStore;
use super::observations::{COLUMNS, document};
use super::rows::limit;
use crate::error::DbError;

impl Amend for EmbeddedStore {
    async fn observations_after(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let after = after.cloned();
        self.read(move |conn| page(conn, after.as_ref(), most)).await
    }

    async fn foreign_observations(&self) -> Result<u64, StoreError> {
        // The file has nothing but what this pipeline wrote.
        Ok(0)
    }

    async fn amend(&self, amendments: &[Amendment]) -> Result<u64, StoreError> {
        if amendments.is_empty() {
            return Ok(0);
        }
        let amendments = amendments.to_vec();
        self.write(move |conn| change(conn, &amendments)).await
    }
}

fn page(
    conn: &Connection,
    after: Option<&Position>,
    most: usize,
) -> Result<Vec<ObservationDocument>, DbError> {
    let (topic, partition, offset) =
        after.map_or(("", -1, -1), |p| (p.topic.as_str(), p.partition, p.offset));
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM observations WHERE (topic, partition, offset) > (?1, ?2, ?3)
         ORDER BY topic, partition, offset, item, id LIMIT ?4"
    ))?;
    let rows = statement.query_map(params![topic, partition, offset, limit(most)], document)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn change(conn: &Connection, amendments: &[Amendment]) -> Result<u64, DbError> {
    let mut statement = conn.prepare_cached(
        "UPDATE observations SET resource = ?1, code = ?2, status = ?3, mapping_version = ?4
         WHERE id = ?5 AND mapping_version = ?6",
    )?;
    let mut changed = 0;
    for a in amendments {
        let done = statement.execute(params![
            a.resource,
            a.code,
            a.status,
            a.to_mapping,
            a.id.to_string(),
            a.from_mapping,
        ])?;
        changed += done as u64;
    }
    Ok(changed)
}
