//! `stardust parked`.

use std::process::ExitCode;

use stardust_domain::ids::Mac;
use stardust_domain::outcome::ParkReason;
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::{Filter, Released, Releaser};
use stardust_pipeline::store::Shelf;

use super::letters;
use crate::Failure;
use crate::ports::{self, Use};
use crate::settings::Settings;

/// What to do with parked readings.
#[derive(Debug, clap::Subcommand)]
pub enum ParkedCommand {
    /// Show those that wait.
    #[command(after_help = "Example: stardust parked list --gateway 02:00:00:AA:00:01")]
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Send those back that the registry can place now.
    #[command(after_help = "Example: stardust parked release --dry-run")]
    Release {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Only say how many.
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which parked readings.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only of this reason.
    #[arg(long, value_parser = reason)]
    reason: Option<ParkReason>,
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

fn reason(text: &str) -> Result<ParkReason, String> {
    ParkReason::from_label(text).ok_or_else(|| {
        let known: Vec<&str> = ParkReason::ALL.iter().map(|r| r.label()).collect();
        format!("not a reason; there are: {}", known.join(", "))
    })
}

impl Which {
    fn filter(&self) -> Filter {
        Filter {
            reason: self.reason.map(ParkReason::label),
            gateway: self.gateway,
            receipt: self.receipt.clone(),
            since: self.since,
            until: self.until,
            ..Filter::default()
        }
    }
}

/// Runs the command.
pub async fn run(settings: &Settings, command: ParkedCommand) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    match command {
        ParkedCommand::List { which, json } => {
            letters::list(&ports, Shelf::Parked, &which.filter(), json).await?;
        }
        ParkedCommand::Release { which, dry_run } => {
            let releaser = Releaser {
                log: ports.log.clone(),
                store: ports.store.clone(),
                rules: letters::rules(&ports, settings).await?,
                holder: letters::holder(settings),
            };
            let filter = which.filter();
            // Also what somebody marked and may not have sent.
            let work = || releaser.run(&filter, true, dry_run);
            let done = letters::in_turn(work, |done: &Released| done.busy).await?;
            let verb = if dry_run {
                "would go back"
            } else {
                "went back to the raw topic"
            };
            println!("{} of {} parked readings {verb}", done.released, done.waiting);
            if done.refused > 0 {
                println!("{} wait on: the log refuses their record", done.refused);
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
