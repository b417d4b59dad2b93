//! `stardust migrate fhir-database`: phase 0.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::json;
use stardust::findings::findings;
use stardust_mongo::{Copied, Copyable, FhirCopies, MongoStore, Place};
use stardust_pipeline::patience::patiently;
use stardust_pipeline::resources::ResourceStore;
use stardust_pipeline::runs::{Run, RunState, Runs};
use stardust_pipeline::store::Store;
use tokio::sync::watch;

use crate::commands::patience::{endless, opening};
use crate::say::{self, remark, say};
use crate::services::now;
use crate::settings::Settings;
use crate::{Failure, Usage, history_source};

const KIND: &str = "fhir-database";
const LEASE: &str = "migrate fhir-database";
/// A page takes far less.
const LEASE_SECONDS: u32 = 10;
/// A little longer than the lease of a process that was killed.
const TURN_WITHIN: Duration = Duration::from_secs(15);
const PAGE: usize = 200;

/// What to copy, and how.
#[derive(Debug, clap::Args)]
pub struct FhirDatabaseArgs {
    /// A MongoDB URI (MIGRATE_FROM, which also takes one with a password) whose database MONGODB_MAIN_DB has the
    /// documents; else that of MONGODB_URI.
    #[arg(long, value_name = "URI")]
    from: Option<String>,
    /// Only count what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
    /// Also write each resource to this file, one a line, for the judges: `tests/judges/run --resources FILE`.
    #[arg(long, value_name = "FILE")]
    resources: Option<PathBuf>,
}

/// What became of a collection so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    documents: u64,
    copied: u64,
    present: u64,
    conflict: u64,
    findings: BTreeMap<String, u64>,
}

/// How far a run has come.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    /// For a list of runs.
    counts: BTreeMap<String, u64>,
    collections: BTreeMap<String, Counts>,
    /// Collections that are done.
    done: Vec<String>,
    /// The last place of the collection under way.
    after: Option<String>,
}

/// Runs the command.
pub async fn run(settings: &Settings, args: &FhirDatabaseArgs) -> Result<ExitCode, Failure> {
    let from = history_source::named(settings, args.from.as_deref())?;
    let Some(uri) = &settings.mongodb_uri else {
        return Err(Usage(
            "`stardust migrate fhir-database` copies from one MongoDB database into another: MONGODB_URI is not set, and the embedded store has no fhir_* collections to fill".to_owned(),
        )
        .into());
    };
    let store = MongoStore::connect(uri, &settings.main_db, &settings.fhir_db)
        .await
        .map_err(anyhow::Error::from)?;
    let elsewhere = match from {
        Some(uri) if history_source::is_uri(uri) => Some(
            MongoStore::connect(uri, &settings.main_db, &settings.fhir_db)
                .await
                .map_err(anyhow::Error::from)?,
        ),
        Some(_) => return Err(Usage("--from takes a MongoDB URI here".to_owned()).into()),
        None => None,
    };
    let copies = store
        .fhir_copies(elsewhere.as_ref())
        .map_err(anyhow::Error::from)?;
    let plan = patiently(&opening(), || copies.collections())
        .await
        .map_err(anyhow::Error::from)?;
    let mut copier = Copier {
        copies,
        plan,
        resources: match &args.resources {
            Some(path) => {
                let file = File::create(path).with_context(|| path.display().to_string())?;
                Some(BufWriter::new(file))
            }
            None => None,
        },
        progress: Progress::default(),
        bar: Bar::new(),
        going: endless(),
    };
    let mut run = None;
    if args.dry_run {
        copier.all(None).await?;
    } else {
        let holder = format!("{}/{}", settings.instance, std::process::id());
        let place = if elsewhere.is_some() {
            "another server"
        } else {
            "MONGODB_URI"
        };
        let source = format!("{} at {place}", settings.main_db);
        let mut begun = begin(&store, &holder, source, &copier.going.1).await?;
        let left = copier.make_indexes(&store).await?;
        if left > 0 {
            remark!(
                "{left} indexes of the source are at the target in another form: they stay as they are there"
            );
        }
        copier.progress = serde_json::from_str(&begun.progress).unwrap_or_default();
        let outcome = copier.all(Some((&store, &mut begun, &holder))).await;
        begun.state = if outcome.is_ok() {
            RunState::Finished
        } else {
            RunState::Stopped
        };
        save(&store, &mut begun, &copier.progress, &copier.going.1).await?;
        let _ = store.lease(LEASE, &holder, 0).await;
        outcome?;
        run = Some(begun.id);
    }
    if let Some(file) = &mut copier.resources {
        file.flush().map_err(anyhow::Error::from)?;
    }
    copier.report(run.as_deref(), args.json);
    Ok(ExitCode::SUCCESS)
}

