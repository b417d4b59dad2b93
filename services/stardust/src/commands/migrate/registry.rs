//! `stardust migrate registry`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use serde_json::{Value, json};
use stardust_domain::mapping::Settings as MappingSettings;
use stardust_domain::registry::{
    RegistryResource, ResourceBuilder, ResourceKind, ResourceReport, resource_sources,
};
use stardust_mongo::MongoStore;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::resources::{ResourceStore, Stored};
use stardust_pipeline::store::{Store, StoreError};
use tokio::sync::watch;

use crate::backend::AnyStore;
use crate::commands::patience::{endless, opening};
use crate::commands::registry::file;
use crate::ports::{self, Use};
use crate::say::say;
use crate::services::now;
use crate::settings::Settings;
use crate::{Failure, Usage, history_source};

/// What to migrate, and how.
#[derive(Debug, clap::Args)]
pub struct RegistryArgs {
    /// A folder with files of mongoexport (patients.json, amy_boxes.json, amy_devices.json, hospitals.json), or a MongoDB
    /// URI (MIGRATE_FROM, which also takes one with a password); else the database of the settings.
    #[arg(long, value_name = "URI|DIR")]
    from: Option<String>,
    /// Only count what would be done.
    #[arg(long)]
    dry_run: bool,
    /// The report as JSON.
    #[arg(long)]
    json: bool,
}

/// What becomes of the resources of one kind.
#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    new: u64,
    changed: u64,
    unchanged: u64,
    foreign: u64,
}

const PAGE: usize = 500;

/// Runs the command.
pub async fn run(settings: &Settings, args: &RegistryArgs) -> Result<ExitCode, Failure> {
    let from = history_source::named(settings, args.from.as_deref())?;
    if from.is_none() && settings.mongodb_uri.is_none() {
        return Err(Usage(
            "`stardust migrate registry` has no source: the embedded store keeps what `registry import` needs, which is \
             no hospitals; name a folder or a database with --from"
                .to_owned(),
        )
        .into());
    }
    let how = if args.dry_run { Use::Beside } else { Use::Create };
    let ports = ports::open(settings, how, false).await?;
    let (resources, report) = read(settings, from, &ports.store).await?;
    let (_going, going) = endless();
    if !args.dry_run {
        let prepare = || async {
            ports.store.prepare().await?;
            ports.store.prepare_resources().await
        };
        patiently(&opening(), prepare)
            .await
            .map_err(anyhow::Error::from)?;
    }
    let mut counts: BTreeMap<ResourceKind, Counts> = BTreeMap::new();
    for part in resources.chunk_by(|a, b| a.kind == b.kind) {
        for page in part.chunks(PAGE) {
            let kind = page[0].kind;
            store(
                &ports.store,
                kind,
                page,
                args.dry_run,
                &going,
                counts.entry(kind).or_default(),
            )
            .await?;
        }
    }
    if args.json {
        say!("{}", object(&report, &counts, args.dry_run));
    } else {
        print(&report, &counts, args.dry_run);
    }
    Ok(ExitCode::SUCCESS)
}

/// The resources of the documents, wherever these are.
async fn read(
    settings: &Settings,
    from: Option<&str>,
    here: &AnyStore,
) -> anyhow::Result<(Vec<RegistryResource>, ResourceReport)> {
    let mut builder = ResourceBuilder::new(MappingSettings {
        zone: settings.zone,
        identifier_base: settings.identifier_base.clone(),
    });
    let elsewhere = match from {
        Some(uri) if history_source::is_uri(uri) => Some(AnyStore::Mongo(
            MongoStore::connect(uri, &settings.main_db, &settings.fhir_db).await?,
        )),
        _ => None,
    };
    let mut files = 0;
    for (collection, fields) in resource_sources() {
        let documents = match (&elsewhere, from) {
            (None, Some(folder)) => {
                let found = file(Path::new(folder), &format!("{collection}.json"))?;
                files += usize::from(found.is_some());
                found.unwrap_or_default()
            }
            (store, _) => {
                let store = store.as_ref().unwrap_or(here);
                patiently(&opening(), || store.registry_documents(collection, &fields)).await?
            }
        };
        for document in &documents {
            match collection {
                "hospitals" => builder.add_hospital(document),
                "patients" => builder.add_patient(document),
                "amy_boxes" => builder.add_box(document),
                _ => builder.add_device(document),
            }
        }
    }
    if let (None, Some(folder), 0) = (&elsewhere, from, files) {
        bail!(
            "{folder} has none of patients.json, amy_boxes.json, amy_devices.json and hospitals.json (a document a line, or one array, as mongoexport writes them)"
        );
    }
    let kept = patiently(&opening(), || here.associations()).await?;
    Ok(builder.finish(Some(&kept.stays())))
}

