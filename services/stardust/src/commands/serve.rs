//! The services as commands.

use std::process::ExitCode;

use crate::ports::{self, Use};
use crate::say::say;
use crate::services::{Process, Which, summary};
use crate::settings::Settings;
use crate::{Failure, Usage};

async fn run(settings: &Settings, which: Which) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Exclusive, which.ingest).await?;
    let process = Process::start(settings, ports.clone(), which, None).await?;
    for (name, value) in summary(&process, &ports, which) {
        say!("{name}: {value}");
    }
    process.run().await?;
    Ok(ExitCode::SUCCESS)
}

/// All services in one process.
pub async fn up(settings: &Settings) -> Result<ExitCode, Failure> {
    run(settings, Which::ALL).await
}

/// One service, with a broker and a database.
pub async fn one(settings: &Settings, name: &str, which: Which) -> Result<ExitCode, Failure> {
    ports::require_outside(settings, name).map_err(Usage)?;
    run(settings, which).await
}
