//! Reading `periods.json`: who had a device when, as somebody who knows has written it down.

use std::collections::HashMap;

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::association::Period;
use super::{Registry, clean, for_each_document};
use crate::ids::Mac;
use crate::time::Timestamp;

/// Most periods of an import.
pub const MOST_PERIODS: usize = 100_000;

const FIELDS: [&str; 5] = ["_id", "device", "patient_id", "start", "end"];

/// The file cannot be used. The message names the entry and the rule, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeriodsError {
    /// It is not JSON, or not of documents.
    #[error(transparent)]
    File(#[from] super::ExportError),
    /// An entry that breaks a rule, counted from 1.
    #[error("entry {entry}: {rule}")]
    Entry {
        /// Which.
        entry: usize,
        /// The rule.
        rule: String,
    },
}

fn refused(entry: usize, rule: impl Into<String>) -> PeriodsError {
    PeriodsError::Entry {
        entry,
        rule: rule.into(),
    }
}

/// The periods of a file: a document a line, or one array, each with `device`, `patient_id`, `start` and `end`.
///
/// # Errors
/// The first entry that breaks a rule: then nothing of the file can be used.
pub fn parse_periods(bytes: &[u8], now: Timestamp) -> Result<Vec<Period>, PeriodsError> {
    let mut periods = Vec::new();
    let mut broken = None;
    let mut entry = 0;
    for_each_document(bytes, |document| {
        entry += 1;
        if broken.is_some() {
            return;
        }
        match period(&document, now) {
            _ if entry > MOST_PERIODS => {
                broken = Some(refused(
                    entry,
                    format!("a file has at most {MOST_PERIODS} periods"),
                ));
            }
            Ok(period) => periods.push(period),
            Err(rule) => broken = Some(refused(entry, rule)),
        }
    })?;
    if let Some(broken) = broken {
        return Err(broken);
    }
    apart(&periods)?;
    Ok(periods)
}

/// Holds periods against the registry: one without an end is that of the patient who has the device now.
///
/// # Errors
/// The first entry that breaks the rule.
pub fn check_periods(periods: &[Period], registry: &Registry) -> Result<(), PeriodsError> {
    for (at, period) in periods.iter().enumerate() {
        let now = registry.any_kind.get(&period.device);
        if period.end.is_none() && now != Some(&Ok(period.patient)) {
            return Err(refused(
                at + 1,
                "end is missing, and the registry does not name this patient for the device now",
            ));
        }
    }
    Ok(())
}

fn period(document: &Value, now: Timestamp) -> Result<Period, String> {
    let fields = document.as_object().ok_or("not a document (a JSON object)")?;
    if let Some(odd) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        let known = FIELDS[1..].join(", ");
        let odd: String = odd.chars().filter(|c| !c.is_control()).take(40).collect();
        return Err(format!("unknown field {odd:?}; there are {known}"));
    }
    let device = clean::address(fields.get("device")).0;
    let device = device.ok_or("device is missing or no address of 12 hex digits")?;
    let patient = clean::patient_id(fields.get("patient_id")).0;
    let patient = patient.ok_or("patient_id is missing or no id of 24 hex digits")?;
    let (start, end) = (
        instant("start", fields.get("start"), now)?,
        instant("end", fields.get("end"), now)?,
    );
    if let (Some(start), Some(end)) = (start, end)
        && end <= start
    {
        return Err("end is not after start".to_owned());
    }
    Ok(Period {
        device,
        patient,
        start,
        end,
    })
}

/// An instant to the millisecond: RFC 3339 text with an offset, or a date of Extended JSON.
fn instant(name: &str, value: Option<&Value>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let date = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(date)) if date.len() == 1 => date.get("$date"),
        other => other,
    };
    let at = match date {
        Some(Value::String(text)) => rfc3339(text),
        Some(Value::Object(long)) if long.len() == 1 => {
            let digits = long.get("$numberLong").and_then(Value::as_str);
            digits.and_then(|ms| ms.parse().ok()).map(Timestamp::from_millis)
        }
        // A bare number could be seconds or milliseconds.
        Some(Value::Number(ms)) if matches!(value, Some(Value::Object(_))) => {
            ms.as_i64().map(Timestamp::from_millis)
        }
        _ => None,
    };
    let at = at.filter(|at| at.instant().is_some()).ok_or_else(|| {
        format!("{name} is no time: RFC 3339 with an offset (2026-03-01T08:00:00+07:00) or {{\"$date\": …}}")
    })?;
    if at > now {
        return Err(format!("{name} lies in the future"));
    }
    Ok(Some(at))
}

fn rfc3339(text: &str) -> Option<Timestamp> {
    let at = OffsetDateTime::parse(text.trim(), &Rfc3339).ok()?;
    let ms = at.unix_timestamp_nanos().div_euclid(1_000_000);
    i64::try_from(ms).ok().map(Timestamp::from_millis)
}

/// A device has one owner at a time.
fn apart(periods: &[Period]) -> Result<(), PeriodsError> {
    let mut by_device: HashMap<Mac, Vec<usize>> = HashMap::new();
    for (at, period) in periods.iter().enumerate() {
        by_device.entry(period.device).or_default().push(at);
    }
    let mut first: Option<(usize, usize)> = None;
    for entries in by_device.values_mut() {
        entries.sort_unstable_by_key(|at| (periods[*at].start, *at));
        for pair in entries.windows(2) {
            let (one, two) = (&periods[pair[0]], &periods[pair[1]]);
            let meets = one
                .end
                .is_none_or(|end| two.start.is_none_or(|start| start < end));
            let met = (pair[0].max(pair[1]), pair[0].min(pair[1]));
            if meets && first.is_none_or(|known| met < known) {
                first = Some(met);
            }
        }
    }
    match first {
        Some((later, earlier)) => Err(refused(
            later + 1,
            format!("overlaps entry {} of the same device", earlier + 1),
        )),
        None => Ok(()),
    }
}
