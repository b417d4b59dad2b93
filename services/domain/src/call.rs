//! A person's API call: `{timestamp, device_id, type, data}`.

use ::time::UtcOffset;

use crate::catalogue::{Catalogue, Model};
use crate::digits::Decimal;
use crate::ids::Mac;
use crate::json::{Fields, Raw};
use crate::judge::quantities::{Assessed, Bad, assess};
use crate::message::{not_json, refuse, to_seconds};
use crate::outcome::DeadReason;
use crate::reading::{Refusal, RefusalCode};

/// A call that is in order.
#[derive(Debug)]
pub(crate) struct Call<'a, 'm> {
    pub gateway: Mac,
    /// Epoch seconds.
    pub time: i64,
    pub model: &'m Model,
    pub data: Fields<'a>,
    pub assessed: Assessed<'m>,
}

/// Checks a call.
///
/// # Errors
/// The first thing that is wrong with it, and the gateway where that can be read.
pub(crate) fn read<'a, 'm>(
    catalogue: &'m Catalogue,
    top: &Fields<'a>,
) -> Result<Call<'a, 'm>, (Option<Mac>, Refusal)> {
    if !top.entries().iter().all(|(_, v)| v.is_clean()) {
        return Err((None, not_json("a key stands twice or a text cannot be read")));
    }
    let gateway = gateway(top).map_err(|r| (None, r))?;
    checked(catalogue, top, gateway).map_err(|r| (Some(gateway), r))
}

fn missing(field: &str) -> Refusal {
    refuse(
        RefusalCode::ValidationMissingField,
        Some(field),
        format!("{field} is required"),
        "Send timestamp, device_id, type and data, and in data the values of the type.",
    )
}

fn wrong_type(field: &str, wanted: &str) -> Refusal {
    refuse(
        RefusalCode::InvalidType,
        Some(field),
        format!("{field} has the wrong JSON type"),
        format!("Send {wanted}."),
    )
}

fn invalid(field: &str, message: String, suggestion: impl Into<String>) -> Refusal {
    refuse(RefusalCode::InvalidFormat, Some(field), message, suggestion)
}

fn gateway(top: &Fields<'_>) -> Result<Mac, Refusal> {
    for field in ["timestamp", "device_id", "type", "data"] {
        if top.sent(field).is_none() {
            return Err(missing(field));
        }
    }
    let raw = top.sent("device_id").unwrap_or(Raw::NULL);
    let text = raw
        .text()
        .ok_or_else(|| wrong_type("device_id", "the gateway's address as text"))?;
    text.parse().map_err(|_| {
        refuse(
            RefusalCode::InvalidMacAddress,
            Some("device_id"),
            "the gateway's address is not one of 12 hex digits",
            "Send the gateway's address as 12 hex digits, such as 02:00:00:AA:00:01.",
        )
    })
}

fn checked<'a, 'm>(
    catalogue: &'m Catalogue,
    top: &Fields<'a>,
    gateway: Mac,
) -> Result<Call<'a, 'm>, Refusal> {
    let raw = |field| top.sent(field).unwrap_or(Raw::NULL);
    let kind = raw("type")
        .text()
        .ok_or_else(|| wrong_type("type", "the type of the reading as text"))?;
    let data = raw("data")
        .object()
        .ok_or_else(|| wrong_type("data", "an object with the values"))?;
    let time = time(raw("timestamp"))?;
    let model = catalogue.call(kind.trim()).ok_or_else(|| {
        invalid(
            "type",
            "the type is unknown".to_owned(),
            format!("Send one of {}.", catalogue.call_names().join(", ")),
        )
    })?;
    for key in [&model.marker, &model.mode].into_iter().flatten() {
        if data.sent(key).is_some_and(|v| !v.is_text()) {
            return Err(wrong_type(&format!("data.{key}"), "text"));
        }
    }
    let measures = unit(model, &data)?;
    let assessed = assess(catalogue, model, &data, measures);
    if let Some(bad) = assessed.bad.first() {
        return Err(refused(bad));
    }
    Ok(Call {
        gateway,
        time,
        model,
        data,
        assessed,
    })
}

/// The refusal of a bad quantity: it names the limit, never the value.
fn refused(bad: &Bad) -> Refusal {
    let field = format!("data.{}", bad.field);
    match bad.reason {
        DeadReason::ValueMissing => missing(&field),
        _ if bad.wrong_type => wrong_type(&field, "a number"),
        _ => invalid(
            &field,
            format!("{field} {}", bad.rule),
            "Send the value as the device shows it, with its unit in `unit`.",
        ),
    }
}

/// The unit of each field, where the call names one.
fn unit<'m>(model: &'m Model, data: &Fields<'_>) -> Result<Option<&'m [usize]>, Refusal> {
    let mut chosen: Option<&'m [usize]> = None;
    for key in ["unit", "unit_code"] {
        let Some(raw) = data.sent(key) else {
            continue;
        };
        let field = format!("data.{key}");
        let text = raw.text().ok_or_else(|| wrong_type(&field, "the unit as text"))?;
        let measures = model.units.get(&text.trim().to_lowercase());
        match (measures, chosen) {
            (Some(measures), None) => chosen = Some(measures),
            (Some(measures), Some(before)) if before == measures => {}
            (Some(_), Some(_)) => {
                return Err(invalid(
                    &field,
                    "unit and unit_code are two units".to_owned(),
                    "Send one of them.",
                ));
            }
            (None, _) => {
                let mut known: Vec<&str> = model.units.keys().map(String::as_str).collect();
                known.sort_unstable();
                return Err(invalid(
                    &field,
                    format!("the unit is not one of {}", model.name),
                    format!("Send one of {}.", known.join(", ")),
                ));
            }
        }
    }
    Ok(chosen)
}

fn time(raw: Raw<'_>) -> Result<i64, Refusal> {
    let unreadable = || {
        invalid(
            "timestamp",
            "timestamp is no time".to_owned(),
            "Send ISO 8601 such as 2026-03-01T07:00:00+07:00, or epoch seconds or milliseconds.",
        )
    };
    if let Some(digits) = raw.number() {
        let whole = Decimal::from_number(digits).ok().and_then(Decimal::whole);
        return whole.map(to_seconds).ok_or_else(unreadable);
    }
    let text = raw
        .text()
        .ok_or_else(|| wrong_type("timestamp", "a number or a text"))?;
    let text = text.trim();
    match Decimal::from_text(text) {
        Ok(number) => number.whole().map(to_seconds),
        Err(_) => crate::iso::read(text).map(|civil| civil.millis_in(UtcOffset::UTC).div_euclid(1_000)),
    }
    .ok_or_else(unreadable)
}
