//! Re-mapping: stored Observations get the content that another mapping gives them.
//!
//! ```text
//! lease ─▶ Observations in the order of the log ─▶ reading by reading: map again, compare ─▶ publish ─▶ insert, amend
//! ```
//! The new versions and their events are published before the store is changed: whoever is killed in between leaves a
//! store that still shows what is to be done, and the next run publishes the same once more, under the same ids.

use std::collections::BTreeMap;

use stardust_domain::history;
use stardust_domain::ids::Mac;
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_domain::reading::{AuditFacts, Observation};
use stardust_domain::remap::{self, Amended, Difference, NotRemappable, Raws};
use stardust_domain::time::Timestamp;
use stardust_pipeline::amend::{Amend, Amendment};
use stardust_pipeline::log::{Budget, Log, LogError, Topic};
use stardust_pipeline::patience::patiently;
use stardust_pipeline::publish::{Published, publish};
use stardust_pipeline::runs::Runs;
use stardust_pipeline::store::{LetterState, ObservationDocument, Position, Shelf, StoreError};
use stardust_wire::{RawRecord, Subject};
use tokio::sync::watch;
use uuid::Uuid;

use crate::Rules;
use crate::back::{Lease, ReleaseError};
use crate::outputs::Outputs;

const LEASE: &str = "remap";
/// More Observations than one record can lead to: a full page always ends behind at least one whole record.
const PAGE: usize = 4_000;
/// Changed readings that are written at once.
const CHUNK: usize = 200;
/// Fields that are counted by name; catalogues do not change more.
const FIELDS: usize = 200;

/// Which readings: those that pass every condition.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Through this gateway.
    pub gateway: Option<Mac>,
    /// With an Observation of this kind.
    pub kind: Option<String>,
}

impl Selection {
    fn passes(&self, reading: &[ObservationDocument]) -> bool {
        let received = reading.first().map(|d| d.recorded);
        self.since.is_none_or(|t| received >= Some(t))
            && self.until.is_none_or(|t| received < Some(t))
            && self
                .gateway
                .is_none_or(|g| reading.iter().any(|d| d.gateway == Some(g)))
            && self
                .kind
                .as_deref()
                .is_none_or(|kind| reading.iter().any(|d| remap::kind_of(&d.resource) == Some(kind)))
    }
}

/// Maps stored readings again.
#[derive(Debug, Clone)]
pub struct Remapper<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The rules; their mapping is the new one.
    pub rules: Rules,
    /// Who holds the lease.
    pub holder: String,
    /// The time of day: when an Observation was amended.
    pub now: fn() -> Timestamp,
    /// Turns true when it shall stop. Until then log and store are waited for, however long they are away.
    pub stopping: watch::Receiver<bool>,
}

/// An Observation that changes, to be looked at.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The resource id.
    pub id: Uuid,
    /// Its kind.
    pub kind: String,
    /// FHIR status before; none where it is new.
    pub before: Option<String>,
    /// FHIR status after.
    pub after: String,
    /// What differs beside the status.
    pub differences: Vec<Difference>,
}

/// What a re-mapping did (in a dry run: would do).
#[derive(Debug, Clone, Default)]
pub struct Remapped {
    /// Readings that were looked at.
    pub readings: u64,
    /// Their Observations.
    pub observations: u64,
    /// Observations with new content.
    pub amended: u64,
    /// Observations that became `entered-in-error`.
    pub withdrawn: u64,
    /// New Observations beside.
    pub beside: u64,
    /// Observations that stay.
    pub unchanged: u64,
    /// Observations whose reading cannot be mapped again.
    pub not_remappable: u64,
    /// Those of them that were looked at.
    unmappable: u64,
    /// Observations that somebody else changed meanwhile; the next run looks at them.
    pub overtaken: u64,
    /// Dead letters of single quantities that are good by now: closed.
    pub letters: u64,
    /// How many Observations differ in each field.
    pub fields: BTreeMap<String, u64>,
    /// Some of those that change.
    pub samples: Vec<Sample>,
    /// Another process is re-mapping; nothing was done.
    pub busy: bool,
}

/// A reading that changes.
struct Changed {
    documents: Vec<ObservationDocument>,
    amended: Vec<Amended>,
    beside: Vec<Observation>,
    /// Whether a quantity of it is still refused.
    refused: bool,
    /// Ids of letters that it leaves.
    letters: Vec<String>,
}

