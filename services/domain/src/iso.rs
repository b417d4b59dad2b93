//! Points in time as people and programs write them: ISO 8601, with or without a zone.

use ::time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// A point in time as it is written: what its zone is, where it names one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Civil {
    /// As if it were UTC, in milliseconds since the epoch.
    local_millis: i64,
    pub offset: Option<UtcOffset>,
}

impl Civil {
    /// A date and a time of day of no zone.
    pub(crate) fn new(year: u16, month: u8, day: u8, time: (u8, u8, u8)) -> Option<Self> {
        let month = Month::try_from(month).ok()?;
        let date = Date::from_calendar_date(i32::from(year), month, day).ok()?;
        let time = Time::from_hms(time.0, time.1, time.2).ok()?;
        let seconds = PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp();
        Some(Self {
            local_millis: seconds.checked_mul(1_000)?,
            offset: None,
        })
    }

    /// Milliseconds since the epoch; where no zone is named, in this one.
    pub(crate) fn millis_in(self, zone: UtcOffset) -> i64 {
        let offset = self.offset.unwrap_or(zone);
        self.local_millis - i64::from(offset.whole_seconds()) * 1_000
    }
}

/// As many digits as these, and nothing else.
pub(crate) fn digits(text: &str, count: usize) -> Option<u16> {
    (text.len() == count && text.bytes().all(|c| c.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Two digits.
pub(crate) fn small(text: &str) -> Option<u8> {
    digits(text, 2).and_then(|n| u8::try_from(n).ok())
}

/// `hh:mm[:ss]`.
pub(crate) fn clock(text: &str) -> Option<(u8, u8, u8)> {
    let mut parts = text.split(':');
    let (hour, minute) = (small(parts.next()?)?, small(parts.next()?)?);
    let second = parts.next().map_or(Some(0), small)?;
    parts.next().is_none().then_some((hour, minute, second))
}

/// Reads `YYYY-MM-DDThh:mm[:ss[.fraction]]` with `Z`, an offset or no zone. A fraction is cut after the millisecond.
pub(crate) fn read(text: &str) -> Option<Civil> {
    let (date, rest) = text.split_at_checked(10)?;
    let separator = rest.chars().next()?;
    if !matches!(separator, 'T' | 't' | ' ') {
        return None;
    }
    let rest = rest.get(1..)?;
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at_checked(zone_at)?;

    let mut days = date.split('-');
    let (year, month, day) = (days.next()?, days.next()?, days.next()?);
    if days.next().is_some() {
        return None;
    }
    let (whole, millis) = match time.split_once(['.', ',']) {
        // A fraction of a minute is none that anybody writes.
        Some((whole, fraction)) if whole.len() == 8 => (whole, millis_of(fraction)?),
        Some(_) => return None,
        None => (time, 0),
    };
    let mut civil = Civil::new(digits(year, 4)?, small(month)?, small(day)?, clock(whole)?)?;
    civil.local_millis += millis;
    civil.offset = match zone {
        "" => None,
        "Z" | "z" => Some(UtcOffset::UTC),
        _ => Some(offset(zone)?),
    };
    Some(civil)
}

fn millis_of(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    Some(digits.fold(0, |n, c| n * 10 + i64::from(c - b'0')))
}

/// `+hh`, `+hhmm` or `+hh:mm`.
fn offset(zone: &str) -> Option<UtcOffset> {
    let (sign, rest) = zone.split_at_checked(1)?;
    let (hours, minutes) = match rest.len() {
        2 => (small(rest)?, 0),
        4 => (small(rest.get(..2)?)?, small(rest.get(2..)?)?),
        5 if rest.as_bytes().get(2) == Some(&b':') => (small(rest.get(..2)?)?, small(rest.get(3..)?)?),
        _ => return None,
    };
    let (hours, minutes) = (i8::try_from(hours).ok()?, i8::try_from(minutes).ok()?);
    if hours > 14 || minutes > 59 {
        return None;
    }
    let sign = if sign == "-" { -1 } else { 1 };
    UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i64> {
        read(text).map(|civil| civil.millis_in(UtcOffset::UTC).div_euclid(1_000))
    }

    #[test]
    fn a_timestamp_is_iso_8601_with_or_without_zone() {
        let t = 1_772_323_200; // 2026-03-01T00:00:00Z
        for (text, at) in [
            ("2026-03-01T00:00:00Z", t),
            ("2026-03-01T00:00:00", t),
            ("2026-03-01t00:00:00z", t),
            ("2026-03-01 00:00", t),
            ("2026-03-01T07:00:00+07:00", t),
            ("2026-03-01T07:00:00.999+0700", t),
            ("2026-02-28T20:30:00-03:30", t),
            ("2026-03-01T07:00+07", t),
            ("1970-01-01T00:00:00Z", 0),
        ] {
            assert_eq!(seconds(text), Some(at), "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_no_timestamp() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T",
            "2026-02-30T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T00:00:00.Z",
            "2026-03-01T00:00:00+07:00Z",
            "2026-03-01T00:00:00+15:00",
            "2026-3-01T00:00:00Z",
            "26-03-01T00:00:00Z",
            "2026-03-01T00:00.5Z",
            "yesterday",
            "２０26-03-01T00:00:00Z",
            "+026-03-01T00:00:00Z",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
