//! The way back: letters into the raw topic, to be judged again.
//!
//! ```text
//! lease ─▶ read the kept raw records ─▶ mark the letters `releasing` ─▶ publish ─▶ (the parser's outcome closes them)
//! ```
//! A crash between any two steps leaves letters that are marked and may or may not have been sent. Whoever comes next
//! sends them once more: the parser knows a second copy of a receipt when it sees one.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use bytes::Bytes;
use stardust_domain::history;
use stardust_domain::outcome::Source;
use stardust_domain::reading::{Envelope, Judged};
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{Log, LogError, NewRecord};
use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{Letter, LetterState, Position, Shelf, Store, StoreError};
use stardust_wire::{RawRecord, Subject, WireError};
use tokio::sync::watch;

use crate::Rules;

/// Letters that are marked at once, and bytes of raw records that are held at once.
pub(crate) const CHUNK: usize = 500;
const CHUNK_BYTES: usize = 8 << 20;
const LEASE_SECONDS: u32 = 20;

/// Letters could not be sent back; what was sent is safe, the rest waits.
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
    /// The lease ran out and another process has it.
    #[error("another process took over, since this one was too slow; what is left waits for the next run")]
    TakenOver,
    /// Told to stop.
    #[error("stopped; what was done stays, and the same command does the rest")]
    Stopped,
}

/// A lease in the store, so that two processes do not send the same letters at the same time.
pub(crate) struct Lease<'a, S> {
    store: &'a S,
    name: &'static str,
    holder: &'a str,
    patience: Option<&'a watch::Receiver<bool>>,
}

impl<'a, S: Store> Lease<'a, S> {
    pub(crate) const fn new(store: &'a S, name: &'static str, holder: &'a str) -> Self {
        Self {
            store,
            name,
            holder,
            patience: None,
        }
    }

    /// The same, waiting for a store that is away until somebody says stop.
    pub(crate) const fn patient(self, stopping: &'a watch::Receiver<bool>) -> Self {
        Self {
            patience: Some(stopping),
            ..self
        }
    }

    async fn ask(&self, seconds: u32) -> Result<bool, StoreError> {
        let call = || self.store.lease(self.name, self.holder, seconds);
        match self.patience {
            Some(stopping) => patiently(stopping, call).await,
            None => call().await,
        }
    }

    /// Works under the lease; none where another process has it.
    pub(crate) async fn hold<T>(
        &self,
        work: impl Future<Output = Result<T, ReleaseError>>,
    ) -> Result<Option<T>, ReleaseError> {
        if !self.ask(LEASE_SECONDS).await? {
            return Ok(None);
        }
        let done = work.await;
        // Free at once for the next, be it a command or another process: who only waits for its end would never
        // find it free while a parser renews it.
        let freed = self.ask(0).await;
        let done = done?;
        freed?;
        Ok(Some(done))
    }

    /// Goes on for as long again.
    pub(crate) async fn renew(&self) -> Result<(), ReleaseError> {
        if self.ask(LEASE_SECONDS).await? {
            Ok(())
        } else {
            Err(ReleaseError::TakenOver)
        }
    }
}

/// What is kept in memory of a letter that is to be sent.
#[derive(Debug)]
pub(crate) struct Due {
    id: String,
    receipt: String,
    position: Position,
    first_try: Timestamp,
    marked: bool,
}

impl From<&Letter> for Due {
    fn from(letter: &Letter) -> Self {
        Self {
            id: letter.id.clone(),
            receipt: letter.writer.receipt_id.clone(),
            position: letter.writer.position.clone(),
            first_try: letter.first_try,
            marked: letter.state == LetterState::Releasing,
        }
    }
}

/// Sorts by the order in which the readings came, so that a gateway's keep theirs.
pub(crate) fn in_order(due: &mut [Due]) {
    due.sort_by(|a, b| (a.first_try, &a.position).cmp(&(b.first_try, &b.position)));
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) letters: u64,
    pub(crate) records: u64,
    pub(crate) without_raw: u64,
    pub(crate) refused: u64,
}

/// A raw record, and the letters that it is sent for.
struct Parcel {
    ids: Vec<String>,
    record: NewRecord,
}

/// The way back of one shelf.
pub(crate) struct Back<'a, L, S> {
    pub(crate) log: &'a L,
    pub(crate) store: &'a S,
    pub(crate) rules: &'a Rules,
    pub(crate) shelf: Shelf,
    /// What the records say of themselves.
    pub(crate) source: Source,
}