impl<L: Log, S: Amend + Runs> Remapper<L, S> {
    /// Maps again what passes the selection, and keeps up to `samples` examples of what changes.
    ///
    /// # Errors
    /// As log and store have them. What was done by then stays, and is not done again by the next run.
    pub async fn run(
        &self,
        selection: &Selection,
        samples: usize,
        dry_run: bool,
    ) -> Result<Remapped, ReleaseError> {
        if dry_run {
            return self.pass(selection, samples, None).await;
        }
        let lease = Lease::new(&self.store, LEASE, &self.holder).patient(&self.stopping);
        let done = lease.hold(self.pass(selection, samples, Some(&lease))).await?;
        Ok(done.unwrap_or(Remapped {
            busy: true,
            ..Remapped::default()
        }))
    }

    /// Without a lease nothing is written.
    async fn pass(
        &self,
        selection: &Selection,
        samples: usize,
        lease: Option<&Lease<'_, S>>,
    ) -> Result<Remapped, ReleaseError> {
        let mut done = Remapped {
            not_remappable: if selection.is_everything() {
                patiently(&self.stopping, || self.store.foreign_observations()).await?
            } else {
                0
            },
            ..Remapped::default()
        };
        let mut after: Option<Position> = None;
        loop {
            self.go_on()?;
            let mut page = patiently(&self.stopping, || {
                self.store.observations_after(after.as_ref(), PAGE)
            })
            .await?;
            if page.len() >= PAGE {
                // Of the last record there may be more.
                let last = page.last().map(|d| place(&d.writer.position));
                let whole = page.partition_point(|d| Some(place(&d.writer.position)) < last);
                page.truncate(whole);
            }
            let Some(last) = page.last() else { break };
            after = Some(last.writer.position.clone());
            let mut changed = Vec::new();
            for reading in page.chunk_by(|a, b| a.writer == b.writer) {
                if selection.passes(reading) {
                    changed.extend(self.compare(reading, &mut done).await?);
                }
            }
            self.leave_out_taken(&mut changed).await?;
            for reading in &mut changed {
                reading.letters = self.letters(reading).await?;
            }
            for reading in &changed {
                done.count(reading, samples);
            }
            if let Some(lease) = lease {
                for chunk in changed.chunks(CHUNK) {
                    self.go_on()?;
                    lease.renew().await?;
                    done.overtaken += self.write(chunk).await?;
                }
                lease.renew().await?;
            }
        }
        done.unchanged = done.observations - done.amended - done.withdrawn - done.unmappable;
        Ok(done)
    }

    fn go_on(&self) -> Result<(), ReleaseError> {
        if *self.stopping.borrow() {
            return Err(ReleaseError::Stopped);
        }
        Ok(())
    }

    async fn compare(
        &self,
        reading: &[ObservationDocument],
        done: &mut Remapped,
    ) -> Result<Option<Changed>, ReleaseError> {
        let count = reading.len() as u64;
        done.readings += 1;
        done.observations += count;
        let Some(first) = reading.first() else {
            return Ok(None);
        };
        let judged = match self.judge(reading, Raws::Item(&first.raw_item)) {
            Ok(judged) => Ok(judged),
            Err(NotRemappable) => match self.raw(first).await? {
                Some(raw) => {
                    let item = first.writer.position.item;
                    self.judge(
                        reading,
                        Raws::Message {
                            body: &raw.body,
                            item,
                        },
                    )
                }
                None => Err(NotRemappable),
            },
        };
        match judged {
            Err(NotRemappable) => {
                done.not_remappable += count;
                done.unmappable += count;
                Ok(None)
            }
            Ok(judged) if judged.is_empty() => Ok(None),
            Ok(judged) => Ok(Some(Changed {
                documents: reading.to_vec(),
                amended: judged.amended,
                beside: judged.beside,
                refused: judged.refused,
                letters: Vec::new(),
            })),
        }
    }

    fn judge(
        &self,
        reading: &[ObservationDocument],
        raws: Raws<'_>,
    ) -> Result<remap::Remapped, NotRemappable> {
        let first = reading.first().ok_or(NotRemappable)?;
        remap::remap(
            &self.rules.mapping,
            &remap::Reading {
                raws,
                source: Source::from_label(&first.source).ok_or(NotRemappable)?,
                received_at: first.recorded,
                patient: first.patient,
                observations: reading
                    .iter()
                    .map(|d| remap::Stored {
                        id: d.id,
                        status: &d.status,
                        resource: &d.resource,
                    })
                    .collect(),
            },
        )
    }

