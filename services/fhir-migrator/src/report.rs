//! What a run did, as text and as JSON. No values, no patients.

use std::fmt::Write as _;

use serde_json::{Value, json};
use stardust_domain::time::Timestamp;

use crate::progress::{CollectionProgress, Progress};
use crate::tally::{Counts, Tally, sum};

fn instant(micros: Option<i64>) -> Option<String> {
    Timestamp::from_micros(micros?).instant()
}

fn tally_json(tally: &Tally) -> Value {
    json!({
        "documents": tally.documents, "unreadable": tally.unreadable, "shapes": tally.shapes, "own": tally.own,
        "entries": tally.entries, "published": tally.published, "duplicates": tally.duplicates,
        "refused": tally.refused, "without_readings": tally.without_readings, "readings": tally.readings(),
        "emitted": tally.emitted, "suspected_duplicates": tally.suspected, "parked": tally.parked, "rejected": tally.rejected,
        "placeholders": tally.placeholders, "notes": tally.notes, "left_over": tally.left_over,
        "oldest": instant(tally.oldest), "newest": instant(tally.newest), "balanced": tally.balances(),
    })
}

/// The report as a JSON object.
#[must_use]
pub fn object(progress: &Progress) -> Value {
    let collections: Vec<Value> = progress
        .collections
        .iter()
        .map(|c| {
            let mut object = tally_json(&c.tally);
            object["collection"] = json!(c.name);
            object["present"] = json!(c.present);
            object["done"] = json!(c.done);
            object["trouble"] = json!(c.trouble);
            object
        })
        .collect();
    json!({"totals": tally_json(&progress.total()), "collections": collections})
}

/// A column: what it is called, and its number.
type Column = (&'static str, fn(&Tally) -> u64);

const COLUMNS: [Column; 9] = [
    ("documents", |t| t.documents),
    ("entries", |t| t.entries),
    ("published", |t| t.published),
    ("duplicates", |t| t.duplicates),
    ("readings", Tally::readings),
    ("stored", |t| t.emitted),
    ("waiting", |t| sum(&t.parked)),
    ("rejected", |t| sum(&t.rejected)),
    ("none", |t| sum(&t.placeholders)),
];

fn day(micros: Option<i64>) -> String {
    micros
        .and_then(|at| Timestamp::from_micros(at).utc_date())
        .unwrap_or_else(|| "-".to_owned())
}

fn row(out: &mut String, name: &str, tally: &Tally) {
    let _ = write!(out, "{name:<26}");
    for (title, number) in COLUMNS {
        let width = title.len().max(7);
        let _ = write!(out, " {:>width$}", number(tally));
    }
    let _ = writeln!(out, "  {} {}", day(tally.oldest), day(tally.newest));
}

/// The report for people.
#[must_use]
pub fn text(progress: &Progress) -> String {
    let mut out = format!("{:<26}", "collection");
    for (title, _) in COLUMNS {
        let width = title.len().max(7);
        let _ = write!(out, " {title:>width$}");
    }
    out.push_str("  oldest     newest\n");
    for c in progress.collections.iter().filter(|c| c.present) {
        row(&mut out, &c.name, &c.tally);
    }
    row(&mut out, "all", &progress.total());
    for c in progress.collections.iter().filter(|c| c.present) {
        details(&mut out, c);
    }
    let absent = progress.collections.iter().filter(|c| !c.present);
    let absent: Vec<&str> = absent.map(|c| c.name.as_str()).collect();
    if !absent.is_empty() {
        let _ = writeln!(out, "not in the source: {}", absent.join(", "));
    }
    out
}

fn details(out: &mut String, c: &CollectionProgress) {
    let name = &c.name;
    if let Some(trouble) = &c.trouble {
        let _ = writeln!(out, "{name}: not read to its end: {trouble}");
    } else if !c.done {
        let _ = writeln!(out, "{name}: not read to its end yet");
    }
    let t = &c.tally;
    for (count, what) in [
        (t.unreadable, "documents that cannot be read"),
        (t.own, "documents of our own, skipped"),
        (t.refused, "entries that are too large for the log"),
        (t.without_readings, "entries without any reading"),
        (
            t.suspected,
            "suspected duplicates: equal to another reading in patient, kind, time and value, stored all the same",
        ),
    ] {
        if count > 0 {
            let _ = writeln!(out, "{name}: {count} {what}");
        }
    }
    list(out, name, "waiting", &t.parked);
    list(out, name, "rejected", &t.rejected);
    list(out, name, "none", &t.placeholders);
    list(out, name, "noted", &t.notes);
    list(out, name, "without a place", &t.left_over);
}

/// A label may come from a document: what could command a terminal is written out.
fn shown(label: &str) -> String {
    label
        .chars()
        .fold(String::with_capacity(label.len()), |mut out, c| {
            if c.is_control() {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
            out
        })
}

fn list(out: &mut String, name: &str, what: &str, counts: &Counts) {
    if counts.is_empty() {
        return;
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(label, count)| format!("{count} {}", shown(label)))
        .collect();
    let _ = writeln!(out, "{name}: {what}: {}", parts.join(", "));
}
