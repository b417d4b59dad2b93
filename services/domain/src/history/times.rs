//! When the reading of an entry was taken: the entry's own date, and never another.

use super::document::Shape;
use super::value::Value;
use crate::digits::Decimal;
use crate::iso::{self, Civil};
use crate::message::to_seconds;
use crate::time::{Timestamp, Zone};

/// 2000-01-01T00:00:00Z. What stands before it are dates that nobody set.
const FIRST_SECOND: i64 = 946_684_800;
const DAY: i64 = 86_400;

/// The time of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Placed {
    /// In whole seconds.
    At(Timestamp),
    /// It cannot be placed: the field, and why.
    Nowhere(String, &'static str),
}

/// The time of an entry. Text without a zone is of this zone; `published_at` bounds the future.
pub(super) fn placed(entry: &Value<'_>, shape: Shape, zone: Zone, published_at: Timestamp) -> Placed {
    let (name, value) = match dated(entry, shape) {
        Ok(found) => found,
        Err(expected) => return Placed::Nowhere(expected.to_owned(), "is not there"),
    };
    let nowhere = |why| Placed::Nowhere(name.to_owned(), why);
    let Some(seconds) = seconds(value, zone) else {
        return nowhere("is no date with a time of day");
    };
    if seconds < FIRST_SECOND {
        return nowhere("is before the year 2000");
    }
    let at = Timestamp::from_seconds(seconds);
    if seconds > published_at.seconds().saturating_add(DAY) || at.date_time(zone).is_none() {
        return nowhere("is later than a day after it was read");
    }
    Placed::At(at)
}

/// The field that dates an entry; what it would be called where there is none.
fn dated<'e>(entry: &'e Value<'_>, shape: Shape) -> Result<(&'e str, &'e Value<'e>), &'static str> {
    if shape == Shape::D {
        // The time on top is when it was written.
        let found = entry.get("scan_time").filter(|value| !value.is_missing());
        return found.map(|value| ("scan_time", value)).ok_or("scan_time");
    }
    let fields = entry.fields().unwrap_or_default().iter();
    let mut there = fields.filter(|(_, value)| !value.is_missing());
    let import = there.find(|(name, _)| name.ends_with("_import_date"));
    if let Some((name, value)) = import {
        return Ok((name.as_ref(), value));
    }
    ["sleep_timestamp", "timestamp"]
        .into_iter()
        .find_map(|name| Some((name, entry.get(name).filter(|value| !value.is_missing())?)))
        .ok_or("import_date")
}

/// Epoch seconds; a fraction is cut.
fn seconds(value: &Value<'_>, zone: Zone) -> Option<i64> {
    match value {
        Value::Date(millis) => Some(millis.div_euclid(1_000)),
        Value::Int(n) => Some(to_seconds((*n).into())),
        Value::Long(n) => Some(to_seconds(*n)),
        Value::Double(n) if n.is_finite() => Decimal::from_number(&format!("{n:?}"))
            .ok()?
            .whole()
            .map(to_seconds),
        Value::Text(text) => {
            let text = text.trim();
            if let Ok(number) = Decimal::from_text(text) {
                return number.whole().map(to_seconds);
            }
            let civil = iso::read(text).or_else(|| day_first(text))?;
            Some(civil.millis_in(zone.offset()).div_euclid(1_000))
        }
        _ => None,
    }
}

/// `DD/MM/YYYY HH:MM[:SS]`, as sleep is dated.
fn day_first(text: &str) -> Option<Civil> {
    let (date, time) = text.split_once(' ')?;
    let mut parts = date.split('/');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    Civil::new(
        iso::digits(year, 4)?,
        iso::small(month)?,
        iso::small(day)?,
        iso::clock(time.trim_start())?,
    )
}
