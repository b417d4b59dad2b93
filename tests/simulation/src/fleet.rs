//! The processes of a run: the services, wired as the binary wires them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stardust_audit_recorder::{Heads, Keeper, Recorder};
use stardust_domain::mapping::Mapping;
use stardust_fhir_parser::{Counters, Parser, Releaser, Rules as ParserRules};
use stardust_ingest::{Clock, Door, DoorConfig, Running, follow};
use stardust_legacy_router::Router;
use stardust_pipeline::associations::Keeping;
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Budget, Topic};
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::registry_feed;
use stardust_pipeline::topics::Topics;
use stardust_pipeline::worker::{self, Stage, WorkerConfig, WorkerError};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::dice::{Dice, jitter, now, random};
use crate::log::SimLog;
use crate::planted::Doctored;
use crate::process::Process;
use crate::run::Rules;
use crate::spool::SimSpool;
use crate::store::SimStore;
use crate::world::World;

/// The groups.
pub(crate) const PARSER: &str = "fhir_processing_queue";
pub(crate) const LETTERS: &str = "fhir_processing_queue.letters";
pub(crate) const ROUTER: &str = "legacy-router";
pub(crate) const RECORDER: &str = "audit-recorder";

const DRAIN: Duration = Duration::from_secs(8);

/// What a process runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Role {
    pub(crate) instance: String,
    /// The door, with its disk where it has a spool.
    pub(crate) door: Option<Option<usize>>,
    pub(crate) parser: bool,
    pub(crate) router: bool,
    pub(crate) recorder: bool,
}

/// What all processes of a run share.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) rules: Rules,
    pub(crate) topics: Topics,
    pub(crate) roles: Vec<Role>,
    pub(crate) workers: usize,
    pub(crate) budget: Budget,
    /// How long router and recorder gather records.
    pub(crate) gather: Duration,
    pub(crate) refresh: Duration,
    pub(crate) lane_capacity: usize,
    pub(crate) publish_records: usize,
    lives: Mutex<Vec<Life>>,
}

/// Where a process stands now.
#[derive(Clone, Default)]
pub(crate) struct Life {
    pub(crate) process: Option<Process>,
    pub(crate) door: Option<Door<Mapping>>,
    /// The order to stop in good time.
    stop: Arc<Notify>,
}

pub(crate) fn backoff() -> Backoff {
    Backoff::default().drawn_by(jitter)
}

fn keeping(holder: &str) -> Keeping {
    Keeping {
        holder: holder.to_owned(),
        now,
    }
}

impl Fleet {
    pub(crate) fn drawn(
        world: &World,
        rules: &Rules,
        topics: Topics,
        roles: Vec<Role>,
        dice: &mut Dice,
    ) -> Self {
        let count = roles.len();
        let mut pick = |from: [u64; 4]| usize::try_from(from[dice.index(4)]).unwrap_or(1);
        Self {
            world: world.clone(),
            rules: rules.clone(),
            topics,
            roles,
            workers: pick([1, 1, 2, 2]),
            budget: Budget {
                records: pick([2, 5, 20, 500]),
                bytes: pick([600, 2_000, 8 << 20, 8 << 20]),
                wait: Duration::from_secs(3),
            },
            gather: Duration::from_millis(pick([0, 0, 0, 250]) as u64),
            refresh: Duration::from_secs(pick([4, 6, 9, 9]) as u64),
            lane_capacity: pick([1, 4, 64, 64]),
            publish_records: pick([1, 3, 500, 500]),
            lives: Mutex::new(vec![Life::default(); count]),
        }
    }

    pub(crate) fn lives(&self) -> MutexGuard<'_, Vec<Life>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills a process where it stands.
    pub(crate) fn kill(&self, at: usize) {
        let process = self.lives()[at].process.clone();
        if let Some(process) = process {
            process.kill(&self.world);
        }
    }

    /// Tells a process to stop.
    pub(crate) fn stop(&self, at: usize) {
        self.lives()[at].stop.notify_one();
    }

