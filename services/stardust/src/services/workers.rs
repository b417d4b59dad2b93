//! The members of a group.

use std::sync::Arc;
use std::time::Duration;

use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Budget, Topic};
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::worker::{self, Stage, WorkerConfig};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::{DRAIN, Ended};
use crate::ports::Ports;
use crate::settings::Settings;

const BATCH_BYTES: usize = 8 << 20;

/// How long the router and the recorder gather records: nobody waits for what they write, and a database that few commands
/// reach answers the parser sooner.
pub(super) const GATHER: Duration = Duration::from_millis(250);

/// The members of a group.
pub(super) struct Members<'a> {
    pub(super) group: &'a str,
    pub(super) topics: Vec<Topic>,
    pub(super) gather: Duration,
}

/// As many members as the settings say.
pub(super) fn spawn_workers<S: Stage>(
    tasks: &mut JoinSet<Ended>,
    ports: &Ports,
    settings: &Settings,
    members: &Members<'_>,
    stage: impl Fn() -> S,
    pulse: &Arc<Pulse>,
    stopping: &watch::Receiver<bool>,
) {
    for number in 0..settings.workers {
        let config = WorkerConfig {
            gather: members.gather,
            ..worker_config(settings, members.group, members.topics.clone(), number)
        };
        spawn_worker(tasks, ports, config, stage(), pulse, stopping);
    }
}

/// One member.
pub(super) fn spawn_worker<S: Stage>(
    tasks: &mut JoinSet<Ended>,
    ports: &Ports,
    config: WorkerConfig,
    stage: S,
    pulse: &Arc<Pulse>,
    stopping: &watch::Receiver<bool>,
) {
    let run = worker::run(
        ports.log.clone(),
        config,
        stage,
        stopping.clone(),
        Arc::clone(pulse),
    );
    tasks.spawn(async move { run.await.map_err(Into::into) });
}

/// How a worker works.
pub fn worker_config(settings: &Settings, group: &str, topics: Vec<Topic>, worker: usize) -> WorkerConfig {
    WorkerConfig {
        group: group.to_owned(),
        topics,
        worker,
        budget: Budget {
            records: settings.batch_size,
            bytes: BATCH_BYTES,
            wait: Duration::from_millis(500),
        },
        gather: Duration::ZERO,
        drain: DRAIN,
        backoff: Backoff::default(),
    }
}
