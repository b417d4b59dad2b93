//! The store's own state: what each call does to it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use stardust_domain::registry::Associations;
use stardust_pipeline::store::{
    BookPage, ChainHead, ChainedEvent, Checkpoint, Export, LegacyDocument, Letter, LetterState, Mark,
    ObservationDocument, Page, RegistryDocuments, Shelf, StoreError, Won, Writer,
};
use uuid::Uuid;

/// A letter's place.
type LetterKey = (bool, String);

fn key(shelf: Shelf, id: &str) -> LetterKey {
    (shelf == Shelf::Parked, id.to_owned())
}

/// What a call does.
type Effect = Box<dyn FnOnce(&mut StoreState) + Send>;

#[derive(Default)]
pub(crate) struct StoreState {
    pub(crate) observations: BTreeMap<Uuid, ObservationDocument>,
    /// Observations by their writer's place in the log.
    at: BTreeMap<(String, i32, i64), Vec<Uuid>>,
    letters: BTreeMap<LetterKey, Letter>,
    raws: BTreeMap<String, Vec<u8>>,
    pub(crate) legacy: BTreeMap<(String, String), LegacyDocument>,
    pub(crate) audit: BTreeMap<(i32, i64), ChainedEvent>,
    pub(crate) audit_ids: BTreeSet<Uuid>,
    pub(crate) registry: RegistryDocuments,
    pub(crate) associations: Associations,
    leases: BTreeMap<String, (String, i64)>,
    /// Effects of calls that have failed, not there yet.
    late: Vec<Effect>,
    pub(crate) heads: BTreeMap<i32, ChainHead>,
    checkpoints: BTreeMap<(Mark, i32, i64), Checkpoint>,
    books: BTreeMap<(String, i32, i64), BookPage>,
}

impl StoreState {
    pub(crate) fn insert_observation(&mut self, document: &ObservationDocument) -> Won {
        if let Some(present) = self.observations.get(&document.id) {
            return Won::Present(present.writer.clone());
        }
        let p = &document.writer.position;
        let place = (p.topic.clone(), p.partition, p.offset);
        self.at.entry(place).or_default().push(document.id);
        self.observations.insert(document.id, document.clone());
        Won::Inserted
    }

    /// What came before is worked before anything that comes later is answered.
    pub(crate) fn catch_up(&mut self) {
        for effect in std::mem::take(&mut self.late) {
            effect(self);
        }
    }

    /// An effect that comes later, at the latest with the next call of anybody.
    pub(crate) fn put_off(&mut self, effect: Effect) {
        self.late.push(effect);
    }

    pub(crate) fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Vec<&ObservationDocument> {
        if from > to {
            return Vec::new();
        }
        let place = |offset| (topic.to_owned(), partition, offset);
        let ids = self.at.range(place(from)..=place(to)).flat_map(|(_, ids)| ids);
        let mut found: Vec<_> = ids.filter_map(|id| self.observations.get(id)).collect();
        found.sort_by_key(|d| (d.writer.position.offset, d.writer.position.item, d.id));
        found
    }

    pub(crate) fn highest_offset(&self, topic: &str, partition: i32, from: i64) -> Option<i64> {
        let place = |offset| (topic.to_owned(), partition, offset);
        let observed = self.at.range(place(from)..=place(i64::MAX)).next_back();
        let written = self.letters.values().map(|l| &l.writer.position);
        let letters = written.filter(|p| p.topic == topic && p.partition == partition && p.offset >= from);
        observed
            .map(|((_, _, offset), _)| *offset)
            .max(letters.map(|p| p.offset).max())
    }

    pub(crate) fn writer(&self, id: &Uuid) -> Option<Writer> {
        self.observations.get(id).map(|d| d.writer.clone())
    }

