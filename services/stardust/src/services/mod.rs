//! The services of a process: started together, stopped in order.

mod parse;
mod record;
mod workers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use stardust_audit_recorder::Signer;
use stardust_domain::time::Timestamp;
use stardust_fhir_migrator::Gauges;
use stardust_ingest::{Door, DoorConfig, Fallback, HttpConfig, Mode};
use stardust_legacy_router::Router;
use stardust_pipeline::associations::Keeping;
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::Log;
use stardust_pipeline::registry_feed;
use stardust_pipeline::settled::Settled;
use stardust_pipeline::store::Store;
use stardust_pipeline::worker::stopped;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout, timeout_at};

pub use self::parse::Parse;
use self::parse::parse;
use self::record::{Record, record};
pub use self::workers::worker_config;
use self::workers::{GATHER, Members, spawn_workers};
use crate::fallback;
use crate::keys;
use crate::migrating::Migrate;
use crate::ports::Ports;
use crate::retention;
use crate::settings::{self, Settings};
use crate::views::{ProcessViews, Watched};

/// Which services run in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Which {
    /// The door.
    pub ingest: bool,
    /// The parser.
    pub parser: bool,
    /// The router.
    pub router: bool,
    /// The recorder.
    pub recorder: bool,
    /// The migrator.
    pub migrator: bool,
}

impl Which {
    /// All of them.
    pub const ALL: Self = Self {
        ingest: true,
        parser: true,
        router: true,
        recorder: true,
        migrator: true,
    };
    /// None: a start for one.
    pub const NONE: Self = Self {
        ingest: false,
        parser: false,
        router: false,
        recorder: false,
        migrator: false,
    };
}

/// How long requests under way may take after a signal.
const HTTP_DRAIN: Duration = Duration::from_secs(2);
/// How long all of it may take; `main` waits for one second more. Ten are promised.
const STOP_WITHIN: Duration = Duration::from_secs(7);
/// How long the batch at hand may take, or the door's records under way.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the door waits for the registry before it opens.
const REGISTRY_WITHIN: Duration = Duration::from_secs(2);
/// How often the door publishes to a broker.
const LINGER: Duration = Duration::from_millis(5);

pub type Ended = anyhow::Result<()>;

/// The services of a process while they run.
pub struct Process {
    /// Where the process answers.
    pub address: SocketAddr,
    stop_door: watch::Sender<bool>,
    stop_workers: watch::Sender<bool>,
    door: JoinSet<Ended>,
    workers: JoinSet<Ended>,
}

/// The time of day.
pub fn now() -> Timestamp {
    let micros = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_micros());
    Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