impl<L: Log, S: Store> Back<'_, L, S> {
    /// The source of a record that is sent again. Old messages sent in bulk and migrated documents stay what they are:
    /// under another source they would be judged by other rules, and their readings would get other times and ids.
    fn source_of(&self, raw: &RawRecord) -> Source {
        match Source::from_label(&raw.source) {
            Some(kept @ (Source::Backfill | Source::Migration)) => kept,
            _ => self.source,
        }
    }

    /// The raw record that is kept for a receipt.
    pub(crate) async fn raw(&self, receipt: &str) -> Result<Option<RawRecord>, ReleaseError> {
        let kept = self.store.kept_raw(receipt).await?;
        let raw = kept.map(|value| self.rules.wire.decode(Subject::Raw, &value));
        Ok(raw.transpose()?)
    }

    /// What today's rules make of an item of a raw record.
    pub(crate) fn judge(&self, raw: &RawRecord, item: i32) -> Judged {
        let item = [item];
        let envelope = Envelope {
            receipt: &raw.receipt_id,
            received_at: Timestamp::from_micros(raw.received_at),
            source: self.source_of(raw),
            items: Some(&item[..]).filter(|_| item[0] >= 0),
            body: &raw.body,
        };
        let registry = self.rules.registry.borrow().clone();
        self.rules.mapping.judge(&envelope, &registry)
    }

    /// Marks letters and publishes their raw records with the items to judge.
    pub(crate) async fn send(&self, due: &[Due]) -> Result<Sent, ReleaseError> {
        let mut sent = Sent::default();
        let open: Vec<String> = due.iter().filter(|d| !d.marked).map(|d| d.id.clone()).collect();
        let marked = self.store.mark_releasing(self.shelf, &open).await?;
        let marked: HashSet<String> = marked.into_iter().collect();
        let mut receipts: Vec<&str> = Vec::new();
        let mut of: HashMap<&str, Vec<&Due>> = HashMap::new();
        for due in due {
            // Whoever answered it meanwhile has closed it.
            if !due.marked && !marked.contains(&due.id) {
                continue;
            }
            let letters = of.entry(due.receipt.as_str()).or_default();
            if letters.is_empty() {
                receipts.push(due.receipt.as_str());
            }
            letters.push(due);
        }
        let mut parcels = Vec::new();
        let mut bytes = 0;
        for receipt in receipts {
            let letters = of.remove(receipt).unwrap_or_default();
            let ids: Vec<String> = letters.iter().map(|d| d.id.clone()).collect();
            let Some(raw) = self.raw(receipt).await? else {
                tracing::warn!(receipt, "the raw record of a letter is not in the store");
                sent.without_raw += ids.len() as u64;
                self.open_again(&ids).await?;
                continue;
            };
            let record = self.again(raw, &letters)?;
            bytes += record.value.len();
            parcels.push(Parcel { ids, record });
            if bytes >= CHUNK_BYTES {
                bytes = 0;
                self.publish(std::mem::take(&mut parcels), &mut sent).await?;
            }
        }
        self.publish(parcels, &mut sent).await?;
        Ok(sent)
    }

    /// The record that has the items of these letters judged again. Receipt id and receipt time stay.
    fn again(&self, raw: RawRecord, letters: &[&Due]) -> Result<NewRecord, WireError> {
        let mut items: Vec<i32> = letters.iter().map(|d| d.position.item).collect();
        items.sort_unstable();
        items.dedup();
        let whole = items.iter().any(|item| *item < 0);
        // A message that the log refused was never delivered: this is its delivery.
        let late = letters
            .iter()
            .any(|d| d.position.topic == self.rules.topics.dead.as_str());
        let source = self.source_of(&raw);
        let migrated = || history::keys_of(&raw.body).filter(|_| source == Source::Migration);
        let key = raw.gateway.clone().or_else(|| migrated().map(|keys| keys.topic));
        let key = key.unwrap_or_else(|| raw.receipt_id.clone());
        let again = if late {
            RawRecord {
                items: Some(Vec::new()),
                ..raw
            }
        } else {
            RawRecord {
                items: match (whole, source == self.source) {
                    (false, _) => Some(items),
                    (true, true) => None,
                    (true, false) => Some(vec![RawRecord::WHOLE]),
                },
                source: source.label().to_owned(),
                ..raw
            }
        };
        Ok(NewRecord {
            topic: self.rules.topics.raw.clone(),
            key: Bytes::from(key),
            value: Bytes::from(self.rules.wire.encode(Subject::Raw, &again)?),
        })
    }

    async fn publish(&self, parcels: Vec<Parcel>, sent: &mut Sent) -> Result<(), ReleaseError> {
        let records = parcels.iter().map(|p| p.record.clone()).collect();
        let acked = self.log.publish(records).await;
        let mut failed = None;
        for (parcel, acked) in parcels.into_iter().zip(acked) {
            match acked {
                Ok(_) => {
                    sent.records += 1;
                    sent.letters += parcel.ids.len() as u64;
                }
                Err(LogError::Refused(why)) => {
                    tracing::error!("the log refuses a record that was to be judged again: {why}");
                    sent.refused += parcel.ids.len() as u64;
                    self.open_again(&parcel.ids).await?;
                }
                Err(e) => failed = failed.or(Some(e)),
            }
        }
        failed.map_or(Ok(()), |e| Err(e.into()))
    }

    /// Opens letters that were marked and will never be answered.
    async fn open_again(&self, ids: &[String]) -> Result<(), StoreError> {
        let letters: Vec<Letter> = self
            .store
            .letters(self.shelf, ids)
            .await?
            .into_iter()
            .flatten()
            .map(|letter| Letter {
                state: LetterState::Open,
                ..letter
            })
            .collect();
        self.store.insert_letters(&letters).await?;
        Ok(())
    }
}
