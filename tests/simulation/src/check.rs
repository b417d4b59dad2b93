//! The promises, checked against what stands in the log and the store in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stardust_books::{Groups, Reconciler};
use stardust_domain::ids::{Mac, PatientId, uuid_of};
use stardust_domain::registry::Registry;
use stardust_pipeline::log::{LogRecord, Topic};
use stardust_pipeline::store::{Letter, LetterState, Shelf};
use stardust_wire::{AuditRecord, LegacyRecord, LetterRecord, ObservationRecord, RawRecord, Subject};
use tokio::sync::watch;

use crate::devices::PostOffice;
use crate::fleet::{Fleet, LETTERS, PARSER, RECORDER, ROUTER};
use crate::log::SimLog;
use crate::process::Process;
use crate::store::SimStore;
use crate::store::state::StoreState;
use crate::ward::{Expected, Ward};

/// What is needed to check a run.
pub(crate) struct Check {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) post: PostOffice,
    pub(crate) ward: Arc<Mutex<Ward>>,
}

/// How often a receipt stands in the log with a time.
type Copies = BTreeMap<(String, i64), u32>;

/// A record of the raw topic.
struct Raw {
    at: (i32, i64),
    timestamp_ms: i64,
    record: RawRecord,
}

impl Check {
    fn ward(&self) -> MutexGuard<'_, Ward> {
        self.ward.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn broken(&self, what: String) {
        self.fleet.world.violation(what);
    }

    /// What is still under way.
    pub(crate) fn under_way(&self) -> Vec<String> {
        let mut left = Vec::new();
        let busy = self.post.open().busy;
        if busy > 0 {
            left.push(format!("{busy} gateways have messages left"));
        }
        let state = self.fleet.world.state();
        let topics = &self.fleet.topics;
        for (group, topic) in [
            (PARSER, &topics.raw),
            (LETTERS, &topics.dead),
            (ROUTER, &topics.legacy),
            (RECORDER, &topics.audit),
        ] {
            let lag = state.log.lag(group, topic).unwrap_or(u64::MAX);
            if lag > 0 {
                left.push(format!("{group} has {lag} records left"));
            }
        }
        let spooled: usize = state.disks.iter().map(|disk| disk.held.len()).sum();
        if spooled > 0 {
            left.push(format!("{spooled} records are in the spool"));
        }
        if state.late > 0 || state.log.has_open() {
            left.push("an effect or a transaction is under way".to_owned());
        }
        let ward = self.ward();
        let parked = state.store.letters(Shelf::Parked).filter(|l| match l.state {
            LetterState::Open => self
                .measured(&state.store, l)
                .is_some_and(|(device, second)| !ward.whose(device, second).may_wait()),
            LetterState::Releasing => true,
            LetterState::Closed => false,
        });
        left.extend(parked.map(|l| format!("a parked reading is {}: {}", l.state.label(), l.id)));
        left
    }

    /// The device and the second of a reading that waits.
    fn measured(&self, store: &StoreState, letter: &Letter) -> Option<(Mac, i64)> {
        let raw = store.kept_raw(&letter.writer.receipt_id)?;
        let raw: RawRecord = self.fleet.rules.wire.decode(Subject::Raw, &raw).ok()?;
        let post = self.post.open();
        let attempt = post.attempts.iter().find(|a| a.request_id == raw.request_id)?;
        let item = usize::try_from(letter.writer.position.item).ok()?;
        match post.messages.get(attempt.message)?.expected.get(item)? {
            Expected::Reading { device, second } => Some((*device, *second)),
            _ => None,
        }
    }

    /// Checks everything.
    pub(crate) async fn promises(&self) {
        let raws = self.raws();
        self.acknowledged(&raws);
        self.one_receipt_an_attempt(&raws);
        self.order_of_the_door(&raws);
        self.what_was_measured();
        self.observations();
        self.legacy();
        let copies = self.copies(&raws);
        self.audit(&copies);
        self.letters(&copies);
        self.books().await;
        self.chains().await;
    }

    fn everything(&self, topic: &Topic) -> Vec<LogRecord> {
        self.fleet.world.state().log.everything(topic)
    }

    fn raws(&self) -> Vec<Raw> {
        let wire = &self.fleet.rules.wire;
        let mut raws = Vec::new();
        for r in self.everything(&self.fleet.topics.raw) {
            match wire.decode::<RawRecord>(Subject::Raw, &r.value) {
                Ok(record) => raws.push(Raw {
                    at: (r.partition, r.offset),
                    timestamp_ms: r.timestamp_ms,
                    record,
                }),
                Err(e) => self.broken(format!("a raw record cannot be read: {e}")),
            }
        }
        raws
    }

