//! `migrate verify`: reads the source once more and compares what every entry should have become with what is stored.
//!
//! The rules are asked again, with the receipt time that a stored document has: what they make of the entry must be what
//! the store holds, text for text.

use std::collections::{HashMap, HashSet};

use stardust_domain::history::HistoryDocument;
use stardust_domain::outcome::Source as Origin;
use stardust_domain::reading::{Envelope, Reading, Verdict};
use stardust_domain::time::Timestamp;
use stardust_pipeline::history::Source;
use stardust_pipeline::log::Log;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::runs::{Run, Runs};
use stardust_pipeline::store::{Letter, LetterState, ObservationDocument, Shelf, Store};
use tokio::sync::watch;
use uuid::Uuid;

use crate::MigrateError;
use crate::cursor::Cursor;
use crate::differing::differing;
use crate::histories::Migrator;
use crate::progress::{CollectionProgress, Progress};
use crate::verified::{Difference, Verified};

/// Readings that are looked up together.
const TOGETHER: usize = 500;
/// Observations of a run in one page: a server without its order in an index sorts them anew for each.
const PAGE: usize = 5_000;
/// The status of an Observation that a remap withdrew.
const WITHDRAWN: &str = "entered-in-error";

/// What is compared.
#[derive(Clone, Copy)]
struct Question<'a> {
    run: &'a Run,
    /// The parser has not worked everything yet.
    behind: bool,
    stopping: &'a watch::Receiver<bool>,
}

/// A reading as the rules have it.
struct Expected {
    collection: String,
    document: String,
    receipt: String,
    body: String,
    reading: Reading,
}

impl Expected {
    fn letter(&self) -> String {
        Letter::id_of(&self.receipt, self.reading.item, None)
    }
}

impl Verified {
    fn differs(&mut self, expected: &Expected, what: String) {
        self.collections
            .entry(expected.collection.clone())
            .or_default()
            .different += 1;
        self.name(Difference {
            collection: expected.collection.clone(),
            document: expected.document.clone(),
            receipt_id: expected.receipt.clone(),
            item: expected.reading.item,
            what,
        });
    }
}

impl<L: Log, S: Store + Runs, D: Source> Migrator<L, S, D> {
    /// Compares a run with its source. `behind`: the parser has not worked everything yet. What is away is waited for.
    ///
    /// # Errors
    /// Where source or store cannot be read.
    pub async fn verify(
        &self,
        run: &Run,
        behind: bool,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Verified, MigrateError> {
        let asked = Question {
            run,
            behind,
            stopping,
        };
        let progress = Progress::of(run)?;
        let mut verified = Verified::default();
        let mut seen: HashSet<Uuid> = HashSet::new();
        for collection in progress
            .collections
            .iter()
            .filter(|c| c.present && c.place.is_some())
        {
            self.verify_collection(asked, collection, &mut seen, &mut verified)
                .await?;
        }
        self.find_strangers(asked, &seen, &mut verified).await?;
        Ok(verified)
    }

    /// Observations of the run that no entry of the source leads to (any more).
    async fn find_strangers(
        &self,
        asked: Question<'_>,
        seen: &HashSet<Uuid>,
        verified: &mut Verified,
    ) -> Result<(), MigrateError> {
        let mut after = None;
        loop {
            let page = patiently(asked.stopping, || {
                self.store.written_by_run(&asked.run.id, after, PAGE)
            })
            .await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.id);
            verified.observations += page.len() as u64;
            // What a remap withdrew stays in the store, and the rules of now do not lead to it.
            let strangers = page
                .iter()
                .filter(|d| !seen.contains(&d.id) && d.status != WITHDRAWN);
            for document in strangers {
                verified.name(Difference {
                    collection: "-".to_owned(),
                    document: "-".to_owned(),
                    receipt_id: document.writer.receipt_id.clone(),
                    item: Some(document.writer.position.item),
                    what: format!(
                        "Observation {} comes from no entry of the source as it is now",
                        document.id
                    ),
                });
            }
        }
    }

    async fn verify_collection(
        &self,
        asked: Question<'_>,
        collection: &CollectionProgress,
        seen: &mut HashSet<Uuid>,
        verified: &mut Verified,
    ) -> Result<(), MigrateError> {
        verified.collections.entry(collection.name.clone()).or_default();
        let mut documents = Cursor::new(&self.source, &collection.name, asked.stopping);
        let mut open: Vec<Expected> = Vec::new();
        loop {
            let batch = documents.next(self.batch).await?;
            if batch.is_empty() {
                break;
            }
            let mut reached = false;
            for source in &batch {
                if let Some(text) = &source.text {
                    self.expect(asked.run, &collection.name, text, &mut open, verified);
                }
                if open.len() >= TOGETHER {
                    self.compare(asked, std::mem::take(&mut open), seen, verified)
                        .await?;
                }
                // What came into the source since is not of this run.
                reached = collection.place.as_ref() == Some(&source.place);
                if reached {
                    break;
                }
            }
            if reached {
                break;
            }
        }
        self.compare(asked, open, seen, verified).await
    }

    /// What a document should have become.
    fn expect(
        &self,
        run: &Run,
        collection: &str,
        text: &str,
        open: &mut Vec<Expected>,
        verified: &mut Verified,
    ) {
        let Ok(document) = HistoryDocument::read(self.source.database(), collection, text) else {
            return;
        };
        let compared = verified.collections.entry(collection.to_owned()).or_default();
        for entry in document.entries().filter(|entry| !entry.repeated) {
            compared.entries += 1;
            let receipt = entry.receipt_id.to_string();
            let judged = self.judge(&receipt, &entry.body, run.started);
            compared.readings += judged.len() as u64;
            open.extend(judged.into_iter().map(|reading| Expected {
                collection: collection.to_owned(),
                document: document.id().to_owned(),
                receipt: receipt.clone(),
                body: entry.body.clone(),
                reading,
            }));
        }
    }

