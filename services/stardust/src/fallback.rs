//! The synchronous fallback: the local log of a door with a broker, and the worker on it.

use serde_json::{Value, json};
use stardust_embedded::EmbeddedLog;
use stardust_fhir_parser::Parser;
use stardust_ingest::{Journaled, Local, Mode};
use stardust_kafka::{KafkaConfig, KafkaRelay};
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::{Budget, Log, LogError, Topic};
use stardust_pipeline::settled::Told;
use stardust_pipeline::worker::{self, WorkerError, stopped};
use stardust_wire::{RawRecord, Subject};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use uuid::Uuid;

use crate::ports::Ports;
use crate::services::{Ended, Parse, now, worker_config};
use crate::settings::Settings;

/// What the local log is made of.
#[derive(Clone)]
pub struct LocalPorts {
    /// The log in the door's data folder.
    pub log: EmbeddedLog,
    /// How to reach the broker.
    pub kafka: KafkaConfig,
}

/// Topics of raw records: this start and the instance.
const RAW: &str = "sync/";
/// The journal: this start and an id that the data folder got once. The place up to which it was forwarded is kept at
/// the broker under that id, since an instance may get a new folder, and a folder another instance.
const JOURNAL: &str = "journal/";

/// The local log and the way from there to the broker; none where the log is local itself.
pub async fn open(
    settings: &Settings,
    ports: &Ports,
) -> anyhow::Result<Option<(Local<EmbeddedLog>, KafkaRelay)>> {
    let Some(LocalPorts { log, kafka }) = &ports.local else {
        return Ok(None);
    };
    let own = Topic::new(&format!("{RAW}{}", settings.instance));
    let mut raw = log.topics_named(RAW).await?;
    raw.retain(|topic| *topic != own);
    raw.insert(0, own);
    let journal = log.topics_named(JOURNAL).await?.into_iter().next();
    let journal = journal.unwrap_or_else(|| Topic::new(&format!("{JOURNAL}{}", Uuid::new_v4())));
    let id = journal.as_str().trim_start_matches(JOURNAL);
    let name = format!("{}{RAW}{id}", settings.topic_prefix);
    let relay = KafkaRelay::new(kafka.clone(), &name, &ports.topics.raw);
    let local = Local::open(log.clone(), raw, journal, settings.spool_limit_bytes).await?;
    Ok(Some((local, relay)))
}

/// Works what is in the local log, from the first moment at which something is or can be in it.
pub async fn work(mut p: Parse, local: Local<EmbeddedLog>, mode: Mode) -> Ended {
    p.pulse.runs();
    if local.held().level().records == 0 {
        tokio::select! {
            () = stopped(&mut p.stopping) => return Ok(()),
            () = mode.synchronous() => {}
        }
    }
    let Some(rules) = p.rules().await else {
        return Ok(());
    };
    let mut backoff = Backoff::default();
    loop {
        let parser = Parser::new(p.ports.store.clone(), rules.clone(), Arc::clone(&p.counters), now);
        let stage = Journaled::new(parser.ahead_of_a_copy(), &local, p.ports.topics.raw.clone());
        let run = worker::run(
            local.log().clone(),
            worker_config(&p.settings, Local::<EmbeddedLog>::GROUP, local.raw().to_vec(), 0),
            Told::new(stage, p.settled.clone()),
            p.stopping.clone(),
            Arc::clone(&p.pulse),
        );
        match run.await {
            Ok(()) => return Ok(()),
            // The file is of no use any more.
            Err(e @ WorkerError::Log { .. }) => return Err(e.into()),
            // The door must not end for what a parser would end for: it goes on taking messages, and they wait.
            Err(e) => {
                tracing::error!("❌ {e}");
                p.pulse.waits(&e.to_string());
                tokio::select! {
                    () = stopped(&mut p.stopping) => return Ok(()),
                    () = sleep(backoff.next_wait()) => {}
                }
            }
        }
    }
}

/// How far a receipt is looked for in the local log.
const SEARCH: Budget = Budget {
    records: 1_000,
    bytes: 8 << 20,
    wait: Duration::ZERO,
};

/// A receipt that is in the local log and not worked yet.
pub async fn find(ports: &Ports, receipt_id: &str) -> Result<Option<Value>, LogError> {
    let Some(LocalPorts { log, .. }) = &ports.local else {
        return Ok(None);
    };
    for topic in log.topics_named(RAW).await? {
        let found = log.read(&topic, 0, 0, SEARCH).await?;
        let ours = found.iter().find(|record| {
            let raw = ports.wire.decode::<RawRecord>(Subject::Raw, &record.value);
            raw.is_ok_and(|raw| raw.receipt_id == receipt_id)
        });
        if let Some(record) = ours {
            return Ok(Some(json!({
                "receipt_id": receipt_id, "state": "spooled",
                "topic": topic.as_str(), "partition": 0, "offset": record.offset,
                "observations": [], "letters": [], "audit": [],
            })));
        }
    }
    Ok(None)
}
