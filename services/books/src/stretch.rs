//! A stretch of a raw partition: every record between two offsets, compared with the store.
//!
//! The books of an hour and a whole reconciliation are made of the same stretches, so they cannot disagree.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use stardust_domain::outcome::AuditOutcome;
use stardust_pipeline::log::{Budget, Log, LogRecord};
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{Letter, LetterState, ReceiptDocuments, Shelf, Store, Writer, Written};
use stardust_wire::{RawRecord, Subject};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::ledger::{Ledger, Outcome};
use crate::line::{Line, Unit, audit_id, unit};
use crate::local;
use crate::reconcile::{BooksError, NOWHERE, Reconciler};
use crate::report::Fault;

const PAGE: Budget = Budget {
    records: 500,
    bytes: 8 << 20,
    wait: Duration::from_secs(2),
};
/// A stretch ends once it has so many units, or so many that can still change: a page of the books names those.
const UNITS: usize = 20_000;
const OPEN: usize = 10_000;
/// By how much the clock of one door may step back between two copies of a receipt.
const CLOCK_STEP_MS: i64 = 10_000;
/// Records that are looked at first, before a stretch.
const LOOK_BACK: i64 = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Where a stretch begins, and how far it may go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) partition: i32,
    pub(crate) from: i64,
    pub(crate) end: i64,
    /// The parser's committed offset: what stands at or after it waits.
    pub(crate) done: i64,
    /// It ends before the first record that the log stamped at or after this time.
    pub(crate) before_ms: i64,
}

/// How often and how long what looks wrong is looked at again: beside a parser at work a reading can be on its way from
/// one place to the next at that very moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) until: Instant,
    pub(crate) tries: u32,
}

/// Documents found, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sums {
    pub(crate) observations: u64,
    pub(crate) legacy: u64,
    pub(crate) no_place: u64,
    /// Audit events of settled units.
    pub(crate) audit: u64,
    /// Audit events of units that can still change.
    pub(crate) audit_open: u64,
    pub(crate) faults: Vec<Fault>,
}

impl Sums {
    pub(crate) fn fault(&mut self, receipt: &str, item: Option<i32>, what: String) {
        self.faults.push(Fault {
            receipt_id: receipt.to_owned(),
            item,
            what,
        });
    }

    fn add(&mut self, other: Self) {
        self.observations += other.observations;
        self.legacy += other.legacy;
        self.no_place += other.no_place;
        self.audit += other.audit;
        self.audit_open += other.audit_open;
        self.faults.extend(other.faults);
    }
}

/// What stands between two offsets.
#[derive(Default)]
pub(crate) struct Stretch {
    /// The first offset that it does not cover any more.
    pub(crate) to: i64,
    pub(crate) records: u64,
    /// The log's timestamp of its last record.
    pub(crate) last_ms: i64,
    pub(crate) ledger: Ledger,
    pub(crate) sums: Sums,
}

