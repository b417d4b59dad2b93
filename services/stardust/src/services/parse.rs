//! The parser.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stardust_books::Reconciler;
use stardust_domain::registry::Registry;
use stardust_fhir_parser::{Parser, Releaser, Rules, statistics};
use stardust_pipeline::log::Log;
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::settled::{Settled, Told};
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::workers::{Members, spawn_worker, spawn_workers, worker_config};
use super::{Ended, flat, now};
use crate::ports::Ports;
use crate::settings::Settings;

const STATISTICS_EVERY: Duration = Duration::from_secs(60);

/// What a parser needs.
pub struct Parse {
    pub ports: Ports,
    pub settings: Settings,
    pub registry: stardust_ingest::RegistryView,
    pub counters: Arc<stardust_fhir_parser::Counters>,
    pub pulse: Arc<Pulse>,
    /// Hears what is done.
    pub settled: Settled,
    pub stopping: watch::Receiver<bool>,
}

impl Parse {
    /// The rules, once there is a registry; none where the process is told to stop before. A parser without one would
    /// park everything.
    pub async fn rules(&mut self) -> Option<Rules> {
        let first = tokio::select! {
            () = stopped(&mut self.stopping) => return None,
            found = self.registry.wait_for(Option::is_some) => found.ok()?.clone().unwrap_or_default(),
        };
        Some(Rules {
            wire: self.ports.wire.clone(),
            mapping: Arc::clone(&self.ports.mapping),
            registry: loaded(first, self.registry.clone()),
            topics: self.ports.topics.clone(),
            legacy_routing: self.settings.legacy_routing,
        })
    }
}

/// The parser's members, its statistics and the release of parked readings.
pub(super) async fn parse(mut p: Parse) -> Ended {
    let Some(rules) = p.rules().await else {
        return Ok(());
    };
    let mut tasks = JoinSet::new();
    let parser = || Parser::new(p.ports.store.clone(), rules.clone(), Arc::clone(&p.counters), now);
    let stage = || Told::new(parser(), p.settled.clone());
    let members = Members {
        group: &p.ports.groups.parser,
        topics: vec![p.ports.topics.raw.clone()],
        gather: Duration::ZERO,
    };
    spawn_workers(
        &mut tasks,
        &p.ports,
        &p.settings,
        &members,
        stage,
        &p.pulse,
        &p.stopping,
    );
    // Letters of other services too: the parser puts them into the store. In a group of their own, since an assignor
    // counts the partitions of all topics of a group together, and one member could have all letters and no readings.
    let config = worker_config(
        &p.settings,
        &format!("{}.letters", p.ports.groups.parser),
        vec![p.ports.topics.dead.clone()],
        p.settings.workers,
    );
    spawn_worker(&mut tasks, &p.ports, config, parser(), &p.pulse, &p.stopping);
    tasks.spawn(report(
        p.ports.clone(),
        Arc::clone(&p.counters),
        p.stopping.clone(),
    ));
    let keeper = Reconciler {
        log: p.ports.log.clone(),
        store: p.ports.store.clone(),
        wire: p.ports.wire.clone(),
        mapping: Arc::clone(&p.ports.mapping),
        registry: rules.registry.borrow().clone(),
        topics: p.ports.topics.clone(),
        groups: p.ports.groups.clone(),
        patience: Duration::ZERO,
    };
    let holder = format!("{}/{}", p.settings.instance, std::process::id());
    let books = keeper.keep_books(rules.registry.clone(), now, holder.clone(), p.stopping.clone());
    tasks.spawn(async move {
        books.await;
        Ok(())
    });
    let releaser = Releaser {
        log: p.ports.log.clone(),
        store: p.ports.store.clone(),
        rules,
        holder,
    };
    let release = releaser.watch(
        p.ports.groups.parser.clone(),
        p.settings.registry_refresh,
        p.stopping.clone(),
    );
    tasks.spawn(async move {
        release.await;
        Ok(())
    });
    while let Some(ended) = tasks.join_next().await {
        flat(ended)?;
    }
    Ok(())
}

/// A registry that is there, and follows the one that may not have been.
fn loaded(first: Arc<Registry>, mut view: stardust_ingest::RegistryView) -> watch::Receiver<Arc<Registry>> {
    let (sender, receiver) = watch::channel(first);
    tokio::spawn(async move {
        while view.changed().await.is_ok() {
            let newest = view.borrow_and_update().clone();
            if let Some(newest) = newest {
                sender.send_replace(newest);
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    receiver
}

/// The statistics every minute and at the end.
async fn report(
    ports: Ports,
    counters: Arc<stardust_fhir_parser::Counters>,
    mut stopping: watch::Receiver<bool>,
) -> Ended {
    let since = Instant::now();
    let mut ticks = interval(STATISTICS_EVERY);
    ticks.tick().await;
    loop {
        let ending = tokio::select! {
            _ = ticks.tick() => false,
            () = stopped(&mut stopping) => true,
        };
        let lag = timeout(
            Duration::from_secs(2),
            ports.log.lag(&ports.groups.parser, &ports.topics.raw),
        )
        .await;
        let queue = lag.ok().and_then(Result::ok);
        for line in statistics(&counters, since.elapsed(), queue) {
            tracing::info!("{line}");
        }
        if ending {
            return Ok(());
        }
    }
}
