//! Reading the fields of documents, in whatever Extended JSON.

use serde_json::{Map, Value};
use time::{Date, Month, OffsetDateTime, format_description::well_known::Rfc3339};

use super::remark::Remark;
use super::{ResourceReport, clean};
use crate::ids::PatientId;
use crate::time::{Timestamp, Zone};

/// The text of a field without the blanks around it; a whole number is its digits. None where nothing stands there.
pub(super) fn text(fields: &Map<String, Value>, name: &str, report: &mut ResourceReport) -> Option<String> {
    let text = match fields.get(name)? {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Object(wrapped) => match (wrapped.get("$numberInt"), wrapped.get("$numberLong")) {
            (Some(Value::String(digits)), None) | (None, Some(Value::String(digits))) => digits.clone(),
            _ => return None,
        },
        _ => return None,
    };
    if text.is_empty() {
        return None;
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\r' | '\n'))
    {
        report.met(Remark::TextUnreadable);
        return None;
    }
    Some(text)
}

/// An id of another document.
pub(super) fn id(value: Option<&Value>) -> Option<PatientId> {
    clean::patient_id(value).0
}

/// The date in a field, `YYYY-MM-DD`: of a date in this zone, or of a text that starts with one. `Err` where something
/// stands there that is no date of our calendar: a year of another one is nobody's to convert.
pub(super) fn date(value: Option<&Value>, zone: Zone) -> Result<Option<String>, ()> {
    let found = match value {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::String(text)) => of_text(text.trim()),
        Some(Value::Object(wrapped)) => match wrapped.get("$date") {
            Some(Value::String(text)) => OffsetDateTime::parse(text, &Rfc3339)
                .ok()
                .and_then(|at| at.checked_to_offset(zone.offset()))
                .map(OffsetDateTime::date),
            Some(Value::Number(millis)) => millis.as_i64().and_then(|millis| of_millis(millis, zone)),
            Some(Value::Object(long)) => match long.get("$numberLong") {
                Some(Value::String(millis)) => millis.parse().ok().and_then(|millis| of_millis(millis, zone)),
                _ => None,
            },
            _ => None,
        },
        Some(_) => None,
    };
    match found {
        // Nobody who is measured was born before; later years are of the Buddhist calendar.
        Some(date) if (1_850..=2_150).contains(&date.year()) => Ok(Some(format!(
            "{:04}-{:02}-{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        ))),
        _ => Err(()),
    }
}

fn of_millis(millis: i64, zone: Zone) -> Option<Date> {
    let seconds = Timestamp::from_millis(millis).seconds();
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
    at.checked_to_offset(zone.offset()).map(OffsetDateTime::date)
}

/// `YYYY-MM-DD`, alone or before a time of day.
fn of_text(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let day = bytes.get(..10)?;
    if day[4] != b'-' || day[7] != b'-' || !matches!(bytes.get(10), None | Some(b'T' | b' ')) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<u16> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|c| c.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let month = Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    Date::from_calendar_date(number(0, 4)?.into(), month, u8::try_from(number(8, 10)?).ok()?).ok()
}
