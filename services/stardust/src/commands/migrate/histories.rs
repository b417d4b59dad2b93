//! `stardust migrate histories`.

use std::process::ExitCode;

use serde_json::json;
use stardust::shown::shown;
use stardust_fhir_migrator::{Again, Migrator, Outcome, Progress, report};
use stardust_pipeline::associations;
use stardust_pipeline::log::Log;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::runs::RunState;
use stardust_pipeline::store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::progress;
use super::turn::in_turn;
use crate::Failure;
use crate::backend::{AnyLog, AnyStore};
use crate::commands::letters;
use crate::commands::patience::opening;
use crate::history_source::{self, AnySource};
use crate::ports::{self, Ports, Use};
use crate::say::{self, remark, say};
use crate::services::now;
use crate::settings::Settings;

/// What to migrate, and how.
#[derive(Debug, clap::Args)]
pub struct HistoriesArgs {
    /// A folder of files of mongodump (.bson) or mongoexport (.json), or a MongoDB URI (MIGRATE_FROM, which also takes one
    /// with a password); else the database of MONGODB_URI and MONGODB_MAIN_DB.
    #[arg(long, value_name = "URI|DIR")]
    from: Option<String>,
    /// Only count what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

/// A migrator on these ports.
pub async fn migrator(
    settings: &Settings,
    ports: &Ports,
    source: AnySource,
    stopping: &watch::Receiver<bool>,
) -> anyhow::Result<Migrator<AnyLog, AnyStore, AnySource>> {
    Ok(Migrator {
        log: ports.log.clone(),
        store: ports.store.clone(),
        source,
        wire: ports.wire.clone(),
        mapping: ports.mapping.clone(),
        registry: patiently(stopping, || associations::read(&ports.store)).await?,
        topics: ports.topics.clone(),
        batch: settings.migration_batch,
        holder: letters::holder(settings),
        now,
    })
}

/// Turns true with the first signal to stop.
pub fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopping) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.send_replace(true);
        // Kept: a channel without a sender counts as a stop.
        std::future::pending::<()>().await;
    });
    Ok(stopping)
}

/// Runs the command.
pub async fn run(settings: &Settings, args: &HistoriesArgs) -> Result<ExitCode, Failure> {
    let source = history_source::open(settings, args.from.as_deref()).await?;
    let how = if args.dry_run { Use::Beside } else { Use::Create };
    let ports = ports::open(settings, how, false).await?;
    if !args.dry_run {
        patiently(&opening(), || ports.store.prepare())
            .await
            .map_err(anyhow::Error::from)?;
        let specs = ports.topics.specs();
        patiently(&opening(), || ports.log.create(&specs))
            .await
            .map_err(anyhow::Error::from)?;
    }
    let migrator = migrator(settings, &ports, source, &opening()).await?;
    let stopping = stop_signal()?;
    let (seen, watched) = watch::channel(Progress::default());
    let shown = progress::show(watched);
    let done = if args.dry_run {
        migrator.dry_run(&seen, stopping.clone()).await.map(Some)
    } else {
        in_turn(&stopping, || {
            migrator.histories(Again::Anew, &seen, stopping.clone())
        })
        .await
    };
    drop(seen);
    let _ = shown.await;
    let Some(outcome) = done.map_err(anyhow::Error::from)? else {
        return Ok(ExitCode::SUCCESS);
    };
    print(&outcome, args.json);
    let stopped = !outcome.progress.is_done();
    if stopped && *stopping.borrow() && outcome.run.is_some() {
        remark!("stopped; the same command goes on from here");
    }
    Ok(if stopped {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(outcome: &Outcome, as_json: bool) {
    let run = outcome.run.as_ref();
    if as_json {
        let mut object = report::object(&outcome.progress);
        object["run"] = json!(run.map(|run| &run.id));
        object["source"] = json!(run.map(|run| &run.source));
        object["state"] = json!(run.map(|run| run.state.label()));
        object["resumed"] = json!(outcome.resumed);
        say!("{object}");
        return;
    }
    match run {
        None => say!("dry run: nothing was written"),
        Some(run) => {
            let resumed = if outcome.resumed { ", resumed" } else { "" };
            say!(
                "run {} {}{resumed} from {}",
                run.id,
                run.state.label(),
                shown(&run.source)
            );
        }
    }
    say::out(format_args!("{}", report::text(&outcome.progress)));
    if let Some(run) = run.filter(|run| run.state == RunState::Finished) {
        say!(
            "compare it with what is stored, once the parser is through: stardust migrate verify {}",
            run.id
        );
    }
}