/// Stores what is new or has changed; what is somebody else's stays.
async fn store(
    store: &AnyStore,
    kind: ResourceKind,
    page: &[RegistryResource],
    dry_run: bool,
    going: &watch::Receiver<bool>,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let ids: Vec<String> = page.iter().map(|resource| resource.id.clone()).collect();
    let stored = patiently(going, || store.stored_resources(kind, &ids)).await?;
    let mut put = Vec::new();
    for (resource, stored) in page.iter().zip(stored) {
        match stored {
            None => {
                counts.new += 1;
                put.push(resource.clone());
            }
            Some(Stored::Foreign) => counts.foreign += 1,
            Some(Stored::Ours(json)) if json == resource.json => counts.unchanged += 1,
            Some(Stored::Ours(_)) => {
                counts.changed += 1;
                put.push(resource.clone());
            }
        }
    }
    if !dry_run {
        patiently(going, || async {
            match store.put_resources(&put, now()).await {
                // Somebody else's by now: waiting does not help, another start leaves it alone.
                Err(StoreError::Conflict(what)) => Ok(Err(StoreError::Conflict(what))),
                done => done.map(Ok),
            }
        })
        .await??;
    }
    Ok(())
}

fn documents(report: &ResourceReport) -> [(&'static str, u64); 4] {
    [
        ("hospitals", report.hospital_documents),
        ("patients", report.registry.patient_documents),
        ("amy_boxes", report.registry.box_documents),
        ("amy_devices", report.registry.device_documents),
    ]
}

fn object(report: &ResourceReport, counts: &BTreeMap<ResourceKind, Counts>, dry_run: bool) -> Value {
    let resources: BTreeMap<&str, Value> = ResourceKind::ALL
        .iter()
        .map(|kind| {
            let c = counts.get(kind).copied().unwrap_or_default();
            let of_kind =
                json!({"new": c.new, "changed": c.changed, "unchanged": c.unchanged, "not_ours": c.foreign});
            (kind.label(), of_kind)
        })
        .collect();
    let documents: BTreeMap<&str, u64> = documents(report).into_iter().collect();
    let remarks: BTreeMap<&str, u64> = report.remarks.iter().map(|(r, n)| (r.label(), *n)).collect();
    let oddities: BTreeMap<&str, u64> = report
        .registry
        .oddities
        .iter()
        .map(|(o, n)| (o.label(), *n))
        .collect();
    json!({
        "dry_run": dry_run, "documents": documents, "resources": resources, "remarks": remarks, "oddities": oddities,
    })
}

fn print(report: &ResourceReport, counts: &BTreeMap<ResourceKind, Counts>, dry_run: bool) {
    if dry_run {
        say!("dry run: nothing was written");
    }
    let documents: Vec<String> = documents(report)
        .iter()
        .map(|(collection, count)| format!("{count} of {collection}"))
        .collect();
    say!("documents: {}", documents.join(", "));
    say!(
        "{:<20}{:>8}{:>9}{:>11}{:>10}",
        "",
        "new",
        "changed",
        "unchanged",
        "not ours"
    );
    for kind in ResourceKind::ALL {
        let c = counts.get(kind).copied().unwrap_or_default();
        say!(
            "{:<20}{:>8}{:>9}{:>11}{:>10}",
            kind.label(),
            c.new,
            c.changed,
            c.unchanged,
            c.foreign
        );
    }
    let remarks = report.remarks.iter().map(|(remark, n)| (remark.label(), *n));
    let oddities = report
        .registry
        .oddities
        .iter()
        .map(|(oddity, n)| (oddity.label(), *n));
    for (title, lines) in [
        ("left out, or not as it should be:", remarks.collect::<Vec<_>>()),
        ("spellings and ids of the registry:", oddities.collect()),
    ] {
        if !lines.is_empty() {
            say!("{title}");
        }
        for (label, count) in lines {
            say!("  {label}: {count}");
        }
    }
}