impl Process {
    /// Starts the services. Broker and database may be away: the services wait for them. `notice` stands on the status
    /// page.
    pub async fn start(
        settings: &Settings,
        ports: Ports,
        which: Which,
        notice: Option<&str>,
    ) -> anyhow::Result<Self> {
        let counters = prometheus::Registry::new();
        let (stop_door, stopping_door) = watch::channel(false);
        let (stop_workers, stopping) = watch::channel(false);
        let mut workers = JoinSet::new();
        let mut door = JoinSet::new();
        let mut watched = Watched::default();

        // Both may be away at the start; nothing below waits for them.
        let keeping = Keeping {
            holder: format!("{}/{}", settings.instance, std::process::id()),
            now,
        };
        let registry = stardust_ingest::follow(registry_feed::start(
            ports.store.clone(),
            keeping,
            settings.registry_refresh,
            Backoff::default(),
            stopping.clone(),
        ));
        workers.spawn(prepare(ports.clone(), stopping.clone()));

        let settled = Settled::default();
        if which.parser {
            let parsed = stardust_fhir_parser::Counters::register(&counters)?;
            watched.parser = Some(Arc::new(parsed));
            let pulse = watched.pulse("fhir-parser");
            workers.spawn(parse(Parse {
                ports: ports.clone(),
                settings: settings.clone(),
                registry: registry.clone(),
                counters: watched.parser.clone().context("the parser has counters")?,
                pulse,
                settled: settled.clone(),
                stopping: stopping.clone(),
            }));
        }
        if which.router {
            let counted = stardust_legacy_router::Counters::register(&counters)?;
            let (store, wire, topics) = (ports.store.clone(), ports.wire.clone(), ports.topics.clone());
            let stage = move || Router::new(store.clone(), wire.clone(), topics.clone(), counted.clone());
            let members = Members {
                group: &ports.groups.router,
                topics: vec![ports.topics.legacy.clone()],
                gather: GATHER,
            };
            let pulse = watched.pulse("legacy-router");
            spawn_workers(&mut workers, &ports, settings, &members, stage, &pulse, &stopping);
        }
        if which.recorder {
            let signer = keys::signing(settings)?.map(|key| Signer {
                key,
                every: settings.audit_signing,
            });
            if let Some(signer) = &signer {
                tracing::info!(
                    key = signer.key.public().id(),
                    "the heads of the audit chains are signed"
                );
            }
            workers.spawn(record(Record {
                ports: ports.clone(),
                settings: settings.clone(),
                counters: stardust_audit_recorder::Counters::register(&counters)?,
                signer,
                pulse: watched.pulse("audit-recorder"),
                stopping: stopping.clone(),
            }));
        }

        if which.migrator {
            let migrate = Migrate {
                ports: ports.clone(),
                settings: settings.clone(),
                gauges: Gauges::register(&counters)?,
                pulse: watched.pulse("fhir-migrator"),
                stopping: stopping.clone(),
            };
            workers.spawn(migrate.run());
        }

        let fallback = if which.ingest {
            let mode = Mode::new(settings.async_fhir);
            watched.mode = Some(mode.clone());
            let local = fallback::open(settings, &ports).await?;
            if let Some((local, _)) = &local {
                watched.held = Some(local.held().clone());
                if watched.parser.is_none() {
                    let parsed = stardust_fhir_parser::Counters::register(&counters)?;
                    watched.parser = Some(Arc::new(parsed));
                }
                let parse = Parse {
                    ports: ports.clone(),
                    settings: settings.clone(),
                    registry: registry.clone(),
                    counters: watched.parser.clone().context("the parser has counters")?,
                    pulse: watched.pulse("synchronous-fallback"),
                    settled: settled.clone(),
                    stopping: stopping.clone(),
                };
                workers.spawn(fallback::work(parse, local.clone(), mode.clone()));
            }
            Some((Fallback::new(mode, settled), local))
        } else {
            None
        };

        let (say_behind, behind) = watch::channel(Vec::new());
        let consumers = vec![
            (ports.groups.parser.clone(), ports.topics.raw.clone()),
            (ports.groups.router.clone(), ports.topics.legacy.clone()),
            (ports.groups.recorder.clone(), ports.topics.audit.clone()),
        ];
        let watch = retention::watch(ports.log.clone(), consumers, now, say_behind, stopping.clone());
        workers.spawn(async move {
            watch.await;
            Ok(())
        });

        let default = if which.ingest {
            settings::door_address()
        } else {
            settings::free_address()
        };
        let listener = stardust_ingest::bind(settings.listen.unwrap_or(default)).await?;
        let address = listener.local_addr()?;
        let http = HttpConfig::default();
        let views = ProcessViews::new(ports.clone(), watched, which.ingest, notice, behind);
        let routes = if which.ingest {
            // Nothing to publish yet: a producer on a broker asks for its id from here on, which takes half a second.
            ports.log.publish(Vec::new()).await;
            // What the registry does not know is refused in an API call: only while the store is away that is a guess.
            let mut known = registry.clone();
            drop(timeout(REGISTRY_WITHIN, known.wait_for(Option::is_some)).await);
            let config = DoorConfig {
                topics: ports.topics.clone(),
                // The embedded log puts the lanes' batches together itself.
                linger: settings.kafka_brokers.as_ref().map_or(Duration::ZERO, |_| LINGER),
                ..DoorConfig::default()
            };
            let (opened, mut running) = Door::open(
                config,
                ports.log.clone(),
                ports.spool.clone(),
                Arc::clone(&ports.mapping),
                registry,
                ports.wire.clone(),
                &counters,
            )
            .await?;
            if let Some((fallback, local)) = fallback {
                opened.fall_back(&mut running, fallback, local);
            }
            let mut stop = stopping_door.clone();
            let mut stop_lanes = stopping.clone();
            door.spawn(async move {
                tokio::select! {
                    failed = running.failed() => return Err(anyhow!("the door: {failed}")),
                    () = stopped(&mut stop_lanes) => {}
                    () = async { stopped(&mut stop).await; sleep(HTTP_DRAIN).await } => {}
                }
                if !running.stop(DRAIN).await {
                    tracing::warn!(
                        "the door had records under way when its time was over; they were not acknowledged"
                    );
                }
                Ok(())
            });
            stardust_ingest::routes(opened, views, counters, http.clone(), &settings.instance)
        } else {
            stardust_ingest::operations(views, counters)
        };
        let mut stop = stopping_door;
        door.spawn(async move {
            stardust_ingest::serve(listener, routes, http, async move { stopped(&mut stop).await }).await;
            Ok(())
        });
        Ok(Self {
            address,
            stop_door,
            stop_workers,
            door,
            workers,
        })
    }

