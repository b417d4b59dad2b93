//! What the process shows of itself over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stardust_books::Reach;
use stardust_fhir_parser::Recent;
use stardust_ingest::{Away, Component, Health, Held, Mode, QueueStats, ReceiptView, State, Views};
use stardust_pipeline::log::Log;
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::Store;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::commands::trace::tracer;
use crate::fallback;
use crate::ports::Ports;
use crate::retention::Behind;

const WITHIN: Duration = Duration::from_millis(800);
const RECEIPT_WITHIN: Duration = Duration::from_secs(5);
/// How long of it the log is looked through.
const RECEIPT_LOOKS: Duration = Duration::from_secs(3);
const RECEIPT_RECORDS: usize = 2_000;

/// The services of the process that say how they are doing.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// The workers.
    pub pulses: Vec<Arc<Pulse>>,
    /// The parser's counters.
    pub parser: Option<Arc<stardust_fhir_parser::Counters>>,
    /// Which way the door's messages go.
    pub mode: Option<Mode>,
    /// What the local log of the synchronous fallback holds.
    pub held: Option<Held>,
}

impl Watched {
    /// A pulse for a service.
    pub fn pulse(&mut self, service: &'static str) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse::new(service));
        self.pulses.push(Arc::clone(&pulse));
        pulse
    }
}

/// Health, queue and receipts of this process.
#[derive(Clone)]
pub struct ProcessViews {
    ports: Ports,
    watched: Watched,
    door: bool,
    notice: Option<String>,
    behind: watch::Receiver<Vec<Behind>>,
}

impl ProcessViews {
    /// Of these ports and services, with a notice for the status page, and with the groups that are far behind.
    pub fn new(
        ports: Ports,
        watched: Watched,
        door: bool,
        notice: Option<&str>,
        behind: watch::Receiver<Vec<Behind>>,
    ) -> Self {
        Self {
            ports,
            watched,
            door,
            notice: notice.map(str::to_owned),
            behind,
        }
    }

