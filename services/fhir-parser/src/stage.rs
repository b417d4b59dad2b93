//! The parser's unit of work.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use stardust_domain::ids::PatientId;
use stardust_domain::reading::Verdict;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::{LogRecord, NewRecord};
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{Letter, ObservationDocument, Position, Shelf, Store, StoreError, Won};
use stardust_pipeline::worker::{Stage, StageError};

use crate::Rules;
use crate::counters::{Counters, Tally};
use crate::decode::{self, Message};
use crate::letters;
use crate::outputs::Outputs;
use crate::settle::{self, Settled, Stored};

/// Turns raw records into documents and records.
pub struct Parser<S> {
    store: S,
    rules: Rules,
    counters: Arc<Counters>,
    now: fn() -> Timestamp,
    /// The highest offset of each partition that the store knows from where the first batch began, or -1: records up to
    /// there may have been worked before.
    known: HashMap<(String, i32), i64>,
    open: Tally,
    copied: bool,
}

impl<S: Store + Retractions> Parser<S> {
    /// A parser. `now` only feeds the statistics.
    pub fn new(store: S, rules: Rules, counters: Arc<Counters>, now: fn() -> Timestamp) -> Self {
        Self {
            store,
            rules,
            counters,
            now,
            known: HashMap::new(),
            open: Tally::default(),
            copied: false,
        }
    }

    /// A parser of records of which a copy goes to the raw topic once they are worked.
    ///
    /// The parser there knows of a stored, parked or dead reading by its document that it was worked before. Heartbeats
    /// and duplicates leave no document: what is said of them is left to the copy, so that it is said once.
    #[must_use]
    pub fn ahead_of_a_copy(mut self) -> Self {
        self.copied = true;
        self
    }

    pub(crate) const fn store(&self) -> &S {
        &self.store
    }

    async fn unit(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        let mut messages = self.judge(batch);
        self.recognise(&mut messages).await?;
        let runs = self.retract(&mut messages).await?;
        let recalled = self.recall(&messages).await?;
        self.adopt(&mut messages, &recalled);
        let stored = self.insert(&mut messages, &recalled).await?;
        let settled = settle::settle(&messages, &stored, &recalled);
        self.close(&messages, &settled).await?;
        let letters = self.write_letters(&messages, &settled).await?;
        self.still_live(&runs, &messages).await?;
        let outputs = Outputs::new(&self.rules, &messages, self.copied);
        let (records, tally) = outputs.write(&settled, &letters)?;
        self.open = tally;
        Ok(records)
    }

    fn judge(&self, batch: &[LogRecord]) -> Vec<Message> {
        let registry = self.rules.registry.borrow().clone();
        batch
            .iter()
            .filter_map(|r| {
                if r.topic == self.rules.topics.dead {
                    decode::letter(&self.rules.wire, r)
                } else {
                    Some(decode::message(
                        &self.rules.wire,
                        &self.rules.mapping,
                        &registry,
                        r,
                    ))
                }
            })
            .collect()
    }

