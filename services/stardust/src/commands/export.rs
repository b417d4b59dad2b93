//! `stardust export`.

use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::process::ExitCode;

use stardust_pipeline::store::{Export, Store};

use crate::Failure;
use crate::ports::{self, Use};
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
    };
    let ports = ports::open(settings, Use::Beside, false).await?;
    let mut out = BufWriter::new(stdout().lock());
    let mut after = None;
    loop {
        let page = ports
            .store
            .export(what, after.as_deref(), PAGE)
            .await
            .map_err(anyhow::Error::from)?;
        for line in &page.lines {
            match writeln!(out, "{line}") {
                Ok(()) => {}
                // The reader has seen enough.
                Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
                Err(e) => return Err(anyhow::Error::from(e).into()),
            }
        }
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    match out.flush() {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(anyhow::Error::from(e).into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
