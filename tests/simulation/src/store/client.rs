//! A client of the store, as one process has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{
    BookPage, ChainHead, ChainedEvent, Checkpoint, Export, LegacyDocument, Letter, LetterState, Mark,
    ObservationDocument, Page, ReceiptDocuments, RecordedEvent, RegistryDocuments, Shelf, Store, StoreError,
    Won, Writer, Written,
};
use uuid::Uuid;

use super::state::StoreState;
use crate::faults::{Fate, Port};
use crate::planted::Bug;
use crate::process::Process;
use crate::world::World;

/// How long a client waits for an answer of the database.
const ANSWER: Duration = Duration::from_secs(2);

fn away() -> StoreError {
    StoreError::Unavailable("the database does not answer".to_owned())
}

/// What a call that fails or dies may have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Any of the items, however late.
    Any,
    /// The first of them.
    First,
    /// Any of them, before the next call of anybody is answered. A letter that lands after its record was worked anew,
    /// under another registry, would be stored and never published: the parser cannot see it coming.
    AnyInTurn,
    /// The first of them, as late: of an Observation the same is true.
    FirstInTurn,
}

/// What the planted bugs remember.
#[derive(Default)]
struct Memory {
    /// Ids as the services know them, and as they were stored.
    salted: BTreeMap<Uuid, Uuid>,
    registry: Option<RegistryDocuments>,
}

/// The store as one process sees it.
#[derive(Clone)]
pub struct SimStore {
    world: World,
    process: Process,
    memory: Arc<Mutex<Memory>>,
}

impl SimStore {
    pub(crate) fn new(world: &World, process: &Process) -> Self {
        Self {
            world: world.clone(),
            process: process.clone(),
            memory: Arc::default(),
        }
    }

    fn is_away(&self, writes: bool) -> bool {
        let weather = self.world.state().weather;
        !self.process.is_observer() && (weather.store_away || writes && weather.store_full)
    }

