//! Settle: what became of each reading, from the verdict and from who won in the store.

use std::collections::{BTreeSet, HashMap, HashSet};

use stardust_domain::outcome::Source;
use stardust_domain::reading::{Reading, Verdict};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{LegacyContent, Letter, ObservationDocument, Position, Shelf, Won, Writer};
use stardust_pipeline::worker::StageError;
use stardust_wire::{RawRecord, Subject, Wire};
use uuid::Uuid;

use crate::Rules;
use crate::decode::Message;
use crate::letters;

/// What became of a reading.
#[derive(Debug, Clone)]
pub(crate) enum Fate<'a> {
    /// Stored by this record; these documents are its own, main kind first.
    Created(Vec<&'a ObservationDocument>),
    /// Stored before from another message or item; documents of other kinds may be its own all the same.
    Duplicate {
        /// Its own.
        documents: Vec<&'a ObservationDocument>,
        /// It was stored from an equal item of this very message.
        twin: bool,
    },
    /// Another copy of this receipt was worked before: nothing comes of this one.
    Redelivered,
    /// Waits.
    Parked,
    /// Dead.
    Dead,
}

impl Fate<'_> {
    /// Whether today's verdict on the reading's quantities is the one it was stored under. Where the mapping has
    /// changed since, what it says today of a reading that is stored is of no account.
    pub(crate) fn holds_for(&self, mapping_version: &str) -> bool {
        match self {
            Self::Created(documents) => documents.iter().all(|d| d.mapping_version == mapping_version),
            _ => true,
        }
    }
}

/// A reading with its fate.
#[derive(Debug, Clone)]
pub(crate) struct Settled<'a> {
    /// Index of the message in the batch.
    pub(crate) message: usize,
    /// Index of the reading in the message.
    pub(crate) reading: usize,
    /// The item.
    pub(crate) item: Option<i32>,
    /// What became of it.
    pub(crate) fate: Fate<'a>,
    /// What a try before this one stored at this very place, where the reading is not emitted any more: the rules have
    /// changed in between. It is published all the same, as everything that is stored.
    pub(crate) leftover: Vec<&'a ObservationDocument>,
}

impl Settled<'_> {
    /// Whether this outcome ends a wait on this shelf.
    pub(crate) fn leaves(&self, shelf: Shelf) -> bool {
        match self.fate {
            // Redelivered: another copy of the receipt was stored, so nothing waits any more.
            Fate::Created(_) | Fate::Duplicate { .. } | Fate::Redelivered => true,
            Fate::Parked => shelf == Shelf::Dead,
            Fate::Dead => shelf == Shelf::Parked,
        }
    }
}

/// Answers of the store, by Observation id.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    documents: Vec<(ObservationDocument, Won)>,
    by_id: HashMap<Uuid, usize>,
    waiting: HashMap<Uuid, Writer>,
    recalled: HashMap<Position, Vec<ObservationDocument>>,
}

impl Stored {
    pub(crate) fn add(&mut self, documents: Vec<ObservationDocument>, won: Vec<Won>) {
        self.by_id.reserve(documents.len());
        for (document, won) in documents.into_iter().zip(won) {
            self.by_id.insert(document.id, self.documents.len());
            self.documents.push((document, won));
        }
    }

    fn document(&self, id: &Uuid) -> Option<&(ObservationDocument, Won)> {
        self.documents.get(*self.by_id.get(id)?)
    }

    pub(crate) fn writers(&mut self, ids: &[Uuid], writers: Vec<Option<Writer>>) {
        let found = ids
            .iter()
            .zip(writers)
            .filter_map(|(id, writer)| Some((*id, writer?)));
        self.waiting.extend(found);
    }

