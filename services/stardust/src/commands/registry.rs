//! `stardust registry`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use stardust_domain::registry::{
    Associations, ImportReport, Period, Registry, check_periods, parse_export, parse_periods,
};
use stardust_domain::time::Timestamp;
use stardust_pipeline::associations::{self, AssociationStore, Keeping};
use stardust_pipeline::store::{RegistryDocuments, Store};

use super::letters;
use crate::ports::{self, Ports, Use};
use crate::say::say;
use crate::services::now;
use crate::settings::Settings;
use crate::{Failure, Usage};

const PERIODS: &str = "periods.json";

/// What to do with the registry.
#[derive(Debug, clap::Subcommand)]
pub enum RegistryCommand {
    /// Load amy_boxes.json, amy_devices.json and patients.json into the embedded store, and periods.json into any.
    #[command(after_help = "Example: stardust registry import ./registry")]
    Import {
        /// The folder, with files as `mongoexport` writes them, and perhaps periods.json.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Show the devices that are known, and who had them when.
    #[command(after_help = "Example: stardust registry list")]
    List,
}

/// The documents of a file of a folder, as `mongoexport` writes it; none where there is no such file.
pub fn file(folder: &Path, name: &str) -> anyhow::Result<Option<Vec<serde_json::Value>>> {
    let read = bytes(folder, name)?
        .map(|(path, bytes)| parse_export(&bytes).with_context(|| path.display().to_string()));
    read.transpose()
}

fn bytes(folder: &Path, name: &str) -> anyhow::Result<Option<(PathBuf, Vec<u8>)>> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some((path, bytes))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| path.display().to_string()),
    }
}

/// The files of a folder, all of them readable.
pub struct Files {
    /// `amy_boxes.json`, `amy_devices.json` and `patients.json`; none where all three are missing.
    pub documents: Option<RegistryDocuments>,
    periods: Option<(PathBuf, Vec<Period>)>,
}

impl Files {
    /// Reads the files of a folder.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| file(folder, name);
        let all = (
            file("amy_boxes.json")?,
            file("amy_devices.json")?,
            file("patients.json")?,
        );
        let periods = bytes(folder, PERIODS)?.map(|(path, bytes)| {
            let periods = parse_periods(&bytes, now()).with_context(|| path.display().to_string());
            periods.map(|periods| (path, periods))
        });
        let files = Self {
            documents: match all {
                (None, None, None) => None,
                (boxes, devices, patients) => Some(RegistryDocuments {
                    boxes: boxes.unwrap_or_default(),
                    devices: devices.unwrap_or_default(),
                    patients: patients.unwrap_or_default(),
                }),
            },
            periods: periods.transpose()?,
        };
        if files.documents.is_none() && files.periods.is_none() {
            bail!(
                "{} has none of amy_boxes.json, amy_devices.json and patients.json (a document a line, or one array, as mongoexport writes them), nor {PERIODS}",
                folder.display()
            );
        }
        Ok(files)
    }

    /// Holds the periods against a registry.
    fn check(&self, registry: &Registry) -> anyhow::Result<()> {
        match &self.periods {
            Some((path, periods)) => {
                check_periods(periods, registry).with_context(|| path.display().to_string())
            }
            None => Ok(()),
        }
    }

    /// The registry of these files alone, with their periods.
    pub fn registry(self) -> anyhow::Result<Registry> {
        let documents = self.documents.clone().unwrap_or_default();
        let registry = registry(documents).0;
        self.check(&registry)?;
        Ok(registry.under(&Associations {
            imported: self.periods.map(|(_, periods)| periods).unwrap_or_default(),
            ..Associations::default()
        }))
    }
}

fn registry(documents: RegistryDocuments) -> (Registry, ImportReport) {
    Registry::from_documents(documents.boxes, documents.devices, documents.patients)
}

/// Runs the command.
pub async fn run(settings: &Settings, command: RegistryCommand) -> Result<ExitCode, Failure> {
    match command {
        RegistryCommand::Import { folder } => {
            let files = Files::read(&folder)?;
            if settings.mongodb_uri.is_some() && files.documents.is_some() {
                return Err(Usage(format!(
                    "MONGODB_URI is set: devices are then read from its database, which is never written. Unset it to import into the embedded store, or name a folder with {PERIODS} alone"
                ))
                .into());
            }
            import(settings, files).await?;
        }
        RegistryCommand::List => list(&ports::open(settings, Use::Beside, false).await?).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Imports all files, or none where a rule is broken.
async fn import(settings: &Settings, files: Files) -> anyhow::Result<()> {
    let ports = ports::open(settings, Use::Create, false).await?;
    let store = &ports.store;
    store.prepare().await?;
    let (new, report) = match files.documents.clone() {
        Some(documents) => registry(documents),
        None => registry(store.registry().await?),
    };
    files.check(&new)?;
    let keeping = Keeping {
        holder: letters::holder(settings),
        now,
    };
    // Until now the registry was as it is.
    associations::refresh(store, &keeping).await?;
    // The periods first: no reading may go to who has a device now that was somebody else's by them.
    if let Some((_, periods)) = &files.periods {
        store.import_periods(periods, now()).await?;
    }
    if let Some(documents) = &files.documents {
        store.import_registry(documents).await?;
        associations::refresh(store, &keeping).await?;
        print_report(&report);
    }
    if let Some((_, periods)) = &files.periods {
        say!("{} periods", periods.len());
    }
    Ok(())
}

async fn list(ports: &Ports) -> anyhow::Result<()> {
    let kept = ports.store.associations().await?;
    let (registry, report) = registry(ports.store.registry().await?);
    let registry = registry.under(&kept);
    let whose = |settled: Result<_, _>| match settled {
        Ok(patient) => format!("patient {patient}"),
        Err(reason) => ToString::to_string(&reason),
    };
    for (mac, settled) in registry.gateways() {
        say!("gateway {mac} {}", whose(settled));
    }
    for (mac, kind, stretches) in registry.histories() {
        if let [only] = stretches.as_slice() {
            say!("device {mac} {} {}", kind.label(), whose(only.whose));
            continue;
        }
        say!("device {mac} {}", kind.label());
        for stretch in stretches {
            match stretch.until {
                Some(until) => say!("  until {} {}", letters::instant(until), whose(stretch.whose)),
                None => say!("  now {}", whose(stretch.whose)),
            }
        }
    }
    let open = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), letters::instant);
    for p in &kept.imported {
        say!(
            "imported {} patient {} from {} until {}",
            p.device,
            p.patient,
            open(p.start),
            open(p.end)
        );
    }
    let mut named = kept.named;
    named.sort_unstable();
    for n in named {
        say!(
            "named {} patient {} at {}",
            n.device,
            n.patient,
            letters::instant(n.at)
        );
    }
    print_report(&report);
    Ok(())
}

fn print_report(report: &ImportReport) {
    say!(
        "{} boxes, {} device documents, {} patient documents: {} gateways, {} sub-devices ({} with a patient), {} patients",
        report.box_documents,
        report.device_documents,
        report.patient_documents,
        report.gateways,
        report.devices,
        report.devices_with_patient,
        report.patients
    );
    for (oddity, count) in &report.oddities {
        say!("  {oddity}: {count}");
    }
}
