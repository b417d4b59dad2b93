//! `stardust migrate list`.

use std::process::ExitCode;

use serde_json::{Map, Value, json};
use stardust::shown::shown;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::runs::{Run, Runs};

use crate::Failure;
use crate::commands::letters::instant;
use crate::commands::patience::opening;
use crate::ports::{self, Use};
use crate::say::say;
use crate::settings::Settings;

/// How to show the runs.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// The counts that a run shows in a list.
fn counts(run: &Run) -> Map<String, Value> {
    let progress: Value = serde_json::from_str(&run.progress).unwrap_or_default();
    match progress.get("counts") {
        Some(Value::Object(counts)) => counts.clone(),
        _ => Map::new(),
    }
}

/// A run as one line for people.
fn line(run: &Run) -> String {
    let counts: Vec<String> = counts(run)
        .iter()
        .filter(|(_, count)| count.as_u64() != Some(0))
        .map(|(label, count)| format!("{count} {label}"))
        .collect();
    let colon = if counts.is_empty() { "" } else { ": " };
    format!(
        "{} {} {} since {} from {}{colon}{}",
        run.id,
        run.kind,
        run.state.label(),
        instant(run.started),
        shown(&run.source),
        counts.join(", ")
    )
}

/// Runs the command.
pub async fn run(settings: &Settings, args: &ListArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let runs = patiently(&opening(), || ports.store.runs())
        .await
        .map_err(anyhow::Error::from)?;
    for run in &runs {
        if args.json {
            let object = json!({
                "run": run.id, "kind": run.kind, "state": run.state.label(), "source": run.source,
                "started": run.started.instant(), "updated": run.updated.instant(), "counts": counts(run),
            });
            say!("{object}");
        } else {
            say!("{}", line(run));
        }
    }
    if runs.is_empty() && !args.json {
        say!("no runs");
    }
    Ok(ExitCode::SUCCESS)
}
