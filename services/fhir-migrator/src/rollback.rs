//! `migrate rollback`: removes what one run wrote, and nothing else.
//!
//! ```text
//! mark the run ─▶ page of its Observations ─▶ AuditEvents `rolled-back` into the log ─▶ remove the page ─▶ … ─▶ letters
//! ```
//! From the mark on a parser leaves the run's records alone, so that neither one at work nor a replay brings anything
//! back. Killed anywhere, the same command goes on: an event that is published twice is recorded once.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use stardust_domain::history;
use stardust_domain::ids::PatientId;
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::AuditOutcome;
use stardust_domain::reading::AuditFacts;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Log, NewRecord};
use stardust_pipeline::patience::patiently;
use stardust_pipeline::publish::{Published, publish};
use stardust_pipeline::runs::{Run, RunDocument, RunState, Runs};
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store};
use stardust_pipeline::topics::Topics;
use stardust_wire::{AuditRecord, RawRecord, Subject, Wire, WireError};
use tokio::sync::watch;
use uuid::Uuid;

use crate::MigrateError;
use crate::claim::Claim;

/// Documents that go together; each page of Observations is the first of what is left.
const PAGE: usize = 2_000;
const EVERY_STATE: &[LetterState] = &[LetterState::Open, LetterState::Releasing, LetterState::Closed];

/// What a rollback works with.
#[derive(Clone)]
pub struct Rollback<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The codec.
    pub wire: Wire,
    /// The rules: of the events.
    pub mapping: Arc<Mapping>,
    /// The topics.
    pub topics: Topics,
    /// Who works: for the lease.
    pub holder: String,
    /// The time of day.
    pub now: fn() -> Timestamp,
}

/// What a rollback removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct RolledBack {
    /// Observations.
    pub observations: u64,
    /// Readings that they were of.
    pub readings: u64,
    /// Letters of readings that were rejected or waited.
    pub letters: u64,
    /// Audit events that say so.
    pub events: u64,
    /// Told to stop before the end: the same command goes on.
    pub stopped: bool,
}

/// A reading that is no more.
struct Gone {
    receipt: String,
    /// The document that it comes from: its events keep their order.
    document: String,
    item: Option<i32>,
    patient: Option<PatientId>,
    observations: Vec<Uuid>,
}

impl<L: Log, S: Store + Runs> Rollback<L, S> {
    /// Rolls a run back.
    ///
    /// # Errors
    /// Where there is no such run, a process works on it, or log or store cannot be used.
    pub async fn run(&self, run: &Run, stopping: watch::Receiver<bool>) -> Result<RolledBack, MigrateError> {
        let claim = Claim::take(&self.store, &run.source, &self.holder, &stopping).await?;
        let done = self.claimed(&run.id, stopping).await;
        claim.give_up().await;
        done
    }