    /// Runs until a signal to stop or the failure of a service, then drains: the door first, then the workers.
    pub async fn run(mut self) -> Ended {
        let mut term = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut failure = None;
        loop {
            let ended = tokio::select! {
                _ = term.recv() => break,
                _ = interrupt.recv() => break,
                Some(ended) = self.workers.join_next() => ended,
                Some(ended) = self.door.join_next() => ended,
            };
            // A task that has done its part ends well; only a failure stops the process.
            if let Err(e) = flat(ended) {
                failure = Some(e);
                break;
            }
        }
        let drained = self.stop().await;
        match failure {
            Some(e) => Err(e),
            None => drained,
        }
    }

    /// Drains and stops.
    pub async fn stop(mut self) -> Ended {
        tracing::info!("stopping: the door closes, what was taken is finished");
        let end = Instant::now() + STOP_WITHIN;
        self.stop_door.send_replace(true);
        // Requests first: what they still publish is then worked or waits in the log.
        let _ = timeout(HTTP_DRAIN, async {
            // One of the two door tasks is the server; the other waits for the lanes.
            self.door.join_next().await
        })
        .await;
        self.stop_workers.send_replace(true);
        let mut result = Ok(());
        let all = async {
            while let Some(ended) = self.door.join_next().await {
                result = std::mem::replace(&mut result, Ok(())).and(flat(ended));
            }
            while let Some(ended) = self.workers.join_next().await {
                result = std::mem::replace(&mut result, Ok(())).and(flat(ended));
            }
        };
        if timeout_at(end.into(), all).await.is_err() {
            tracing::warn!("not everything had ended in time; what is open comes again after the next start");
        }
        result
    }
}

/// What became of a task.
fn flat(ended: Result<Ended, tokio::task::JoinError>) -> Ended {
    match ended {
        Ok(result) => result,
        Err(e) if e.is_cancelled() => Ok(()),
        Err(e) => Err(anyhow!("a service ended in a panic: {e}")),
    }
}

/// Makes topics and indexes ready, waiting for broker and database as long as it takes.
async fn prepare(ports: Ports, mut stopping: watch::Receiver<bool>) -> Ended {
    let mut backoff = Backoff::default();
    let (mut topics, mut indexes) = (false, false);
    while !(topics && indexes) {
        if !topics {
            match ports.log.create(&ports.topics.specs()).await {
                Ok(created) => {
                    topics = true;
                    if !created.is_empty() {
                        tracing::info!(topics = ?created, "created");
                    }
                }
                Err(e) if e.is_retriable() => tell(&backoff, "the log", &e),
                Err(e) => return Err(e.into()),
            }
        }
        if !indexes {
            match ports.store.prepare().await {
                Ok(()) => indexes = true,
                Err(e) if e.is_retriable() => tell(&backoff, "the store", &e),
                Err(e) => return Err(e.into()),
            }
        }
        if !(topics && indexes) {
            tokio::select! {
                () = sleep(backoff.next_wait()) => {}
                () = stopped(&mut stopping) => return Ok(()),
            }
        }
    }
    Ok(())
}

fn tell(backoff: &Backoff, what: &str, error: &dyn std::fmt::Display) {
    if backoff.tries() == 0 {
        tracing::warn!("waiting for {what}: {error}");
    }
}

/// Names and values for a listing of what was started.
pub fn summary(process: &Process, ports: &Ports, which: Which) -> BTreeMap<&'static str, String> {
    let names = [
        (which.ingest, "ingest"),
        (which.parser, "fhir-parser"),
        (which.router, "legacy-router"),
        (which.recorder, "audit-recorder"),
        (which.migrator, "fhir-migrator"),
    ];
    let running: Vec<&str> = names
        .into_iter()
        .filter_map(|(on, name)| on.then_some(name))
        .collect();
    BTreeMap::from([
        ("services", running.join(", ")),
        ("address", format!("http://{}", process.address)),
        ("where", ports.place.clone()),
    ])
}
