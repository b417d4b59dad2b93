//! The comparison.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stardust_domain::ids::uuid_of;
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_domain::reading::Envelope;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::{Budget, Log, LogError, LogRecord, Topic};
use stardust_pipeline::store::{Letter, LetterState, ObservationDocument, Shelf, Store, StoreError};
use stardust_pipeline::topics::Topics;
use stardust_wire::{RawRecord, Subject, Wire};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::ledger::{Ledger, Outcome, Unit, unit};
use crate::report::{Fault, Report};

const PAGE: Budget = Budget {
    records: 500,
    bytes: 8 << 20,
    wait: Duration::from_secs(2),
};
const FAULTS_SHOWN: usize = 20;

/// The groups whose offsets count.
#[derive(Debug, Clone)]
pub struct Groups {
    /// The parser's.
    pub parser: String,
    /// The router's.
    pub router: String,
    /// The recorder's.
    pub recorder: String,
}

/// Log or store could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BooksError {
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares the raw topic with the store.
#[derive(Debug, Clone)]
pub struct Reconciler<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The codec.
    pub wire: Wire,
    /// The rules: they tell the items of a message apart.
    pub mapping: Arc<Mapping>,
    /// The registry.
    pub registry: Arc<Registry>,
    /// The topics.
    pub topics: Topics,
    /// The groups.
    pub groups: Groups,
    /// How long router and recorder may take to catch up with what the parser had emitted.
    pub patience: Duration,
}

/// A reading on a page.
struct Line {
    unit: Unit,
    receipt: String,
    item: Option<i32>,
    gateway: Option<stardust_domain::ids::Mac>,
    received: Timestamp,
    main: Option<Uuid>,
    copy: bool,
    ignored: bool,
}

#[derive(Default)]
struct Sums {
    observations: u64,
    legacy: u64,
    no_place: u64,
    audit: u64,
    faults_total: u64,
    faults: Vec<Fault>,
    counted: HashSet<Unit>,
}

impl Sums {
    fn fault(&mut self, receipt: &str, item: Option<i32>, what: String) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_SHOWN {
            self.faults.push(Fault {
                receipt_id: receipt.to_owned(),
                item,
                what,
            });
        }
    }
}