    /// Records of this batch whose documents were there before the insert.
    pub(crate) fn own(&self, messages: &[Message]) -> BTreeSet<(String, i32, i64)> {
        let ours: HashSet<(&str, i32, i64)> = messages
            .iter()
            .map(|m| (m.topic.as_str(), m.partition, m.offset))
            .collect();
        let present = self.documents.iter().filter_map(|(_, won)| match won {
            Won::Present(writer) => Some(writer),
            Won::Inserted => None,
        });
        present
            .chain(self.waiting.values())
            .map(|w| &w.position)
            .filter(|p| ours.contains(&(p.topic.as_str(), p.partition, p.offset)))
            .map(|p| (p.topic.clone(), p.partition, p.offset))
            .collect()
    }

    pub(crate) fn recall(&mut self, found: impl Iterator<Item = ObservationDocument>) {
        for document in found {
            self.recalled
                .entry(document.writer.position.clone())
                .or_default()
                .push(document);
        }
    }
}

/// Every reading of the batch with its place.
pub(crate) fn readings(messages: &[Message]) -> impl Iterator<Item = (usize, usize, &Message, &Reading)> {
    messages.iter().enumerate().flat_map(|(at, message)| {
        message
            .judged
            .readings
            .iter()
            .enumerate()
            .map(move |(index, reading)| (at, index, message, reading))
    })
}

/// The documents that records of this batch wrote. A log that was made anew (a data folder that was lost) gives its
/// offsets a second time: what stands there from before is another receipt's.
pub(crate) fn of_these(
    messages: &[Message],
    documents: Vec<ObservationDocument>,
) -> impl Iterator<Item = ObservationDocument> {
    let receipts: HashMap<(&str, i32, i64), &str> = messages
        .iter()
        .map(|m| {
            let place = (m.topic.as_str(), m.partition, m.offset);
            (place, m.raw.receipt_id.as_str())
        })
        .collect();
    documents.into_iter().filter(move |d| {
        let at = &d.writer.position;
        receipts.get(&(at.topic.as_str(), at.partition, at.offset)) == Some(&d.writer.receipt_id.as_str())
    })
}

pub(crate) fn has_main(documents: Option<&Vec<ObservationDocument>>) -> bool {
    documents.is_some_and(|found| found.iter().any(|d| d.main))
}

/// The documents to insert: of every reading that is emitted and not recalled, each id once. Texts are moved out of the
/// readings.
///
/// An insert that breaks off leaves the first of its documents. The main one of each reading goes last, behind all
/// others: where it is recalled, its reading is complete.
pub(crate) fn take_documents(
    messages: &mut [Message],
    recalled: &HashMap<Position, Vec<ObservationDocument>>,
    rules: &Rules,
) -> Vec<ObservationDocument> {
    let mut seen = HashSet::with_capacity(2 * messages.len());
    let mut others = Vec::with_capacity(2 * messages.len());
    let mut mains = Vec::with_capacity(messages.len());
    for message in messages {
        let (gateway, recorded) = (message.gateway(), Timestamp::from_micros(message.raw.received_at));
        let mut readings = std::mem::take(&mut message.judged.readings);
        for reading in &mut readings {
            let Verdict::Emit(patient) = reading.verdict else {
                continue;
            };
            if !recalled.is_empty() && has_main(recalled.get(&letters::writer(message, reading).position)) {
                continue;
            }
            for index in 0..reading.observations.len() {
                if !seen.insert(reading.observations[index].id) {
                    continue;
                }
                let main = index == 0;
                let legacy = (main && rules.legacy_routing && message.source != Source::Migration)
                    .then(|| reading.legacy.take())
                    .flatten();
                let writer = letters::writer(message, reading);
                let observation = &mut reading.observations[index];
                let place = if main { &mut mains } else { &mut others };
                place.push(ObservationDocument {
                    id: observation.id,
                    main,
                    resource: std::mem::take(&mut observation.json),
                    code: std::mem::take(&mut observation.code),
                    status: observation.status.to_owned(),
                    patient,
                    device: reading.device,
                    gateway,
                    effective: observation.effective,
                    recorded,
                    writer,
                    source: message.raw.source.clone(),
                    raw_item: reading.raw_item.clone(),
                    mapping_version: rules.mapping.version().to_owned(),
                    migration_run: message.raw.migration_run.clone(),
                    legacy: legacy.map(|l| LegacyContent {
                        collection: l.collection.to_owned(),
                        id: l.id,
                        document: l.document,
                    }),
                });
            }
        }
        message.judged.readings = readings;
    }
    others.append(&mut mains);
    others
}

