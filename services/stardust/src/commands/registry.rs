//! `stardust registry`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use stardust_domain::registry::{ImportReport, Registry, parse_export};
use stardust_pipeline::store::{RegistryDocuments, Store};

use crate::ports::{self, Use};
use crate::settings::Settings;
use crate::{Failure, Usage};

/// What to do with the registry.
#[derive(Debug, clap::Subcommand)]
pub enum RegistryCommand {
    /// Load amy_boxes.json, amy_devices.json and patients.json into the embedded store.
    #[command(after_help = "Example: stardust registry import ./registry")]
    Import {
        /// The folder, with files as `mongoexport` writes them.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Show the devices that are known.
    #[command(after_help = "Example: stardust registry list")]
    List,
}

/// The documents of a file of a folder, as `mongoexport` writes it; none where there is no such file.
pub fn file(folder: &Path, name: &str) -> anyhow::Result<Option<Vec<serde_json::Value>>> {
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let documents = parse_export(&bytes).with_context(|| path.display().to_string())?;
            Ok(Some(documents))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| path.display().to_string()),
    }
}

/// Reads the three files of a folder.
pub fn read(folder: &Path) -> anyhow::Result<RegistryDocuments> {
    let file = |name: &str| file(folder, name);
    let (boxes, devices, patients) = (
        file("amy_boxes.json")?,
        file("amy_devices.json")?,
        file("patients.json")?,
    );
    if boxes.is_none() && devices.is_none() && patients.is_none() {
        bail!(
            "{} has none of amy_boxes.json, amy_devices.json and patients.json (a document a line, or one array, as mongoexport writes them)",
            folder.display()
        );
    }
    Ok(RegistryDocuments {
        boxes: boxes.unwrap_or_default(),
        devices: devices.unwrap_or_default(),
        patients: patients.unwrap_or_default(),
    })
}

/// Runs the command.
pub async fn run(settings: &Settings, command: RegistryCommand) -> Result<ExitCode, Failure> {
    match command {
        RegistryCommand::Import { folder } => {
            if settings.mongodb_uri.is_some() {
                return Err(Usage(
                    "MONGODB_URI is set: devices are then read from its database, which is never written. Unset it to import into the embedded store".to_owned(),
                )
                .into());
            }
            let documents = read(&folder)?;
            let ports = ports::open(settings, Use::Create, false).await?;
            ports.store.prepare().await.map_err(anyhow::Error::from)?;
            ports
                .store
                .import_registry(&documents)
                .await
                .map_err(anyhow::Error::from)?;
            let (_, report) =
                Registry::from_documents(documents.boxes, documents.devices, documents.patients);
            print_report(&report);
        }
        RegistryCommand::List => {
            let ports = ports::open(settings, Use::Beside, false).await?;
            let documents = ports.store.registry().await.map_err(anyhow::Error::from)?;
            let (registry, report) =
                Registry::from_documents(documents.boxes, documents.devices, documents.patients);
            for (mac, settled) in registry.gateways() {
                println!(
                    "gateway {mac} {}",
                    settled.map_or_else(|reason| reason.to_string(), |p| format!("patient {p}"))
                );
            }
            for (mac, kind, settled) in registry.devices() {
                println!(
                    "device {mac} {} {}",
                    kind.label(),
                    settled.map_or_else(|reason| reason.to_string(), |p| format!("patient {p}"))
                );
            }
            print_report(&report);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print_report(report: &ImportReport) {
    println!(
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
        println!("  {oddity}: {count}");
    }
}
