//! `stardust migrate`.

mod histories;
mod list;
mod progress;

use std::process::ExitCode;

use crate::Failure;
use crate::settings::Settings;

/// What to do with the documents of an existing database.
#[derive(Debug, clap::Subcommand)]
pub enum MigrateCommand {
    /// Bring history documents into the raw topic, entry by entry; a run that was stopped or killed goes on.
    #[command(after_help = "Example: stardust migrate histories --from ./dump --dry-run")]
    Histories(histories::HistoriesArgs),
    /// Show the runs, with their states and counts.
    #[command(after_help = "Example: stardust migrate list")]
    List(list::ListArgs),
}

/// Runs the command.
pub async fn run(settings: &Settings, command: MigrateCommand) -> Result<ExitCode, Failure> {
    match command {
        MigrateCommand::Histories(args) => histories::run(settings, &args).await,
        MigrateCommand::List(args) => list::run(settings, &args).await,
    }
}