    /// How often a receipt stands in the log with a time, microseconds: in the raw topic with its timestamp, or as a
    /// letter of the door with its last try.
    fn copies(&self, raws: &[Raw]) -> Copies {
        let wire = &self.fleet.rules.wire;
        let mut copies = Copies::new();
        for raw in raws {
            let key = (raw.record.receipt_id.clone(), raw.timestamp_ms * 1_000);
            *copies.entry(key).or_default() += 1;
        }
        for r in self.everything(&self.fleet.topics.dead) {
            let letter = wire.decode::<LetterRecord>(Subject::Dead, &r.value).ok();
            let foreign = letter.filter(|letter| letter.items.iter().any(|item| item.stage == "spool"));
            if let Some(letter) = foreign {
                *copies.entry((letter.receipt_id, letter.last_try)).or_default() += 1;
            }
        }
        copies
    }

    /// What the door acknowledged is in the raw topic, or a dead letter where the log refused it.
    fn acknowledged(&self, raws: &[Raw]) {
        let receipts: BTreeSet<&str> = raws.iter().map(|r| r.record.receipt_id.as_str()).collect();
        let wire = &self.fleet.rules.wire;
        let dead = self.everything(&self.fleet.topics.dead);
        let buried: BTreeSet<String> = dead
            .iter()
            .filter_map(|r| wire.decode::<LetterRecord>(Subject::Dead, &r.value).ok())
            .filter(|letter| letter.items.iter().any(|item| item.stage == "spool"))
            .map(|letter| letter.receipt_id)
            .collect();
        let post = self.post.open();
        for attempt in &post.attempts {
            let Some(receipt) = &attempt.receipt else { continue };
            let refused = post.messages[attempt.message]
                .expected
                .contains(&Expected::Refused);
            let found = if refused {
                buried.contains(receipt)
            } else {
                receipts.contains(receipt.as_str())
            };
            if !found {
                self.broken(format!(
                    "acknowledged and lost: {receipt} of {}",
                    attempt.request_id
                ));
            }
        }
    }

    /// A try of a gateway has one receipt, however many copies of it there are.
    fn one_receipt_an_attempt(&self, raws: &[Raw]) {
        let mut receipts: BTreeMap<&str, &str> = BTreeMap::new();
        for raw in raws {
            let (request, receipt) = (raw.record.request_id.as_str(), raw.record.receipt_id.as_str());
            let first = receipts.entry(request).or_insert(receipt);
            if *first != receipt {
                self.broken(format!("{request} has the receipts {first} and {receipt}"));
            }
        }
    }

    /// What a gateway handed to one door after the answer to what it sent before stands behind it.
    fn order_of_the_door(&self, raws: &[Raw]) {
        let mut first: BTreeMap<&str, (i32, i64)> = BTreeMap::new();
        for raw in raws {
            let at = first.entry(raw.record.receipt_id.as_str()).or_insert(raw.at);
            *at = raw.at.min(*at);
        }
        let post = self.post.open();
        let taken = post.attempts.iter().filter_map(|a| {
            let receipt = a.receipt.as_deref()?;
            Some((a, *first.get(receipt)?))
        });
        let taken: Vec<_> = taken.collect();
        for (earlier, before) in &taken {
            for (later, after) in &taken {
                let ended = earlier.ended.is_some_and(|ended| ended < later.begun);
                let follows = ended || earlier.request == later.request && earlier.index < later.index;
                let same = earlier.gateway == later.gateway && earlier.door == later.door;
                if same && follows && before > after {
                    self.broken(format!(
                        "out of order: {} at {before:?}, {} at {after:?}",
                        earlier.request_id, later.request_id
                    ));
                }
            }
        }
    }