    /// Keeps a process running: whenever it ends it is started again.
    pub(crate) async fn supervise(self: Arc<Self>, at: usize, mut dice: Dice) {
        let role = &self.roles[at];
        loop {
            let serial = self.world.state().log.next_serial();
            let process = Process::new(&role.instance, serial);
            let stop = Arc::new(Notify::new());
            self.lives()[at] = Life {
                process: Some(process.clone()),
                door: None,
                stop: Arc::clone(&stop),
            };
            self.world.note(process.name(), "starts", 0, String::new);
            let mut main = process.spawn(Arc::clone(&self).life(at, process.clone(), stop));
            tokio::select! {
                biased;
                () = process.crashed() => {}
                ended = &mut main => match ended {
                    Ok(Ok(())) => self.world.note(process.name(), "has stopped", 0, String::new),
                    Ok(Err(why)) => self.world.note(process.name(), "ends", 0, || why),
                    Err(e) if e.is_cancelled() => {}
                    Err(_) => self.world.violation(format!("{} ended in a panic", process.name())),
                }
            }
            self.lives()[at] = Life::default();
            process.end();
            let within = if self.world.is_faulty() { 8_000 } else { 500 };
            sleep(dice.millis(1, within)).await;
        }
    }

    /// One life of a process, until it is told to stop or cannot go on.
    async fn life(self: Arc<Self>, at: usize, process: Process, stop: Arc<Notify>) -> Result<(), String> {
        let role = self.roles[at].clone();
        let log = SimLog::new(&self.world, &process);
        let store = SimStore::new(&self.world, &process);
        let counters = prometheus::Registry::new();
        let mut crew = Crew {
            fleet: Arc::clone(&self),
            log,
            store,
            tasks: JoinSet::new(),
            stops: Vec::new(),
        };
        if role.router {
            crew.router(&counters)?;
        }
        if role.recorder {
            crew.recorder(&counters)?;
        }
        if role.parser {
            crew.parser(&counters, &process)?;
        }
        let door = match role.door {
            Some(disk) => {
                let (door, running) = crew.door(disk, &counters, &process).await?;
                self.lives()[at].door = Some(door);
                Some(running)
            }
            None => None,
        };
        let failure = {
            let failed = async {
                match &door {
                    Some(running) => running.failed().await.to_string(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(ended) = crew.tasks.join_next() => Some(format!("a task ended: {ended:?}")),
                why = failed => Some(why),
                () = stop.notified() => None,
            }
        };
        if let Some(why) = failure {
            return Err(why);
        }
        self.world.note(process.name(), "is told to stop", 0, String::new);
        self.lives()[at].door = None;
        if let Some(running) = door {
            running.stop(DRAIN).await;
        }
        crew.leave().await;
        Ok(())
    }
}

/// The services of one process.
struct Crew {
    fleet: Arc<Fleet>,
    log: SimLog,
    store: SimStore,
    tasks: JoinSet<()>,
    /// One for each task: several that wait for one order would hear it in an order of tokio's own chance.
    stops: Vec<watch::Sender<bool>>,
}

impl Crew {
    fn stopping(&mut self) -> watch::Receiver<bool> {
        let (stop, stopping) = watch::channel(false);
        self.stops.push(stop);
        stopping
    }

    fn worker<S: Stage>(&mut self, group: &str, topic: &Topic, number: usize, stage: S) {
        let topics = vec![topic.clone()];
        let stopping = self.stopping();
        let fleet = Arc::clone(&self.fleet);
        self.tasks.spawn(work(
            fleet,
            self.log.clone(),
            self.store.clone(),
            group.to_owned(),
            topics,
            number,
            stage,
            stopping,
        ));
    }

    fn router(&mut self, counters: &prometheus::Registry) -> Result<(), String> {
        let counted = stardust_legacy_router::Counters::register(counters).map_err(|e| e.to_string())?;
        let (wire, topics) = (self.fleet.rules.wire.clone(), self.fleet.topics.clone());
        for number in 0..self.fleet.workers {
            let stage = Router::new(self.store.clone(), wire.clone(), topics.clone(), counted.clone());
            self.worker(ROUTER, &topics.legacy, number, stage);
        }
        Ok(())
    }

    fn recorder(&mut self, counters: &prometheus::Registry) -> Result<(), String> {
        let counted = stardust_audit_recorder::Counters::register(counters).map_err(|e| e.to_string())?;
        let (wire, topics) = (self.fleet.rules.wire.clone(), self.fleet.topics.clone());
        let heads = Heads::default();
        for number in 0..self.fleet.workers {
            let stage = Recorder::new(self.store.clone(), wire.clone(), topics.clone(), counted.clone());
            self.worker(RECORDER, &topics.audit, number, stage.telling(heads.clone()));
        }
        let stopping = self.stopping();
        let mut keeper = Keeper::new(self.store.clone(), heads, None, now, counted);
        self.tasks.spawn(async move {
            keeper.run(stopping).await;
            keeper.keep(true).await;
        });
        Ok(())
    }

    fn parser(&mut self, counters: &prometheus::Registry, process: &Process) -> Result<(), String> {
        let counters = Arc::new(Counters::register(counters).map_err(|e| e.to_string())?);
        let fleet = Arc::clone(&self.fleet);
        let stopping: Vec<_> = (0..=fleet.workers).map(|_| self.stopping()).collect();
        let (feed, release) = (self.stopping(), self.stopping());
        let (log, store) = (self.log.clone(), self.store.clone());
        let holder = process.name().to_owned();
        self.tasks.spawn(async move {
            // A parser without a registry would park everything: it waits for it.
            let keeping = keeping(&holder);
            let started = registry_feed::start(store.clone(), keeping, fleet.refresh, backoff(), feed);
            let Some(registry) = started.await else { return };
            let rules = ParserRules {
                wire: fleet.rules.wire.clone(),
                mapping: Arc::clone(&fleet.rules.mapping),
                registry,
                topics: fleet.topics.clone(),
                legacy_routing: true,
            };
            let mut tasks = JoinSet::new();
            for (number, stopping) in stopping.into_iter().enumerate() {
                let stage = Parser::new(store.clone(), rules.clone(), Arc::clone(&counters), now);
                // Letters of other services too: the last member puts them into the store.
                let (group, topic) = if number < fleet.workers {
                    (PARSER, &fleet.topics.raw)
                } else {
                    (LETTERS, &fleet.topics.dead)
                };
                let topics = vec![topic.clone()];
                let (fleet, log, store) = (Arc::clone(&fleet), log.clone(), store.clone());
                tasks.spawn(work(
                    fleet,
                    log,
                    store,
                    group.to_owned(),
                    topics,
                    number,
                    stage,
                    stopping,
                ));
            }
            let releaser = Releaser {
                log,
                store,
                rules,
                holder,
            };
            tasks.spawn(releaser.watch(PARSER.to_owned(), fleet.refresh, release));
            while tasks.join_next().await.is_some() {}
        });
        Ok(())
    }

    async fn door(
        &mut self,
        disk: Option<usize>,
        counters: &prometheus::Registry,
        process: &Process,
    ) -> Result<(Door<Mapping>, Running), String> {
        let fleet = Arc::clone(&self.fleet);
        let stopping = self.stopping();
        let registry = follow(registry_feed::start(
            self.store.clone(),
            keeping(process.name()),
            fleet.refresh,
            backoff(),
            stopping,
        ));
        let config = DoorConfig {
            topics: fleet.topics.clone(),
            lane_capacity: fleet.lane_capacity,
            publish_records: fleet.publish_records,
            clock: Clock { now, random },
            backoff: backoff(),
            ..DoorConfig::default()
        };
        let wire = fleet.rules.wire.clone();
        let spool = disk.map(|disk| SimSpool::new(&fleet.world, process, disk, &wire));
        let rules = Arc::clone(&fleet.rules.mapping);
        Door::open(config, self.log.clone(), spool, rules, registry, wire, counters)
            .await
            .map_err(|e| format!("the door cannot open: {e}"))
    }

    /// Tells one after the other to stop and waits for all.
    async fn leave(mut self) {
        for stop in &self.stops {
            stop.send_replace(true);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(Duration::from_secs(10), all).await;
    }
}

/// One member, as the binary runs it. It ends by itself only where the simulated client has failed for good.
#[expect(clippy::too_many_arguments, reason = "the parts of one worker")]
async fn work<S: Stage>(
    fleet: Arc<Fleet>,
    log: SimLog,
    store: SimStore,
    group: String,
    topics: Vec<Topic>,
    number: usize,
    stage: S,
    stopping: watch::Receiver<bool>,
) {
    let world = fleet.world.clone();
    let stage = Doctored {
        stage,
        world: world.clone(),
        store,
        wire: fleet.rules.wire.clone(),
        observations: fleet.topics.observations.clone(),
    };
    let gathers = [ROUTER, RECORDER].contains(&group.as_str());
    let config = WorkerConfig {
        group,
        topics,
        worker: number,
        budget: fleet.budget,
        gather: if gathers { fleet.gather } else { Duration::ZERO },
        drain: DRAIN,
        backoff: backoff(),
    };
    let pulse = Arc::new(Pulse::new("simulated"));
    let ended: Result<(), WorkerError> = worker::run(log, config, stage, stopping, pulse).await;
    if let Err(e) = ended {
        world.violation(format!("a worker ended: {e}"));
    }
}
