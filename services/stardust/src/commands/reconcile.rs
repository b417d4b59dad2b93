//! `stardust reconcile`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use stardust_books::{Counts, Reconciler, Report};
use stardust_pipeline::associations;

use crate::Failure;
use crate::backend::{AnyLog, AnyStore};
use crate::ports::{self, Ports, Use};
use crate::say::{remark, say};
use crate::services::now;
use crate::settings::Settings;

/// Arguments of `stardust reconcile`.
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    /// One JSON object: totals at the top, `rows` by gateway and hour.
    #[arg(long)]
    json: bool,
    /// How long router and recorder may take to catch up, seconds.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    patience: u64,
    /// First write what is worked into the books that stay when the raw topic's records go. The parser does it by
    /// itself for each hour that is over.
    #[arg(long)]
    close: bool,
}

/// The reconciler over these ports.
pub async fn reconciler(ports: &Ports, patience: Duration) -> anyhow::Result<Reconciler<AnyLog, AnyStore>> {
    Ok(Reconciler {
        log: ports.log.clone(),
        store: ports.store.clone(),
        wire: ports.wire.clone(),
        mapping: Arc::clone(&ports.mapping),
        registry: associations::read(&ports.store).await?,
        topics: ports.topics.clone(),
        groups: ports.groups.clone(),
        patience,
    })
}

/// Compares and prints.
pub async fn run(settings: &Settings, args: &ReconcileArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let reconciler = reconciler(&ports, Duration::from_secs(args.patience)).await?;
    if args.close {
        let holder = format!("{}/{}", settings.instance, std::process::id());
        let closed = reconciler
            .close_books(now(), now(), &holder)
            .await
            .map_err(anyhow::Error::from)?;
        if closed.busy {
            return Err(anyhow::anyhow!(
                "another process closes books at this moment; try again in a minute"
            )
            .into());
        }
        remark!(
            "{} pages with {} raw records written; {} partitions are held back, since something does not agree there",
            closed.pages,
            closed.records,
            closed.held
        );
    }
    let report = reconciler.run().await.map_err(anyhow::Error::from)?;
    if args.json {
        say!("{}", serde_json::to_string(&report).map_err(anyhow::Error::from)?);
    } else {
        print(&report);
    }
    Ok(if report.balanced {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The books for people.
pub fn print(report: &Report) {
    say!(
        "{:<14}{:<18}{:>9}{:>9}{:>11}{:>8}{:>7}{:>9}{:>9}{:>13}",
        "gateway",
        "hour",
        "received",
        "stored",
        "duplicate",
        "parked",
        "dead",
        "ignored",
        "waiting",
        "redelivered"
    );
    let line = |gateway: &str, hour: &str, c: &Counts| {
        say!(
            "{gateway:<14}{hour:<18}{:>9}{:>9}{:>11}{:>8}{:>7}{:>9}{:>9}{:>13}",
            c.received,
            c.stored,
            c.duplicate,
            c.parked,
            c.dead,
            c.ignored,
            c.waiting,
            c.redelivered
        );
    };
    for row in &report.rows {
        line(&row.gateway, &row.hour, &row.counts);
    }
    line("total", "", &report.totals);
    say!(
        "{} Observations, {} legacy documents ({} readings have no place there), {} audit events",
        report.observations,
        report.legacy,
        report.no_place,
        report.audit
    );
    if report.booked > 0 {
        say!(
            "{} of the readings are no longer in the raw topic: closed books tell of them",
            report.booked
        );
    }
    for note in &report.notes {
        say!("{note}");
    }
    if report.totals.lost > 0 {
        say!("{} readings were found nowhere", report.totals.lost);
    }
    for fault in &report.faults {
        let item = fault.item.map_or_else(|| "-".to_owned(), |i| i.to_string());
        say!("  receipt {} item {item}: {}", fault.receipt_id, fault.what);
    }
    let further = report.faults_total.saturating_sub(report.faults.len() as u64);
    if further > 0 {
        say!("  and {further} more");
    }
    say!(
        "{}",
        if report.balanced {
            "The books balance."
        } else {
            "The books DO NOT balance."
        }
    );
}
