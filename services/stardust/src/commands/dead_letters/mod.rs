//! `stardust dead-letters`.

mod replay;
mod show;

use std::process::ExitCode;

use stardust_domain::ids::Mac;
use stardust_domain::outcome::{DeadReason, Stage};
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::Filter;
use stardust_pipeline::store::Shelf;

use super::letters;
use crate::Failure;
use crate::ports::{self, Use};
use crate::settings::Settings;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum DeadLettersCommand {
    /// Show those that are not settled.
    #[command(
        after_help = "Example: stardust dead-letters list --reason 'value impossible' --since 2026-03-01T00:00:00+07:00"
    )]
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Show one with the message as it came. That can be health data.
    #[command(after_help = "Example: stardust dead-letters show 019b2a3c-0000-7000-8000-000000000000:0")]
    Show(show::ShowArgs),
    /// Send them back to be judged by the rules as they are now: after a change of the mapping.
    #[command(after_help = "Example: stardust dead-letters replay --reason 'unknown attribute' --dry-run")]
    Replay {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Change nothing; say what would become of them.
        #[arg(long)]
        dry_run: bool,
        /// One JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Which dead letters: those that pass every condition.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only of this reason.
    #[arg(long, value_parser = reason)]
    reason: Option<DeadReason>,
    /// Only of this step: payload, mapping, spool, store.
    #[arg(long, value_parser = stage)]
    stage: Option<Stage>,
    /// Only of this gateway.
    #[arg(long, value_name = "MAC", value_parser = super::gateway)]
    gateway: Option<Mac>,
    /// Only of this receipt.
    #[arg(long, value_name = "ID")]
    receipt: Option<String>,
    /// Only first tried at or after this time.
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    since: Option<Timestamp>,
    /// Only first tried before this time.
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    until: Option<Timestamp>,
}

impl Which {
    fn filter(self) -> Filter {
        Filter {
            device: None,
            reason: self.reason.map(DeadReason::label),
            stage: self.stage,
            gateway: self.gateway,
            receipt: self.receipt,
            since: self.since,
            until: self.until,
        }
    }
}

fn reason(text: &str) -> Result<DeadReason, String> {
    DeadReason::from_label(text).ok_or_else(|| {
        let known: Vec<&str> = DeadReason::ALL.iter().map(|r| r.label()).collect();
        format!("not a reason; there are: {}", known.join(", "))
    })
}

fn stage(text: &str) -> Result<Stage, String> {
    Stage::from_label(text)
        .filter(|stage| *stage != Stage::Registry)
        .ok_or_else(|| "not a step; there are: payload, mapping, spool, store".to_owned())
}

/// Runs the command.
pub async fn run(settings: &Settings, command: DeadLettersCommand) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    match command {
        DeadLettersCommand::List { which, json } => {
            letters::list(&ports, Shelf::Dead, &which.filter(), json).await?;
            Ok(ExitCode::SUCCESS)
        }
        DeadLettersCommand::Show(args) => show::run(&ports, &args).await,
        DeadLettersCommand::Replay { which, dry_run, json } => {
            replay::run(&ports, settings, &which.filter(), dry_run, json).await
        }
    }
}