    /// The raw record of an Observation, as long as the log has it.
    async fn raw(&self, document: &ObservationDocument) -> Result<Option<RawRecord>, LogError> {
        let at = &document.writer.position;
        let one = Budget {
            records: 1,
            bytes: 1,
            wait: std::time::Duration::from_millis(500),
        };
        let topic = Topic::new(&at.topic);
        let found = patiently(&self.stopping, || async {
            match self.log.read(&topic, at.partition, at.offset, one).await {
                Err(gone @ LogError::UnknownTopic(_)) => Ok(Err(gone)),
                found => found.map(Ok),
            }
        })
        .await?;
        let found = match found {
            // The log of a door's disk, or one that is gone.
            Err(LogError::UnknownTopic(_)) => return Ok(None),
            found => found?,
        };
        let record = found.first().filter(|record| record.offset == at.offset);
        let raw = record.and_then(|r| self.rules.wire.decode::<RawRecord>(Subject::Raw, &r.value).ok());
        Ok(raw.filter(|raw| raw.receipt_id == document.writer.receipt_id))
    }

    /// The first receipt wins for new Observations too: what another reading has stored stays its own.
    async fn leave_out_taken(&self, changed: &mut Vec<Changed>) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = changed.iter().flat_map(|c| &c.beside).map(|o| o.id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let writers = patiently(&self.stopping, || self.store.observation_writers(&ids)).await?;
        let mut writers = writers.into_iter();
        let mut seen = std::collections::HashSet::new();
        for reading in changed.iter_mut() {
            reading
                .beside
                .retain(|o| writers.next().flatten().is_none() && seen.insert(o.id));
        }
        changed.retain(|c| !(c.amended.is_empty() && c.beside.is_empty()));
        Ok(())
    }

    /// The letters of refused quantities that a reading leaves: it got another Observation, and nothing of it is refused
    /// any more.
    async fn letters(&self, reading: &Changed) -> Result<Vec<String>, StoreError> {
        let Some(first) = reading.documents.first() else {
            return Ok(Vec::new());
        };
        if reading.beside.is_empty() || reading.refused {
            return Ok(Vec::new());
        }
        let writer = &first.writer;
        let found = patiently(&self.stopping, || self.store.of_receipt(&writer.receipt_id))
            .await?
            .letters;
        let ours = found.into_iter().filter(|letter| {
            let of_it = letter.writer.position.item == writer.position.item;
            of_it && letter.partial && letter.shelf == Shelf::Dead && letter.state != LetterState::Closed
        });
        Ok(ours.map(|letter| letter.id).collect())
    }

    /// Publishes new versions and events, then changes the store; says how many somebody else changed meanwhile.
    async fn write(&self, changed: &[Changed]) -> Result<u64, ReleaseError> {
        let at = (self.now)();
        let version = self.rules.mapping.version();
        let mut outputs = Outputs::new(&self.rules, &[], false);
        let (mut amendments, mut beside) = (Vec::new(), Vec::new());
        for reading in changed {
            let new: Vec<ObservationDocument> = reading.versions(version);
            outputs.documents(&new.iter().collect::<Vec<_>>())?;
            let Some(first) = reading.documents.first() else {
                continue;
            };
            let ids: Vec<Uuid> = new.iter().map(|d| d.id).collect();
            let gateway = first.gateway.filter(|_| first.migration_run.is_none());
            let key = match gateway {
                Some(mac) => mac.to_string(),
                None => document_of(&first.raw_item).unwrap_or_else(|| first.writer.receipt_id.clone()),
            };
            let facts = AuditFacts {
                receipt: &first.writer.receipt_id,
                item: Some(first.writer.position.item).filter(|item| *item >= 0),
                outcome: AuditOutcome::Amended,
                reason: None,
                dead_quantities: &[],
                recorded: at,
                gateway,
                migration_run: first.migration_run.as_deref(),
                patient: Some(first.patient),
                observations: &ids,
                mapping_version: version,
            };
            outputs.audited(&key, &facts)?;
            let mut new = new.into_iter();
            for (amended, document) in reading.amended.iter().zip(new.by_ref()) {
                amendments.push(Amendment {
                    id: document.id,
                    from_mapping: reading.documents[amended.at].mapping_version.clone(),
                    to_mapping: version.to_owned(),
                    resource: document.resource,
                    code: document.code,
                    status: document.status,
                    at,
                });
            }
            beside.extend(new);
        }
        match publish(&self.log, outputs.records(), &mut self.stopping.clone()).await? {
            Published::Done(0) => {}
            Published::Done(lost) => {
                let what = format!("{lost} records of amended Observations");
                return Err(LogError::Refused(what).into());
            }
            Published::Stopped => return Err(ReleaseError::Stopped),
        }
        let letters: Vec<String> = changed.iter().flat_map(|c| c.letters.clone()).collect();
        if !letters.is_empty() {
            patiently(&self.stopping, || self.store.close_letters(Shelf::Dead, &letters)).await?;
        }
        if !beside.is_empty() {
            patiently(&self.stopping, || self.store.insert_observations(&beside)).await?;
        }
        let expected = amendments.len() as u64;
        if patiently(&self.stopping, || self.store.amend(&amendments)).await? >= expected {
            return Ok(0);
        }
        // Where an answer was lost, what the call changed counts as changed all the same.
        let ids: Vec<Uuid> = amendments.iter().map(|a| a.id).collect();
        let stored = patiently(&self.stopping, || self.store.observations_by_id(&ids)).await?;
        let missed = amendments.iter().zip(stored).filter(|(amendment, stored)| {
            let there = stored.as_ref();
            !there.is_some_and(|s| {
                s.mapping_version == amendment.to_mapping && s.resource == amendment.resource
            })
        });
        Ok(missed.count() as u64)
    }
}

