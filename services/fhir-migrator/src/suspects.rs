//! Suspected duplicates: readings of a source that say what another one says. They are counted, never merged.
//!
//! Compared with all before them in the source, and with what is stored of devices, persons and other databases. What is
//! stored of this database is left out, be it of this run or of one before: it is in the source itself. So the number is
//! the same in a dry run, after a kill and in a second run; but for readings that come in live meanwhile.

use std::collections::{BTreeSet, HashSet};

use stardust_domain::alike::{Alike, alike};
use stardust_domain::history;
use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::history::Source;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{ObservationDocument, StoreError};
use tokio::sync::watch;

use crate::MigrateError;
use crate::cursor::Cursor;
use crate::entries::Workshop;
use crate::progress::{CollectionProgress, Progress};

/// Readings that the store is asked for together.
const TOGETHER: usize = 5_000;
const DOCUMENTS: usize = 500;

/// What was seen of a source, and what waits to be compared.
#[derive(Default)]
pub(crate) struct Suspects {
    /// Digests of everything that the source has said so far.
    seen: HashSet<u64>,
    /// By collection, in order.
    open: Vec<(usize, Alike)>,
}

impl Suspects {
    /// Reads what was worked before the places of a run that goes on.
    pub(crate) async fn recall<D: Source>(
        source: &D,
        workshop: &Workshop,
        collections: &[CollectionProgress],
        stopping: &watch::Receiver<bool>,
    ) -> Result<Self, MigrateError> {
        let mut suspects = Self::default();
        for collection in collections {
            let Some(end) = &collection.place else { continue };
            let mut documents = Cursor::new(source, &collection.name, stopping);
            'collection: loop {
                let batch = documents.next(DOCUMENTS).await?;
                if batch.is_empty() {
                    break;
                }
                for document in batch {
                    let text = document.text.as_deref().unwrap_or_default();
                    let measured = workshop.measured(&collection.name, text);
                    suspects.seen.extend(measured.iter().map(|m| m.digest));
                    if document.place == *end {
                        break 'collection;
                    }
                }
            }
        }
        Ok(suspects)
    }

    /// Takes what readings of a collection measure.
    pub(crate) fn take(&mut self, collection: usize, measured: Vec<Alike>) {
        self.open
            .extend(measured.into_iter().map(|one| (collection, one)));
    }

    /// Whether it is time to compare.
    pub(crate) fn are_many(&self) -> bool {
        self.open.len() >= TOGETHER
    }

    /// Compares what was taken, and counts.
    pub(crate) async fn count<S: AtTimes>(
        &mut self,
        store: &S,
        database: &str,
        progress: &mut Progress,
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let times: BTreeSet<(PatientId, Timestamp)> =
            self.open.iter().map(|(_, m)| (m.patient, m.at)).collect();
        let times: Vec<(PatientId, Timestamp)> = times.into_iter().collect();
        let found = patiently(stopping, || store.observations_at_times(&times)).await?;
        let elsewhere = found.iter().filter(|document| !is_of(document, database));
        let stored: HashSet<u64> = elsewhere
            .filter_map(|d| alike(d.patient, d.effective, &d.resource))
            .map(|m| m.digest)
            .collect();
        for (collection, one) in self.open.drain(..) {
            let said_before = !self.seen.insert(one.digest) || stored.contains(&one.digest);
            progress.collections[collection].tally.suspected += u64::from(said_before);
        }
        Ok(())
    }
}

/// Whether an Observation was migrated from this database.
fn is_of(document: &ObservationDocument, database: &str) -> bool {
    document.migration_run.is_some()
        && history::kept(&document.raw_item)
            .and_then(|(body, _)| history::database_of(body))
            .is_some_and(|of| of == database)
}
