//! `stardust map`: what the rules make of messages, one a line, without any log or store.

use std::io::{self, BufRead, Read, Write};

use anyhow::Context;
use serde::Serialize;
use serde_json::value::RawValue;
use stardust_domain::history::HistoryDocument;
use stardust_domain::ids::{Mac, sha256_hex, uuid_of};
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_domain::reading::{AuditFacts, Envelope, Reading, Verdict};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

/// The largest body that the door takes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The run that the AuditEvents of mapped documents name.
const NO_RUN: &str = "map";

/// What became of one line.
#[derive(Serialize)]
struct Line<'a> {
    line: u64,
    receipt_id: &'a str,
    readings: Vec<Mapped<'a>>,
}

/// What became of one reading.
#[derive(Serialize)]
struct Mapped<'a> {
    outcome: &'static str,
    reason: Option<&'static str>,
    dead_quantities: Vec<DeadQuantity<'a>>,
    observations: Vec<&'a RawValue>,
    legacy: Vec<Document<'a>>,
    audit: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
struct DeadQuantity<'a> {
    field: &'a str,
    reason: &'static str,
}

#[derive(Serialize)]
struct Document<'a> {
    collection: &'static str,
    document: &'a RawValue,
}

/// Judges each line of `input` as if it had come through the door at `received_at`, and writes one JSON line for it.
///
/// Lines are counted from 1; blank ones are counted and left out. The receipt of a line is a function of its number and
/// its bytes, so that the same input gives the same output. Lines need not be UTF-8. Of a line that is longer than the
/// door takes only the start is kept, so that no input fills the memory.
///
/// # Errors
/// Where `input` cannot be read or `output` not be written.
pub fn map(
    mapping: &Mapping,
    registry: &Registry,
    received_at: Timestamp,
    mut input: impl BufRead,
    mut output: impl Write,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let mut number = 0_u64;
    while read_line(&mut input, &mut bytes)? {
        number += 1;
        let body = without_line_end(&bytes);
        if body.trim_ascii().is_empty() {
            continue;
        }
        write_line(mapping, registry, received_at, number, body, &mut output)?;
    }
    output.flush()?;
    Ok(())
}

/// Judges each line of `input`, a document of a history collection, as if it were migrated at `published_at`, and writes
/// one JSON line for each of its entries. Documents that this program wrote have none.
///
/// # Errors
/// Where a line is no document, `input` cannot be read or `output` not be written.
pub fn map_histories(
    mapping: &Mapping,
    registry: &Registry,
    published_at: Timestamp,
    (database, collection): (&str, &str),
    input: impl BufRead,
    mut output: impl Write,
) -> anyhow::Result<()> {
    for (number, line) in (1..).zip(input.lines()) {
        let text = line?;
        if text.trim().is_empty() {
            continue;
        }
        let document =
            HistoryDocument::read(database, collection, &text).with_context(|| format!("line {number}"))?;
        for entry in document.entries() {
            let envelope = Envelope {
                receipt: &entry.receipt_id.to_string(),
                received_at: published_at,
                source: Source::Migration,
                items: None,
                body: entry.body.as_bytes(),
            };
            write_judged(mapping, registry, number, &envelope, &mut output)?;
        }
    }
    output.flush()?;
    Ok(())
}

/// The next line, or the start of one that is too long; false at the end.
fn read_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<bool> {
    // With its end, and a byte more than the door takes.
    const KEPT: usize = MAX_BODY_BYTES + 3;
    bytes.clear();
    input.by_ref().take(KEPT as u64).read_until(b'\n', bytes)?;
    if bytes.len() == KEPT && !bytes.ends_with(b"\n") {
        input.skip_until(b'\n')?;
    }
    Ok(!bytes.is_empty())
}

