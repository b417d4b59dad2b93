//! The comparison.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use stardust_domain::mapping::Mapping;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Bounds, Log, LogError, Topic};
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{BookPage, Store, StoreError};
use stardust_pipeline::topics::Topics;
use stardust_wire::Wire;
use tokio::time::{Instant, sleep};

use crate::ledger::{Outcome, RowKey};
use crate::line::{Line, unit};
use crate::page::{PageRow, PageSums};
use crate::report::{Counts, Fault, Report, Row};
use crate::stretch::{Patience, Span, Stretch};

const FAULTS_SHOWN: usize = 20;
const PAGES: usize = 20;
const UNITS: usize = 500;
/// How often what looks wrong is looked at again, over a whole run.
const TRIES: u32 = 15;
/// How often a run starts again because the log dropped records under it.
const STARTS: u32 = 3;

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
    /// A page of the books is not as this program writes it.
    #[error("a page of the books cannot be read: {0}")]
    Page(#[from] serde_json::Error),
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

/// The growing report.
#[derive(Default)]
struct Account {
    rows: BTreeMap<RowKey, Counts>,
    observations: u64,
    legacy: u64,
    no_place: u64,
    audit: u64,
    booked: u64,
    faults_total: u64,
    faults: Vec<Fault>,
    notes: Vec<String>,
}

impl Account {
    fn fault(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_SHOWN {
            self.faults.push(fault);
        }
    }

    /// A fault of the whole rather than of a reading.
    fn wrong(&mut self, what: String) {
        self.fault(Fault {
            receipt_id: "-".to_owned(),
            item: None,
            what,
        });
    }

    fn add(&mut self, stretch: Stretch) {
        self.observations += stretch.sums.observations;
        self.legacy += stretch.sums.legacy;
        self.no_place += stretch.sums.no_place;
        self.audit += stretch.sums.audit + stretch.sums.audit_open;
        for fault in stretch.sums.faults {
            self.fault(fault);
        }
        for (key, tally) in stretch.ledger.close() {
            self.rows.entry(key).or_default().merge(&tally.counts);
        }
    }

    fn close(self) -> Report {
        let mut totals = Counts::default();
        for counts in self.rows.values() {
            totals.merge(counts);
        }
        Report {
            balanced: totals.balanced() && self.faults_total == 0,
            totals,
            observations: self.observations,
            legacy: self.legacy,
            no_place: self.no_place,
            audit: self.audit,
            booked: self.booked,
            faults_total: self.faults_total,
            faults: self.faults,
            notes: self.notes,
            rows: self
                .rows
                .into_iter()
                .map(|((gateway, hour), counts)| Row {
                    gateway,
                    hour,
                    counts,
                })
                .collect(),
        }
    }
}

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// Freezes the offsets and compares everything below them: the readings that the raw topic still has one by one,
    /// older ones by the pages of the books.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn run(&self) -> Result<Report, BooksError> {
        let mut starts = 1;
        loop {
            let bounds = self.log.bounds(&self.topics.raw).await?;
            let report = self.once(&bounds).await?;
            let now = self.log.bounds(&self.topics.raw).await?;
            // Records that were dropped meanwhile may have been read or not.
            let same = bounds.iter().zip(&now).all(|(a, b)| a.low == b.low);
            if same || starts == STARTS {
                return Ok(report);
            }
            starts += 1;
        }
    }

    async fn once(&self, before: &[Bounds]) -> Result<Report, BooksError> {
        let raw = &self.topics.raw;
        let committed: HashMap<i32, i64> = self
            .log
            .committed(&self.groups.parser, raw)
            .await?
            .into_iter()
            .filter_map(|(partition, offset)| Some((partition, offset?)))
            .collect();
        // After the committed offsets, so that what is committed lies below the end.
        let bounds = self.log.bounds(raw).await?;
        let mut account = Account::default();
        let mut patience = Patience {
            until: Instant::now() + self.patience,
            tries: TRIES,
        };
        for (group, topic) in self.outputs() {
            if !self.caught_up(group, topic, patience.until).await? {
                account.wrong(format!("{group} has not caught up with {topic}: is it running?"));
            }
        }
        for (b, first) in bounds.iter().zip(before) {
            let low = first.low;
            let done = committed.get(&b.partition).copied().unwrap_or(low).min(b.high);
            let mut from = self.booked(b.partition, low, &mut account).await?;
            while from < b.high {
                let span = Span {
                    partition: b.partition,
                    from,
                    end: b.high,
                    done,
                    before_ms: i64::MAX,
                };
                let stretch = self.stretch(span, &mut patience).await?;
                from = stretch.to;
                account.add(stretch);
            }
        }
        account.add(self.refused(&mut patience).await?);
        Ok(account.close())
    }

    fn outputs(&self) -> [(&str, &Topic); 2] {
        [
            (&self.groups.router, &self.topics.legacy),
            (&self.groups.recorder, &self.topics.audit),
        ]
    }

    /// Waits until router and recorder have passed what stands in their topics now, or time is up.
    pub(crate) async fn outputs_are_stored(&self, until: Instant) -> Result<(), BooksError> {
        for (group, topic) in self.outputs() {
            self.caught_up(group, topic, until).await?;
        }
        Ok(())
    }

    /// Waits until a group has passed what stands in its topic now.
    async fn caught_up(&self, group: &str, topic: &Topic, until: Instant) -> Result<bool, BooksError> {
        let goal = self.log.bounds(topic).await?;
        loop {
            if self.log.lag(group, topic).await? == 0 {
                return Ok(true);
            }
            let committed: HashMap<i32, Option<i64>> =
                self.log.committed(group, topic).await?.into_iter().collect();
            // The last offset of a partition can be a control record, which no group ever commits.
            let passed = |b: &Bounds| {
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

    /// Adds the pages that begin before what the log still has; answers where to read on.
    async fn booked(&self, partition: i32, low: i64, account: &mut Account) -> Result<i64, BooksError> {
        let topic = self.topics.raw.as_str();
        let mut from = 0;
        let mut reached: Option<i64> = None;
        'all: loop {
            let pages = self.store.book_pages(topic, partition, from, PAGES).await?;
            let Some(last) = pages.last() else { break };
            from = last.from + 1;
            for page in pages {
                if page.from >= low {
                    break 'all;
                }
                if let Some(reached) = reached.filter(|r| *r < page.from) {
                    account.wrong(gone(topic, partition, reached, page.from));
                }
                reached = Some(page.to);
                self.open_page(&page, account).await?;
            }
        }
        match reached {
            Some(reached) if reached < low => account.wrong(gone(topic, partition, reached, low)),
            None if low > 0 => account.notes.push(format!(
                "{topic}, partition {partition}: the books begin at offset {low}; nothing is known of what stood before"
            )),
            _ => {}
        }
        Ok(reached.unwrap_or(low).max(low))
    }

    async fn open_page(&self, page: &BookPage, account: &mut Account) -> Result<(), BooksError> {
        let sums: PageSums = serde_json::from_str(&page.sums)?;
        account.observations += sums.observations;
        account.legacy += sums.legacy;
        account.no_place += sums.no_place;
        account.audit += sums.audit;
        account.faults_total += sums.faults_total.saturating_sub(sums.faults.len() as u64);
        for fault in sums.faults {
            // What was found nowhere then is named as open, and looked for again below.
            if fault.what != NOWHERE {
                account.fault(fault);
            }
        }
        for row in sums.rows {
            self.open_row(row, account).await?;
        }
        Ok(())
    }

    async fn open_row(&self, row: PageRow, account: &mut Account) -> Result<(), BooksError> {
        let settled = row.stored + row.duplicate + row.ignored;
        let mut counts = Counts {
            received: settled,
            stored: row.stored,
            duplicate: row.duplicate,
            ignored: row.ignored,
            redelivered: row.redelivered,
            ..Counts::default()
        };
        let lines: Vec<Line> = row
            .open
            .into_iter()
            .map(|open| Line {
                unit: unit(&open.0, open.1),
                receipt: open.0,
                item: open.1,
                main: open.2,
                gateway: None,
                received: Timestamp::from_micros(0),
                copy: true,
                ignored: false,
            })
            .collect();
        for some in lines.chunks(UNITS) {
            let some: Vec<&Line> = some.iter().collect();
            for (line, outcome) in some.iter().zip(self.outcomes(&some).await?) {
                counts.add(outcome);
                match outcome {
                    // Its event was there when the page was closed, or is checked where its release stands. One of a
                    // stored reading is counted where that stands.
                    Outcome::Parked | Outcome::Dead | Outcome::Duplicate => account.audit += 1,
                    Outcome::Lost => account.fault(Fault {
                        receipt_id: line.receipt.clone(),
                        item: line.item,
                        what: NOWHERE.to_owned(),
                    }),
                    _ => {}
                }
            }
        }
        account.booked += counts.received;
        account
            .rows
            .entry((row.gateway, row.hour))
            .or_default()
            .merge(&counts);
        Ok(())
    }
}

/// What is said of a reading that was taken, worked and is in no place.
pub(crate) const NOWHERE: &str = "found nowhere";

fn gone(topic: &str, partition: i32, from: i64, to: i64) -> String {
    format!(
        "{topic}, partition {partition}: offsets {from} to {} left the log before they stood in the books",
        to - 1
    )
}
