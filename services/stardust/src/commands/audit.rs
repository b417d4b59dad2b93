//! `stardust audit`.

use std::path::PathBuf;
use std::process::ExitCode;

use stardust_audit_recorder::{ChainCut, ChainReport, Cutter, Place, PublicKey, verify};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::ChainHead;

use super::patience::once_reached;
use crate::backend::AnyStore;
use crate::ports::{self, Use};
use crate::say::say;
use crate::settings::Settings;
use crate::{Failure, Usage, keys};

/// What to do with the audit trail.
#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// Walk every hash chain; exit 1 and the first bad place where one is broken.
    #[command(after_help = "Example: stardust audit verify --public-key audit.pub")]
    Verify {
        /// Check signatures with this Ed25519 public key in PEM (`openssl pkey -in KEY -pubout`), kept elsewhere;
        /// again for each key that was in use. Without it, with the one of AUDIT_SIGNING_KEY_FILE.
        #[arg(long, value_name = "FILE")]
        public_key: Vec<PathBuf>,
        /// A head that was kept elsewhere, as the log lines of the signatures have it: it must still be there.
        #[arg(long, value_name = "CHAIN:PLACE:HASH", value_parser = super::head)]
        head: Vec<(i32, ChainHead)>,
    },
    /// Remove the front of every chain, up to the last place that was signed before a time. What stays can still be
    /// verified. Needs AUDIT_SIGNING_KEY_FILE: where a chain starts from then on is signed.
    #[command(after_help = "Example: stardust audit cut --before 2026-01-01T00:00:00+07:00 --dry-run")]
    Cut {
        /// Only what stood in its chain before this time.
        #[arg(long, value_name = "TIME", value_parser = super::time)]
        before: Timestamp,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
        /// Another key whose signatures count: a former one.
        #[arg(long, value_name = "FILE")]
        public_key: Vec<PathBuf>,
    },
}

/// Runs the command.
pub async fn run(settings: &Settings, command: AuditCommand) -> Result<ExitCode, Failure> {
    match command {
        AuditCommand::Verify { public_key, head } => check(settings, &public_key, &head).await,
        AuditCommand::Cut {
            before,
            dry_run,
            public_key,
        } => cut(settings, before, dry_run, &public_key).await,
    }
}

fn public_keys(files: &[PathBuf]) -> Result<Vec<PublicKey>, Failure> {
    let read = |file: &PathBuf| keys::public(file).map_err(|e| Usage(format!("--public-key: {e}")).into());
    files.iter().map(read).collect()
}

async fn check(
    settings: &Settings,
    files: &[PathBuf],
    kept: &[(i32, ChainHead)],
) -> Result<ExitCode, Failure> {
    let mut known = public_keys(files)?;
    if known.is_empty() {
        known.extend(keys::signing(settings)?.map(|key| key.public().clone()));
    }
    let ports = ports::open(settings, Use::Beside, false).await?;
    Ok(show(&walked(&ports.store, &known, kept).await?))
}

async fn walked(
    store: &AnyStore,
    keys: &[PublicKey],
    kept: &[(i32, ChainHead)],
) -> anyhow::Result<Vec<ChainReport>> {
    let (_going, going) = once_reached(store).await?;
    Ok(verify(store, keys, kept, &going).await?)
}

/// Prints what was found, a line a chain; the exit code says whether all of it is whole.
fn show(reports: &[ChainReport]) -> ExitCode {
    for report in reports {
        say!("{}", line(report));
    }
    let events: u64 = reports.iter().map(|r| r.events).sum();
    let covered: u64 = reports.iter().map(ChainReport::covered).sum();
    let whole = reports.iter().all(|r| r.broken.is_none());
    say!(
        "{} chains, {events} events: {}; {covered} covered by a signature",
        reports.len(),
        if whole { "whole" } else { "BROKEN" }
    );
    if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn line(report: &ChainReport) -> String {
    let mut text = format!("chain {}: {} events hold", report.chain, report.events);
    if let Some(cut) = &report.cut {
        text.push_str(&format!("; cut up to place {}", place(cut)));
        if report.cut_unchecked {
            text.push_str(", NOT CHECKED for want of the key");
        }
    }
    if let Some(signed) = &report.signed {
        text.push_str(&format!("; signed up to place {}", place(signed)));
    }
    if let Some(unchecked) = &report.unchecked {
        text.push_str(&format!(
            "; NOT CHECKED for want of the key: the signature of place {}",
            place(unchecked)
        ));
    }
    let open = report.events - report.covered();
    if open > 0 {
        text.push_str(&format!("; {open} not covered by a signature"));
    }
    if report.leftovers > 0 {
        text.push_str(&format!(
            "; {} events before the cut are still there: run the cut again",
            report.leftovers
        ));
    }
    if let Some(broken) = &report.broken {
        let id = broken.id.as_deref().unwrap_or("-");
        text.push_str(&format!(
            "; BROKEN at place {} (event {id}): {}",
            broken.seq, broken.what
        ));
    }
    text
}

fn place(place: &Place) -> String {
    format!(
        "{} ({}, key {})",
        place.seq,
        place.at.instant().unwrap_or_default(),
        place.key_id
    )
}

async fn cut(
    settings: &Settings,
    before: Timestamp,
    dry_run: bool,
    files: &[PathBuf],
) -> Result<ExitCode, Failure> {
    let Some(key) = keys::signing(settings)? else {
        return Err(Usage(
            "AUDIT_SIGNING_KEY_FILE is not set: chains are cut where they were signed, and the cut is signed too"
                .to_owned(),
        )
        .into());
    };
    let mut known = public_keys(files)?;
    known.push(key.public().clone());
    let ports = ports::open(settings, Use::Beside, false).await?;
    // What is not whole would be lost as evidence.
    let reports = walked(&ports.store, &known, &[]).await?;
    if reports.iter().any(|r| r.broken.is_some()) {
        show(&reports);
        return Err(anyhow::anyhow!(
            "nothing was cut: the chains have to be whole. Keep a copy of the store, and find out what happened to it"
        )
        .into());
    }
    let cutter = Cutter {
        store: &ports.store,
        key: &key,
        keys: &known,
    };
    let mut total = 0;
    for report in &reports {
        let plan = cutter.plan(report, before).await.map_err(anyhow::Error::from)?;
        if dry_run {
            say!("{}", planned(&plan, "would go"));
            total += plan.events;
        } else {
            total += cutter.cut(&plan).await.map_err(anyhow::Error::from)?;
            say!("{}", planned(&plan, "are removed"));
        }
    }
    let verb = if dry_run { "would go" } else { "are removed" };
    say!("{} chains: {total} events {verb}", reports.len());
    Ok(ExitCode::SUCCESS)
}

fn planned(plan: &ChainCut, verb: &str) -> String {
    match &plan.up_to {
        Some(signed) => format!(
            "chain {}: {} events up to place {} (signed {}) {verb}, {} stay",
            plan.chain,
            plan.events,
            signed.seq,
            signed.at.instant().unwrap_or_default(),
            plan.stay
        ),
        None if plan.events > 0 => format!(
            "chain {}: {} events that an earlier cut left {verb}, {} stay",
            plan.chain, plan.events, plan.stay
        ),
        None => format!(
            "chain {}: nothing that was signed before that time, {} stay",
            plan.chain, plan.stay
        ),
    }
}