/// Decides the fate of every reading. Letters may still turn a parked or dead one into a redelivery.
pub(crate) fn settle<'a>(
    messages: &[Message],
    stored: &'a Stored,
    recalled: &'a HashMap<Position, Vec<ObservationDocument>>,
) -> Vec<Settled<'a>> {
    readings(messages)
        .map(|(message, index, record, reading)| {
            let fate = fate(record, reading, stored, recalled);
            let leftover = match fate {
                Fate::Created(_) | Fate::Duplicate { .. } => Vec::new(),
                Fate::Redelivered | Fate::Parked | Fate::Dead => {
                    let own = letters::writer(record, reading).position;
                    recalled.get(&own).into_iter().flatten().collect()
                }
            };
            Settled {
                message,
                reading: index,
                item: reading.item,
                fate,
                leftover,
            }
        })
        .collect()
}

fn fate<'a>(
    message: &Message,
    reading: &Reading,
    stored: &'a Stored,
    recalled: &'a HashMap<Position, Vec<ObservationDocument>>,
) -> Fate<'a> {
    let own = letters::writer(message, reading);
    // First receipt wins, whatever mapping and registry say today.
    let before = [recalled, &stored.recalled]
        .into_iter()
        .filter(|r| !r.is_empty())
        .filter_map(|r| r.get(&own.position));
    if let Some(found) = before.clone().find(|found| has_main(Some(found))) {
        let mut found: Vec<_> = found.iter().collect();
        found.sort_by_key(|d| !d.main);
        return Fate::Created(found);
    }
    match &reading.verdict {
        Verdict::Dead(_) => Fate::Dead,
        Verdict::Park(_) => {
            let writer = reading.main_id.and_then(|id| stored.waiting.get(&id));
            match writer.filter(|w| w.receipt_id == own.receipt_id) {
                // Stored in a try before this one, when the registry knew the device.
                Some(winner) => match relation(&own, winner) {
                    Relation::Twin => Fate::Duplicate {
                        documents: Vec::new(),
                        twin: true,
                    },
                    Relation::Own | Relation::OtherCopy | Relation::Other => Fate::Redelivered,
                },
                None => Fate::Parked,
            }
        }
        Verdict::Emit(_) => {
            let mut fresh = Vec::with_capacity(reading.observations.len());
            let mut main = None;
            for (index, observation) in reading.observations.iter().enumerate() {
                let Some((document, won)) = stored.document(&observation.id) else {
                    continue;
                };
                let writer = match won {
                    Won::Inserted => &document.writer,
                    Won::Present(writer) => writer,
                };
                if index == 0 {
                    main = Some(writer);
                }
                if *writer == own {
                    let earlier = before.clone().flatten().find(|d| d.id == observation.id);
                    fresh.push(earlier.unwrap_or(document));
                }
            }
            match main.map(|winner| relation(&own, winner)) {
                Some(Relation::Own) => Fate::Created(fresh),
                Some(Relation::OtherCopy) => Fate::Redelivered,
                other => Fate::Duplicate {
                    documents: fresh,
                    twin: matches!(other, Some(Relation::Twin)),
                },
            }
        }
    }
}

enum Relation {
    Own,
    OtherCopy,
    Twin,
    Other,
}

fn relation(own: &Writer, winner: &Writer) -> Relation {
    if own == winner {
        return Relation::Own;
    }
    let (a, b) = (&own.position, &winner.position);
    let same_record = a.topic == b.topic && a.partition == b.partition && a.offset == b.offset;
    match (own.receipt_id == winner.receipt_id, same_record) {
        // Two equal items of one message are two readings of one receipt: the second is a duplicate, not a copy.
        (true, true) => Relation::Twin,
        (true, false) => Relation::OtherCopy,
        (false, _) => Relation::Other,
    }
}

