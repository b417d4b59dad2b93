//! The recorder.

use std::sync::Arc;
use std::time::Duration;

use stardust_audit_recorder::{Heads, Keeper, Recorder, Signer};
use stardust_pipeline::pulse::Pulse;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::workers::{GATHER, Members, spawn_workers};
use super::{Ended, flat, now};
use crate::ports::Ports;
use crate::settings::Settings;

/// What the recorder needs.
pub(super) struct Record {
    pub(super) ports: Ports,
    pub(super) settings: Settings,
    pub(super) counters: stardust_audit_recorder::Counters,
    pub(super) signer: Option<Signer>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) stopping: watch::Receiver<bool>,
}

/// The recorder's members, and the keeper of the heads that they write.
pub(super) async fn record(r: Record) -> Ended {
    let heads = Heads::default();
    let (store, wire, topics) = (
        r.ports.store.clone(),
        r.ports.wire.clone(),
        r.ports.topics.clone(),
    );
    let (counted, written) = (r.counters.clone(), heads.clone());
    let stage = move || {
        Recorder::new(store.clone(), wire.clone(), topics.clone(), counted.clone()).telling(written.clone())
    };
    let members = Members {
        group: &r.ports.groups.recorder,
        topics: vec![r.ports.topics.audit.clone()],
        gather: GATHER,
    };
    let mut tasks = JoinSet::new();
    spawn_workers(
        &mut tasks,
        &r.ports,
        &r.settings,
        &members,
        stage,
        &r.pulse,
        &r.stopping,
    );
    let mut keeper = Keeper::new(r.ports.store.clone(), heads, r.signer, now, r.counters);
    tokio::select! {
        biased;
        Some(ended) = tasks.join_next() => flat(ended)?,
        () = keeper.run(r.stopping) => {}
    }
    while let Some(ended) = tasks.join_next().await {
        flat(ended)?;
    }
    // What was recorded last is signed too; where the store is away, the next process does it.
    let _ = timeout(Duration::from_secs(2), keeper.keep(true)).await;
    Ok(())
}
