//! `migrate histories`: the pipeline in one place.
//!
//! ```text
//! source ─▶ batches ─▶ split, judge, count, encode (threads) ─▶ chunks ─▶ log (several under way) ─▶ progress saved
//! ```
//! Progress moves over documents whose records, and all records before them, are durable. A run that is killed goes on
//! behind the last such document: what it sends again has the same receipts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use stardust_domain::history::COLLECTIONS;
use stardust_domain::mapping::Mapping;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::alike::AtTimes;
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::history::Source;
use stardust_pipeline::log::Log;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::publish::{Published, publish};
use stardust_pipeline::runs::{Run, RunState, Runs};
use stardust_pipeline::store::Store;
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::stopped;
use stardust_wire::Wire;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::MigrateError;
use crate::claim::Claim;
use crate::entries::Workshop;
use crate::feed::{Fed, Feed};
use crate::progress::Progress;
use crate::suspects::Suspects;

/// The kind of these runs.
pub const HISTORIES: &str = "histories";
/// Chunks whose records are under way.
const UNDER_WAY: usize = 6;
const SAVE_EVERY: Duration = Duration::from_secs(1);

/// What a migration works with.
#[derive(Clone)]
pub struct Migrator<L, S, D> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The source.
    pub source: D,
    /// The codec.
    pub wire: Wire,
    /// The rules.
    pub mapping: Arc<Mapping>,
    /// The registry as it is at the start.
    pub registry: Arc<Registry>,
    /// The topics.
    pub topics: Topics,
    /// Documents that are worked together.
    pub batch: usize,
    /// Who works: for the lease.
    pub holder: String,
    /// The time of day.
    pub now: fn() -> Timestamp,
}

/// What came of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The run; none in a dry run.
    pub run: Option<Run>,
    /// It went on where an earlier start had stopped.
    pub resumed: bool,
    /// How far it came, with the counts.
    pub progress: Progress,
}

/// Whether a source was migrated before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Then a new run reads it once more.
    Anew,
    /// Then nothing is done.
    Never,
}

/// Saves progress in the record of a run.
struct Keeper<'a, S> {
    store: &'a S,
    run: Run,
    saved: Instant,
    now: fn() -> Timestamp,
}

