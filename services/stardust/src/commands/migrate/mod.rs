//! `stardust migrate`.

mod list;
mod registry;

use std::process::ExitCode;

use crate::Failure;
use crate::settings::Settings;

/// What to do with the documents of an existing database.
#[derive(Debug, clap::Subcommand)]
pub enum MigrateCommand {
    /// Patients, boxes, devices and hospitals as Patients, Devices with their DeviceAssociations, and Organizations.
    #[command(after_help = "Example: stardust migrate registry --dry-run")]
    Registry(registry::RegistryArgs),
    /// Show the runs, with their states and counts.
    #[command(after_help = "Example: stardust migrate list")]
    List(list::ListArgs),
}

/// Runs the command.
pub async fn run(settings: &Settings, command: MigrateCommand) -> Result<ExitCode, Failure> {
    match command {
        MigrateCommand::Registry(args) => registry::run(settings, &args).await,
        MigrateCommand::List(args) => list::run(settings, &args).await,
    }
}
