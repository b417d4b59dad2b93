//! `stardust trace`.

use std::process::ExitCode;
use std::time::Duration;

use stardust_books::{Reach, Step, Trace, Traced, Tracer};
use stardust_domain::time::Timestamp;
use stardust_embedded::EmbeddedSpool;
use tokio::time::Instant;

use crate::Failure;
use crate::backend::{AnyLog, AnyStore};
use crate::ports::{self, Ports, Use};
use crate::say::say;
use crate::services::now;
use crate::settings::Settings;

/// Arguments of `stardust trace`.
#[derive(Debug, clap::Args)]
pub struct TraceArgs {
    /// A receipt id, an Observation id or a request id.
    id: String,
    /// One JSON object, as `GET /api/ava4/receipts/{id}` answers.
    #[arg(long)]
    json: bool,
    /// From when on a request id that carries no time (one that the sender chose) is looked for (default: the last 24
    /// hours).
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    since: Option<Timestamp>,
    /// How long the log is looked through, seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    patience: u64,
}

const DAY_SECONDS: i64 = 86_400;
const RECORDS: usize = 20_000;
const SPOOLED: usize = 100_000;

/// The tracer over these ports.
pub fn tracer(ports: &Ports) -> Tracer<AnyLog, AnyStore, EmbeddedSpool> {
    Tracer {
        log: ports.log.clone(),
        store: ports.store.clone(),
        spool: ports.spool.clone(),
        wire: ports.wire.clone(),
        topics: ports.topics.clone(),
        groups: ports.groups.clone(),
    }
}

/// Finds and prints.
pub async fn run(settings: &Settings, args: &TraceArgs) -> Result<ExitCode, Failure> {
    // With a broker the door's spool is a part of the way, where its data folder is at hand.
    let with_spool = settings.kafka_brokers.is_some() && settings.data_dir.is_dir();
    let ports = match ports::open(settings, Use::Beside, with_spool).await {
        Err(_) if with_spool => ports::open(settings, Use::Beside, false).await?,
        opened => opened?,
    };
    let since = args
        .since
        .unwrap_or_else(|| Timestamp::from_seconds(now().seconds() - DAY_SECONDS));
    let reach = Reach {
        records: RECORDS,
        spooled: SPOOLED,
        since: Some(since),
        until: Instant::now() + Duration::from_secs(args.patience),
    };
    let found = tracer(&ports)
        .trace(&args.id, reach)
        .await
        .map_err(anyhow::Error::from)?;
    let Some(found) = found else {
        return Err(anyhow::anyhow!(
            "nobody knows {}: it is no receipt, Observation or request that log and store still have. A request id \
             that its sender chose is looked for in what came since {}; --since TIME goes further back",
            args.id,
            since.instant().unwrap_or_default()
        )
        .into());
    };
    if args.json {
        say!("{}", serde_json::to_string(&found).map_err(anyhow::Error::from)?);
        return Ok(ExitCode::SUCCESS);
    }
    match &found {
        Traced::Receipt(trace) => print(trace),
        Traced::Request(request) => {
            say!(
                "request {}: {} receipts",
                request.request_id,
                request.receipts.len()
            );
            for receipt in &request.receipts {
                say!("{receipt}");
            }
            say!("`stardust trace` shows the steps of each.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The trace for people.
fn print(trace: &Trace) {
    say!("receipt {}: {}", trace.receipt_id, trace.state);
    let or_unknown = |text: &Option<String>| text.clone().unwrap_or_else(|| "not kept".to_owned());
    say!(
        "request {}, gateway {}",
        or_unknown(&trace.request_id),
        or_unknown(&trace.gateway)
    );
    for step in &trace.steps {
        say!("{}", line(step));
    }
    for note in &trace.notes {
        say!("{note}");
    }
}

fn line(step: &Step) -> String {
    let mut text = format!(
        "{:<24}  {:<9}  ",
        step.time.as_deref().unwrap_or_default(),
        step.step
    );
    if let (Some(topic), Some(partition), Some(offset)) = (&step.topic, step.partition, step.offset) {
        text.push_str(&format!("{topic} {partition}/{offset}  "));
    }
    if let Some(item) = step.item {
        text.push_str(&format!("item {item}  "));
    }
    text.push_str(&step.result);
    if let Some(id) = &step.id {
        text.push_str(&format!("  {id}"));
    }
    text
}