/// Receipts of records before a stretch, as far back as its records were received.
#[derive(Default)]
struct Earlier {
    receipts: HashSet<u128>,
    /// From which time and offset on they are known.
    reached: Option<(i64, i64)>,
}

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// Reads on from `span.from` until the stretch is full or the span ends.
    pub(crate) async fn stretch(&self, span: Span, patience: &mut Patience) -> Result<Stretch, BooksError> {
        let mut stretch = Stretch {
            to: span.from,
            ..Stretch::default()
        };
        let mut earlier = Earlier::default();
        let mut begins_ms = None;
        let mut counted = HashSet::new();
        while stretch.to < span.end && stretch.ledger.len() < UNITS && stretch.ledger.open() < OPEN {
            let mut page = self
                .log
                .read(&self.topics.raw, span.partition, stretch.to, PAGE)
                .await?;
            page.retain(|r| r.offset < span.end);
            let young = page.iter().position(|r| r.timestamp_ms >= span.before_ms);
            if let Some(young) = young {
                page.truncate(young);
                if page.is_empty() {
                    break;
                }
            }
            let (Some(first), Some(last)) = (page.first(), page.last()) else {
                stretch.to = span.end;
                break;
            };
            let begins_ms = *begins_ms.get_or_insert(first.timestamp_ms);
            stretch.records += page.len() as u64;
            stretch.last_ms = last.timestamp_ms;
            stretch.to = last.offset + 1;
            let worked = page.partition_point(|r| r.offset < span.done);
            let messages = self.lines(&page[..worked]).await?;
            let waiting: Vec<Line> = self.lines(&page[worked..]).await?.into_iter().flatten().collect();
            let both = messages.iter().flatten().chain(&waiting);
            self.look_back(span, begins_ms, both, &mut earlier).await?;
            let seen = |line: &Line| line.copy && earlier.receipts.contains(&line.unit.0);
            let (lines, sums, outcomes) = loop {
                let tried = counted.clone();
                let lines = self.wholes(&messages).await?;
                let (sums, outcomes) = self.compare(&page[..worked], &lines, &seen, &mut counted).await?;
                if sums.faults.is_empty() || !self.again(patience).await? {
                    break (lines, sums, outcomes);
                }
                counted = tried;
            };
            stretch.sums.add(sums);
            let waiting = waiting.iter().map(|line| (line, Outcome::Waiting));
            for (line, outcome) in lines.iter().zip(outcomes).chain(waiting).filter(|(l, _)| l.copy) {
                if seen(line) {
                    stretch.ledger.redelivered(line);
                } else {
                    stretch.ledger.note(line, outcome);
                }
            }
            if young.is_some() {
                break;
            }
        }
        Ok(stretch)
    }

    /// Waits a little, and for router and recorder; false where it was long enough.
    pub(crate) async fn again(&self, patience: &mut Patience) -> Result<bool, BooksError> {
        if patience.tries == 0 || Instant::now() >= patience.until {
            return Ok(false);
        }
        patience.tries -= 1;
        sleep(LOOK_AGAIN).await;
        self.outputs_are_stored(patience.until).await?;
        Ok(true)
    }

    /// Finds the receipts that stand before the stretch and could have a further copy in it. A copy is never published
    /// before its receipt was given, so only a record that was received before the stretch began can be one.
    async fn look_back(
        &self,
        span: Span,
        begins_ms: i64,
        lines: impl Iterator<Item = &Line>,
        earlier: &mut Earlier,
    ) -> Result<(), BooksError> {
        let late = lines
            .filter(|line| line.copy)
            .map(|line| line.received.millis() - CLOCK_STEP_MS)
            .filter(|at| *at < begins_ms)
            .min();
        let Some(at) = late.filter(|at| earlier.reached.is_none_or(|(reached, _)| *at < reached)) else {
            return Ok(());
        };
        let mut before = earlier.reached.map_or(span.from, |(_, offset)| offset);
        let mut step = LOOK_BACK;
        while before > 0 {
            // Back by offsets, in strides that grow: it is mostly a few seconds.
            let start = before.saturating_sub(step).max(0);
            let oldest = self.receipts(span.partition, start, before, earlier).await?;
            before = start;
            if oldest.is_none_or(|oldest| oldest < at) {
                break;
            }
            step = step.saturating_mul(2);
        }
        earlier.reached = Some((at, before));
        Ok(())
    }

    /// Adds the receipts between two offsets; the log's timestamp of the first record there.
    async fn receipts(
        &self,
        partition: i32,
        mut from: i64,
        to: i64,
        earlier: &mut Earlier,
    ) -> Result<Option<i64>, BooksError> {
        let mut oldest = None;
        while from < to {
            let page = self.log.read(&self.topics.raw, partition, from, PAGE).await?;
            let Some(last) = page.last() else { break };
            from = last.offset + 1;
            for record in page.iter().take_while(|r| r.offset < to) {
                oldest.get_or_insert(record.timestamp_ms);
                // Where a release stands, the delivery that it belongs to stands before it.
                if let Ok(raw) = self.wire.decode::<RawRecord>(Subject::Raw, &record.value) {
                    earlier.receipts.insert(unit(&raw.receipt_id, None).0);
                }
            }
        }
        Ok(oldest)
    }

    /// Compares worked records with the store; an outcome for each line.
    async fn compare(
        &self,
        records: &[LogRecord],
        lines: &[Line],
        seen: &impl Fn(&Line) -> bool,
        counted: &mut HashSet<Unit>,
    ) -> Result<(Sums, Vec<Outcome>), BooksError> {
        let mut sums = Sums::default();
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok((sums, Vec::new()));
        };
        let mut written = self
            .store
            .written_at(
                self.topics.raw.as_str(),
                first.partition,
                first.offset,
                last.offset,
            )
            .await?;
        let here: HashSet<Unit> = written.iter().map(unit_of).collect();
        let elsewhere = local::candidates(lines, |unit| here.contains(unit), seen);
        written.extend(self.written_locally(&elsewhere).await?);
        sums.observations = written.len() as u64;
        let mut stored: HashMap<Unit, &Written> = HashMap::new();
        for w in written.iter().filter(|w| w.main) {
            stored.insert(unit_of(w), w);
        }
        self.documents(stored.values().copied(), &mut sums).await?;

        let open: Vec<&Line> = lines
            .iter()
            .filter(|l| !l.ignored && !stored.contains_key(&l.unit))
            .collect();
        let found = self.outcomes(&open).await?;
        self.events(&open, &found, seen, counted, &mut sums).await?;
        let mut found = found.into_iter();
        let outcomes = lines
            .iter()
            .map(|line| {
                if line.ignored {
                    Outcome::Ignored
                } else if stored.contains_key(&line.unit) {
                    Outcome::Stored
                } else {
                    found.next().unwrap_or(Outcome::Lost)
                }
            })
            .collect();
        Ok((sums, outcomes))
    }

    /// Every reading that these records stored has its legacy document and its audit event.
    async fn documents(
        &self,
        stored: impl Iterator<Item = &Written>,
        sums: &mut Sums,
    ) -> Result<(), BooksError> {
        let stored: Vec<&Written> = stored.collect();
        let with_legacy: Vec<(&Writer, &(String, String))> = stored
            .iter()
            .filter_map(|w| Some((&w.writer, w.legacy.as_ref()?)))
            .collect();
        sums.no_place += (stored.len() - with_legacy.len()) as u64;
        let ids: Vec<(String, String)> = with_legacy.iter().map(|(_, id)| (*id).clone()).collect();
        let present = self.store.legacy_present(&ids).await?;
        for ((writer, (collection, id)), present) in with_legacy.into_iter().zip(present) {
            if present {
                sums.legacy += 1;
            } else {
                let what = format!("legacy document {id} is not in {collection}");
                sums.fault(&writer.receipt_id, item_of(writer), what);
            }
        }
        let events: Vec<Uuid> = stored
            .iter()
            .map(|w| audit_id(&w.writer.receipt_id, item_of(&w.writer), AuditOutcome::Created))
            .collect();
        let present = self.store.audit_present(&events).await?;
        for ((w, id), present) in stored.iter().zip(&events).zip(present) {
            if present {
                sums.audit += 1;
            } else {
                let what = format!("audit event {id} (created) is not recorded");
                sums.fault(&w.writer.receipt_id, item_of(&w.writer), what);
            }
        }
        Ok(())
    }

    /// What became of readings that were not stored from the records at hand: duplicates, letters, copies.
    pub(crate) async fn outcomes(&self, lines: &[&Line]) -> Result<Vec<Outcome>, BooksError> {
        let ids: Vec<String> = lines
            .iter()
            .map(|l| Letter::id_of(&l.receipt, l.item, None))
            .collect();
        let dead = self.store.letters(Shelf::Dead, &ids).await?;
        let parked = self.store.letters(Shelf::Parked, &ids).await?;
        let mains: Vec<Uuid> = lines.iter().filter_map(|l| l.main).collect();
        let writers = self.store.observation_writers(&mains).await?;
        let writers: HashMap<Uuid, Writer> = mains
            .into_iter()
            .zip(writers)
            .filter_map(|(id, writer)| Some((id, writer?)))
            .collect();
        let waits = |letter: &Option<Letter>| letter.as_ref().is_some_and(|l| l.state != LetterState::Closed);
        let mut outcomes = Vec::with_capacity(lines.len());
        for ((line, dead), parked) in lines.iter().zip(&dead).zip(&parked) {
            let writer = line.main.and_then(|id| writers.get(&id));
            let own = |w: &Writer| w.receipt_id == line.receipt && item_of(w) == line.item;
            outcomes.push(if waits(parked) {
                Outcome::Parked
            } else if waits(dead) {
                Outcome::Dead
            } else {
                match writer {
                    Some(w) if own(w) => Outcome::Stored,
                    Some(_) => Outcome::Duplicate,
                    None => self.by_receipt(line).await?,
                }
            });
        }
        Ok(outcomes)
    }

    /// What the store tells of a reading under its receipt: the rules of today need not tell the id that it was stored
    /// under.
    async fn by_receipt(&self, line: &Line) -> Result<Outcome, BooksError> {
        let found = self.store.of_receipt(&line.receipt).await?;
        if line.item.is_none() {
            return Ok(message(&found));
        }
        let duplicate = audit_id(&line.receipt, line.item, AuditOutcome::Duplicate);
        Ok(
            if found
                .observations
                .iter()
                .any(|(_, writer, main)| *main && item_of(writer) == line.item)
            {
                Outcome::Stored
            } else if found.audit.iter().any(|event| event.id == duplicate) {
                Outcome::Duplicate
            } else if was_rolled_back(&found) {
                Outcome::Ignored
            } else {
                Outcome::Lost
            },
        )
    }

    /// Every outcome other than stored has its audit event. A release is checked, but counted where it came first.
    async fn events(
        &self,
        lines: &[&Line],
        outcomes: &[Outcome],
        seen: &impl Fn(&Line) -> bool,
        counted: &mut HashSet<Unit>,
        sums: &mut Sums,
    ) -> Result<(), BooksError> {
        let expected: Vec<(&Line, Outcome, AuditOutcome)> = lines
            .iter()
            .zip(outcomes)
            .filter_map(|(line, outcome)| {
                let event = match outcome {
                    Outcome::Duplicate => AuditOutcome::Duplicate,
                    Outcome::Parked => AuditOutcome::Parked,
                    Outcome::Dead => AuditOutcome::Dead,
                    _ => return None,
                };
                Some((*line, *outcome, event))
            })
            .collect();
        let ids: Vec<Uuid> = expected
            .iter()
            .map(|(line, _, event)| audit_id(&line.receipt, line.item, *event))
            .collect();
        let present = self.store.audit_present(&ids).await?;
        for (((line, outcome, event), id), present) in expected.into_iter().zip(&ids).zip(present) {
            if !present {
                let what = format!("audit event {id} ({event}) is not recorded");
                sums.fault(&line.receipt, line.item, what);
            } else if line.copy && !seen(line) && counted.insert(line.unit) {
                if outcome.is_settled() {
                    sums.audit += 1;
                } else {
                    sums.audit_open += 1;
                }
            }
        }
        for (line, outcome) in lines.iter().zip(outcomes) {
            if *outcome == Outcome::Lost && line.copy {
                sums.fault(&line.receipt, line.item, NOWHERE.to_owned());
            }
        }
        Ok(())
    }
}

