//! Release: parked readings go back into the raw topic once the registry knows their device.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use stardust_domain::ids::Mac;
use stardust_domain::outcome::{ParkReason, Source};
use stardust_domain::reading::{Envelope, Verdict};
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Log, LogError, NewRecord};
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store, StoreError};
use stardust_pipeline::worker::stopped;
use stardust_wire::{RawRecord, Subject, WireError};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Rules;

const PAGE: usize = 500;
const LEASE: &str = "release";
const LEASE_SECONDS: u32 = 60;

/// Sends parked readings back.
#[derive(Debug, Clone)]
pub struct Releaser<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The rules; the registry is the one that decides.
    pub rules: Rules,
    /// Who holds the lease.
    pub holder: String,
}

/// Which parked readings.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this reason.
    pub reason: Option<ParkReason>,
    /// Only of this gateway.
    pub gateway: Option<Mac>,
    /// Only first tried at or after.
    pub since: Option<Timestamp>,
    /// Only first tried before.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// Whether a letter passes.
    #[must_use]
    pub fn passes(&self, letter: &Letter) -> bool {
        self.reason.is_none_or(|r| letter.reason == r.label())
            && self.gateway.is_none_or(|g| letter.gateway == Some(g))
            && self.since.is_none_or(|t| letter.first_try >= t)
            && self.until.is_none_or(|t| letter.first_try < t)
    }
}

/// What a release did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Released {
    /// Parked readings that were looked at.
    pub waiting: u64,
    /// Sent back (in a dry run: would be).
    pub released: u64,
    /// Another process holds the lease; nothing was done.
    pub busy: bool,
}

/// A release failed; what was sent is safe, the rest waits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A kept record cannot be read.
    #[error("a kept raw record cannot be read: {0}")]
    Wire(#[from] WireError),
}

/// The source of a released record. Old messages sent in bulk stay what they are: under another source their clock
/// would be judged by another rule, and their readings would get other times and ids.
fn source_of(raw: &RawRecord) -> Source {
    if raw.source == Source::Backfill.label() {
        Source::Backfill
    } else {
        Source::Release
    }
}

