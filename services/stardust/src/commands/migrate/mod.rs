//! `stardust migrate`.

mod fhir_database;
mod findings;
mod list;
mod registry;

use std::process::ExitCode;

use crate::Failure;
use crate::settings::Settings;

/// What to do with the documents of an existing database.
#[derive(Debug, clap::Subcommand)]
pub enum MigrateCommand {
    /// Phase 0: the fhir_* collections of the main database, copied into the FHIR database. MongoDB only.
    #[command(after_help = "Example: stardust migrate fhir-database --dry-run")]
    FhirDatabase(fhir_database::FhirDatabaseArgs),
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
        MigrateCommand::FhirDatabase(args) => fhir_database::run(settings, &args).await,
        MigrateCommand::Registry(args) => registry::run(settings, &args).await,
        MigrateCommand::List(args) => list::run(settings, &args).await,
    }
}
