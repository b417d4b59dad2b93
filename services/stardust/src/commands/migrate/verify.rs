//! `stardust migrate verify`.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use stardust_fhir_migrator::{HISTORIES, Verified};
use stardust_pipeline::history::Source;
use stardust_pipeline::log::Log;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::runs::Run;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::histories::migrator;
use super::which::run_named;
use crate::commands::patience::endless;
use crate::ports::{self, Ports, Use};
use crate::say::say;
use crate::settings::Settings;
use crate::{Failure, Usage, history_source};

/// Which run, and how.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The run, or the start of its id.
    #[arg(value_name = "RUN")]
    run: String,
    /// The source that it read; only needed where it was a database other than that of MONGODB_URI.
    #[arg(long, value_name = "URI|DIR")]
    from: Option<String>,
    /// How long to wait for the parser.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    wait: u64,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// The folder that a run has read, if it was one.
fn folder_of(run: &Run) -> Option<&str> {
    let folder = run.source.rsplit_once(" (")?.0;
    folder.starts_with('/').then_some(folder)
}

/// Whether the parser has records to work, after so much patience.
async fn behind(ports: &Ports, patience: Duration, going: &watch::Receiver<bool>) -> anyhow::Result<bool> {
    let until = Instant::now() + patience;
    loop {
        let lag = patiently(going, || ports.log.lag(&ports.groups.parser, &ports.topics.raw)).await?;
        if lag == 0 || Instant::now() >= until {
            return Ok(lag > 0);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Runs the command.
pub async fn run(settings: &Settings, args: &VerifyArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let run = run_named(&ports, &args.run).await?;
    if run.kind != HISTORIES {
        return Err(Usage(format!(
            "run {} is of kind {}, which has no verification here",
            run.id, run.kind
        ))
        .into());
    }
    let from = args.from.as_deref().or_else(|| folder_of(&run));
    let source = history_source::open(settings, from).await?;
    if source.describe() != run.source {
        return Err(Usage(format!(
            "run {} read {}, not {}; name that source with --from",
            run.id,
            run.source,
            source.describe()
        ))
        .into());
    }
    let (_going, going) = endless();
    let behind = behind(&ports, Duration::from_secs(args.wait), &going).await?;
    let migrator = migrator(settings, &ports, source, &going).await?;
    let verified = migrator
        .verify(&run, behind, &going)
        .await
        .map_err(anyhow::Error::from)?;
    print(&run, &verified, args.json);
    Ok(if verified.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn print(run: &Run, verified: &Verified, as_json: bool) {
    if as_json {
        let mut object = json!(verified);
        object["run"] = json!(run.id);
        object["good"] = json!(verified.is_good());
        say!("{object}");
        return;
    }
    say!(
        "{:<26} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "collection",
        "entries",
        "readings",
        "stored",
        "before",
        "waiting",
        "rejected",
        "different"
    );
    for (name, c) in &verified.collections {
        say!(
            "{name:<26} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            c.entries,
            c.readings,
            c.stored,
            c.stored_before,
            c.waiting,
            c.rejected,
            c.different
        );
    }
    let withdrawn: u64 = verified.collections.values().map(|c| c.withdrawn).sum();
    if withdrawn > 0 {
        say!("{withdrawn} readings were withdrawn by a remap, and the rules of now refuse them");
    }
    for d in &verified.differences {
        let item = d.item.map_or_else(|| "-".to_owned(), |item| item.to_string());
        say!(
            "{} document {} receipt {} item {item}: {}",
            d.collection,
            d.document,
            d.receipt_id,
            d.what
        );
    }
    let more = verified.different - verified.differences.len() as u64;
    if more > 0 {
        say!("and {more} more differences");
    }
    if verified.unworked > 0 {
        say!(
            "{} readings are not worked yet: the parser is behind, or does not run",
            verified.unworked
        );
    }
    if verified.is_good() {
        say!(
            "run {} is as its source: {} Observations",
            run.id,
            verified.observations
        );
    }
}
