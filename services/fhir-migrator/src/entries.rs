//! Documents to records: split, judged, counted, encoded. Works on a thread of its own, a chunk of records at a time.

use std::sync::Arc;

use bytes::Bytes;
use stardust_domain::alike::Alike;
use stardust_domain::history::{Account, CONTENT_TYPE, Entry, HistoryDocument};
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::Source;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::history::SourceDocument;
use stardust_pipeline::log::{NewRecord, Topic};
use stardust_wire::{RawRecord, Subject, Wire, WireError};

use crate::tally::Tally;

/// A chunk is full with so many records, or so many bytes.
const RECORDS: usize = 500;
const BYTES: usize = 512 << 10;

/// What makes records of entries.
#[derive(Debug, Clone)]
pub(crate) struct Workshop {
    pub(crate) database: String,
    pub(crate) run: String,
    /// Receipt time of every record of the run: its start, so that a start in the middle, and whoever compares later,
    /// judges alike.
    pub(crate) received: Timestamp,
    pub(crate) topic: Topic,
    pub(crate) wire: Wire,
    pub(crate) mapping: Arc<Mapping>,
    pub(crate) registry: Arc<Registry>,
    /// Only counted, not made.
    pub(crate) dry: bool,
}

/// Documents that are done once the records of their chunk, and of those before it, are in the log.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Where to go on behind them.
    pub(crate) place: String,
    /// What they are of their collection's size.
    pub(crate) size: u64,
    pub(crate) tally: Tally,
    /// What the readings in them measure.
    pub(crate) measured: Vec<Alike>,
}

/// Records to publish together.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<NewRecord>,
    pub(crate) step: Option<Box<Step>>,
    bytes: usize,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.records.len() >= RECORDS || self.bytes >= BYTES
    }

    fn done(&mut self, document: &SourceDocument, tally: Tally, measured: Vec<Alike>) {
        let step = self.step.get_or_insert_default();
        step.place.clone_from(&document.place);
        step.size += document.size;
        step.tally.add(tally);
        step.measured.extend(measured);
    }
}

impl Workshop {
    /// Works documents in order and hands over each chunk; stops where `hand_over` says that nobody wants more.
    pub(crate) fn work(
        &self,
        collection: &str,
        documents: &[SourceDocument],
        mut hand_over: impl FnMut(Chunk) -> bool,
    ) -> Result<(), WireError> {
        let mut chunk = Chunk::default();
        for source in documents {
            let read = source.text.as_deref();
            let read = read.and_then(|text| HistoryDocument::read(&self.database, collection, text).ok());
            let Some(document) = read else {
                let unreadable = Tally {
                    unreadable: 1,
                    ..Tally::default()
                };
                chunk.done(source, unreadable, Vec::new());
                continue;
            };
            let mut account = Account::default();
            account.document(&document);
            let (mut published, mut measured) = (0, Vec::new());
            for entry in document.entries() {
                measured.extend(account.entry(&entry, &self.mapping, &self.registry, self.received));
                if entry.repeated {
                    continue;
                }
                published += 1;
                if !self.dry {
                    let record = self.record(&document, &entry)?;
                    chunk.bytes += record.value.len();
                    chunk.records.push(record);
                }
                if chunk.is_full() && !hand_over(std::mem::take(&mut chunk)) {
                    return Ok(());
                }
            }
            let tally = Tally {
                published,
                ..Tally::from(account)
            };
            chunk.done(source, tally, measured);
        }
        if chunk.step.is_some() || !chunk.records.is_empty() {
            hand_over(chunk);
        }
        Ok(())
    }

    /// What the readings of a document measure.
    pub(crate) fn measured(&self, collection: &str, text: &str) -> Vec<Alike> {
        let Ok(document) = HistoryDocument::read(&self.database, collection, text) else {
            return Vec::new();
        };
        let mut account = Account::default();
        let entries = document.entries();
        entries
            .flat_map(|entry| account.entry(&entry, &self.mapping, &self.registry, self.received))
            .collect()
    }

    fn record(&self, document: &HistoryDocument<'_>, entry: &Entry) -> Result<NewRecord, WireError> {
        let raw = RawRecord {
            receipt_id: entry.receipt_id.to_string(),
            request_id: self.run.clone(),
            received_at: self.received.micros(),
            source: Source::Migration.label().to_owned(),
            content_type: Some(CONTENT_TYPE.to_owned()),
            gateway: None,
            migration_run: Some(self.run.clone()),
            items: None,
            body: Bytes::copy_from_slice(entry.body.as_bytes()),
        };
        Ok(NewRecord {
            topic: self.topic.clone(),
            key: Bytes::copy_from_slice(document.topic_key().as_bytes()),
            value: self.wire.encode(Subject::Raw, &raw)?.into(),
        })
    }
}