/// The letters of a batch.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    all: Vec<Letter>,
    /// For each letter: the settled reading that it belongs to.
    of: Vec<usize>,
    emit: Vec<bool>,
}

impl Letters {
    /// Collects the letters, each id once; what comes later in the batch under the same id is another copy.
    pub(crate) fn collect(messages: &[Message], settled: &[Settled<'_>], mapping_version: &str) -> Self {
        let mut letters = Self::default();
        let mut seen = HashSet::new();
        for (at, s) in settled.iter().enumerate() {
            let message = &messages[s.message];
            let reading = &message.judged.readings[s.reading];
            let mapping_version = message
                .letter
                .as_ref()
                .map_or(mapping_version, |letter| &letter.mapping_version);
            let whole = match s.fate {
                Fate::Parked | Fate::Dead if message.letter.as_ref().is_some_and(|l| l.known) => None,
                Fate::Parked | Fate::Dead => letters::whole(message, reading, mapping_version),
                _ => None,
            };
            let partial = match s.fate {
                Fate::Redelivered | Fate::Dead => None,
                _ if !s.fate.holds_for(mapping_version) => None,
                _ => letters::partial(message, reading, mapping_version),
            };
            for letter in whole.into_iter().chain(partial) {
                if seen.insert(letter.id.clone()) {
                    letters.all.push(letter);
                    letters.of.push(at);
                }
            }
        }
        letters
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn all(&self) -> &[Letter] {
        &self.all
    }

    /// The raw records that the letters need, one a receipt.
    pub(crate) fn raws(
        &self,
        messages: &[Message],
        settled: &[Settled<'_>],
        wire: &Wire,
    ) -> Result<Vec<(String, Vec<u8>)>, StageError> {
        let mut seen = HashSet::new();
        let mut raws = Vec::new();
        for at in &self.of {
            let raw = &messages[settled[*at].message].raw;
            if seen.insert(raw.receipt_id.as_str()) {
                let whole = RawRecord {
                    items: None,
                    ..raw.clone()
                };
                let value = wire
                    .encode(Subject::Raw, &whole)
                    .map_err(|e| StageError::Broken(format!("a raw record cannot be written again: {e}")))?;
                raws.push((raw.receipt_id.clone(), value));
            }
        }
        Ok(raws)
    }

    /// Which letters are this batch's own: new, or written by these very records in an earlier try.
    pub(crate) fn decide(&mut self, won: &[Won]) {
        self.emit = self
            .all
            .iter()
            .zip(won)
            .map(|(letter, won)| match won {
                Won::Inserted => true,
                Won::Present(writer) => *writer == letter.writer,
            })
            .collect();
    }

    /// Ids of letters that may stand for a second try: of records that are sent to be judged again.
    pub(crate) fn tried_again(
        &self,
        messages: &[Message],
        settled: &[Settled<'_>],
        shelf: Shelf,
    ) -> Vec<String> {
        self.all
            .iter()
            .zip(&self.of)
            .filter(|(letter, at)| letter.shelf == shelf && messages[settled[**at].message].judges_again())
            .map(|(letter, _)| letter.id.clone())
            .collect()
    }

    /// Takes over when letters of second tries were first tried, as the store has them.
    pub(crate) fn first_tried(&mut self, stored: &[Letter]) {
        let stored: HashMap<(Shelf, &str), Timestamp> = stored
            .iter()
            .map(|l| ((l.shelf, l.id.as_str()), l.first_try))
            .collect();
        for letter in &mut self.all {
            if let Some(first) = stored.get(&(letter.shelf, letter.id.as_str())) {
                letter.first_try = *first;
            }
        }
    }

    /// The letters of a settled reading that are this batch's own.
    pub(crate) fn of(&self, at: usize) -> impl Iterator<Item = &Letter> {
        self.all
            .iter()
            .zip(&self.of)
            .zip(&self.emit)
            .filter(move |((_, of), emit)| **of == at && **emit)
            .map(|((letter, _), _)| letter)
    }
}