impl<S: Runs> Keeper<'_, S> {
    async fn save(
        &mut self,
        progress: &Progress,
        state: RunState,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), MigrateError> {
        self.run.state = state;
        self.run.updated = (self.now)();
        self.run.progress = progress.text();
        let mut backoff = Backoff::default();
        loop {
            match self.store.save_run(&self.run).await {
                Ok(true) => break,
                Ok(false) => {
                    // Where an answer was lost, it is this very save that was faster.
                    let stored = patiently(stopping, || self.store.run(&self.run.id)).await?;
                    let ours = stored.is_some_and(|stored| {
                        stored.version == self.run.version + 1
                            && stored.state == state
                            && stored.updated == self.run.updated
                    });
                    if !ours {
                        return Err(MigrateError::TakenOver);
                    }
                    break;
                }
                Err(error) if error.is_retriable() => {
                    if backoff.tries() == 0 {
                        tracing::warn!("waiting for the store: {error}");
                    }
                    let wait = backoff.next_wait();
                    if *stopping.borrow() && backoff.tries() > 3 {
                        return Err(error.into());
                    }
                    sleep(wait).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.run.version += 1;
        self.saved = Instant::now();
        Ok(())
    }
}

impl<L: Log, S: Store + Runs + AtTimes, D: Source> Migrator<L, S, D> {
    /// Counts what a run would do. Nothing is written anywhere.
    ///
    /// # Errors
    /// Where the source cannot be read.
    pub async fn dry_run(
        &self,
        seen: &watch::Sender<Progress>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Outcome, MigrateError> {
        let progress = self.start(&stopping).await?;
        let workshop = self.workshop(String::new(), (self.now)(), true);
        let progress = self
            .flow::<S>(workshop, progress, None, None, seen, stopping)
            .await?;
        Ok(Outcome {
            run: None,
            resumed: false,
            progress,
        })
    }

    /// Migrates the histories of the source: a run that was started and did not end goes on, else a new one is started.
    ///
    /// # Errors
    /// Where source, log or store cannot be used, or another process works on the source. What was saved stays.
    pub async fn histories(
        &self,
        again: Again,
        seen: &watch::Sender<Progress>,
        stopping: watch::Receiver<bool>,
    ) -> Result<Option<Outcome>, MigrateError> {
        let claim = Claim::take(&self.store, &self.source.describe(), &self.holder, &stopping).await?;
        let done = self.claimed(&claim, again, seen, stopping).await;
        claim.give_up().await;
        done
    }

    async fn claimed(
        &self,
        claim: &Claim<S>,
        again: Again,
        seen: &watch::Sender<Progress>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<Option<Outcome>, MigrateError> {
        let describe = self.source.describe();
        let mut earlier: Vec<Run> = patiently(&stopping, || self.store.runs()).await?;
        earlier.retain(|run| run.kind == HISTORIES && run.source == describe);
        let open = |run: &&Run| matches!(run.state, RunState::Running | RunState::Stopped);
        let (run, progress, resumed) = match earlier.iter().rev().find(open) {
            Some(run) => (run.clone(), self.go_on(run, &stopping).await?, true),
            None if again == Again::Never && !earlier.is_empty() => return Ok(None),
            None => {
                let progress = self.start(&stopping).await?;
                (self.add(&progress, &stopping).await?, progress, false)
            }
        };
        let workshop = self.workshop(run.id.clone(), run.started, false);
        let mut keeper = Keeper {
            store: &self.store,
            run,
            saved: Instant::now(),
            now: self.now,
        };
        if resumed {
            keeper.save(&progress, RunState::Running, &mut stopping).await?;
        }
        let progress = self
            .flow(workshop, progress, Some(&mut keeper), Some(claim), seen, stopping)
            .await?;
        Ok(Some(Outcome {
            run: Some(keeper.run),
            resumed,
            progress,
        }))
    }

    /// The collections that there are.
    async fn start(&self, stopping: &watch::Receiver<bool>) -> Result<Progress, MigrateError> {
        let found = patiently(stopping, || self.source.collections(COLLECTIONS)).await?;
        if found.is_empty() {
            return Err(MigrateError::Run(format!(
                "{} has none of the history collections: {}",
                self.source.describe(),
                COLLECTIONS.join(", ")
            )));
        }
        Ok(Progress::start(COLLECTIONS, &found))
    }

    /// The progress of an earlier start, for another one.
    async fn go_on(&self, run: &Run, stopping: &watch::Receiver<bool>) -> Result<Progress, MigrateError> {
        let mut progress = Progress::of(run)?;
        for collection in &mut progress.collections {
            collection.trouble = None;
        }
        let open: Vec<&str> = progress
            .collections
            .iter()
            .filter(|c| !c.done)
            .map(|c| c.name.as_str())
            .collect();
        // What was there must still be, and be readable.
        let found = patiently(stopping, || self.source.collections(&open)).await?;
        for collection in progress.collections.iter_mut().filter(|c| !c.done) {
            match found.iter().find(|f| f.name == collection.name) {
                Some(found) => collection.size = found.size,
                None => {
                    return Err(MigrateError::Run(format!(
                        "run {} is not at the end of {}, and {} has it no more",
                        run.id,
                        collection.name,
                        self.source.describe()
                    )));
                }
            }
        }
        Ok(progress)
    }

    async fn add(&self, progress: &Progress, stopping: &watch::Receiver<bool>) -> Result<Run, MigrateError> {
        let started = (self.now)();
        let run = Run {
            id: run_id(HISTORIES, started),
            kind: HISTORIES.to_owned(),
            source: self.source.describe(),
            state: RunState::Running,
            started,
            updated: started,
            version: 1,
            progress: progress.text(),
        };
        if patiently(stopping, || self.store.add_run(&run)).await? {
            return Ok(run);
        }
        // Where an answer was lost, it was added by this very call.
        let stored = patiently(stopping, || self.store.run(&run.id)).await?;
        let ours = stored.is_some_and(|s| s.version == 1 && s.source == run.source);
        if ours {
            Ok(run)
        } else {
            Err(MigrateError::TakenOver)
        }
    }

    fn workshop(&self, run: String, received: Timestamp, dry: bool) -> Workshop {
        Workshop {
            database: self.source.database().to_owned(),
            run,
            received,
            topic: self.topics.raw.clone(),
            wire: self.wire.clone(),
            mapping: Arc::clone(&self.mapping),
            registry: Arc::clone(&self.registry),
            dry,
        }
    }

    async fn flow<K: Runs + Store>(
        &self,
        workshop: Workshop,
        mut progress: Progress,
        mut keeper: Option<&mut Keeper<'_, K>>,
        claim: Option<&Claim<S>>,
        seen: &watch::Sender<Progress>,
        mut stopping: watch::Receiver<bool>,
    ) -> Result<Progress, MigrateError> {
        let mut suspects =
            Suspects::recall(&self.source, &workshop, &progress.collections, &stopping).await?;
        let database = self.source.database().to_owned();
        let mut feed = Feed::start(
            self.source.clone(),
            workshop,
            progress.collections.clone(),
            self.batch,
            stopping.clone(),
        );
        let mut under_way = FuturesOrdered::new();
        let mut refused: BTreeMap<usize, u64> = BTreeMap::new();
        let mut ended = false;
        seen.send_replace(progress.clone());
        while !(ended && under_way.is_empty()) {
            tokio::select! {
                biased;
                () = stopped(&mut stopping), if !ended => ended = true,
                Some(done) = under_way.next(), if !under_way.is_empty() => {
                    let (fed, published): (Fed, Published) = done?;
                    let Published::Done(lost) = published else {
                        break;
                    };
                    apply(&mut progress, fed, lost, &mut refused, &mut suspects);
                    if suspects.are_many() {
                        suspects.count(&self.store, &database, &mut progress, &stopping).await?;
                    }
                    seen.send_replace(progress.clone());
                    if let Some(keeper) = keeper.as_mut()
                        && keeper.saved.elapsed() >= SAVE_EVERY
                    {
                        if claim.is_some_and(Claim::is_lost) {
                            return Err(MigrateError::TakenOver);
                        }
                        suspects.count(&self.store, &database, &mut progress, &stopping).await?;
                        keeper.save(&progress, RunState::Running, &mut stopping).await?;
                    }
                }
                fed = feed.next(), if !ended && under_way.len() < UNDER_WAY => match fed? {
                    None => ended = true,
                    Some(mut fed) => {
                        let records = match &mut fed {
                            Fed::Chunk(_, chunk) => std::mem::take(&mut chunk.records),
                            Fed::End(_) | Fed::Trouble(..) => Vec::new(),
                        };
                        let (log, mut stop) = (self.log.clone(), stopping.clone());
                        under_way.push_back(async move {
                            let published = publish(&log, records, &mut stop).await?;
                            Ok::<_, MigrateError>((fed, published))
                        });
                    }
                },
            }
        }
        suspects
            .count(&self.store, &database, &mut progress, &stopping)
            .await?;
        if let Some(keeper) = keeper {
            let state = if progress.is_done() {
                RunState::Finished
            } else {
                RunState::Stopped
            };
            keeper.save(&progress, state, &mut stopping).await?;
        }
        Ok(progress)
    }
}

/// Moves progress over a piece whose records are durable.
fn apply(
    progress: &mut Progress,
    fed: Fed,
    lost: u64,
    refused: &mut BTreeMap<usize, u64>,
    suspects: &mut Suspects,
) {
    match fed {
        Fed::Chunk(at, chunk) => {
            let collection = &mut progress.collections[at];
            let waiting = refused.entry(at).or_default();
            *waiting += lost;
            if let Some(step) = chunk.step {
                let step = *step;
                collection.place = Some(step.place);
                collection.read += step.size;
                collection.tally.add(step.tally);
                suspects.take(at, step.measured);
                // Counted with the document that they are of, which may be longer than a chunk.
                let lost = std::mem::take(waiting).min(collection.tally.published);
                collection.tally.published -= lost;
                collection.tally.refused += lost;
            }
        }
        Fed::End(at) => progress.collections[at].done = true,
        Fed::Trouble(at, error) => {
            tracing::error!(collection = progress.collections[at].name, "❌ {error}");
            progress.collections[at].trouble = Some(error.to_string());
        }
    }
}

/// An id that tells people what and when.
#[must_use]
pub fn run_id(kind: &str, started: Timestamp) -> String {
    let instant = started.instant().unwrap_or_default();
    let digits: String = instant.chars().filter(char::is_ascii_digit).take(14).collect();
    let (day, time) = digits.split_at(digits.len().min(8));
    let random = Uuid::new_v4().simple().to_string();
    format!("{kind}-{day}-{time}-{}", &random[..4])
}