    pub(crate) fn insert_letter(&mut self, letter: &Letter) -> Won {
        let Some(present) = self.letters.get_mut(&key(letter.shelf, &letter.id)) else {
            self.letters.insert(key(letter.shelf, &letter.id), letter.clone());
            return Won::Inserted;
        };
        let opens = match present.state {
            LetterState::Open => false,
            LetterState::Releasing => true,
            LetterState::Closed => present.writer.position != letter.writer.position,
        };
        if !opens {
            return Won::Present(present.writer.clone());
        }
        present.state = LetterState::Open;
        present.writer = letter.writer.clone();
        present.stage.clone_from(&letter.stage);
        present.reason.clone_from(&letter.reason);
        present.field.clone_from(&letter.field);
        present.detail.clone_from(&letter.detail);
        present.gateway = letter.gateway;
        present.device = letter.device;
        present.mapping_version.clone_from(&letter.mapping_version);
        present.last_try = letter.last_try;
        Won::Inserted
    }

    pub(crate) fn close_letter(&mut self, shelf: Shelf, id: &str) -> bool {
        let letter = self.letters.get_mut(&key(shelf, id));
        let open = letter.filter(|l| l.state != LetterState::Closed);
        open.map(|l| l.state = LetterState::Closed).is_some()
    }

    pub(crate) fn mark_releasing(&mut self, shelf: Shelf, id: &str) -> bool {
        let letter = self.letters.get_mut(&key(shelf, id));
        let open = letter.filter(|l| l.state == LetterState::Open);
        open.map(|l| l.state = LetterState::Releasing).is_some()
    }

    pub(crate) fn letter(&self, shelf: Shelf, id: &str) -> Option<Letter> {
        self.letters.get(&key(shelf, id)).cloned()
    }

    pub(crate) fn letters(&self, shelf: Shelf) -> impl Iterator<Item = &Letter> {
        self.letters.values().filter(move |l| l.shelf == shelf)
    }

    pub(crate) fn keep_raw(&mut self, receipt: &str, bytes: &[u8]) {
        let kept = self.raws.entry(receipt.to_owned());
        kept.or_insert_with(|| bytes.to_vec());
    }

    pub(crate) fn kept_raw(&self, receipt: &str) -> Option<Vec<u8>> {
        self.raws.get(receipt).cloned()
    }

    pub(crate) fn insert_legacy(&mut self, document: &LegacyDocument) -> bool {
        let c = &document.content;
        let place = (c.collection.clone(), c.id.clone());
        let new = !self.legacy.contains_key(&place);
        if new {
            self.legacy.insert(place, document.clone());
        }
        new
    }

    /// Appends in order and stops at the first place or event that is taken. `blindly`: the planted bug.
    pub(crate) fn append_audit(&mut self, events: &[ChainedEvent], blindly: bool) -> Result<(), StoreError> {
        for event in events {
            let place = (event.chain, event.seq);
            if !blindly && (self.audit.contains_key(&place) || self.audit_ids.contains(&event.id)) {
                return Err(StoreError::Conflict(format!("place {place:?} is taken")));
            }
            self.audit_ids.insert(event.id);
            self.audit.insert(place, event.clone());
        }
        Ok(())
    }

    pub(crate) fn chain_head(&self, chain: i32) -> Option<ChainHead> {
        let last = self
            .audit
            .range((chain, i64::MIN)..=(chain, i64::MAX))
            .next_back();
        let event = last.map(|(_, event)| ChainHead {
            seq: event.seq,
            hash: event.hash.clone(),
        });
        event
            .into_iter()
            .chain(self.last_cut(chain))
            .max_by_key(|head| head.seq)
    }

    pub(crate) fn note_head(&mut self, chain: i32, head: &ChainHead) {
        let noted = self.heads.entry(chain).or_insert_with(|| head.clone());
        if noted.seq < head.seq {
            *noted = head.clone();
        }
    }

