//! `stardust migrate`.

mod fhir_database;
mod histories;
mod list;
mod progress;
mod registry;
mod rollback;
mod turn;
mod verify;
mod which;

use std::process::ExitCode;

pub use histories::{migrator, stop_signal};

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
    /// Bring history documents into the raw topic, entry by entry; a run that was stopped or killed goes on.
    #[command(after_help = "Example: stardust migrate histories --from ./dump --dry-run")]
    Histories(histories::HistoriesArgs),
    /// Compare what a run wrote with its source, and name each difference. Exit 0 only if there is none.
    #[command(after_help = "Example: stardust migrate verify histories-20260301-080000-3fa9")]
    Verify(verify::VerifyArgs),
    /// Remove what a run wrote, and nothing else. The log and the audit trail stay.
    #[command(after_help = "Example: stardust migrate rollback histories-20260301-080000-3fa9")]
    Rollback(rollback::RollbackArgs),
    /// Show the runs, with their states and counts.
    #[command(after_help = "Example: stardust migrate list")]
    List(list::ListArgs),
}

/// Runs the command.
pub async fn run(settings: &Settings, command: MigrateCommand) -> Result<ExitCode, Failure> {
    match command {
        MigrateCommand::Histories(args) => histories::run(settings, &args).await,
        MigrateCommand::Verify(args) => verify::run(settings, &args).await,
        MigrateCommand::Rollback(args) => rollback::run(settings, &args).await,
        MigrateCommand::FhirDatabase(args) => fhir_database::run(settings, &args).await,
        MigrateCommand::Registry(args) => registry::run(settings, &args).await,
        MigrateCommand::List(args) => list::run(settings, &args).await,
    }
}
