//! Instants and the zone in which clinical times are written.

use ::time::{OffsetDateTime, UtcOffset};

use crate::text::padded;

/// An instant: microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From milliseconds since the epoch (saturating).
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// From whole seconds since the epoch (saturating).
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the epoch, rounded down.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// The FHIR dateTime in `zone` to the second, such as `2028-03-17T17:00:01+07:00`; none outside the years 1–9999.
    #[must_use]
    pub fn date_time(self, zone: Zone) -> Option<String> {
        let mut text = [0; 25];
        self.civil(zone.0, &mut text)?;
        let zone = zone.digits();
        text[19..].copy_from_slice(&zone);
        String::from_utf8(text.to_vec()).ok()
    }

    /// The FHIR instant in UTC to the millisecond, such as `2026-03-01T00:00:00.123Z`; none outside the years 1–9999.
    #[must_use]
    pub fn instant(self) -> Option<String> {
        let mut text = [0; 24];
        self.civil(UtcOffset::UTC, &mut text)?;
        text[19] = b'.';
        padded(
            &mut text[20..23],
            u32::try_from(self.millis().rem_euclid(1_000)).ok()?,
        );
        text[23] = b'Z';
        String::from_utf8(text.to_vec()).ok()
    }

    /// Writes `YYYY-MM-DDThh:mm:ss` into the first 19 bytes.
    fn civil(self, offset: UtcOffset, text: &mut [u8]) -> Option<()> {
        // The last hours of the year 9999 leave the calendar in a zone east of UTC.
        let t = OffsetDateTime::from_unix_timestamp(self.seconds())
            .ok()?
            .checked_to_offset(offset)?;
        let year = u32::try_from(t.year()).ok().filter(|y| (1..=9999).contains(y))?;
        let text = text.first_chunk_mut::<19>()?;
        *text = *b"0000-00-00T00:00:00";
        padded(&mut text[0..4], year);
        padded(&mut text[5..7], u32::from(u8::from(t.month())));
        padded(&mut text[8..10], u32::from(t.day()));
        padded(&mut text[11..13], u32::from(t.hour()));
        padded(&mut text[14..16], u32::from(t.minute()));
        padded(&mut text[17..19], u32::from(t.second()));
        Some(())
    }

    /// The date in UTC, `YYYY-MM-DD`; none outside the years 1–9999.
    #[must_use]
    pub fn utc_date(self) -> Option<String> {
        self.instant().map(|mut text| {
            text.truncate(10);
            text
        })
    }
}

/// The deployment's zone: a fixed offset from UTC in whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(UtcOffset);

/// The text is not an offset such as `+07:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an offset from UTC such as +07:00 (from -12:00 to +14:00)")]
pub struct ZoneError;

impl std::str::FromStr for Zone {
    type Err = ZoneError;

    fn from_str(text: &str) -> Result<Self, ZoneError> {
        let b = text.as_bytes();
        let sign = match b.first() {
            Some(b'+') => 1_i8,
            Some(b'-') => -1,
            _ => return Err(ZoneError),
        };
        let digit = |at: usize| match b.get(at) {
            Some(c) if c.is_ascii_digit() => i8::try_from(c - b'0').map_err(|_| ZoneError),
            _ => Err(ZoneError),
        };
        if b.len() != 6 || b[3] != b':' {
            return Err(ZoneError);
        }
        let hours = digit(1)? * 10 + digit(2)?;
        let minutes = digit(4)? * 10 + digit(5)?;
        let total = i16::from(sign) * (i16::from(hours) * 60 + i16::from(minutes));
        if minutes > 59 || !(-12 * 60..=14 * 60).contains(&total) {
            return Err(ZoneError);
        }
        UtcOffset::from_hms(sign * hours, sign * minutes, 0)
            .map(Zone)
            .map_err(|_| ZoneError)
    }
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).unwrap_or_default())
    }
}

impl Zone {
    /// Sign, hours, colon, minutes.
    fn digits(self) -> [u8; 6] {
        let mut text = *b"+00:00";
        if self.0.is_negative() {
            text[0] = b'-';
        }
        padded(&mut text[1..3], u32::from(self.0.whole_hours().unsigned_abs()));
        padded(
            &mut text[4..6],
            u32::from(self.0.minutes_past_hour().unsigned_abs()),
        );
        text
    }

    /// The offset as the `time` crate has it.
    #[must_use]
    pub const fn offset(self) -> UtcOffset {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_times_carry_the_deployments_offset() {
        let zone: Zone = "+07:00".parse().unwrap();
        let t = Timestamp::from_seconds(1_836_900_001);
        assert_eq!(t.date_time(zone).unwrap(), "2028-03-17T17:00:01+07:00");
        assert_eq!(
            t.date_time("-03:30".parse().unwrap()).unwrap(),
            "2028-03-17T06:30:01-03:30"
        );
        assert_eq!(
            Timestamp::from_millis(-1).instant().unwrap(),
            "1969-12-31T23:59:59.999Z"
        );
    }

    #[test]
    fn an_instant_that_cannot_be_written_is_none() {
        assert_eq!(
            Timestamp::from_micros(i64::MAX).date_time("+00:00".parse().unwrap()),
            None
        );
        assert_eq!(Timestamp::from_seconds(-70_000_000_000).instant(), None);
        // In bounds in UTC, out of the calendar in the zone.
        let last = Timestamp::from_seconds(253_402_300_799);
        assert_eq!(last.date_time("+07:00".parse().unwrap()), None);
        assert_eq!(last.instant().unwrap(), "9999-12-31T23:59:59.000Z");
        let first = Timestamp::from_seconds(-62_135_596_800);
        assert_eq!(first.date_time("-07:00".parse().unwrap()), None);
        assert_eq!(first.utc_date().unwrap(), "0001-01-01");
    }

    #[test]
    fn a_zone_is_sign_hours_colon_minutes() {
        for text in ["07:00", "+7:00", "+07:60", "+15:00", "-12:30", "+07-00", "Z", ""] {
            assert!(text.parse::<Zone>().is_err(), "{text}");
        }
    }
}
