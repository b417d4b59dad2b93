//! From when a reading was due until its Observation can be read, as a reader of the store beside the program sees it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep};

use crate::latency::Latencies;

/// How long an Observation may be missing before the run is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reading that was answered.
#[derive(Debug)]
pub struct Sent {
    /// When it was due.
    pub due: Instant,
    /// The body of the answer.
    pub answer: Bytes,
}

/// A store that is looked at.
pub enum Store {
    /// The embedded file, and the last row that was seen.
    File(Connection, i64),
    /// The collection of a database.
    Database(Collection<Document>),
}

impl Store {
    /// The embedded file, beside the process that writes it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn file(path: &Path) -> anyhow::Result<Self> {
        let context = || path.display().to_string();
        let file =
            Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).with_context(context)?;
        let last = file.query_row("SELECT coalesce(max(rowid), 0) FROM observations", [], |row| {
            row.get(0)
        })?;
        Ok(Self::File(file, last))
    }

    /// The Observations of a database.
    ///
    /// # Errors
    /// Where the URI cannot be used.
    pub async fn database(uri: &str, name: &str) -> anyhow::Result<Self> {
        let client = Client::with_uri_str(uri).await?;
        Ok(Self::Database(
            client.database(name).collection("fhir_observations"),
        ))
    }

    /// How often it is looked at: what is measured is late by half of it.
    const fn every(&self) -> Duration {
        match self {
            Self::File(..) => Duration::from_millis(5),
            Self::Database(_) => Duration::from_millis(25),
        }
    }

    /// One in so many readings is looked for: asking for all would be load of its own on a database.
    const fn one_in(&self) -> u64 {
        match self {
            Self::File(..) => 1,
            Self::Database(_) => 25,
        }
    }

    /// Ids that can be read, among those wanted where the store is asked for each.
    async fn look(&mut self, wanted: &HashMap<String, Instant>) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        match self {
            Self::File(file, last) => {
                let mut rows = file.prepare_cached("SELECT rowid, id FROM observations WHERE rowid > ?1")?;
                let mut rows = rows.query([*last])?;
                while let Some(row) = rows.next()? {
                    *last = (*last).max(row.get(0)?);
                    found.push(row.get(1)?);
                }
            }
            Self::Database(_) if wanted.is_empty() => {}
            Self::Database(collection) => {
                let ids: Vec<&str> = wanted.keys().map(String::as_str).collect();
                let ids = collection
                    .find(doc! {"_id": {"$in": ids}})
                    .projection(doc! {"_id": 1});
                let mut documents = ids.await?;
                while let Some(document) = documents.try_next().await? {
                    found.push(document.get_str("_id")?.to_owned());
                }
            }
        }
        Ok(found)
    }
}

/// Looks until all that was sent can be read.
///
/// # Errors
/// An answer without an Observation, or one that stays away.
pub async fn watch(mut store: Store, mut sent: UnboundedReceiver<Sent>) -> anyhow::Result<Latencies> {
    let mut wanted: HashMap<String, Instant> = HashMap::new();
    // Those that could be read before their answer was.
    let mut early: HashMap<String, Instant> = HashMap::new();
    let mut micros = Vec::new();
    let mut found_at = Instant::now();
    let mut received = 0_u64;
    let took = |due: Instant, at: Instant| {
        u32::try_from(at.saturating_duration_since(due).as_micros()).unwrap_or(u32::MAX)
    };
    loop {
        while let Ok(one) = sent.try_recv() {
            received += 1;
            if !received.is_multiple_of(store.one_in()) {
                continue;
            }
            let answer: Value = serde_json::from_slice(&one.answer)?;
            let id = answer["observation_id"]
                .as_str()
                .context("an answer without observation_id")?;
            match early.remove(id) {
                Some(at) => micros.push(took(one.due, at)),
                None => {
                    wanted.insert(id.to_owned(), one.due);
                }
            }
        }
        let found = store.look(&wanted).await?;
        let now = Instant::now();
        for id in found {
            found_at = now;
            match wanted.remove(&id) {
                Some(due) => micros.push(took(due, now)),
                None => {
                    early.insert(id, now);
                }
            }
        }
        if sent.is_closed() && sent.is_empty() && wanted.is_empty() {
            return Ok(Latencies::new(micros));
        }
        if sent.is_closed() && found_at.elapsed() > PATIENCE {
            bail!("{} Observations cannot be read", wanted.len());
        }
        sleep(store.every()).await;
    }
}
