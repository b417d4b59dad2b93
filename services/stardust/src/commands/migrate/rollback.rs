//! `stardust migrate rollback`.

use std::process::ExitCode;

use serde_json::json;
use stardust_fhir_migrator::{HISTORIES, Rollback};

use super::histories::stop_signal;
use super::turn::in_turn;
use super::which::run_named;
use crate::commands::letters;
use crate::ports::{self, Use};
use crate::say::{remark, say};
use crate::services::now;
use crate::settings::Settings;
use crate::{Failure, Usage};

/// Which run, and how.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The run, or the start of its id.
    #[arg(value_name = "RUN")]
    run: String,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub async fn run(settings: &Settings, args: &RollbackArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let run = run_named(&ports, &args.run).await?;
    if run.kind != HISTORIES {
        return Err(Usage(format!(
            "run {} is of kind {}, which has no rollback here",
            run.id, run.kind
        ))
        .into());
    }
    let rollback = Rollback {
        log: ports.log.clone(),
        store: ports.store.clone(),
        wire: ports.wire.clone(),
        mapping: ports.mapping.clone(),
        topics: ports.topics.clone(),
        holder: letters::holder(settings),
        now,
    };
    let stopping = stop_signal()?;
    let done = in_turn(&stopping, || rollback.run(&run, stopping.clone()))
        .await
        .map_err(anyhow::Error::from)?;
    if args.json {
        let mut object = json!(done);
        object["run"] = json!(run.id);
        say!("{object}");
    } else {
        say!(
            "run {}: removed {} Observations of {} readings and {} letters; {} audit events say so",
            run.id,
            done.observations,
            done.readings,
            done.letters,
            done.events
        );
    }
    if done.stopped {
        remark!("stopped; the same command goes on from here");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
