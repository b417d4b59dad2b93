//! What the commands on both shelves share: a letter as a line or as JSON, and waiting for one's turn.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufWriter, Write, stdout};
use std::time::Duration;

use serde_json::{Value, json};
use stardust::shown::shown;
use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;
use stardust_fhir_parser::{Filter, Pages, ReleaseError, Rules, WAITING};
use stardust_pipeline::associations::{self, Keeping};
use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{Letter, Shelf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::patience::opening;
use crate::ports::Ports;
use crate::say::{self, remark};
use crate::services::now;
use crate::settings::Settings;

/// A little longer than a lease lasts whose holder was killed.
const TURN_WITHIN: Duration = Duration::from_secs(40);

/// An instant, or a dash where it cannot be written.
pub fn instant(at: Timestamp) -> String {
    at.instant().unwrap_or_else(|| "-".to_owned())
}

/// A MAC, or a dash where there is none.
pub fn mac(mac: Option<Mac>) -> String {
    mac.map_or_else(|| "-".to_owned(), |mac| mac.to_string())
}

/// A letter as one line for people. No values.
pub fn line(letter: &Letter) -> String {
    let field = letter.field.as_ref().map(|f| format!(" in {}", shown(f)));
    let tried_again =
        (letter.first_try != letter.last_try).then(|| format!(" and again {}", instant(letter.last_try)));
    let partial = if letter.partial { ", one quantity" } else { "" };
    format!(
        "{} gateway {} device {} {}: {}{} since {}{} ({}{partial})",
        letter.id,
        mac(letter.gateway),
        mac(letter.device),
        letter.stage,
        letter.reason,
        field.unwrap_or_default(),
        instant(letter.first_try),
        tried_again.unwrap_or_default(),
        letter.state.label(),
    )
}

/// A letter as JSON: the fields of `export dead`, and what else the store knows. No values.
pub fn object(letter: &Letter) -> Value {
    let position = &letter.writer.position;
    json!({
        "id": letter.id, "receipt_id": letter.writer.receipt_id,
        "item_index": Some(position.item).filter(|item| *item >= 0), "field": letter.field,
        "state": letter.state.label(), "stage": letter.stage, "reason": letter.reason, "detail": letter.detail,
        "partial": letter.partial, "gateway": letter.gateway.map(|m| m.to_string()),
        "device": letter.device.map(|m| m.to_string()), "mapping_version": letter.mapping_version,
        "first_try": letter.first_try.instant(), "last_try": letter.last_try.instant(),
        "topic": position.topic, "partition": position.partition, "offset": position.offset,
    })
}

/// Lists what waits on a shelf.
pub async fn list(ports: &Ports, shelf: Shelf, filter: &Filter, as_json: bool) -> anyhow::Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    let mut pages = Pages::new(&ports.store, shelf, WAITING, filter);
    while let Some(letters) = pages.next().await? {
        for letter in letters {
            let written = if as_json {
                writeln!(out, "{}", object(&letter))
            } else {
                writeln!(out, "{}", line(&letter))
            };
            match written {
                Ok(()) => *reasons.entry(letter.reason).or_default() += 1,
                // The reader has seen enough.
                Err(e) if say::is_gone(&e) => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }
    let mut end = Ok(());
    if !as_json {
        let what = match shelf {
            Shelf::Dead => "dead letters",
            Shelf::Parked => "readings wait",
        };
        let by_reason: Vec<String> = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let colon = if by_reason.is_empty() { "" } else { ": " };
        let all: u64 = reasons.values().sum();
        end = writeln!(out, "{all} {what}{colon}{}", by_reason.join(", "));
    }
    match end.and_then(|()| out.flush()) {
        Err(e) if !say::is_gone(&e) => Err(e.into()),
        _ => Ok(()),
    }
}

/// The rules as they are now, for a command that sends letters back.
pub async fn rules(ports: &Ports, settings: &Settings) -> anyhow::Result<Rules> {
    let keeping = Keeping {
        holder: holder(settings),
        now,
    };
    let registry = patiently(&opening(), || associations::refresh(&ports.store, &keeping)).await?;
    Ok(Rules {
        wire: ports.wire.clone(),
        mapping: ports.mapping.clone(),
        // Nobody sends another one: a command is done with the one that it began with.
        registry: watch::channel(registry).1,
        topics: ports.topics.clone(),
        legacy_routing: settings.legacy_routing,
    })
}

/// Who holds a command's lease.
pub fn holder(settings: &Settings) -> String {
    format!("{}/{}", settings.instance, std::process::id())
}

/// Works as soon as no other process does the same.
pub async fn in_turn<T, W>(mut work: impl FnMut() -> W, busy: fn(&T) -> bool) -> anyhow::Result<T>
where
    W: Future<Output = Result<T, ReleaseError>>,
{
    let until = Instant::now() + TURN_WITHIN;
    let mut said = false;
    loop {
        let done = work().await?;
        if !busy(&done) {
            return Ok(done);
        }
        if Instant::now() >= until {
            anyhow::bail!("another process has been sending letters for a while; try again when it is done");
        }
        if !std::mem::replace(&mut said, true) {
            remark!("another process is sending letters, or was killed at it: waiting for my turn");
        }
        sleep(Duration::from_millis(500)).await;
    }
}