    /// Every reading that was acknowledged is stored once under its device and time, dead or parked; nothing twice.
    fn what_was_measured(&self) {
        let post = self.post.open();
        let world = self.fleet.world.clone();
        let mut wrong = Vec::new();
        {
            let state = world.state();
            let mut stored: BTreeMap<_, u32> = BTreeMap::new();
            for document in state.store.observations.values().filter(|d| d.main) {
                *stored
                    .entry((document.device, document.effective.seconds()))
                    .or_default() += 1;
            }
            for ((device, second), times) in &stored {
                if *times > 1 {
                    wrong.push(format!(
                        "a reading is stored {times} times: {device:?} at {second}"
                    ));
                }
            }
            let ward = self.ward();
            let mut patients: BTreeMap<_, PatientId> = BTreeMap::new();
            for document in state.store.observations.values() {
                let Some(device) = document.device else { continue };
                let (second, patient) = (document.effective.seconds(), document.patient);
                if !ward.whose(device, second).may_be(patient) {
                    wrong.push(format!(
                        "{device:?} at {second} is stored for {patient}, and is {:?}",
                        ward.whose(device, second)
                    ));
                }
                if *patients.entry((device, second)).or_insert(patient) != patient {
                    wrong.push(format!("one reading of two patients: {device:?} at {second}"));
                }
            }
            for attempt in &post.attempts {
                let Some(receipt) = &attempt.receipt else { continue };
                for (item, expected) in (0..).zip(&post.messages[attempt.message].expected) {
                    let letter = |shelf, item| state.store.letter(shelf, &Letter::id_of(receipt, item, None));
                    let good = match expected {
                        Expected::Reading { device, second } => {
                            let parked = letter(Shelf::Parked, Some(item));
                            stored.contains_key(&(Some(*device), *second))
                                || ward.whose(*device, *second).may_wait()
                                    && parked.is_some_and(|l| l.state == LetterState::Open)
                        }
                        Expected::Dead => letter(Shelf::Dead, Some(item))
                            .or_else(|| letter(Shelf::Dead, None))
                            .is_some(),
                        Expected::Nothing | Expected::Refused => true,
                    };
                    if !good {
                        wrong.push(format!("{receipt}:{item} has not come to {expected:?}"));
                    }
                }
            }
        }
        drop(post);
        wrong.into_iter().for_each(|what| self.broken(what));
    }

    /// `fhir.observations` has every stored Observation once, as it is stored.
    fn observations(&self) {
        let wire = &self.fleet.rules.wire;
        let mut seen: BTreeSet<String> = BTreeSet::new();
        for r in self.everything(&self.fleet.topics.observations) {
            let Ok(record) = wire.decode::<ObservationRecord>(Subject::Observations, &r.value) else {
                self.broken("an Observation record cannot be read".to_owned());
                continue;
            };
            let as_stored = {
                let state = self.fleet.world.state();
                let stored = record
                    .id
                    .parse()
                    .ok()
                    .and_then(|id| state.store.observations.get(&id));
                stored.is_some_and(|document| document.resource == record.resource)
            };
            if !as_stored {
                self.broken(format!("{} was published as it is not stored", record.id));
            }
            if !seen.insert(record.id.to_string()) {
                self.broken(format!("{} was published twice", record.id));
            }
        }
        let stored: Vec<String> = {
            let state = self.fleet.world.state();
            state.store.observations.keys().map(ToString::to_string).collect()
        };
        for id in stored.iter().filter(|id| !seen.contains(*id)) {
            self.broken(format!("{id} is stored and was never published"));
        }
    }

    /// Every legacy document was published once and is in the database.
    fn legacy(&self) {
        let wire = &self.fleet.rules.wire;
        let mut seen: BTreeSet<(String, String)> = BTreeSet::new();
        for r in self.everything(&self.fleet.topics.legacy) {
            let Ok(record) = wire.decode::<LegacyRecord>(Subject::Legacy, &r.value) else {
                self.broken("a legacy record cannot be read".to_owned());
                continue;
            };
            let id = (record.collection.into_owned(), record.id.into_owned());
            if !seen.insert(id.clone()) {
                self.broken(format!("{id:?} was published twice"));
            }
        }
        let state = self.fleet.world.state();
        let written: BTreeSet<_> = state.store.legacy.keys().cloned().collect();
        drop(state);
        if written != seen {
            let differ: Vec<_> = written.symmetric_difference(&seen).take(3).collect();
            self.broken(format!("legacy documents and their topic differ: {differ:?}"));
        }
    }