impl<L: Log, S: Store> Reconciler<L, S> {
    /// Freezes the offsets and compares everything below them.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn run(&self) -> Result<Report, BooksError> {
        let raw = &self.topics.raw;
        let committed: HashMap<i32, i64> = self
            .log
            .committed(&self.groups.parser, raw)
            .await?
            .into_iter()
            .filter_map(|(partition, offset)| Some((partition, offset?)))
            .collect();
        let bounds = self.log.bounds(raw).await?;
        let mut sums = Sums::default();
        for (group, topic) in [
            (&self.groups.router, &self.topics.legacy),
            (&self.groups.recorder, &self.topics.audit),
        ] {
            if !self.caught_up(group, topic).await? {
                let what = format!("{group} has not caught up with {topic}: is it running?");
                sums.fault("-", None, what);
            }
        }
        let mut ledger = Ledger::default();
        for b in &bounds {
            let done = committed.get(&b.partition).copied().unwrap_or(b.low).min(b.high);
            let mut from = b.low;
            while from < b.high {
                let mut page = self.log.read(raw, b.partition, from, PAGE).await?;
                page.retain(|r| r.offset < b.high);
                let Some(last) = page.last() else { break };
                from = last.offset + 1;
                let worked = page.partition_point(|r| r.offset < done);
                self.page(&page[..worked], b.partition, &mut ledger, &mut sums)
                    .await?;
                for line in page[worked..].iter().flat_map(|r| self.lines(r)) {
                    ledger.note(
                        line.unit,
                        line.gateway,
                        line.received,
                        Outcome::Waiting,
                        line.copy,
                    );
                }
            }
        }
        let (totals, rows) = ledger.close();
        Ok(Report {
            balanced: totals.balanced() && sums.faults_total == 0,
            totals,
            observations: sums.observations,
            legacy: sums.legacy,
            no_place: sums.no_place,
            audit: sums.audit,
            faults_total: sums.faults_total,
            faults: sums.faults,
            rows,
        })
    }

    /// Waits until a group has passed what stands in its topic now.
    async fn caught_up(&self, group: &str, topic: &Topic) -> Result<bool, BooksError> {
        let goal = self.log.bounds(topic).await?;
        let until = Instant::now() + self.patience;
        loop {
            if self.log.lag(group, topic).await? == 0 {
                return Ok(true);
            }
            let committed: HashMap<i32, Option<i64>> =
                self.log.committed(group, topic).await?.into_iter().collect();
            // The last offset of a partition can be a control record, which no group ever commits.
            let passed = |b: &stardust_pipeline::log::Bounds| {
                b.high == b.low
                    || committed
                        .get(&b.partition)
                        .copied()
                        .flatten()
                        .is_some_and(|o| o + 1 >= b.high)
            };
            if goal.iter().all(passed) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The units of a record.
    fn lines(&self, record: &LogRecord) -> Vec<Line> {
        let decoded = self.wire.decode::<RawRecord>(Subject::Raw, &record.value).ok();
        let source = decoded.as_ref().and_then(|raw| Source::from_label(&raw.source));
        let raw = decoded.unwrap_or_else(|| foreign::raw(record));
        let gateway = raw.gateway.as_deref().and_then(|mac| mac.parse().ok());
        let line = |item, main, ignored| Line {
            unit: unit(&raw.receipt_id, item),
            receipt: raw.receipt_id.clone(),
            item,
            gateway,
            received: Timestamp::from_micros(raw.received_at),
            main,
            copy: raw.items.is_none() && !matches!(source, Some(Source::Release | Source::Replay)),
            ignored,
        };
        let Some(source) = source else {
            return vec![line(None, None, false)];
        };
        let judged = self.mapping.judge(
            &Envelope {
                receipt: &raw.receipt_id,
                received_at: Timestamp::from_micros(raw.received_at),
                source,
                items: raw.wanted(),
                body: &raw.body,
            },
            &self.registry,
        );
        if judged.readings.is_empty() {
            return vec![line(None, None, true)];
        }
        judged
            .readings
            .iter()
            .map(|r| line(r.item, r.main_id, false))
            .collect()
    }

    /// Compares one page of one partition, all of it worked.
    async fn page(
        &self,
        records: &[LogRecord],
        partition: i32,
        ledger: &mut Ledger,
        sums: &mut Sums,
    ) -> Result<(), BooksError> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(());
        };
        let topic = self.topics.raw.as_str();
        let documents = self
            .store
            .observations_at(topic, partition, first.offset, last.offset)
            .await?;
        sums.observations += documents.len() as u64;
        let mut stored: HashMap<Unit, &ObservationDocument> = HashMap::new();
        for d in documents.iter().filter(|d| d.main) {
            let item = Some(d.writer.position.item).filter(|i| *i >= 0);
            stored.insert(unit(&d.writer.receipt_id, item), d);
        }
        self.stored(&stored, sums).await?;

        let lines: Vec<Line> = records.iter().flat_map(|r| self.lines(r)).collect();
        let (here, elsewhere): (Vec<&Line>, Vec<&Line>) = lines
            .iter()
            .filter(|l| !l.ignored)
            .partition(|l| stored.contains_key(&l.unit));
        for line in here {
            ledger.note(line.unit, line.gateway, line.received, Outcome::Stored, line.copy);
        }
        for line in lines.iter().filter(|l| l.ignored) {
            ledger.note(
                line.unit,
                line.gateway,
                line.received,
                Outcome::Ignored,
                line.copy,
            );
        }
        self.elsewhere(&elsewhere, ledger, sums).await
    }

    /// Every stored reading has its legacy document and its audit event.
    async fn stored(
        &self,
        stored: &HashMap<Unit, &ObservationDocument>,
        sums: &mut Sums,
    ) -> Result<(), BooksError> {
        let documents: Vec<&ObservationDocument> = stored.values().copied().collect();
        let item = |d: &ObservationDocument| Some(d.writer.position.item).filter(|i| *i >= 0);
        let legacy: Vec<(&ObservationDocument, (String, String))> = documents
            .iter()
            .filter_map(|d| {
                d.legacy
                    .as_ref()
                    .map(|l| (*d, (l.collection.clone(), l.id.clone())))
            })
            .collect();
        sums.no_place += (documents.len() - legacy.len()) as u64;
        let ids: Vec<(String, String)> = legacy.iter().map(|(_, id)| id.clone()).collect();
        for ((d, (collection, id)), present) in legacy.iter().zip(self.store.legacy_present(&ids).await?) {
            if present {
                sums.legacy += 1;
            } else {
                sums.fault(
                    &d.writer.receipt_id,
                    item(d),
                    format!("legacy document {id} is not in {collection}"),
                );
            }
        }
        let events: Vec<Uuid> = documents
            .iter()
            .map(|d| audit_id(&d.writer.receipt_id, item(d), AuditOutcome::Created))
            .collect();
        for ((d, id), present) in documents
            .iter()
            .zip(&events)
            .zip(self.store.audit_present(&events).await?)
        {
            if present {
                sums.audit += 1;
            } else {
                sums.fault(
                    &d.writer.receipt_id,
                    item(d),
                    format!("audit event {id} (created) is not recorded"),
                );
            }
        }
        Ok(())
    }

    /// Readings that are not stored from these records: duplicates, letters, copies.
    async fn elsewhere(
        &self,
        lines: &[&Line],
        ledger: &mut Ledger,
        sums: &mut Sums,
    ) -> Result<(), BooksError> {
        let ids: Vec<String> = lines
            .iter()
            .map(|l| Letter::id_of(&l.receipt, l.item, None))
            .collect();
        let dead = self.store.letters(Shelf::Dead, &ids).await?;
        let parked = self.store.letters(Shelf::Parked, &ids).await?;
        let mains: Vec<Uuid> = lines.iter().filter_map(|l| l.main).collect();
        let writers = self.store.observation_writers(&mains).await?;
        let writers: HashMap<Uuid, _> = mains
            .into_iter()
            .zip(writers)
            .filter_map(|(id, writer)| Some((id, writer?)))
            .collect();
        let waits = |letter: &Option<Letter>| letter.as_ref().is_some_and(|l| l.state != LetterState::Closed);
        let mut outcomes = Vec::with_capacity(lines.len());
        for ((line, dead), parked) in lines.iter().zip(&dead).zip(&parked) {
            let writer = line.main.and_then(|id| writers.get(&id));
            let own = |w: &stardust_pipeline::store::Writer| {
                w.receipt_id == line.receipt && w.position.item == line.item.unwrap_or(-1)
            };
            outcomes.push(if waits(parked) {
                Outcome::Parked
            } else if waits(dead) {
                Outcome::Dead
            } else if let Some(writer) = writer {
                if own(writer) {
                    Outcome::Stored
                } else {
                    Outcome::Duplicate
                }
            } else {
                ledger.outcome(&line.unit).unwrap_or(Outcome::Lost)
            });
        }
        let checked: Vec<(usize, AuditOutcome)> = outcomes
            .iter()
            .enumerate()
            .filter_map(|(at, outcome)| match outcome {
                Outcome::Duplicate => Some((at, AuditOutcome::Duplicate)),
                Outcome::Parked => Some((at, AuditOutcome::Parked)),
                Outcome::Dead => Some((at, AuditOutcome::Dead)),
                _ => None,
            })
            .collect();
        let events: Vec<Uuid> = checked
            .iter()
            .map(|(at, outcome)| audit_id(&lines[*at].receipt, lines[*at].item, *outcome))
            .collect();
        for (((at, outcome), id), present) in checked
            .iter()
            .zip(&events)
            .zip(self.store.audit_present(&events).await?)
        {
            let line = lines[*at];
            if !present {
                sums.fault(
                    &line.receipt,
                    line.item,
                    format!("audit event {id} ({outcome}) is not recorded"),
                );
            } else if sums.counted.insert(line.unit) {
                sums.audit += 1;
            }
        }
        for (line, outcome) in lines.iter().zip(outcomes) {
            if outcome == Outcome::Lost {
                sums.fault(&line.receipt, line.item, "found nowhere".to_owned());
            }
            ledger.note(line.unit, line.gateway, line.received, outcome, line.copy);
        }
        Ok(())
    }
}

fn audit_id(receipt: &str, item: Option<i32>, outcome: AuditOutcome) -> Uuid {
    let item = item.map_or_else(|| "-".to_owned(), |i| i.to_string());
    uuid_of(&format!("audit|1|{receipt}|{item}|{outcome}"))
}
