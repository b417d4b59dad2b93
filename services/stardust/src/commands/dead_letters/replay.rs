//! `stardust dead-letters replay`.

use std::process::ExitCode;

use serde_json::json;
use stardust_fhir_parser::{Filter, Replayed, Replayer};

use super::letters;
use crate::Failure;
use crate::ports::Ports;
use crate::say::say;
use crate::settings::Settings;

/// Runs the command. Exit 1 where letters match and something keeps them from being sent.
pub async fn run(
    ports: &Ports,
    settings: &Settings,
    filter: &Filter,
    dry_run: bool,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let replayer = Replayer {
        log: ports.log.clone(),
        store: ports.store.clone(),
        rules: letters::rules(ports, settings).await?,
        holder: letters::holder(settings),
    };
    let done = letters::in_turn(|| replayer.run(filter, dry_run), |done: &Replayed| done.busy).await?;
    if as_json {
        say!("{}", object(&done, dry_run));
    } else {
        say(&done, dry_run);
    }
    let stays = done.sent == 0 && done.matching > 0;
    if stays || done.without_raw > 0 || done.refused > 0 {
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn object(done: &Replayed, dry_run: bool) -> serde_json::Value {
    let mut object = json!({
        "dry_run": dry_run, "matching": done.matching, "sent": done.sent, "records": done.records,
        "quantities": done.quantities, "foreign": done.foreign, "without_raw": done.without_raw,
        "refused": done.refused,
    });
    if dry_run {
        let Replayed { forecast, .. } = done;
        object["forecast"] = json!({"good": forecast.good, "parked": forecast.parked, "dead": forecast.dead});
    }
    object
}

fn say(done: &Replayed, dry_run: bool) {
    let verb = if dry_run { "would go back" } else { "went back" };
    say!(
        "{} dead letters match: {} {verb} to the raw topic, in {} records",
        done.matching,
        done.sent,
        done.records
    );
    if dry_run && done.sent > 0 {
        say!(
            "by the rules of today {} would be stored (or meet an equal reading), {} would wait for their device or \
             patient, {} would be dead again",
            done.forecast.good,
            done.forecast.parked,
            done.forecast.dead
        );
    }
    for (count, why) in [
        (
            done.quantities,
            "stay: single quantities of readings that live. What is stored does not change by a replay (the first \
             receipt wins)",
        ),
        (
            done.foreign,
            "stay: records of output topics, which are no readings. Reset the offsets of their group once the cause is \
             mended",
        ),
        (
            done.without_raw,
            "stay: their raw record is not kept, so there is nothing to judge",
        ),
        (
            done.refused,
            "stay: the log refuses their record. Compare the largest record of the raw topic with the size that \
             `stardust dead-letters show` names",
        ),
    ] {
        if count > 0 {
            say!("{count} {why}");
        }
    }
    if !dry_run && done.sent > 0 {
        say!("the parser's outcome settles them; those that fail again stay in `stardust dead-letters list`");
    }
}
