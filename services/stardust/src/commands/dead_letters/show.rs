//! `stardust dead-letters show`.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{anyhow, bail};
use bytes::Bytes;
use serde_json::json;
use stardust::shown::{dump, shown};
use stardust_fhir_parser::{Filter, Pages};
use stardust_pipeline::log::{Budget, Log, Topic};
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store};
use stardust_wire::{LetterRecord, RawRecord, Subject};

use super::letters;
use crate::ports::Ports;
use crate::say::{self, say};
use crate::{Failure, Usage};

/// Arguments of `stardust dead-letters show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// A letter as `list` names it, or a receipt: all of its letters.
    #[arg(value_name = "RECEIPT[:ITEM[:FIELD]]")]
    id: String,
    /// One JSON object; the message as `body`, or as `body_hex` where it is no text.
    #[arg(long, conflicts_with = "raw")]
    json: bool,
    /// Only the bytes of the message, exactly as they came: for a file or a pipe.
    #[arg(long)]
    raw: bool,
}

const ALL: &[LetterState] = &[LetterState::Open, LetterState::Releasing, LetterState::Closed];

/// Runs the command.
pub async fn run(ports: &Ports, args: &ShowArgs) -> Result<ExitCode, Failure> {
    if args.raw && stdout().is_terminal() {
        return Err(Usage(
            "--raw writes bytes as a stranger sent them, which can command a terminal: send them to a file or a pipe"
                .to_owned(),
        )
        .into());
    }
    let found = find(ports, &args.id).await?;
    let Some(first) = found.first() else {
        return Err(anyhow!(
            "there is no dead letter {}; `stardust dead-letters list` names those that are not settled",
            shown(&args.id)
        )
        .into());
    };
    let raw = raw(ports, first).await?;
    if args.raw {
        let raw = raw.ok_or_else(|| anyhow!("its raw record is kept neither in the store nor in the log"))?;
        stdout().write_all(&raw.body).map_err(anyhow::Error::from)?;
    } else if args.json {
        say!("{}", object(&found, raw.as_ref()));
    } else {
        say::out(format_args!("{}", text(&found, raw.as_ref())));
    }
    Ok(ExitCode::SUCCESS)
}

async fn find(ports: &Ports, id: &str) -> anyhow::Result<Vec<Letter>> {
    let receipt = id.split(':').next().unwrap_or(id);
    let filter = Filter {
        receipt: Some(receipt.to_owned()),
        ..Filter::default()
    };
    let mut found = Vec::new();
    let mut pages = Pages::new(&ports.store, Shelf::Dead, ALL, &filter);
    while let Some(letters) = pages.next().await? {
        found.extend(letters.into_iter().filter(|l| id == receipt || l.id == id));
    }
    Ok(found)
}

/// The raw record: as the store keeps it, else from where it stands in the log.
async fn raw(ports: &Ports, letter: &Letter) -> anyhow::Result<Option<RawRecord>> {
    if let Some(kept) = ports.store.kept_raw(&letter.writer.receipt_id).await? {
        return Ok(Some(ports.wire.decode(Subject::Raw, &kept)?));
    }
    let at = &letter.writer.position;
    let one = Budget {
        records: 1,
        bytes: 1,
        wait: Duration::from_secs(2),
    };
    let topic = Topic::new(&at.topic);
    let record = ports.log.read(&topic, at.partition, at.offset, one).await?;
    let Some(record) = record.into_iter().find(|r| r.offset == at.offset) else {
        return Ok(None);
    };
    if topic == ports.topics.raw {
        let decoded = ports.wire.decode::<RawRecord>(Subject::Raw, &record.value);
        return Ok(Some(
            decoded.unwrap_or_else(|_| stardust_pipeline::foreign::raw(&record)),
        ));
    }
    if topic != ports.topics.dead {
        bail!("the letter names a topic that is not ours: {topic}");
    }
    let letter: LetterRecord = ports.wire.decode(Subject::Dead, &record.value)?;
    Ok(Some(RawRecord {
        receipt_id: letter.receipt_id,
        request_id: letter.request_id,
        received_at: letter.received_at,
        source: letter.source,
        content_type: letter.content_type,
        gateway: letter.gateway,
        migration_run: letter.migration_run,
        items: None,
        body: letter.body,
    }))
}

fn object(found: &[Letter], raw: Option<&RawRecord>) -> serde_json::Value {
    let text = raw.and_then(|r| std::str::from_utf8(&r.body).ok());
    json!({
        "letters": found.iter().map(letters::object).collect::<Vec<_>>(),
        "received_at": raw.and_then(|r| stardust_domain::time::Timestamp::from_micros(r.received_at).instant()),
        "source": raw.map(|r| &r.source), "request_id": raw.map(|r| &r.request_id),
        "content_type": raw.and_then(|r| r.content_type.as_ref()),
        "body": text,
        "body_hex": raw.filter(|_| text.is_none()).map(|r| hex(&r.body)),
    })
}

fn hex(bytes: &Bytes) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
}

fn text(found: &[Letter], raw: Option<&RawRecord>) -> String {
    let mut out = String::new();
    for letter in found {
        let mut line = |name, value: &str| field(&mut out, name, value);
        let at = &letter.writer.position;
        line("letter", &letter.id);
        line("state", letter.state.label());
        let quantity = if letter.partial {
            " (one quantity; the rest of the reading lives)"
        } else {
            ""
        };
        line("reason", &format!("{}{quantity}", letter.reason));
        line("stage", &letter.stage);
        line("field", letter.field.as_deref().unwrap_or("-"));
        line("detail", letter.detail.as_deref().unwrap_or("-"));
        line("gateway", &letters::mac(letter.gateway));
        line("device", &letters::mac(letter.device));
        line("mapping", &letter.mapping_version);
        line("first try", &letters::instant(letter.first_try));
        line("last try", &letters::instant(letter.last_try));
        line(
            "stands at",
            &format!("{}, partition {}, offset {}", at.topic, at.partition, at.offset),
        );
        out.push('\n');
    }
    let mut line = |name, value: &str| field(&mut out, name, value);
    let Some(raw) = raw else {
        line("message", "kept neither in the store nor in the log");
        return out;
    };
    let received = stardust_domain::time::Timestamp::from_micros(raw.received_at);
    line("received", &letters::instant(received));
    line("source", &raw.source);
    line("request", &raw.request_id);
    line("content type", raw.content_type.as_deref().unwrap_or("-"));
    line(
        "message",
        &format!("{} bytes as they came; they can be health data", raw.body.len()),
    );
    match std::str::from_utf8(&raw.body) {
        Ok(body) => {
            for part in body.lines() {
                let _ = writeln!(out, "{}", shown(part));
            }
        }
        Err(_) => dump(&mut out, &raw.body),
    }
    out
}

fn field(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "{name:<12} {}", shown(value));
}
