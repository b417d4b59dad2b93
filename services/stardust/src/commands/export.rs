//! `stardust export`.

use std::io::{BufWriter, StdoutLock, Write, stdout};
use std::process::ExitCode;

use stardust_domain::registry::ResourceKind;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::resources::ResourceStore;
use stardust_pipeline::store::{Export, Store};

use super::patience::once_reached;
use crate::Failure;
use crate::ports::{self, Use};
use crate::say;
use crate::settings::Settings;

/// Arguments of `stardust export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// What to export.
    #[arg(value_enum)]
    what: What,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// FHIR Observations.
    Observations,
    /// Documents of the legacy database: {"collection","document"}.
    Legacy,
    /// AuditEvents.
    Audit,
    /// Open dead letters, a line an item.
    Dead,
    /// Open parked readings, a line an item.
    Parked,
    /// Organizations, Patients, Devices and DeviceAssociations that `migrate registry` stored.
    Registry,
}

/// Documents a query. Each sorts its collection anew where a server has no fitting index, so that small pages take
/// minutes for what one large page does in seconds.
const PAGE: usize = 5_000;

/// Writes what is stored to stdout.
pub async fn run(settings: &Settings, args: &ExportArgs) -> Result<ExitCode, Failure> {
    let what = match args.what {
        What::Observations => Export::Observations,
        What::Legacy => Export::Legacy,
        What::Audit => Export::Audit,
        What::Dead => Export::Dead,
        What::Parked => Export::Parked,
        What::Registry => return registry(settings).await,
    };
    let ports = ports::open(settings, Use::Beside, false).await?;
    let mut out = Lines(BufWriter::new(stdout().lock()));
    let mut after = None;
    let (_going, going) = once_reached(&ports.store).await.map_err(anyhow::Error::from)?;
    loop {
        let page = patiently(&going, || ports.store.export(what, after.as_deref(), PAGE))
            .await
            .map_err(anyhow::Error::from)?;
        for line in &page.lines {
            if !out.write(line)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    out.end()
}

async fn registry(settings: &Settings) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let mut out = Lines(BufWriter::new(stdout().lock()));
    let (_going, going) = once_reached(&ports.store).await.map_err(anyhow::Error::from)?;
    for kind in ResourceKind::ALL {
        let mut after: Option<String> = None;
        loop {
            let page = patiently(&going, || {
                ports.store.resources_after(*kind, after.as_deref(), PAGE)
            })
            .await
            .map_err(anyhow::Error::from)?;
            let Some(last) = page.last() else { break };
            after = Some(last.resource.id.clone());
            for stored in &page {
                if !out.write(&stored.resource.json)? {
                    return Ok(ExitCode::SUCCESS);
                }
            }
        }
    }
    out.end()
}

/// Lines for whoever reads them.
struct Lines<'o>(BufWriter<StdoutLock<'o>>);

impl Lines<'_> {
    /// False where the reader has seen enough.
    fn write(&mut self, line: &str) -> anyhow::Result<bool> {
        match writeln!(self.0, "{line}") {
            Ok(()) => Ok(true),
            Err(e) if say::is_gone(&e) => Ok(false),
            Err(e) => Err(e.into()),
        }
    }

    fn end(mut self) -> Result<ExitCode, Failure> {
        match self.0.flush() {
            Err(e) if !say::is_gone(&e) => Err(anyhow::Error::from(e).into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}
