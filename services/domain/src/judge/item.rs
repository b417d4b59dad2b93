//! What one item, or one call, would become: everything that can be said without the registry.

use uuid::Uuid;

use super::Rules;
use super::clock::Clock;
use super::quantities::{Assessed, Bad, Good, Level, RowValue, assess, letter, main_row};
use crate::catalogue::Model;
use crate::ids::{Mac, uuid_of};
use crate::json::Raw;
use crate::outcome::{DeadReason, Stage};
use crate::reading::Death;
use crate::text::push;
use crate::time::Timestamp;

/// A reading that only needs its patient.
#[derive(Debug)]
pub(crate) struct Planned<'m> {
    /// Index of the item.
    pub index: i32,
    pub model: &'m Model,
    /// The sub-device; none for a person's call.
    pub device: Option<Mac>,
    pub clock: Clock,
    /// Main kind first.
    pub observations: Vec<PlannedObservation<'m>>,
    pub bad: Vec<Bad>,
    pub context: Context,
}

/// One Observation of a planned reading.
#[derive(Debug)]
pub(crate) struct PlannedObservation<'m> {
    pub id: Uuid,
    pub key: String,
    /// Where the values stand in the key.
    values: (usize, usize),
    pub value: RowValue<'m>,
    /// Another item of the message has another value of this kind, device and second.
    pub twin: bool,
}

impl PlannedObservation<'_> {
    /// The values as they stand in the key.
    pub(crate) fn values(&self) -> &str {
        self.key.get(self.values.0..self.values.1).unwrap_or_default()
    }
}

/// What an item says beside its quantities.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// The marker, where it is known.
    pub marker: Option<usize>,
    /// The marker as sent.
    pub marker_sent: Option<String>,
    /// The mode as sent.
    pub mode: Option<String>,
}

impl Context {
    /// True where a marker was sent that the catalogue does not know.
    pub(crate) fn marker_is_unknown(&self) -> bool {
        self.marker.is_none() && self.marker_sent.is_some()
    }
}

/// The reading of a gateway's item, or its death; with the sub-device where its address is usable.
pub(crate) fn plan<'m>(
    rules: Rules<'m>,
    model: &'m Model,
    index: i32,
    item: Raw<'_>,
    clock: impl FnOnce(Option<i64>) -> Clock,
    received_at: Timestamp,
) -> Result<Planned<'m>, (Option<Mac>, Death)> {
    let payload = |reason, field: Option<&str>, detail: &str| Death {
        stage: Stage::Payload,
        reason,
        field: field.map(str::to_owned),
        detail: Some(detail.to_owned()),
    };
    let Some(fields) = item.object() else {
        return Err((None, payload(DeadReason::Unreadable, None, "not a JSON object")));
    };
    if fields.has_duplicate() || !fields.entries().iter().all(|(_, v)| v.is_clean()) {
        let death = payload(
            DeadReason::Unreadable,
            None,
            "a key stands twice or a text cannot be read",
        );
        return Err((None, death));
    }
    let Some(address) = fields.sent("ble_addr") else {
        let death = payload(DeadReason::AddressMissing, Some("ble_addr"), "is required");
        return Err((None, death));
    };
    let Some(device) = address.text().and_then(|t| t.parse::<Mac>().ok()) else {
        let death = payload(
            DeadReason::AddressUnusable,
            Some("ble_addr"),
            "must be 12 hex digits",
        );
        return Err((None, death));
    };
    let assessed = assess(rules.catalogue, model, &fields, None);
    if assessed.rows.is_empty() {
        return Err((Some(device), death_of(&assessed.bad)));
    }
    let time = fields.get("scan_time").and_then(crate::message::epoch_seconds);
    let context = context(rules, model, &fields);
    Ok(planned(
        rules,
        model,
        index,
        device,
        Some(device),
        clock(time),
        received_at,
        assessed,
        context,
    ))
}

/// The death of an item whose quantities are all bad.
pub(crate) fn death_of(bad: &[Bad]) -> Death {
    let letter = letter(bad);
    Death {
        stage: Stage::Mapping,
        reason: letter.as_ref().map_or(DeadReason::ValueMissing, |l| l.1),
        field: letter.as_ref().map(|l| l.0.clone()),
        detail: letter.map(|l| l.2),
    }
}

/// Marker and mode of an item or a call.
pub(crate) fn context(rules: Rules<'_>, model: &Model, fields: &crate::json::Fields<'_>) -> Context {
    let sent = |key: &Option<String>| {
        let raw = fields.sent(key.as_deref()?)?;
        match raw.text() {
            Some(text) => Some(text.into_owned()),
            None => Some(raw.as_str().to_owned()),
        }
    };
    let marker_sent = sent(&model.marker);
    Context {
        marker: marker_sent
            .as_deref()
            .and_then(|m| rules.catalogue.marker(m.trim())),
        marker_sent,
        mode: sent(&model.mode),
    }
}

/// Keys and ids of a reading.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a reading, each of another origin"
)]
pub(crate) fn planned<'m>(
    rules: Rules<'m>,
    model: &'m Model,
    index: i32,
    address: Mac,
    device: Option<Mac>,
    clock: Clock,
    received_at: Timestamp,
    assessed: Assessed<'m>,
    context: Context,
) -> Planned<'m> {
    let observations = assessed
        .rows
        .into_iter()
        .map(|value| {
            let kind = rules
                .catalogue
                .rows
                .get(value.row)
                .map_or("", |r| r.kind.as_str());
            let (key, values) = key(address, kind, &clock, &value.values, received_at);
            PlannedObservation {
                id: uuid_of(&key),
                key,
                values,
                value,
                twin: false,
            }
        })
        .collect();
    Planned {
        index,
        model,
        device,
        clock,
        observations,
        bad: assessed.bad,
        context,
    }
}

/// The key of an Observation: `obs|1|<address>|<kind>|<device time>|<values>`, with the receipt date where the clock
/// is out of bounds; and where the values stand in it.
fn key(
    address: Mac,
    kind: &str,
    clock: &Clock,
    values: &[Good<'_>],
    received_at: Timestamp,
) -> (String, (usize, usize)) {
    use std::fmt::Write;
    let mut key = String::with_capacity(96);
    // Writing into a String cannot fail.
    push!(key, "obs|1|", address.hex().as_str(), "|", kind, "|");
    let _ = match clock.device {
        Some(time) => write!(key, "{time}|"),
        None => write!(key, "-|"),
    };
    let start = key.len();
    if values.is_empty() {
        key.push_str("absent");
    }
    for (i, good) in values.iter().enumerate() {
        if i > 0 {
            key.push(',');
        }
        match good.level {
            Level::Above => key.push('>'),
            Level::Below => key.push('<'),
            Level::Plausible | Level::Implausible => {}
        }
        good.wire.push_to(&mut key);
    }
    let end = key.len();
    if clock.rule.is_some() {
        key.push('|');
        key.push_str(received_at.utc_date().as_deref().unwrap_or("-"));
    }
    (key, (start, end))
}

/// True where the reading's main quantity is there: what legacy documents hold.
pub(crate) fn has_main_quantity(rules: Rules<'_>, planned: &Planned<'_>) -> bool {
    let Some(first) = planned.observations.first() else {
        return false;
    };
    if first.value.values.is_empty() {
        return false;
    }
    planned.model.any || main_row(rules.catalogue, planned.model) == Some(first.value.row)
}