    fn judge(&self, receipt: &str, body: &str, received_at: Timestamp) -> Vec<Reading> {
        let envelope = Envelope {
            receipt,
            received_at,
            source: Origin::Migration,
            items: None,
            body: body.as_bytes(),
        };
        self.mapping.judge(&envelope, &self.registry).readings
    }

    async fn compare(
        &self,
        asked: Question<'_>,
        expected: Vec<Expected>,
        seen: &mut HashSet<Uuid>,
        verified: &mut Verified,
    ) -> Result<(), MigrateError> {
        if expected.is_empty() {
            return Ok(());
        }
        let mut ids: Vec<Uuid> = Vec::new();
        for e in &expected {
            ids.extend(e.reading.main_id.iter().chain(&e.reading.observation_ids));
        }
        ids.sort_unstable();
        ids.dedup();
        let found = patiently(asked.stopping, || self.store.observations_by_id(&ids)).await?;
        let stored: HashMap<Uuid, ObservationDocument> = found
            .into_iter()
            .flatten()
            .map(|document| (document.id, document))
            .collect();
        let letters: Vec<String> = expected.iter().map(Expected::letter).collect();
        let dead = patiently(asked.stopping, || self.store.letters(Shelf::Dead, &letters)).await?;
        let parked = patiently(asked.stopping, || self.store.letters(Shelf::Parked, &letters)).await?;
        for ((e, dead), parked) in expected.iter().zip(dead).zip(parked) {
            let main = e.reading.main_id.and_then(|id| stored.get(&id));
            let waits =
                |letter: &Option<Letter>| letter.as_ref().is_some_and(|l| l.state != LetterState::Closed);
            let compared = verified.collections.entry(e.collection.clone()).or_default();
            match main {
                Some(main) => {
                    if main.migration_run.as_deref() == Some(asked.run.id.as_str()) {
                        compared.stored += 1;
                    } else {
                        compared.stored_before += 1;
                    }
                    seen.extend(&e.reading.observation_ids);
                    seen.insert(main.id);
                    if matches!(e.reading.verdict, Verdict::Emit(_)) {
                        self.contents(e, main.recorded, &stored, verified);
                    }
                }
                None if waits(&parked) => {
                    compared.waiting += 1;
                    if matches!(e.reading.verdict, Verdict::Dead(_)) {
                        verified.differs(e, "it waits, and the rules of now reject it".to_owned());
                    }
                }
                None if waits(&dead) => {
                    compared.rejected += 1;
                    if let (Verdict::Dead(death), Some(letter)) = (&e.reading.verdict, &dead) {
                        if letter.reason != death.reason.label() {
                            let what = format!(
                                "rejected as {}, by the rules of now {}",
                                letter.reason, death.reason
                            );
                            verified.differs(e, what);
                        }
                    } else {
                        verified.differs(e, "a dead letter, and the rules of now take it".to_owned());
                    }
                }
                None if asked.behind => {
                    compared.unworked += 1;
                    verified.unworked += 1;
                }
                None if self.is_withdrawn(e, asked).await? => {
                    let compared = verified.collections.entry(e.collection.clone()).or_default();
                    compared.withdrawn += 1;
                }
                None => verified.differs(e, "neither stored nor waiting nor rejected".to_owned()),
            }
        }
        Ok(())
    }

    /// Whether a reading that the rules refuse was stored under other rules and withdrawn since.
    async fn is_withdrawn(&self, e: &Expected, asked: Question<'_>) -> Result<bool, MigrateError> {
        if !matches!(e.reading.verdict, Verdict::Dead(_)) {
            return Ok(false);
        }
        let found = patiently(asked.stopping, || self.store.of_receipt(&e.receipt)).await?;
        let of_item = found
            .observations
            .iter()
            .filter(|(_, writer, _)| Some(writer.position.item) == e.reading.item);
        let ids: Vec<Uuid> = of_item.map(|(id, ..)| *id).collect();
        let stored = patiently(asked.stopping, || self.store.observations_by_id(&ids)).await?;
        let mut stored = stored.into_iter().flatten().peekable();
        Ok(stored.peek().is_some() && stored.all(|d| d.status == WITHDRAWN))
    }

    /// Compares every Observation of a reading.
    fn contents(
        &self,
        e: &Expected,
        recorded: Timestamp,
        stored: &HashMap<Uuid, ObservationDocument>,
        verified: &mut Verified,
    ) {
        // Where another start stored it, its receipt time is another one.
        let again = self.judge(&e.receipt, &e.body, recorded);
        let Some(reading) = again.into_iter().find(|r| r.item == e.reading.item) else {
            return;
        };
        for observation in &reading.observations {
            let id = observation.id;
            let Some(document) = stored.get(&id) else {
                verified.differs(e, format!("Observation {id} is not stored"));
                continue;
            };
            if let Verdict::Emit(patient) = reading.verdict
                && document.patient != patient
            {
                verified.differs(e, format!("Observation {id} is of another patient"));
            }
            if document.resource == observation.json {
                continue;
            }
            let mut paths = differing(&document.resource, &observation.json);
            if document.status == "amended" {
                // A remap brought it here.
                paths.retain(|path| path != "status");
            }
            if paths.is_empty() {
                continue;
            }
            let rules = if document.mapping_version == self.mapping.version() {
                ""
            } else {
                " (written by other rules)"
            };
            verified.differs(
                e,
                format!("Observation {id} differs in {}{rules}", paths.join(", ")),
            );
        }
    }
}