    pub(super) async fn read<T>(
        &self,
        what: &'static str,
        look: impl FnOnce(&StoreState) -> T + Send,
    ) -> Result<T, StoreError> {
        let plan = self.world.plan(&self.process, Port::StoreRead);
        self.world
            .before(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        if self.is_away(false) {
            self.process.pause(ANSWER).await;
            return Err(away());
        }
        let found = {
            let mut state = self.world.state();
            state.store.catch_up();
            look(&state.store)
        };
        self.world
            .after(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        Ok(found)
    }

    /// Writes items.
    pub(super) async fn write<T, R>(
        &self,
        what: &'static str,
        parts: Parts,
        items: Vec<T>,
        apply: impl Fn(&mut StoreState, &[T]) -> R + Send + Sync + 'static,
    ) -> Result<R, StoreError>
    where
        T: Send + Sync + 'static,
        R: Send,
    {
        let plan = self.world.plan(&self.process, Port::StoreWrite);
        self.world
            .before(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        let number = i64::try_from(items.len()).unwrap_or(0);
        if self.is_away(true) {
            self.process.pause(ANSWER).await;
            self.world
                .note(self.process.name(), what, number, || "away".to_owned());
            return Err(away());
        }
        let whole = plan.fate == Fate::Good || self.world.state().dice.coin();
        let items = if whole { items } else { self.some(items, parts) };
        let kept = items.len();
        let detail = || format!("{:?} {kept} of them", plan.fate);
        self.world.note(self.process.name(), what, number, detail);
        if let Fate::Late(wait) = plan.fate {
            if matches!(parts, Parts::AnyInTurn | Parts::FirstInTurn) {
                let effect = Box::new(move |store: &mut StoreState| {
                    apply(store, &items);
                });
                self.world.state().store.put_off(effect);
                self.world.later(wait, what, |state| state.store.catch_up());
            } else {
                self.world.later(wait, what, move |state| {
                    apply(&mut state.store, &items);
                });
            }
            self.process.pause(ANSWER).await;
            return Err(away());
        }
        let done = {
            let mut state = self.world.state();
            state.store.catch_up();
            apply(&mut state.store, &items)
        };
        self.world
            .after(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        Ok(done)
    }

    /// A part of the items.
    fn some<T>(&self, mut items: Vec<T>, parts: Parts) -> Vec<T> {
        let dice = &mut self.world.state().dice;
        if matches!(parts, Parts::First | Parts::FirstInTurn) {
            items.truncate(dice.index(items.len() + 1));
        } else {
            items.retain(|_| dice.coin());
        }
        items
    }

    /// The planted bug: an id with a random part.
    fn salt(&self, documents: &mut [ObservationDocument]) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for document in documents {
            let salt = u128::from(self.world.state().dice.next());
            let salted = Uuid::from_u128(document.id.as_u128() ^ salt);
            memory.salted.insert(document.id, salted);
            document.resource = document
                .resource
                .replace(&document.id.to_string(), &salted.to_string());
            document.id = salted;
        }
    }

    /// The id under which a document was stored last, where it is another.
    pub(crate) fn salted(&self, id: &Uuid) -> Option<Uuid> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.salted.get(id).copied()
    }
}

/// No migration runs here.
impl Retractions for SimStore {
    async fn retracted(&self, _: &[String]) -> Result<Vec<String>, StoreError> {
        self.read("retracted", |_| Vec::new()).await
    }

    async fn sweep_letters(&self, _: &[(String, i32, i64)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn sweep(&self, _: &str) -> Result<u64, StoreError> {
        self.read("sweep", |_| 0).await
    }
}

impl Store for SimStore {
    async fn prepare(&self) -> Result<(), StoreError> {
        self.read("prepare", |_| ()).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.read("ping", |_| ()).await
    }

    async fn highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> Result<Option<i64>, StoreError> {
        self.read("highest_offset", |s| s.highest_offset(topic, partition, from))
            .await
    }

    async fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        self.read("observations_at", |s| {
            let found = s.observations_at(topic, partition, from, to);
            found.into_iter().cloned().collect()
        })
        .await
    }

    async fn written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> Result<Vec<Written>, StoreError> {
        self.read("written_at", |s| {
            let found = s.observations_at(topic, partition, from, to);
            let written = found.into_iter().map(|d| Written {
                id: d.id,
                main: d.main,
                writer: d.writer.clone(),
                legacy: d.legacy.as_ref().map(|l| (l.collection.clone(), l.id.clone())),
            });
            written.collect()
        })
        .await
    }

    async fn insert_observations(&self, documents: &[ObservationDocument]) -> Result<Vec<Won>, StoreError> {
        let mut documents = documents.to_vec();
        if self.world.has(Bug::RandomId) {
            self.salt(&mut documents);
        }
        self.write(
            "insert_observations",
            Parts::FirstInTurn,
            documents,
            |s, documents| documents.iter().map(|d| s.insert_observation(d)).collect(),
        )
        .await
    }

    async fn observation_writers(&self, ids: &[Uuid]) -> Result<Vec<Option<Writer>>, StoreError> {
        self.read("observation_writers", |s| {
            ids.iter().map(|id| s.writer(id)).collect()
        })
        .await
    }

    async fn insert_letters(&self, letters: &[Letter]) -> Result<Vec<Won>, StoreError> {
        self.write(
            "insert_letters",
            Parts::AnyInTurn,
            letters.to_vec(),
            |s, letters| letters.iter().map(|l| s.insert_letter(l)).collect(),
        )
        .await
    }

    async fn close_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        self.write("close_letters", Parts::Any, ids.to_vec(), move |s, ids| {
            ids.iter().filter(|id| s.close_letter(shelf, id)).count() as u64
        })
        .await
    }

    async fn letters(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<Option<Letter>>, StoreError> {
        self.read("letters", |s| ids.iter().map(|id| s.letter(shelf, id)).collect())
            .await
    }

    async fn letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        self.read("letters_after", |s| {
            let letters = s.letters(shelf).filter(|l| states.contains(&l.state));
            let later = letters.filter(|l| after.is_none_or(|after| l.id.as_str() > after));
            later.take(most).cloned().collect()
        })
        .await
    }

    async fn mark_releasing(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<String>, StoreError> {
        self.write("mark_releasing", Parts::Any, ids.to_vec(), move |s, ids| {
            ids.iter()
                .filter(|id| s.mark_releasing(shelf, id))
                .cloned()
                .collect()
        })
        .await
    }

    async fn keep_raw(&self, records: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.write("keep_raw", Parts::Any, records.to_vec(), |s, records| {
            records
                .iter()
                .for_each(|(receipt, bytes)| s.keep_raw(receipt, bytes));
        })
        .await
    }

    async fn kept_raw(&self, receipt_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.read("kept_raw", |s| s.kept_raw(receipt_id)).await
    }

    async fn insert_legacy(&self, documents: &[LegacyDocument]) -> Result<Vec<bool>, StoreError> {
        self.write("insert_legacy", Parts::Any, documents.to_vec(), |s, documents| {
            documents.iter().map(|d| s.insert_legacy(d)).collect()
        })
        .await
    }

    async fn legacy_present(&self, ids: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        self.read("legacy_present", |s| {
            ids.iter().map(|id| s.legacy.contains_key(id)).collect()
        })
        .await
    }

    async fn audit_present(&self, ids: &[Uuid]) -> Result<Vec<bool>, StoreError> {
        self.read("audit_present", |s| {
            ids.iter().map(|id| s.audit_ids.contains(id)).collect()
        })
        .await
    }

    async fn of_receipt(&self, receipt_id: &str) -> Result<ReceiptDocuments, StoreError> {
        self.read("of_receipt", |s| {
            let observations = s
                .observations
                .values()
                .filter(|d| d.writer.receipt_id == receipt_id);
            let shelves = [Shelf::Dead, Shelf::Parked];
            let mut letters: Vec<Letter> = shelves
                .into_iter()
                .flat_map(|shelf| s.letters(shelf))
                .cloned()
                .collect();
            letters.retain(|l| l.writer.receipt_id == receipt_id);
            letters.sort_by(|a, b| a.id.cmp(&b.id));
            let audit = s.audit.values().filter(|e| e.receipt_id == receipt_id);
            ReceiptDocuments {
                observations: observations.map(|d| (d.id, d.writer.clone(), d.main)).collect(),
                letters,
                audit: audit
                    .map(|e| RecordedEvent {
                        id: e.id,
                        outcome: e.outcome.clone(),
                        recorded: e.recorded,
                        chain: e.chain,
                        seq: e.seq,
                    })
                    .collect(),
            }
        })
        .await
    }

    async fn chain_head(&self, chain: i32) -> Result<Option<ChainHead>, StoreError> {
        self.read("chain_head", |s| s.chain_head(chain)).await
    }

    async fn append_audit(&self, events: &[ChainedEvent]) -> Result<(), StoreError> {
        let blindly = self.world.has(Bug::ForkedChain);
        self.write("append_audit", Parts::First, events.to_vec(), move |s, events| {
            s.append_audit(events, blindly)
        })
        .await?
    }

    async fn chains(&self) -> Result<Vec<i32>, StoreError> {
        self.read("chains", |s| {
            let mut chains: Vec<i32> = s.audit.keys().map(|(chain, _)| *chain).collect();
            chains.dedup();
            chains
        })
        .await
    }

    async fn chain_from(&self, chain: i32, seq: i64, most: usize) -> Result<Vec<ChainedEvent>, StoreError> {
        self.read("chain_from", |s| {
            let events = s.audit.range((chain, seq)..=(chain, i64::MAX)).map(|(_, e)| e);
            events.take(most).cloned().collect()
        })
        .await
    }

    async fn note_heads(&self, heads: &[(i32, ChainHead)]) -> Result<(), StoreError> {
        self.write("note_heads", Parts::Any, heads.to_vec(), |s, heads| {
            heads.iter().for_each(|(chain, head)| s.note_head(*chain, head));
        })
        .await
    }

    async fn noted_heads(&self) -> Result<Vec<(i32, ChainHead)>, StoreError> {
        self.read("noted_heads", |s| {
            s.heads
                .iter()
                .map(|(chain, head)| (*chain, head.clone()))
                .collect()
        })
        .await
    }

    async fn put_checkpoints(&self, checkpoints: &[Checkpoint]) -> Result<(), StoreError> {
        self.write(
            "put_checkpoints",
            Parts::Any,
            checkpoints.to_vec(),
            |s, checkpoints| {
                checkpoints
                    .iter()
                    .for_each(|checkpoint| s.put_checkpoint(checkpoint));
            },
        )
        .await
    }

    async fn checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> Result<Vec<Checkpoint>, StoreError> {
        self.read("checkpoints", |s| {
            s.checkpoints(mark, chain, seq).take(most).cloned().collect()
        })
        .await
    }

    async fn remove_cut(&self, chain: i32, most: usize) -> Result<u64, StoreError> {
        self.write("remove_cut", Parts::First, vec![()], move |s, _| {
            s.remove_cut(chain, most)
        })
        .await
    }

    async fn add_book_page(&self, page: &BookPage) -> Result<bool, StoreError> {
        self.write("add_book_page", Parts::First, vec![page.clone()], |s, pages| {
            pages.iter().any(|page| s.add_book_page(page))
        })
        .await
    }

    async fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> Result<Vec<BookPage>, StoreError> {
        self.read("book_pages", |s| {
            s.book_pages(topic, partition, from).take(most).cloned().collect()
        })
        .await
    }

    async fn booked(&self, topic: &str, partition: i32) -> Result<Option<i64>, StoreError> {
        self.read("booked", |s| {
            s.book_pages(topic, partition, i64::MIN)
                .last()
                .map(|page| page.to)
        })
        .await
    }

    async fn registry(&self) -> Result<RegistryDocuments, StoreError> {
        let found = self.read("registry", |s| s.registry.clone()).await?;
        if self.world.has(Bug::StaleRegistry) {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            return Ok(memory.registry.get_or_insert(found).clone());
        }
        Ok(found)
    }

    async fn import_registry(&self, documents: &RegistryDocuments) -> Result<(), StoreError> {
        self.write(
            "import_registry",
            Parts::First,
            vec![documents.clone()],
            |s, documents| {
                s.registry = documents.last().cloned().unwrap_or_default();
            },
        )
        .await
    }

    async fn export(&self, what: Export, after: Option<&str>, most: usize) -> Result<Page, StoreError> {
        self.read("export", |s| s.export(what, after, most)).await
    }

    async fn lease(&self, name: &str, holder: &str, seconds: u32) -> Result<bool, StoreError> {
        let (name, holder) = (name.to_owned(), holder.to_owned());
        let world = self.world.clone();
        self.write("lease", Parts::First, vec![()], move |s, once| {
            let now_ms = world.now_ms();
            once.iter().any(|()| s.lease(&name, &holder, seconds, now_ms))
        })
        .await
    }
}
