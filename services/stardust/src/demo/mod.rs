//! `stardust demo`: everything in one process, with a simulated ward in front of the door.

mod client;
mod ward;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use stardust_books::Report;
use stardust_pipeline::store::Store;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::commands::reconcile;
use crate::ports::{self, Ports, Use};
use crate::say::say;
use crate::services::{Process, Which, now};
use crate::settings::Settings;
use crate::{Failure, Usage};

/// Arguments of `stardust demo`.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// Send this many messages, wait until the books balance, print them and end (default: go on until Ctrl-C).
    #[arg(long, value_name = "N")]
    messages: Option<u64>,
    /// Messages a second (default: as fast as the door takes them with --messages, else 5).
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,
}

const NOTICE: &str = "SIMULATED WARD: every patient, device and reading is invented.";
const SENDERS: u64 = 8;
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the demonstration.
pub async fn run(mut settings: Settings, args: &DemoArgs) -> Result<ExitCode, Failure> {
    if settings.kafka_brokers.is_some() || settings.mongodb_uri.is_some() {
        return Err(Usage(
            "the demonstration writes simulated patients and readings, so it runs on a data folder of its own only: unset KAFKA_BROKERS and MONGODB_URI".to_owned(),
        )
        .into());
    }
    let folder = std::env::temp_dir().join(format!("stardust-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    settings.data_dir.clone_from(&folder);
    let done = ward_round(&settings, args).await;
    if let Err(e) = std::fs::remove_dir_all(&folder) {
        tracing::warn!("{} could not be removed: {e}", folder.display());
    }
    done
}

async fn ward_round(settings: &Settings, args: &DemoArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Exclusive, true).await?;
    ports.store.prepare().await.map_err(anyhow::Error::from)?;
    ports
        .store
        .import_registry(&ward::registry())
        .await
        .map_err(anyhow::Error::from)?;
    let mut settings = settings.clone();
    // The usual port may be in use by a real one: then any.
    if settings.listen.is_none() && std::net::TcpListener::bind(crate::settings::door_address()).is_err() {
        settings.listen = Some(crate::settings::free_address());
    }
    let process = Process::start(&settings, ports.clone(), Which::ALL, Some(NOTICE)).await?;
    say!(
        "SIMULATED WARD: {} beds; every patient, device and reading is invented.",
        ward::BEDS
    );
    say!("Console: http://{}/", process.address);
    say!(
        "Data folder (removed at the end): {}",
        settings.data_dir.display()
    );
    let mut term = signal(SignalKind::terminate()).map_err(anyhow::Error::from)?;
    let sent = tokio::select! {
        sent = send(&process, args) => Some(sent?),
        _ = ctrl_c() => None,
        _ = term.recv() => None,
    };
    let report = match sent {
        Some(sent) => {
            say!("{sent} messages sent, each answered 200. Waiting until the books balance.");
            balance(&ports, sent).await?
        }
        None => reconcile::reconciler(&ports, Duration::from_secs(5))
            .await?
            .run()
            .await
            .map_err(anyhow::Error::from)?,
    };
    let kinds = kinds(&ports).await?;
    process.stop().await?;
    reconcile::print(&report);
    say!("Observations by code: {}", kinds.join(", "));
    let good = report.balanced || sent.is_none();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Sends the ward's messages over several connections; says how many.
async fn send(process: &Process, args: &DemoArgs) -> anyhow::Result<u64> {
    let count = args.messages.unwrap_or(u64::MAX);
    let rate = args.rate.or_else(|| args.messages.is_none().then_some(5));
    if let Some(rate) = rate {
        let mut client = client::Client::connect(process.address).await?;
        let mut ticks = interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for n in 0..count {
            ticks.tick().await;
            client.send(ward::message(n, now())).await?;
        }
        return Ok(count);
    }
    let mut senders = JoinSet::new();
    for sender in 0..SENDERS {
        let address = process.address;
        senders.spawn(async move {
            let mut client = client::Client::connect(address).await?;
            let mut n = sender;
            while n < count {
                client.send(ward::message(n, now())).await?;
                n += SENDERS;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = senders.join_next().await {
        done??;
    }
    Ok(count)
}

/// Waits until everything sent is worked and the books balance; the last report where they do not in time.
async fn balance(ports: &Ports, sent: u64) -> anyhow::Result<Report> {
    let until = Instant::now() + PATIENCE;
    loop {
        let report = reconcile::reconciler(ports, Duration::from_secs(5))
            .await?
            .run()
            .await?;
        let whole = report.totals.waiting == 0 && report.totals.received >= sent;
        if (report.balanced && whole) || Instant::now() >= until {
            let balanced = report.balanced && whole;
            return Ok(Report { balanced, ..report });
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// How many Observations of each code are stored.
async fn kinds(ports: &Ports) -> anyhow::Result<Vec<String>> {
    use stardust_pipeline::store::Export;
    let mut counts: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
    let mut after = None;
    loop {
        let page = ports
            .store
            .export(Export::Observations, after.as_deref(), 500)
            .await?;
        for line in &page.lines {
            let resource: serde_json::Value = serde_json::from_str(line)?;
            let coding = &resource["code"]["coding"][0];
            let name = coding["display"]
                .as_str()
                .or_else(|| coding["code"].as_str())
                .unwrap_or("-");
            *counts.entry(name.to_owned()).or_default() += 1;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => {
                return Ok(counts
                    .into_iter()
                    .map(|(name, n)| format!("{name} {n}"))
                    .collect());
            }
        }
    }
}
