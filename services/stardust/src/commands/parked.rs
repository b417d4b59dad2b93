//! `stardust parked`.

use std::process::ExitCode;

use anyhow::bail;
use stardust_domain::ids::{Mac, PatientId, PatientIdError};
use stardust_domain::outcome::ParkReason;
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::{Filter, Released, Releaser};
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::store::Shelf;

use super::letters;
use crate::Failure;
use crate::backend::{AnyLog, AnyStore};
use crate::ports::{self, Ports, Use};
use crate::say::say;
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
    #[command(
        after_help = "Examples: stardust parked release --dry-run\n          stardust parked release --device 02:00:00:BB:00:01 --patient 65a000000000000000000001"
    )]
    Release {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// Name the patient of those whose device changed hands around their time. They have to be of one device.
        #[arg(long, value_name = "ID", value_parser = patient)]
        patient: Option<PatientId>,
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
    /// Only of this sub-device.
    #[arg(long, value_name = "MAC", value_parser = super::gateway)]
    device: Option<Mac>,
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

fn patient(text: &str) -> Result<PatientId, String> {
    text.parse().map_err(|e: PatientIdError| e.to_string())
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
            device: self.device,
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
        ParkedCommand::Release {
            which,
            patient,
            dry_run,
        } => {
            let filter = which.filter();
            let mut releaser = releaser(&ports, settings).await?;
            if let Some(patient) = patient {
                name(&releaser, &filter, patient, dry_run).await?;
                if dry_run {
                    // What would go back is judged by a name that is not kept.
                    return Ok(ExitCode::SUCCESS);
                }
                // With the names that are kept now.
                releaser.rules = letters::rules(&ports, settings).await?;
            }
            // Also what somebody marked and may not have sent.
            let work = || releaser.run(&filter, true, dry_run);
            let done = letters::in_turn(work, |done: &Released| done.busy).await?;
            let verb = if dry_run {
                "would go back"
            } else {
                "went back to the raw topic"
            };
            say!("{} of {} parked readings {verb}", done.released, done.waiting);
            if done.refused > 0 {
                say!("{} wait on: the log refuses their record", done.refused);
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn releaser(ports: &Ports, settings: &Settings) -> anyhow::Result<Releaser<AnyLog, AnyStore>> {
    Ok(Releaser {
        log: ports.log.clone(),
        store: ports.store.clone(),
        rules: letters::rules(ports, settings).await?,
        holder: letters::holder(settings),
    })
}

/// Keeps whose the readings are. From then on everybody judges them so: what is killed afterwards loses nothing.
async fn name(
    releaser: &Releaser<AnyLog, AnyStore>,
    filter: &Filter,
    patient: PatientId,
    dry_run: bool,
) -> anyhow::Result<()> {
    if !releaser.rules.registry.borrow().has_patient(patient) {
        bail!(
            "the registry has no patient with this id, or he is deleted; `stardust registry list` shows the devices of each"
        );
    }
    let naming = releaser.naming(filter, patient).await?;
    let devices: Vec<String> = naming.devices.iter().map(ToString::to_string).collect();
    if devices.len() > 1 {
        bail!(
            "these readings are of {} devices ({}); name the patient for one at a time with --device",
            devices.len(),
            devices.join(", ")
        );
    }
    let whose = devices
        .first()
        .map_or_else(String::new, |d| format!(" of device {d}"));
    if dry_run {
        say!(
            "the patient of {} readings{whose} would be named, and they would go back to the raw topic",
            naming.readings
        );
        return Ok(());
    }
    releaser.store.name_patients(&naming.names).await?;
    say!("named the patient of {} readings{whose}", naming.readings);
    Ok(())
}