    async fn log(&self) -> Result<(), String> {
        match timeout(WITHIN, self.ports.log.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    async fn store(&self) -> Result<(), String> {
        match timeout(WITHIN, self.ports.store.ping()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(e.to_string()),
            Err(_) => Err("no answer".to_owned()),
        }
    }
}

fn component(state: &Result<(), String>) -> Component {
    match state {
        Ok(()) => Component {
            status: State::Healthy,
            detail: None,
        },
        Err(e) => Component {
            status: State::Unhealthy,
            detail: Some(e.clone()),
        },
    }
}

/// An unusual share is something to look at; it stops nobody.
fn dead_letters(recent: &Recent) -> Component {
    Component {
        status: if recent.is_unusual() {
            State::Degraded
        } else {
            State::Healthy
        },
        detail: recent.is_unusual().then(|| {
            format!(
                "{} of the last {} readings are dead letters, from {} gateways: see `stardust dead-letters list`",
                recent.dead, recent.readings, recent.gateways
            )
        }),
    }
}

/// Under load something is always on its way; it is worth a look only while something else is away.
fn local_log(held: &Held, all_there: bool) -> Component {
    let level = held.level();
    Component {
        status: if level.records == 0 || all_there {
            State::Healthy
        } else {
            State::Degraded
        },
        detail: (level.records > 0).then(|| {
            format!(
                "{} records ({} bytes) wait for the broker",
                level.records, level.bytes
            )
        }),
    }
}

/// A group that is behind by half of what its topic keeps has something to lose.
fn retention(behind: &[Behind]) -> Component {
    Component {
        status: if behind.is_empty() {
            State::Healthy
        } else {
            State::Degraded
        },
        detail: (!behind.is_empty()).then(|| {
            let each: Vec<String> = behind.iter().map(ToString::to_string).collect();
            each.join("; ")
        }),
    }
}

impl Views for ProcessViews {
    async fn receipt(&self, receipt_id: &str) -> Result<Option<ReceiptView>, Away> {
        // The steps that are not found in time are left out; an answer without a log or a store is none.
        let reach = Reach {
            records: RECEIPT_RECORDS,
            spooled: RECEIPT_RECORDS,
            since: None,
            until: Instant::now() + RECEIPT_LOOKS,
        };
        let tracer = tracer(&self.ports);
        match timeout(RECEIPT_WITHIN, tracer.trace(receipt_id, reach)).await {
            Ok(Ok(Some(found))) => serde_json::to_value(&found).map(Some).map_err(|_| Away),
            Ok(Ok(None)) => fallback::find(&self.ports, receipt_id).await.map_err(|_| Away),
            Ok(Err(_)) | Err(_) => Err(Away),
        }
    }

    async fn health(&self) -> Health {
        let (log, store) = tokio::join!(self.log(), self.store());
        let mut components = BTreeMap::from([
            ("log".to_owned(), component(&log)),
            ("store".to_owned(), component(&store)),
        ]);
        let mut ready = true;
        if self.door {
            let mut takes = log.is_ok();
            if let Some(spool) = &self.ports.spool {
                let level = timeout(WITHIN, spool.level()).await;
                let spool = match level {
                    Ok(Ok(level)) if level.records == 0 => Component {
                        status: State::Healthy,
                        detail: None,
                    },
                    Ok(Ok(level)) => Component {
                        status: State::Degraded,
                        detail: Some(format!(
                            "{} records ({} bytes) wait for the broker",
                            level.records, level.bytes
                        )),
                    },
                    Ok(Err(e)) => Component {
                        status: State::Unhealthy,
                        detail: Some(e.to_string()),
                    },
                    Err(_) => Component {
                        status: State::Unhealthy,
                        detail: Some("no answer".to_owned()),
                    },
                };
                takes |= spool.status != State::Unhealthy;
                components.insert("spool".to_owned(), spool);
            }
            if let Some(held) = &self.watched.held {
                components.insert(
                    "local-log".to_owned(),
                    local_log(held, log.is_ok() && store.is_ok()),
                );
            }
            ready &= takes;
        } else {
            ready &= log.is_ok() && store.is_ok();
        }
        for pulse in &self.watched.pulses {
            let beat = pulse.beat();
            let part = match (&beat.waiting, beat.running) {
                (Some((what, seconds)), _) => Component {
                    status: State::Degraded,
                    detail: Some(format!("waiting for {seconds} s: {what}")),
                },
                (None, true) => Component {
                    status: State::Healthy,
                    detail: Some(format!("{} partitions", beat.partitions)),
                },
                (None, false) => Component {
                    status: State::Degraded,
                    detail: Some("starting".to_owned()),
                },
            };
            components.insert(beat.service.to_owned(), part);
        }
        components.insert("retention".to_owned(), retention(&self.behind.borrow()));
        if let Some(parser) = &self.watched.parser {
            components.insert("dead-letters".to_owned(), dead_letters(&parser.recent()));
        }
        Health { ready, components }
    }

    async fn queue(&self) -> QueueStats {
        let groups = &self.ports.groups;
        let lag = timeout(WITHIN, self.ports.log.lag(&groups.parser, &self.ports.topics.raw)).await;
        let queue_size = lag.ok().and_then(Result::ok);
        QueueStats {
            enabled: self.watched.mode.as_ref().is_none_or(Mode::is_async),
            queue_size,
            status: if queue_size.is_some() {
                "healthy"
            } else {
                "unknown"
            }
            .to_owned(),
            queue_name: groups.parser.clone(),
        }
    }

    fn notice(&self) -> Option<String> {
        self.notice.clone()
    }

    fn outcomes(&self) -> BTreeMap<String, u64> {
        self.watched
            .parser
            .as_ref()
            .map(|counters| counters.by_outcome())
            .unwrap_or_default()
    }
}
