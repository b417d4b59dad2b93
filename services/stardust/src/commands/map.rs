//! `stardust map`.

use std::io::{BufWriter, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use stardust_domain::history::COLLECTIONS;
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

use crate::settings::Settings;
use crate::{Failure, ports, say};

/// Arguments of `stardust map`.
#[derive(Debug, clap::Args)]
pub struct MapArgs {
    /// Folder with amy_boxes.json, amy_devices.json, patients.json and perhaps periods.json; without it every device is unknown.
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// The receipt time of every message (default: now).
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    received_at: Option<Timestamp>,
    /// The lines are documents of this history collection, as they would be migrated: one line out for each entry.
    #[arg(long, value_name = "COLLECTION", value_parser = PossibleValuesParser::new(COLLECTIONS))]
    history: Option<String>,
    /// The database that the documents are of: a part of their receipts.
    #[arg(long, value_name = "NAME", default_value = "AMY", requires = "history")]
    database: String,
}

/// Maps stdin to stdout.
pub fn run(settings: &Settings, args: &MapArgs) -> Result<ExitCode, Failure> {
    let mapping = ports::mapping(settings)?;
    let registry = match &args.registry {
        Some(folder) => super::registry::Files::read(folder)?.registry()?,
        None => Registry::default(),
    };
    let received_at = args.received_at.unwrap_or_else(crate::services::now);
    let (input, output) = (stdin().lock(), BufWriter::new(stdout().lock()));
    let done = match &args.history {
        Some(collection) => {
            let place = (args.database.as_str(), collection.as_str());
            crate::map::map_histories(&mapping, &registry, received_at, place, input, output)
        }
        None => crate::map::map(&mapping, &registry, received_at, input, output),
    };
    match done {
        // The reader has seen enough.
        Err(e) if e.downcast_ref().is_some_and(say::is_gone) => {}
        done => done.context("map")?,
    }
    Ok(ExitCode::SUCCESS)
}