fn unit_of(written: &Written) -> Unit {
    unit(&written.writer.receipt_id, item_of(&written.writer))
}

/// What became of a message that counts as one unit and is not dead as a whole (any more): by other rules it fell into
/// readings, or into none.
fn message(found: &ReceiptDocuments) -> Outcome {
    let waits = |shelf| {
        let mut letters = found.letters.iter();
        letters.any(|l| l.shelf == shelf && !l.partial && l.state != LetterState::Closed)
    };
    let mut letters = found.letters.iter();
    if found.observations.iter().any(|(_, _, main)| *main) {
        Outcome::Stored
    } else if waits(Shelf::Parked) {
        Outcome::Parked
    } else if waits(Shelf::Dead) {
        Outcome::Dead
    } else if found
        .audit
        .iter()
        .any(|event| event.outcome == AuditOutcome::Duplicate.label())
    {
        Outcome::Duplicate
    } else if was_rolled_back(found) || letters.any(|l| l.shelf == Shelf::Dead && l.writer.position.item < 0)
    {
        Outcome::Ignored
    } else {
        Outcome::Lost
    }
}

/// Whether readings of a receipt went with the migration run that had stored them. Records of other runs with the same
/// receipt have stored nothing.
fn was_rolled_back(found: &ReceiptDocuments) -> bool {
    let rolled_back = AuditOutcome::RolledBack.label();
    found.audit.iter().any(|event| event.outcome == rolled_back)
}

fn item_of(writer: &Writer) -> Option<i32> {
    Some(writer.position.item).filter(|item| *item >= 0)
}
