//! The simulated spool: a file on the door's own disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use stardust_domain::ids::uuid_of;
use stardust_pipeline::log::NewRecord;
use stardust_pipeline::spool::{Spool, SpoolError, SpoolLevel, Spooled};
use stardust_wire::{RawRecord, Subject, Wire};

use crate::faults::{Fate, Port};
use crate::planted::Bug;
use crate::process::Process;
use crate::world::World;

/// What stands on a disk.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) held: BTreeMap<i64, NewRecord>,
    next: i64,
    limit: usize,
}

impl Disk {
    /// An empty one with room for this many records.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            next: 0,
            limit,
        }
    }

    fn append(&mut self, records: Vec<NewRecord>) {
        for record in records {
            self.held.insert(self.next, record);
            self.next += 1;
        }
    }
}

/// What the planted bugs remember, in the memory of the process.
#[derive(Default)]
struct Memory {
    seen: BTreeSet<i64>,
    tries: u64,
    /// Held back from the disk.
    buffered: Vec<NewRecord>,
}

/// The spool as the door's process sees it.
#[derive(Clone)]
pub struct SimSpool {
    world: World,
    process: Process,
    disk: usize,
    wire: Wire,
    memory: Arc<Mutex<Memory>>,
}

fn failed() -> SpoolError {
    SpoolError::Failed("the simulated disk failed".to_owned())
}

impl SimSpool {
    pub(crate) fn new(world: &World, process: &Process, disk: usize, wire: &Wire) -> Self {
        Self {
            world: world.clone(),
            process: process.clone(),
            disk,
            wire: wire.clone(),
            memory: Arc::default(),
        }
    }

    async fn read<T>(
        &self,
        what: &'static str,
        look: impl FnOnce(&Disk) -> T + Send,
    ) -> Result<T, SpoolError> {
        let plan = self.world.plan(&self.process, Port::SpoolRead);
        self.world
            .before(&self.process, what, plan)
            .await
            .map_err(|()| failed())?;
        let found = look(&self.world.state().disks[self.disk]);
        self.world
            .after(&self.process, what, plan)
            .await
            .map_err(|()| failed())?;
        Ok(found)
    }

    /// The planted bug: who reads a record again meets another receipt.
    fn without_ids(&self, found: &mut [Spooled]) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        for spooled in found {
            if memory.seen.insert(spooled.seq) {
                continue;
            }
            memory.tries += 1;
            let key = format!("{}|{}|{}", self.process.name(), spooled.seq, memory.tries);
            let Ok(mut raw) = self.wire.decode::<RawRecord>(Subject::Raw, &spooled.record.value) else {
                continue;
            };
            raw.receipt_id = uuid_of(&key).to_string();
            if let Ok(value) = self.wire.encode(Subject::Raw, &raw) {
                spooled.record.value = Bytes::from(value);
            }
        }
    }
}

impl Spool for SimSpool {
    async fn append(&self, records: Vec<NewRecord>) -> Result<(), SpoolError> {
        let number = i64::try_from(records.len()).unwrap_or(0);
        let plan = self.world.plan(&self.process, Port::SpoolWrite);
        self.world
            .before(&self.process, "spool", plan)
            .await
            .map_err(|()| failed())?;
        {
            let mut state = self.world.state();
            let full = state.weather.disk_full;
            let disk = &mut state.disks[self.disk];
            if full || disk.held.len() + records.len() > disk.limit {
                drop(state);
                self.world
                    .note(self.process.name(), "spool", number, || "is full".to_owned());
                return Err(SpoolError::Full("the simulated disk is full".to_owned()));
            }
            if self.world.has(Bug::SpooledInMemory) {
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.buffered.extend(records);
            } else {
                disk.append(records);
            }
        }
        self.world.note(self.process.name(), "spool", number, || {
            format!("{:?}", plan.fate)
        });
        self.world
            .after(&self.process, "spool", plan)
            .await
            .map_err(|()| failed())
    }

    async fn front(&self, most: usize) -> Result<Vec<Spooled>, SpoolError> {
        let buffered = {
            let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut memory.buffered)
        };
        self.world.state().disks[self.disk].append(buffered);
        let backwards = self.world.has(Bug::SpoolBackwards);
        let look = |disk: &Disk| {
            let held = disk.held.iter().map(|(seq, record)| Spooled {
                seq: *seq,
                record: record.clone(),
            });
            let mut found: Vec<_> = if backwards {
                held.rev().take(most).collect()
            } else {
                held.take(most).collect()
            };
            found.shrink_to_fit();
            found
        };
        let mut found = self.read("front", look).await?;
        if self.world.has(Bug::ForwardedWithoutId) {
            self.without_ids(&mut found);
        }
        Ok(found)
    }

    async fn remove(&self, seqs: &[i64]) -> Result<(), SpoolError> {
        let number = i64::try_from(seqs.len()).unwrap_or(0);
        let plan = self.world.plan(&self.process, Port::SpoolWrite);
        self.world
            .before(&self.process, "remove", plan)
            .await
            .map_err(|()| failed())?;
        {
            let mut state = self.world.state();
            let disk = &mut state.disks[self.disk];
            disk.held.retain(|seq, _| !seqs.contains(seq));
        }
        self.world.note(self.process.name(), "remove", number, || {
            format!("{:?}", plan.fate)
        });
        debug_assert!(!matches!(plan.fate, Fate::Late(_)), "a file does nothing late");
        self.world
            .after(&self.process, "remove", plan)
            .await
            .map_err(|()| failed())
    }

    async fn level(&self) -> Result<SpoolLevel, SpoolError> {
        let buffered = self
            .memory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .buffered
            .len();
        self.read("level", |disk| SpoolLevel {
            records: (disk.held.len() + buffered) as u64,
            bytes: disk
                .held
                .values()
                .map(|r| (r.key.len() + r.value.len()) as u64)
                .sum(),
        })
        .await
    }
}
