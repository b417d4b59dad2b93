//! `stardust migrate`.

mod list;

use std::process::ExitCode;

use crate::Failure;
use crate::settings::Settings;

/// What to do with the documents of an existing database.
#[derive(Debug, clap::Subcommand)]
pub enum MigrateCommand {
    /// Show the runs, with their states and counts.
    #[command(after_help = "Example: stardust migrate list")]
    List(list::ListArgs),
}

/// Runs the command.
pub async fn run(settings: &Settings, command: MigrateCommand) -> Result<ExitCode, Failure> {
    match command {
        MigrateCommand::List(args) => list::run(settings, &args).await,
    }
}