fn without_line_end(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// The receipt of a line: UUIDv5 of `map|<line>|<SHA-256 of its bytes, hex>`.
fn receipt_of(line: u64, body: &[u8]) -> String {
    uuid_of(&format!("map|{line}|{}", sha256_hex(body))).to_string()
}

fn write_line(
    mapping: &Mapping,
    registry: &Registry,
    received_at: Timestamp,
    line: u64,
    body: &[u8],
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let receipt = receipt_of(line, body);
    // What the door would not take is one unreadable reading, whatever it says.
    let body = if body.len() > MAX_BODY_BYTES { &[] } else { body };
    let envelope = Envelope {
        receipt: &receipt,
        received_at,
        source: Source::Http,
        items: None,
        body,
    };
    write_judged(mapping, registry, line, &envelope, output)
}

fn write_judged(
    mapping: &Mapping,
    registry: &Registry,
    line: u64,
    envelope: &Envelope<'_>,
    output: &mut impl Write,
) -> anyhow::Result<()> {
    let judged = mapping.judge(envelope, registry);
    let readings = judged
        .readings
        .iter()
        .map(|reading| mapped(mapping, envelope, judged.gateway, reading))
        .collect::<anyhow::Result<_>>()?;
    let line = Line {
        line,
        receipt_id: envelope.receipt,
        readings,
    };
    serde_json::to_writer(&mut *output, &line)?;
    output.write_all(b"\n")?;
    Ok(())
}

fn mapped<'a>(
    mapping: &Mapping,
    envelope: &Envelope<'_>,
    gateway: Option<Mac>,
    reading: &'a Reading,
) -> anyhow::Result<Mapped<'a>> {
    let (outcome, reason, audit_outcome, patient) = match &reading.verdict {
        Verdict::Emit(patient) => ("emit", None, AuditOutcome::Created, Some(*patient)),
        Verdict::Park(reason) => ("park", Some(reason.label()), AuditOutcome::Parked, None),
        Verdict::Dead(death) => ("dead", Some(death.reason.label()), AuditOutcome::Dead, None),
    };
    let audit = mapping.audit_event(&AuditFacts {
        receipt: envelope.receipt,
        item: reading.item,
        outcome: audit_outcome,
        reason,
        dead_quantities: &reading.dead_quantities,
        recorded: envelope.received_at,
        gateway,
        migration_run: (envelope.source == Source::Migration).then_some(NO_RUN),
        patient,
        observations: &reading.observation_ids,
        mapping_version: mapping.version(),
    });
    Ok(Mapped {
        outcome,
        reason,
        dead_quantities: reading
            .dead_quantities
            .iter()
            .map(|q| DeadQuantity {
                field: &q.field,
                reason: q.reason.label(),
            })
            .collect(),
        observations: reading
            .observations
            .iter()
            .map(|o| serde_json::from_str(&o.json))
            .collect::<Result<_, _>>()?,
        legacy: reading
            .legacy
            .iter()
            .map(|l| {
                Ok(Document {
                    collection: l.collection,
                    document: serde_json::from_str(&l.document)?,
                })
            })
            .collect::<anyhow::Result<_>>()?,
        audit: vec![RawValue::from_string(audit.json)?],
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use stardust_domain::mapping::Settings;

    use super::*;

    fn mapped_lines(input: &[u8]) -> Vec<Value> {
        let settings = Settings {
            zone: "+07:00".parse().unwrap(),
            identifier_base: "urn:stardust:".into(),
        };
        let mapping = Mapping::builtin(settings).unwrap();
        let (registry, _) = Registry::from_documents(
            [],
            [json!({"patient_id": {"$oid": "65a000000000000000000001"}, "mac_bps": "020000bb0001"})],
            [json!({"_id": {"$oid": "65a000000000000000000001"}})],
        );
        let mut output = Vec::new();
        map(
            &mapping,
            &registry,
            Timestamp::from_seconds(1_772_323_200),
            input,
            &mut output,
        )
        .unwrap();
        let text = String::from_utf8(output).unwrap();
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    }

    fn pressure(address: &str, pulse: u16) -> String {
        format!(
            r#"{{"time":1836900001,"mac":"02:00:00:AA:00:01","type":"reportAttribute","data":{{"attribute":"BP_BIOLIGTH","value":{{"device_list":[{{"scan_time":1836900001,"ble_addr":"{address}","bp_high":131,"bp_low":84,"PR":{pulse}}}]}}}}}}"#
        )
    }

    #[test]
    fn a_reading_is_printed_with_all_that_becomes_of_it() {
        let lines = mapped_lines(pressure("020000bb0001", 71).as_bytes());
        let reading = &lines[0]["readings"][0];
        assert_eq!(lines[0]["line"], 1);
        assert_eq!(reading["outcome"], "emit");
        assert_eq!(reading["reason"], Value::Null);
        assert_eq!(reading["dead_quantities"], json!([]));
        assert_eq!(
            reading["observations"][0]["id"],
            "4fb33aa4-d54b-5257-b850-16f866249e4d"
        );
        assert_eq!(reading["observations"].as_array().unwrap().len(), 2);
        assert_eq!(reading["legacy"][0]["collection"], "blood_pressure_histories");
        assert_eq!(reading["legacy"][0]["document"]["data"][0]["systolic"], 131);
        assert_eq!(reading["audit"][0]["resourceType"], "AuditEvent");
    }

    #[test]
    fn a_bad_quantity_of_a_good_reading_is_named() {
        let lines = mapped_lines(pressure("020000bb0001", 350).as_bytes());
        let reading = &lines[0]["readings"][0];
        assert_eq!(reading["outcome"], "emit");
        assert_eq!(
            reading["dead_quantities"],
            json!([{"field": "PR", "reason": "value impossible"}])
        );
    }

    #[test]
    fn parked_dead_and_ignored_lines_carry_no_documents() {
        let unknown = pressure("020000bb00ff", 71);
        let input = format!("{unknown}\n[]\n{{\"mac\":\"020000aa0001\",\"type\":\"HB_Msg\"}}\n");
        let lines = mapped_lines(input.as_bytes());
        let parked = &lines[0]["readings"][0];
        assert_eq!(
            (&parked["outcome"], &parked["reason"]),
            (&json!("park"), &json!("device unknown"))
        );
        assert_eq!(parked["observations"], json!([]));
        assert_eq!(parked["audit"].as_array().unwrap().len(), 1);
        let dead = &lines[1]["readings"][0];
        assert_eq!(
            (&dead["outcome"], &dead["reason"]),
            (&json!("dead"), &json!("unreadable"))
        );
        assert_eq!(lines[2]["readings"], json!([]));
    }

    #[test]
    fn blank_lines_are_counted_and_bytes_that_are_no_text_are_a_dead_reading() {
        let lines = mapped_lines(b"\n  \r\n\xff\xfe\r\n5");
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["line"], &lines[1]["line"]), (&json!(3), &json!(4)));
        assert_eq!(lines[0]["readings"][0]["reason"], "unreadable");
    }

    #[test]
    fn a_line_that_is_too_long_for_the_door_is_unreadable() {
        let line = format!(
            "{{\"mac\":\"020000aa0001\",\"x\":\"{}\"}}",
            "x".repeat(MAX_BODY_BYTES)
        );
        let lines = mapped_lines(line.as_bytes());
        assert_eq!(lines[0]["readings"][0]["reason"], "unreadable");
    }

    #[test]
    fn a_line_without_an_end_does_not_fill_the_memory() {
        let endless = io::repeat(b'x').take(40 << 20).chain(b"\nnext".as_slice());
        let (mut input, mut bytes) = (io::BufReader::new(endless), Vec::new());
        assert!(read_line(&mut input, &mut bytes).unwrap());
        assert!(bytes.len() > MAX_BODY_BYTES && bytes.capacity() <= 4 * MAX_BODY_BYTES);
        assert!(read_line(&mut input, &mut bytes).unwrap());
        assert_eq!(bytes, b"next");
        assert!(!read_line(&mut input, &mut bytes).unwrap());
    }

    #[test]
    fn the_largest_body_of_the_door_fits_into_a_line() {
        for end in ["", "\n", "\r\n"] {
            for (bytes, fits) in [(MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false)] {
                let mut line = String::from(r#"{"mac":"020000aa0001","type":"HB_Msg"}"#);
                line.push_str(&" ".repeat(bytes - line.len()));
                line.push_str(end);
                let readings = mapped_lines(line.as_bytes())[0]["readings"].clone();
                assert_eq!(readings == json!([]), fits, "{bytes} bytes and {end:?}");
            }
        }
    }

    #[test]
    fn the_same_input_gives_the_same_output() {
        let input = pressure("020000bb0001", 71);
        assert_eq!(mapped_lines(input.as_bytes()), mapped_lines(input.as_bytes()));
        let twice = mapped_lines(format!("{input}\n{input}\n").as_bytes());
        assert_ne!(twice[0]["receipt_id"], twice[1]["receipt_id"]);
        assert_eq!(
            twice[0]["readings"][0]["observations"],
            twice[1]["readings"][0]["observations"]
        );
    }
}