    /// Recognises letters of other services that the store has from elsewhere by now: such a record tells nothing of what
    /// became of its letter since, and must not open it again.
    async fn recognise(&self, messages: &mut [Message]) -> Result<(), StoreError> {
        let (mut ids, mut letters) = (Vec::new(), Vec::new());
        for message in messages {
            let place = (message.topic.clone(), message.partition, message.offset);
            if let Some(letter) = &mut message.letter {
                ids.push(Letter::id_of(&message.raw.receipt_id, None, None));
                letters.push((place, letter));
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let stored = self.store.letters(Shelf::Dead, &ids).await?;
        for ((place, letter), stored) in letters.into_iter().zip(stored) {
            if let Some(Letter { writer, .. }) = stored {
                let at = writer.position;
                letter.replayed = at.topic != place.0;
                letter.known = (at.topic, at.partition, at.offset) != place;
            }
        }
        Ok(())
    }

    /// What is stored at the positions of this batch: a redelivery or a replay meets its own documents.
    async fn recall(
        &mut self,
        messages: &[Message],
    ) -> Result<HashMap<Position, Vec<ObservationDocument>>, StoreError> {
        let mut spans: BTreeMap<(&str, i32), (i64, i64)> = BTreeMap::new();
        for m in messages {
            let span = spans
                .entry((&m.topic, m.partition))
                .or_insert((m.offset, m.offset));
            *span = (span.0.min(m.offset), span.1.max(m.offset));
        }
        let mut recalled: HashMap<Position, Vec<ObservationDocument>> = HashMap::new();
        for ((topic, partition), (from, to)) in spans {
            let key = (topic.to_owned(), partition);
            let known = match self.known.get(&key) {
                Some(known) => *known,
                None => {
                    let known = self
                        .store
                        .highest_offset(topic, partition, from)
                        .await?
                        .unwrap_or(-1);
                    self.known.insert(key, known);
                    known
                }
            };
            if from <= known {
                let found = self
                    .store
                    .observations_at(topic, partition, from, to.min(known))
                    .await?;
                for document in settle::of_these(messages, found) {
                    recalled
                        .entry(document.writer.position.clone())
                        .or_default()
                        .push(document);
                }
            }
        }
        Ok(recalled)
    }

    /// Of a reading that a try before this one stored in part the patient is settled: what is missing is stored for the
    /// same one, whatever the registry says by now.
    fn adopt(&self, messages: &mut [Message], recalled: &HashMap<Position, Vec<ObservationDocument>>) {
        if recalled.is_empty() {
            return;
        }
        for message in messages {
            let begun = message.judged.readings.iter().filter_map(|reading| {
                let found = recalled.get(&letters::writer(message, reading).position)?;
                let patient = found.first().filter(|_| !settle::has_main(Some(found)))?.patient;
                let differs = match reading.verdict {
                    Verdict::Emit(today) => today != patient,
                    Verdict::Park(_) => true,
                    Verdict::Dead(_) => false,
                };
                reading.item.filter(|_| differs).map(|item| (item, patient))
            });
            let begun: HashMap<i32, PatientId> = begun.collect();
            if !begun.is_empty() {
                let registry = self.rules.registry.borrow().clone();
                message.settle_patients(&self.rules.mapping, &registry, &begun);
            }
        }
    }

    /// Whether a record may have been worked before, so that its letters may have to close.
    fn again(&self, message: &Message) -> bool {
        message.judges_again()
            || self
                .known
                .get(&(message.topic.clone(), message.partition))
                .is_some_and(|known| message.offset <= *known)
    }

    /// Inserts the Observations of every reading that is emitted and not recalled; what happened to each id.
    async fn insert(
        &self,
        messages: &mut [Message],
        recalled: &HashMap<Position, Vec<ObservationDocument>>,
    ) -> Result<Stored, StoreError> {
        let documents = settle::take_documents(messages, recalled, &self.rules);
        let mut stored = Stored::default();
        if !documents.is_empty() {
            let won = self.store.insert_observations(&documents).await?;
            stored.add(documents, won);
        }
        // A reading that waits may have been stored meanwhile from another copy of the same receipt.
        let waiting: Vec<_> = messages
            .iter()
            .flat_map(|m| &m.judged.readings)
            .filter(|r| matches!(r.verdict, Verdict::Park(_)))
            .filter_map(|r| r.main_id)
            .collect();
        if !waiting.is_empty() {
            let writers = self.store.observation_writers(&waiting).await?;
            stored.writers(&waiting, writers);
        }
        // Documents of these very records that recall did not bring: written by this batch in a try before this one.
        for (topic, partition, offset) in stored.own(messages) {
            let found = self
                .store
                .observations_at(&topic, partition, offset, offset)
                .await?;
            stored.recall(settle::of_these(messages, found));
        }
        Ok(stored)
    }

    /// Closes the letters that records of this batch answer: of every reading that does not stay on the shelf, and of
    /// every item that a record was sent for. By other rules than those of the letter a message may fall into other items,
    /// or into none: what is not among its readings any more must not wait for ever.
    async fn close(&self, messages: &[Message], settled: &[Settled<'_>]) -> Result<(), StoreError> {
        for shelf in [Shelf::Parked, Shelf::Dead] {
            let mut ids = Vec::new();
            for (at, message) in messages.iter().enumerate().filter(|(_, m)| self.again(m)) {
                let from = settled.partition_point(|s| s.message < at);
                let own = settled[from..].iter().take_while(|s| s.message == at);
                let (leave, stay): (Vec<&Settled<'_>>, Vec<&Settled<'_>>) =
                    own.partition(|s| s.leaves(shelf));
                let mut items: BTreeSet<Option<i32>> = message.named().into_iter().collect();
                items.extend(leave.iter().map(|s| s.item));
                for s in stay {
                    items.remove(&s.item);
                }
                let receipt = &message.raw.receipt_id;
                ids.extend(items.into_iter().map(|item| Letter::id_of(receipt, item, None)));
            }
            if !ids.is_empty() {
                self.store.close_letters(shelf, &ids).await?;
            }
        }
        Ok(())
    }

    /// Writes the letters of the batch and the raw records that they need.
    async fn write_letters(
        &self,
        messages: &[Message],
        settled: &[Settled<'_>],
    ) -> Result<settle::Letters, StageError> {
        let version = self.rules.mapping.version();
        let mut letters = settle::Letters::collect(messages, settled, version);
        if letters.is_empty() {
            return Ok(letters);
        }
        let raws = letters.raws(messages, settled, &self.rules.wire)?;
        self.store.keep_raw(&raws).await?;
        let won = self.store.insert_letters(letters.all()).await?;
        letters.decide(&won);
        for shelf in [Shelf::Parked, Shelf::Dead] {
            let ids = letters.tried_again(messages, settled, shelf);
            if !ids.is_empty() {
                let stored: Vec<Letter> = self
                    .store
                    .letters(shelf, &ids)
                    .await?
                    .into_iter()
                    .flatten()
                    .collect();
                letters.first_tried(&stored);
            }
        }
        Ok(letters)
    }
}

/// What a batch leads to where none of it was stored before: the parser's whole transformation without a store.
///
/// # Errors
/// Where an output does not fit its schema.
pub fn as_new(rules: &Rules, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
    let registry = rules.registry.borrow().clone();
    let mut messages: Vec<Message> = batch
        .iter()
        .map(|r| decode::message(&rules.wire, &rules.mapping, &registry, r))
        .collect();
    let recalled = HashMap::new();
    let documents = settle::take_documents(&mut messages, &recalled, rules);
    let won = vec![Won::Inserted; documents.len()];
    let mut stored = Stored::default();
    stored.add(documents, won);
    let settled = settle::settle(&messages, &stored, &recalled);
    let mut letters = settle::Letters::collect(&messages, &settled, rules.mapping.version());
    letters.decide(&vec![Won::Inserted; letters.all().len()]);
    Ok(Outputs::new(rules, &messages, false).write(&settled, &letters)?.0)
}

impl<S: Store + Retractions> Stage for Parser<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        let done = self.unit(batch).await;
        if let Err(e) = &done {
            // A part of it may be stored: the next try recalls what is.
            self.known.clear();
            self.counters.failed();
            tracing::warn!("❌ a unit of work failed: {e}");
        }
        done
    }

    fn committed(&mut self) {
        self.counters.add(&std::mem::take(&mut self.open), (self.now)());
    }

    fn reset(&mut self) {
        self.known.clear();
        self.open = Tally::default();
    }
}