/// The document that a migrated reading comes from.
fn document_of(raw_item: &str) -> Option<String> {
    let (body, _) = history::kept(raw_item)?;
    Some(history::keys_of(body.as_bytes())?.document)
}

/// A place without its item.
fn place(position: &Position) -> (&str, i32, i64) {
    (&position.topic, position.partition, position.offset)
}

impl Selection {
    fn is_everything(&self) -> bool {
        self.since.is_none() && self.until.is_none() && self.gateway.is_none() && self.kind.is_none()
    }
}

impl Changed {
    /// The documents as they shall be: the amended ones in their order, then the new ones.
    fn versions(&self, version: &str) -> Vec<ObservationDocument> {
        let amended = self.amended.iter().map(|amended| {
            let before = &self.documents[amended.at];
            ObservationDocument {
                resource: amended.resource.clone(),
                status: amended.status.to_owned(),
                code: amended.code.clone().unwrap_or_else(|| before.code.clone()),
                mapping_version: version.to_owned(),
                ..before.clone()
            }
        });
        // The document of the main kind stays the reading's main one, whatever became of it: its legacy document hangs
        // on it.
        let beside = self.documents.first().into_iter().flat_map(|first| {
            self.beside.iter().map(|new| ObservationDocument {
                id: new.id,
                main: false,
                resource: new.json.clone(),
                status: new.status.to_owned(),
                code: new.code.clone(),
                mapping_version: version.to_owned(),
                legacy: None,
                ..first.clone()
            })
        });
        amended.chain(beside).collect()
    }
}

impl Remapped {
    fn count(&mut self, reading: &Changed, samples: usize) {
        self.letters += reading.letters.len() as u64;
        for amended in &reading.amended {
            let before = &reading.documents[amended.at];
            if amended.status == "entered-in-error" {
                self.withdrawn += 1;
            } else {
                self.amended += 1;
            }
            for difference in &amended.differences {
                if self.fields.len() < FIELDS || self.fields.contains_key(&difference.path) {
                    *self.fields.entry(difference.path.clone()).or_default() += 1;
                }
            }
            self.sample(samples, || Sample {
                id: before.id,
                kind: remap::kind_of(&before.resource).unwrap_or_default().to_owned(),
                before: Some(before.status.clone()),
                after: amended.status.to_owned(),
                differences: amended.differences.clone(),
            });
        }
        for new in &reading.beside {
            self.beside += 1;
            self.sample(samples, || Sample {
                id: new.id,
                kind: remap::kind_of(&new.json).unwrap_or_default().to_owned(),
                before: None,
                after: new.status.to_owned(),
                differences: Vec::new(),
            });
        }
    }

    fn sample(&mut self, most: usize, sample: impl FnOnce() -> Sample) {
        if self.samples.len() < most {
            self.samples.push(sample());
        }
    }
}
