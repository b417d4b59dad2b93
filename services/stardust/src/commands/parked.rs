//! `stardust parked`.

use std::process::ExitCode;

use stardust_domain::ids::Mac;
use stardust_domain::outcome::ParkReason;
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::{Filter, Releaser, Rules};
use stardust_pipeline::registry_feed;
use stardust_pipeline::store::{LetterState, Shelf, Store};
use tokio::sync::watch;

use crate::Failure;
use crate::ports::{self, Use};
use crate::settings::Settings;

/// What to do with parked readings.
#[derive(Debug, clap::Subcommand)]
pub enum ParkedCommand {
    /// Show those that wait.
    #[command(after_help = "Example: stardust parked list --gateway 02:00:00:AA:00:01")]
    List(Which),
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
            reason: self.reason,
            gateway: self.gateway,
            since: self.since,
            until: self.until,
        }
    }
}

const PAGE: usize = 500;

/// Runs the command.
pub async fn run(settings: &Settings, command: ParkedCommand) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    match command {
        ParkedCommand::List(which) => {
            let filter = which.filter();
            let mut after: Option<String> = None;
            let mut shown = 0_u64;
            loop {
                let states = [LetterState::Open, LetterState::Releasing];
                let page = ports
                    .store
                    .letters_after(Shelf::Parked, &states, after.as_deref(), PAGE)
                    .await
                    .map_err(anyhow::Error::from)?;
                let Some(last) = page.last() else { break };
                after = Some(last.id.clone());
                for letter in page.iter().filter(|l| filter.passes(l)) {
                    shown += 1;
                    let mac = |mac: Option<Mac>| mac.map_or_else(|| "-".to_owned(), |m| m.to_string());
                    println!(
                        "{} gateway {} device {} {} since {} ({})",
                        letter.id,
                        mac(letter.gateway),
                        mac(letter.device),
                        letter.reason,
                        letter.first_try.instant().unwrap_or_default(),
                        letter.state.label()
                    );
                }
            }
            println!("{shown} readings wait");
        }
        ParkedCommand::Release { which, dry_run } => {
            let registry = registry_feed::load(&ports.store)
                .await
                .map_err(anyhow::Error::from)?;
            let (_sender, registry) = watch::channel(registry);
            let releaser = Releaser {
                log: ports.log.clone(),
                store: ports.store.clone(),
                rules: Rules {
                    wire: ports.wire.clone(),
                    mapping: ports.mapping.clone(),
                    registry,
                    topics: ports.topics.clone(),
                    legacy_routing: settings.legacy_routing,
                },
                holder: format!("{}/{}", settings.instance, std::process::id()),
            };
            let done = releaser
                .run(&which.filter(), false, dry_run)
                .await
                .map_err(anyhow::Error::from)?;
            if done.busy {
                return Err(anyhow::anyhow!(
                    "another process is releasing parked readings at this moment; try again in a minute"
                )
                .into());
            }
            let verb = if dry_run {
                "would go back"
            } else {
                "went back to the raw topic"
            };
            println!("{} of {} parked readings {verb}", done.released, done.waiting);
        }
    }
    Ok(ExitCode::SUCCESS)
}
