//! `stardust remap`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};
use stardust::shown::shown;
use stardust_domain::ids::Mac;
use stardust_domain::remap::Difference;
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::{Remapped, Remapper, Rules, Sample, Selection};

use super::letters;
use super::migrate::stop_signal;
use crate::Failure;
use crate::ports::{self, Use};
use crate::say::say;
use crate::services::now;
use crate::settings::Settings;

/// Arguments of `stardust remap`.
#[derive(Debug, clap::Args)]
pub struct RemapArgs {
    /// The device catalogue to map by, in the form of services/domain/catalogue.json.
    #[arg(long, value_name = "FILE")]
    mapping: PathBuf,
    /// Only readings received at or after this time.
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    since: Option<Timestamp>,
    /// Only readings received before this time.
    #[arg(long, value_name = "TIME", value_parser = super::time)]
    until: Option<Timestamp>,
    /// Only readings of this gateway.
    #[arg(long, value_name = "MAC", value_parser = super::gateway)]
    gateway: Option<Mac>,
    /// Only readings with an Observation of this kind, such as glucose.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Change nothing; say what would change.
    #[arg(long)]
    dry_run: bool,
    /// How many of the Observations that change are shown field by field.
    #[arg(long, default_value_t = 10, value_name = "N")]
    sample: usize,
    /// Show measured values too. That is health data.
    #[arg(long)]
    show_values: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit 1 where somebody else changed the same meanwhile.
pub async fn run(settings: &Settings, args: RemapArgs) -> Result<ExitCode, Failure> {
    let ports = ports::open(settings, Use::Beside, false).await?;
    let mapping = ports::mapping_from(settings, &args.mapping)?;
    let remapper = Remapper {
        log: ports.log.clone(),
        store: ports.store.clone(),
        rules: Rules {
            mapping,
            ..letters::rules(&ports, settings).await?
        },
        holder: letters::holder(settings),
        now,
        stopping: stop_signal()?,
    };
    let selection = Selection {
        since: args.since,
        until: args.until,
        gateway: args.gateway,
        kind: args.kind,
    };
    let work = || remapper.run(&selection, args.sample, args.dry_run);
    let done = letters::in_turn(work, |done: &Remapped| done.busy).await?;
    let version = remapper.rules.mapping.version();
    if args.json {
        say!("{}", object(&done, version, args.dry_run, args.show_values));
    } else {
        say(&done, version, args.dry_run, args.show_values);
    }
    Ok(if done.overtaken > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn say(done: &Remapped, version: &str, dry_run: bool, values: bool) {
    say!("mapping {version}");
    say!(
        "{} Observations of {} readings were looked at",
        done.observations,
        done.readings
    );
    let verb = if dry_run { "would be" } else { "were" };
    for (count, what) in [
        (done.amended, format!("{verb} amended")),
        (done.withdrawn, format!("{verb} marked as entered in error")),
        (
            done.beside,
            format!("{verb} added beside (a kind that the reading did not have)"),
        ),
        (
            done.letters,
            format!("dead letters of single quantities {verb} closed: they are good by this mapping"),
        ),
        (done.unchanged, "stay as they are".to_owned()),
        (
            done.not_remappable,
            "are not remappable: neither their raw item nor their raw record is there".to_owned(),
        ),
        (
            done.overtaken,
            "were changed by somebody else meanwhile: run this again".to_owned(),
        ),
    ]
    .into_iter()
    .filter(|(count, what)| *count > 0 || what.ends_with("amended"))
    {
        say!("{count:>9} {what}");
    }
    if !done.fields.is_empty() {
        say!("fields that differ:");
        for (field, count) in &done.fields {
            say!("{count:>9} {}", shown(field));
        }
    }
    if !done.samples.is_empty() {
        say!("the first {} of them:", done.samples.len());
    }
    for sample in &done.samples {
        say!("  {} {}: {}", sample.id, shown(&sample.kind), statuses(sample));
        for difference in &sample.differences {
            say!("    {}", line(difference, values));
        }
    }
    if dry_run {
        say!("Nothing was changed.");
    } else if done.amended + done.withdrawn + done.beside > 0 {
        say!(
            "Give the parser the same mapping (MAPPING_FILE), or what comes from now on is mapped as before."
        );
    }
}

fn statuses(sample: &Sample) -> String {
    match &sample.before {
        None => format!("new, {}", sample.after),
        Some(before) if *before == sample.after => format!("stays {before}"),
        Some(before) => format!("{before} → {}", sample.after),
    }
}

fn line(difference: &Difference, values: bool) -> String {
    let path = shown(&difference.path);
    if difference.is_measured() && !values {
        return format!("{path}: differs (--show-values shows how)");
    }
    let side = |side: &Option<String>| side.as_deref().map_or_else(|| "nothing".to_owned(), shown);
    format!(
        "{path}: {} → {}",
        side(&difference.before),
        side(&difference.after)
    )
}

fn object(done: &Remapped, version: &str, dry_run: bool, values: bool) -> Value {
    let samples: Vec<Value> = done
        .samples
        .iter()
        .map(|sample| {
            let differences: Vec<Value> = sample
                .differences
                .iter()
                .map(|d| {
                    if d.is_measured() && !values {
                        json!({"field": d.path})
                    } else {
                        json!({"field": d.path, "before": d.before, "after": d.after})
                    }
                })
                .collect();
            json!({
                "id": sample.id.to_string(), "kind": sample.kind, "status_before": sample.before,
                "status_after": sample.after, "differences": differences,
            })
        })
        .collect();
    json!({
        "mapping_version": version, "dry_run": dry_run, "readings": done.readings, "observations": done.observations,
        "amended": done.amended, "entered_in_error": done.withdrawn, "beside": done.beside,
        "unchanged": done.unchanged, "not_remappable": done.not_remappable, "overtaken": done.overtaken, "letters_closed": done.letters,
        "fields": done.fields, "samples": samples,
    })
}