    pub(crate) fn put_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let place = (checkpoint.mark, checkpoint.chain, checkpoint.seq);
        self.checkpoints
            .entry(place)
            .or_insert_with(|| checkpoint.clone());
    }

    pub(crate) fn checkpoints(&self, mark: Mark, chain: i32, seq: i64) -> impl Iterator<Item = &Checkpoint> {
        let range = self
            .checkpoints
            .range((mark, chain, seq)..=(mark, chain, i64::MAX));
        range.map(|(_, checkpoint)| checkpoint)
    }

    fn last_cut(&self, chain: i32) -> Option<ChainHead> {
        self.checkpoints(Mark::Cut, chain, i64::MIN)
            .last()
            .map(|cut| ChainHead {
                seq: cut.seq,
                hash: cut.hash.clone(),
            })
    }

    pub(crate) fn remove_cut(&mut self, chain: i32, most: usize) -> u64 {
        let Some(cut) = self.last_cut(chain) else { return 0 };
        let before = self.audit.range((chain, i64::MIN)..=(chain, cut.seq));
        let places: Vec<_> = before.map(|(place, _)| *place).take(most).collect();
        for place in &places {
            if let Some(event) = self.audit.remove(place) {
                self.audit_ids.remove(&event.id);
            }
        }
        if places.len() < most {
            self.checkpoints
                .retain(|(_, of, seq), _| *of != chain || *seq >= cut.seq);
        }
        places.len() as u64
    }

    pub(crate) fn add_book_page(&mut self, page: &BookPage) -> bool {
        let place = (page.topic.clone(), page.partition, page.from);
        let new = !self.books.contains_key(&place);
        if new {
            self.books.insert(place, page.clone());
        }
        new
    }

    pub(crate) fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> impl Iterator<Item = &BookPage> {
        let place = |offset| (topic.to_owned(), partition, offset);
        self.books
            .range(place(from)..=place(i64::MAX))
            .map(|(_, page)| page)
    }

    pub(crate) fn lease(&mut self, name: &str, holder: &str, seconds: u32, now_ms: i64) -> bool {
        let free = self
            .leases
            .get(name)
            .is_none_or(|(by, until)| by == holder || *until <= now_ms);
        if free {
            let until = now_ms + i64::from(seconds) * 1_000;
            self.leases.insert(name.to_owned(), (holder.to_owned(), until));
        }
        free
    }

    pub(crate) fn export(&self, what: Export, after: Option<&str>, most: usize) -> Page {
        let lines: Vec<(String, String)> = match what {
            Export::Observations => {
                let all = self.observations.values();
                all.map(|d| (d.id.to_string(), d.resource.clone())).collect()
            }
            Export::Audit => {
                let mut all: Vec<_> = self.audit.values().collect();
                all.sort_by_key(|e| e.id);
                all.into_iter()
                    .map(|e| (e.id.to_string(), e.resource.clone()))
                    .collect()
            }
            Export::Legacy => {
                let all = self.legacy.values().map(|d| &d.content);
                all.map(|c| {
                    let name = json!(c.collection);
                    let line = format!(r#"{{"collection":{name},"document":{}}}"#, c.document);
                    (format!("{}/{}", c.collection, c.id), line)
                })
                .collect()
            }
            Export::Dead => self.letter_lines(Shelf::Dead),
            Export::Parked => self.letter_lines(Shelf::Parked),
        };
        let rest = lines
            .into_iter()
            .filter(|(id, _)| after.is_none_or(|a| id.as_str() > a));
        let mut rest: Vec<_> = rest.take(most.max(1) + 1).collect();
        let more = rest.len() > most.max(1);
        rest.truncate(most.max(1));
        let next = rest.last().filter(|_| more).map(|(id, _)| id.clone());
        Page {
            lines: rest.into_iter().map(|(_, line)| line).collect(),
            next,
        }
    }

    fn letter_lines(&self, shelf: Shelf) -> Vec<(String, String)> {
        let open = self.letters(shelf).filter(|l| l.state == LetterState::Open);
        open.map(|l| {
            let item = l.writer.position.item;
            let line = json!({
                "receipt_id": l.writer.receipt_id, "gateway": l.gateway.map(|g| g.to_string()), "stage": l.stage,
                "reason": l.reason, "field": l.field, "item_index": (item >= 0).then_some(item),
                "first_try": l.first_try.instant(), "last_try": l.last_try.instant(),
            });
            (l.id.clone(), line.to_string())
        })
        .collect()
    }
}