impl<L: Log, S: Store> Releaser<L, S> {
    /// Releases what the registry can place by then, every `every` until told to stop.
    pub async fn watch(self, every: Duration, mut stopping: watch::Receiver<bool>) {
        // What a process before this one marked and may not have sent is taken up once.
        let mut unfinished = true;
        loop {
            match self.run(&Filter::default(), unfinished, false).await {
                Ok(done) => {
                    unfinished &= done.busy;
                    if done.released > 0 {
                        tracing::info!(
                            released = done.released,
                            "parked readings went back to the raw topic"
                        );
                    }
                }
                Err(e) => tracing::warn!("parked readings could not be released: {e}"),
            }
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => return,
                () = sleep(every) => {}
            }
        }
    }

    /// Releases the parked readings that pass the filter and that the registry can place now. `unfinished` also takes
    /// those that a process marked and may not have sent: sending again is safe by the ids.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn run(
        &self,
        filter: &Filter,
        unfinished: bool,
        dry_run: bool,
    ) -> Result<Released, ReleaseError> {
        if dry_run {
            return self.pass(filter, unfinished, true).await;
        }
        if !self.store.lease(LEASE, &self.holder, LEASE_SECONDS).await? {
            return Ok(Released {
                busy: true,
                ..Released::default()
            });
        }
        let done = self.pass(filter, unfinished, false).await;
        // Free at once for the next, be it a command or another process: who only waits for its end would never
        // find it free while a parser renews it.
        let freed = self.store.lease(LEASE, &self.holder, 0).await;
        let done = done?;
        freed?;
        Ok(done)
    }

    async fn pass(&self, filter: &Filter, unfinished: bool, dry_run: bool) -> Result<Released, ReleaseError> {
        let mut done = Released::default();
        let states: &[LetterState] = if unfinished {
            &[LetterState::Open, LetterState::Releasing]
        } else {
            &[LetterState::Open]
        };
        let mut ready: Vec<Letter> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store
                .letters_after(Shelf::Parked, states, after.as_deref(), PAGE)
                .await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            done.waiting += page.len() as u64;
            let passing: Vec<Letter> = page.into_iter().filter(|l| filter.passes(l)).collect();
            ready.extend(self.placeable(passing).await?);
        }
        // In the order in which they came, so that a gateway's readings keep theirs.
        ready.sort_by(|a, b| (a.first_try, &a.writer.position).cmp(&(b.first_try, &b.writer.position)));
        done.released = ready.len() as u64;
        if !dry_run {
            for chunk in ready.chunks(PAGE) {
                self.store.lease(LEASE, &self.holder, LEASE_SECONDS).await?;
                self.send(chunk).await?;
            }
        }
        Ok(done)
    }

    /// Those of a page that the registry can place now.
    async fn placeable(&self, letters: Vec<Letter>) -> Result<Vec<Letter>, ReleaseError> {
        let registry = self.rules.registry.borrow().clone();
        let mut ready = Vec::new();
        let mut raw: Option<RawRecord> = None;
        for letter in letters {
            let receipt = letter.writer.receipt_id.as_str();
            if raw.as_ref().is_none_or(|r| r.receipt_id != receipt) {
                raw = self.raw(receipt).await?;
            }
            let Some(raw) = &raw else { continue };
            let item = [letter.writer.position.item];
            let envelope = Envelope {
                receipt,
                received_at: Timestamp::from_micros(raw.received_at),
                source: source_of(raw),
                items: Some(&item).filter(|i| i[0] >= 0).map(|i| &i[..]),
                body: &raw.body,
            };
            let judged = self.rules.mapping.judge(&envelope, &registry);
            if judged
                .readings
                .iter()
                .all(|r| !matches!(r.verdict, Verdict::Park(_)))
            {
                ready.push(letter);
            }
        }
        Ok(ready)
    }

    async fn raw(&self, receipt: &str) -> Result<Option<RawRecord>, ReleaseError> {
        match self.store.kept_raw(receipt).await? {
            Some(value) => Ok(Some(self.rules.wire.decode(Subject::Raw, &value)?)),
            None => {
                tracing::warn!(receipt, "the raw record of a parked reading is not in the store");
                Ok(None)
            }
        }
    }

    /// Marks letters and publishes their raw records with the items to judge.
    async fn send(&self, letters: &[Letter]) -> Result<(), ReleaseError> {
        let ids: Vec<String> = letters.iter().map(|l| l.id.clone()).collect();
        self.store.mark_releasing(Shelf::Parked, &ids).await?;
        let mut receipts: Vec<&str> = Vec::new();
        let mut items: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
        for letter in letters {
            let receipt = letter.writer.receipt_id.as_str();
            let of = items.entry(receipt).or_default();
            if of.is_empty() {
                receipts.push(receipt);
            }
            of.push(letter.writer.position.item);
        }
        let mut records = Vec::with_capacity(receipts.len());
        for receipt in receipts {
            let Some(raw) = self.raw(receipt).await? else {
                continue;
            };
            let items = items.remove(receipt).filter(|of| of.iter().all(|i| *i >= 0));
            let key = raw.gateway.clone().unwrap_or_else(|| raw.receipt_id.clone());
            let released = RawRecord {
                source: Source::Release.label().to_owned(),
                items,
                ..raw
            };
            let value = self.rules.wire.encode(Subject::Raw, &released)?;
            records.push(NewRecord {
                topic: self.rules.topics.raw.clone(),
                key: Bytes::from(key),
                value: Bytes::from(value),
            });
        }
        for acked in self.log.publish(records).await {
            acked?;
        }
        Ok(())
    }
}