/// The run that goes on, or a new one; alone.
async fn begin(
    store: &MongoStore,
    holder: &str,
    source: String,
    going: &watch::Receiver<bool>,
) -> anyhow::Result<Run> {
    let until = Instant::now() + TURN_WITHIN;
    while !patiently(going, || store.lease(LEASE, holder, LEASE_SECONDS)).await? {
        if Instant::now() > until {
            anyhow::bail!(
                "another process copies at this moment; `stardust migrate list` shows how far it is"
            );
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let runs = patiently(going, || store.runs()).await?;
    let open = runs.into_iter().rev().find(|run| {
        run.kind == KIND && run.source == source && matches!(run.state, RunState::Running | RunState::Stopped)
    });
    if let Some(mut run) = open {
        remark!("run {} goes on", run.id);
        run.state = RunState::Running;
        return Ok(run);
    }
    let run = Run {
        id: uuid::Uuid::now_v7().to_string(),
        kind: KIND.to_owned(),
        source,
        state: RunState::Running,
        started: now(),
        updated: now(),
        version: 1,
        progress: serde_json::to_string(&Progress::default())?,
    };
    // The id is new: where one has it already, an answer was lost and it is this one.
    patiently(going, || store.add_run(&run)).await?;
    Ok(run)
}

async fn save(
    store: &MongoStore,
    run: &mut Run,
    progress: &Progress,
    going: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    run.progress = serde_json::to_string(progress)?;
    run.updated = now();
    if !patiently(going, || store.save_run(run)).await? {
        // Where an answer was lost, it is this very save that was faster.
        let stored = patiently(going, || store.run(&run.id)).await?;
        let is_this = |s: Run| s.version == run.version + 1 && s.updated == run.updated;
        if !stored.is_some_and(is_this) {
            anyhow::bail!("another process went on with this run");
        }
    }
    run.version += 1;
    Ok(())
}

struct Copier {
    copies: FhirCopies,
    plan: Vec<Copyable>,
    resources: Option<BufWriter<File>>,
    progress: Progress,
    bar: Bar,
    /// What is away is waited for as long as both are there.
    going: (watch::Sender<bool>, watch::Receiver<bool>),
}

impl Copier {
    /// Indexes come first: the documents are then found while they are copied.
    async fn make_indexes(&self, store: &MongoStore) -> anyhow::Result<u64> {
        let going = &self.going.1;
        patiently(going, || store.prepare()).await?;
        patiently(going, || store.prepare_resources()).await?;
        let mut left = 0;
        for collection in &self.plan {
            left += patiently(going, || self.copies.make_indexes(&collection.name)).await?;
        }
        Ok(left)
    }

    /// Every collection from where the progress stands; where there is a run, its progress is kept after each page.
    async fn all(&mut self, mut run: Option<(&MongoStore, &mut Run, &str)>) -> anyhow::Result<()> {
        let total = self.plan.iter().map(|collection| collection.documents).sum();
        for name in self.plan.iter().map(|c| c.name.clone()).collect::<Vec<_>>() {
            if self.progress.done.contains(&name) {
                continue;
            }
            loop {
                let after = self.progress.after.as_deref().and_then(Place::from_hex);
                let write = run.is_some();
                let page = patiently(&self.going.1, || {
                    self.copies.page(&name, after.as_ref(), PAGE, write)
                });
                let Some((page, place)) = page.await? else {
                    break;
                };
                for document in &page {
                    self.count(&name, document);
                    if let (Some(file), Some(resource)) = (&mut self.resources, &document.resource) {
                        writeln!(file, "{resource}")?;
                    }
                }
                self.progress.after = Some(place.hex());
                self.bar.show(&self.progress, total);
                if let Some((store, run, holder)) = &mut run {
                    if !patiently(&self.going.1, || store.lease(LEASE, holder, LEASE_SECONDS)).await? {
                        anyhow::bail!("another process took over");
                    }
                    save(store, run, &self.progress, &self.going.1).await?;
                }
            }
            self.progress.collections.entry(name.clone()).or_default();
            self.progress.done.push(name);
            self.progress.after = None;
        }
        self.bar.end();
        Ok(())
    }

    fn count(&mut self, collection: &str, document: &stardust_mongo::CopiedDocument) {
        let label = match document.copied {
            Copied::Inserted => "copied",
            Copied::Present => "present",
            Copied::Conflict => "conflict",
        };
        *self.progress.counts.entry(label.to_owned()).or_default() += 1;
        let counts = self
            .progress
            .collections
            .entry(collection.to_owned())
            .or_default();
        counts.documents += 1;
        match document.copied {
            Copied::Inserted => counts.copied += 1,
            Copied::Present => counts.present += 1,
            Copied::Conflict => counts.conflict += 1,
        }
        for finding in findings(document) {
            *counts.findings.entry(finding.to_owned()).or_default() += 1;
        }
    }

    fn report(&self, run: Option<&str>, as_json: bool) {
        if as_json {
            say!(
                "{}",
                json!({"run": run, "dry_run": run.is_none(), "collections": self.progress.collections})
            );
            return;
        }
        match run {
            Some(run) => say!("run {run} finished"),
            None => say!("dry run: nothing was written"),
        }
        say!(
            "{:<28}{:>10}{:>11}{:>9}{:>9}{:>10}{:>10}",
            "",
            "documents",
            "at target",
            "indexes",
            "copied",
            "present",
            "conflict"
        );
        for Copyable {
            name,
            target,
            indexes,
            ..
        } in &self.plan
        {
            let c = self.progress.collections.get(name).cloned().unwrap_or_default();
            say!(
                "{name:<28}{:>10}{target:>11}{indexes:>9}{:>9}{:>10}{:>10}",
                c.documents,
                c.copied,
                c.present,
                c.conflict
            );
            for (finding, count) in &c.findings {
                say!("  {finding}: {count}");
            }
        }
    }
}

/// Rate and time left, for a person who watches.
struct Bar {
    shown: bool,
    start: Instant,
    last: Instant,
}

impl Bar {
    fn new() -> Self {
        Self {
            shown: stderr().is_terminal(),
            start: Instant::now(),
            last: Instant::now(),
        }
    }

    fn show(&mut self, progress: &Progress, total: u64) {
        if !self.shown || self.last.elapsed() < Duration::from_millis(200) {
            return;
        }
        self.last = Instant::now();
        let done: u64 = progress.collections.values().map(|c| c.documents).sum();
        let rate = done / self.start.elapsed().as_secs().max(1);
        let left = total.saturating_sub(done) / rate.max(1);
        let tenths = done * 20 / total.max(1);
        let bar: String = (0..20).map(|at| if at < tenths { '#' } else { '.' }).collect();
        say::err(format_args!(
            "\r[{bar}] {done} of {total}, {rate}/s, {left} s left  "
        ));
    }

    fn end(&self) {
        if self.shown {
            say::err(format_args!("\n"));
        }
    }
}