    /// Every event was published once for each raw record that led to it, and those of a gateway's new readings in the
    /// order of the raw topic.
    fn audit(&self, copies: &Copies) {
        let wire = &self.fleet.rules.wire;
        let written: BTreeMap<String, (i32, i64, i32)> = {
            let state = self.fleet.world.state();
            let main = state.store.observations.values().filter(|d| d.main);
            main.map(|d| {
                let p = &d.writer.position;
                let id = uuid_of(&format!("audit|1|{}|{}|created", d.writer.receipt_id, p.item));
                (id.to_string(), (p.partition, p.offset, p.item))
            })
            .collect()
        };
        let mut seen: BTreeMap<(String, i64), u32> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        let mut created: BTreeSet<String> = BTreeSet::new();
        let mut last: BTreeMap<String, (i32, i64, i32)> = BTreeMap::new();
        for r in self.everything(&self.fleet.topics.audit) {
            let Ok(record) = wire.decode::<AuditRecord>(Subject::Audit, &r.value) else {
                self.broken("an audit record cannot be read".to_owned());
                continue;
            };
            ids.insert(record.id.to_string());
            let times = seen.entry((record.id.to_string(), record.recorded)).or_default();
            *times += 1;
            let most = copies
                .get(&(record.receipt_id.to_string(), record.recorded))
                .copied();
            if *times > most.unwrap_or(0) {
                self.broken(format!(
                    "the event {} ({}) was published twice",
                    record.id, record.outcome
                ));
            }
            if record.outcome != "created" {
                continue;
            }
            if !created.insert(record.id.to_string()) {
                self.broken(format!("created twice: {}", record.receipt_id));
            }
            let at = written.get(&*record.id);
            if let (Some(gateway), Some(at)) = (record.gateway, at) {
                let before = last.insert(gateway.into_owned(), *at);
                if before.is_some_and(|before| before >= *at) {
                    self.broken(format!(
                        "{} was created out of order at {at:?}",
                        record.receipt_id
                    ));
                }
            }
        }
        let recorded: BTreeSet<String> = {
            let state = self.fleet.world.state();
            state.store.audit_ids.iter().map(ToString::to_string).collect()
        };
        if ids != recorded {
            let differ: Vec<_> = ids.symmetric_difference(&recorded).take(3).collect();
            self.broken(format!("audit events and their topic differ: {differ:?}"));
        }
        if created.len() != written.len() {
            self.broken(format!(
                "{} readings are stored, {} created",
                written.len(),
                created.len()
            ));
        }
    }

    /// Letters were published once for each raw record that led to them, and every open one was.
    fn letters(&self, copies: &Copies) {
        let wire = &self.fleet.rules.wire;
        let topics = &self.fleet.topics;
        for (shelf, subject, topic) in [
            (Shelf::Dead, Subject::Dead, &topics.dead),
            (Shelf::Parked, Subject::Parked, &topics.parked),
        ] {
            let mut seen: BTreeMap<(String, i64), u32> = BTreeMap::new();
            let mut ids = BTreeSet::new();
            for r in self.everything(topic) {
                let Ok(record) = wire.decode::<LetterRecord>(subject, &r.value) else {
                    self.broken("a letter cannot be read".to_owned());
                    continue;
                };
                let most = copies.get(&(record.receipt_id.clone(), record.last_try)).copied();
                for item in &record.items {
                    let id = Letter::id_of(&record.receipt_id, item.item_index, item.field.as_deref());
                    let times = seen.entry((id.clone(), record.last_try)).or_default();
                    *times += 1;
                    if *times > most.unwrap_or(0) {
                        self.broken(format!("the letter {id} was published twice"));
                    }
                    ids.insert(Letter::id_of(&record.receipt_id, item.item_index, None));
                    ids.insert(id);
                }
            }
            let open: Vec<String> = {
                let state = self.fleet.world.state();
                let open = state
                    .store
                    .letters(shelf)
                    .filter(|l| l.state == LetterState::Open);
                open.map(|l| l.id.clone()).collect()
            };
            for id in open.iter().filter(|id| !ids.contains(*id)) {
                self.broken(format!("the letter {id} was never published"));
            }
        }
    }

    async fn books(&self) {
        let (log, store) = self.eyes();
        let documents = self.fleet.world.state().store.registry.clone();
        let (registry, _) = Registry::from_documents(documents.boxes, documents.devices, documents.patients);
        let reconciler = Reconciler {
            log,
            store,
            wire: self.fleet.rules.wire.clone(),
            mapping: Arc::clone(&self.fleet.rules.mapping),
            registry: Arc::new(registry),
            topics: self.fleet.topics.clone(),
            groups: Groups {
                parser: PARSER.to_owned(),
                router: ROUTER.to_owned(),
                recorder: RECORDER.to_owned(),
            },
            patience: Duration::from_secs(5),
        };
        match reconciler.run().await {
            Ok(report) if report.balanced && report.totals.waiting == 0 => {}
            Ok(report) => self.broken(format!("the books: {:?} {:?}", report.totals, report.faults)),
            Err(e) => self.broken(format!("the books cannot be read: {e}")),
        }
    }

    async fn chains(&self) {
        let (_, store) = self.eyes();
        let (_going, going) = watch::channel(false);
        match stardust_audit_recorder::verify(&store, &[], &[], &going).await {
            Ok(reports) => {
                for report in reports {
                    if let Some(broken) = report.broken {
                        self.broken(format!("the audit chain {}: {broken:?}", report.chain));
                    }
                }
            }
            Err(e) => self.broken(format!("the audit chains cannot be read: {e}")),
        }
    }

    /// Log and store as those have them who only look.
    fn eyes(&self) -> (SimLog, SimStore) {
        let observer = Process::observer("observer");
        let world = &self.fleet.world;
        (SimLog::new(world, &observer), SimStore::new(world, &observer))
    }
}