    async fn claimed(
        &self,
        id: &str,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<RolledBack, MigrateError> {
        let marked = self.mark(id, RunState::RollingBack, &stopping).await?;
        let mut done = RolledBack::default();
        loop {
            let page = patiently(&stopping, || self.store.written_by_run(id, None, PAGE)).await?;
            if page.is_empty() {
                break;
            }
            let mut readings: BTreeMap<(String, i32), Gone> = BTreeMap::new();
            for document in &page {
                let position = &document.writer.position;
                let key = (document.writer.receipt_id.clone(), position.item);
                let gone = readings.entry(key).or_insert_with(|| Gone {
                    document: document_of(document),
                    receipt: document.writer.receipt_id.clone(),
                    item: Some(position.item).filter(|item| *item >= 0),
                    patient: document.patient.parse().ok(),
                    observations: Vec::new(),
                });
                gone.observations.push(document.id);
            }
            let readings: Vec<Gone> = readings.into_values().collect();
            done.events += readings.len() as u64;
            if !self.tell(&marked, &readings, &mut stopping).await? {
                done.stopped = true;
                return Ok(done);
            }
            let ids: Vec<Uuid> = page.iter().map(|d| d.id).collect();
            // Of a call that is repeated only the last answer is known: what it names is gone either way.
            patiently(&stopping, || self.store.remove_written(id, &ids)).await?;
            done.observations += ids.len() as u64;
            done.readings += page.iter().filter(|d| d.main).count() as u64;
        }
        for shelf in [Shelf::Dead, Shelf::Parked] {
            if !self.letters(&marked, shelf, &mut done, &mut stopping).await? {
                done.stopped = true;
                return Ok(done);
            }
        }
        self.mark(id, RunState::RolledBack, &stopping).await?;
        Ok(done)
    }

    /// Moves the run into a state, whoever saves it at the same time.
    async fn mark(
        &self,
        id: &str,
        state: RunState,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Run, MigrateError> {
        loop {
            let Some(mut run) = patiently(stopping, || self.store.run(id)).await? else {
                return Err(MigrateError::Run(format!("there is no run {id}")));
            };
            if run.state == state || run.state == RunState::RolledBack {
                return Ok(run);
            }
            run.state = state;
            run.updated = (self.now)();
            if patiently(stopping, || self.store.save_run(&run)).await? {
                run.version += 1;
                return Ok(run);
            }
        }
    }

    /// Removes the letters of a shelf that records of the run have left, and the raw records kept for them; false where
    /// it was told to stop.
    async fn letters(
        &self,
        run: &Run,
        shelf: Shelf,
        done: &mut RolledBack,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<bool, MigrateError> {
        let mut after: Option<String> = None;
        loop {
            let behind = after.as_deref();
            let page = patiently(stopping, || {
                self.store.letters_after(shelf, EVERY_STATE, behind, PAGE)
            })
            .await?;
            let Some(last) = page.last() else {
                return Ok(true);
            };
            after = Some(last.id.clone());
            let mut of_run: HashMap<String, Option<String>> = HashMap::new();
            let mut mine: Vec<(&Letter, String)> = Vec::new();
            // Of a migration nothing has a gateway.
            for letter in page.iter().filter(|l| l.gateway.is_none()) {
                let receipt = &letter.writer.receipt_id;
                let known = match of_run.get(receipt) {
                    Some(known) => known.clone(),
                    None => self.document_in(run, receipt, stopping).await?,
                };
                of_run.insert(receipt.clone(), known.clone());
                mine.extend(known.map(|document| (letter, document)));
            }
            let readings: Vec<Gone> = mine
                .iter()
                .filter(|(l, _)| !l.partial)
                .map(|(l, document)| Gone {
                    document: document.clone(),
                    receipt: l.writer.receipt_id.clone(),
                    item: Some(l.writer.position.item).filter(|item| *item >= 0),
                    patient: None,
                    observations: Vec::new(),
                })
                .collect();
            done.events += readings.len() as u64;
            if !self.tell(run, &readings, stopping).await? {
                return Ok(false);
            }
            let ids: Vec<String> = mine.iter().map(|(l, _)| l.id.clone()).collect();
            patiently(stopping, || self.store.remove_letters(shelf, &ids)).await?;
            done.letters += ids.len() as u64;
            self.remove_unused_raw(&mine, stopping).await?;
        }
    }

    /// The raw record of a receipt stays as long as the receipt has a letter.
    async fn remove_unused_raw(
        &self,
        removed: &[(&Letter, String)],
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), MigrateError> {
        let mut unused = Vec::new();
        for receipt in removed.iter().map(|(l, _)| &l.writer.receipt_id) {
            if unused.contains(receipt) {
                continue;
            }
            let left = patiently(stopping, || self.store.of_receipt(receipt)).await?;
            if left.letters.is_empty() {
                unused.push(receipt.clone());
            }
        }
        if !unused.is_empty() {
            patiently(stopping, || self.store.remove_raw(&unused)).await?;
        }
        Ok(())
    }

    /// The document of the record that is kept for a receipt, where it is one of the run.
    async fn document_in(
        &self,
        run: &Run,
        receipt: &str,
        stopping: &watch::Receiver<bool>,
    ) -> Result<Option<String>, MigrateError> {
        let Some(kept) = patiently(stopping, || self.store.kept_raw(receipt)).await? else {
            return Ok(None);
        };
        let raw: Result<RawRecord, WireError> = self.wire.decode(Subject::Raw, &kept);
        let of_run = raw
            .ok()
            .filter(|raw| raw.migration_run.as_deref() == Some(run.id.as_str()));
        let document = |raw: RawRecord| history::keys_of(&raw.body).map(|keys| keys.document);
        Ok(of_run.map(|raw| document(raw).unwrap_or_else(|| receipt.to_owned())))
    }

    /// Publishes the events of readings that are about to go; false where it was told to stop.
    async fn tell(
        &self,
        run: &Run,
        readings: &[Gone],
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<bool, MigrateError> {
        let mut records = Vec::with_capacity(readings.len());
        for gone in readings {
            let event = self.mapping.audit_event(&AuditFacts {
                receipt: &gone.receipt,
                item: gone.item,
                outcome: AuditOutcome::RolledBack,
                reason: None,
                dead_quantities: &[],
                // The time of the mark: the same however often it is told.
                recorded: run.updated,
                gateway: None,
                migration_run: Some(&run.id),
                patient: gone.patient,
                observations: &gone.observations,
                mapping_version: self.mapping.version(),
            });
            let record = AuditRecord {
                id: event.id.to_string().into(),
                receipt_id: Cow::Borrowed(&gone.receipt),
                recorded: run.updated.micros(),
                patient: gone.patient.map(|p| p.to_string().into()),
                gateway: None,
                outcome: AuditOutcome::RolledBack.label().into(),
                reason: None,
                mapping_version: Cow::Borrowed(self.mapping.version()),
                event: Cow::Borrowed(&event.json),
            };
            records.push(NewRecord {
                topic: self.topics.audit.clone(),
                key: Bytes::copy_from_slice(gone.document.as_bytes()),
                value: self.wire.encode(Subject::Audit, &record)?.into(),
            });
        }
        match publish(&self.log, records, stopping).await? {
            Published::Done(0) => Ok(!*stopping.borrow()),
            Published::Done(lost) => Err(MigrateError::Run(format!(
                "the log refuses {lost} audit events; nothing of their readings was removed"
            ))),
            Published::Stopped => Ok(false),
        }
    }
}

/// The document that an Observation of a run comes from.
fn document_of(written: &RunDocument) -> String {
    let keys = history::kept(&written.raw_item).and_then(|(body, _)| history::keys_of(body.as_bytes()));
    keys.map_or_else(|| written.writer.receipt_id.clone(), |keys| keys.document)
}
