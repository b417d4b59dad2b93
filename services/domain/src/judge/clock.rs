//! Which time counts as the clinical time of a reading.

use crate::outcome::Source;
use crate::time::{Timestamp, Zone};

const DAY: i64 = 86_400;
/// A gateway's reading may be this old.
const PAST: i64 = 30 * DAY;
/// A buffered reading of a gateway whose clock is right may be this old.
const BUFFERED_PAST: i64 = 365 * DAY;
/// Clocks may be this far ahead; a clock this close to the receipt is right.
const FUTURE: i64 = 300;

/// The times that a reading carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// Of the item, epoch seconds.
    pub item: Option<i64>,
    /// Of its message, epoch seconds.
    pub message: Option<i64>,
    pub received_at: Timestamp,
    /// Old event times count as they are: a person's call, or a backfill.
    pub trusted: bool,
}

/// The verdict on a reading's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    /// The device's own time, epoch seconds; none where neither item nor message carries one.
    pub device: Option<i64>,
    /// The clinical time, epoch seconds.
    pub effective: i64,
    /// Why the clinical time is not the device's own; then the receipt date stands in the key.
    pub rule: Option<&'static str>,
    /// The item carried no readable time.
    pub item_time_missing: bool,
}

impl Times {
    /// True where old event times of this source count as they are.
    pub(crate) const fn trusts(source: Source, call: bool) -> bool {
        call || matches!(source, Source::Backfill)
    }

    /// Judges the time of one item.
    pub(crate) fn judge(self, zone: Zone) -> Clock {
        let received = self.received_at.seconds();
        let item_time_missing = self.item.is_none();
        let Some(device) = self.item.or(self.message) else {
            return Clock {
                device: None,
                effective: received,
                rule: Some("receipt"),
                item_time_missing,
            };
        };
        let (effective, rule) = if self.in_bounds(device, received, zone) {
            (device, None)
        } else {
            match self.offset(device, received, zone) {
                Some(moved) => (moved, Some("message-offset")),
                None => (received, Some("receipt")),
            }
        };
        Clock {
            device: Some(device),
            effective,
            rule,
            item_time_missing,
        }
    }

    fn in_bounds(self, device: i64, received: i64, zone: Zone) -> bool {
        if device > received.saturating_add(FUTURE) {
            return false;
        }
        if self.trusted {
            // A time that cannot be written is no time.
            return Timestamp::from_seconds(device).date_time(zone).is_some();
        }
        let clock_is_right = self
            .message
            .is_some_and(|m| m.saturating_sub(received).saturating_abs() <= FUTURE);
        let past = if clock_is_right { BUFFERED_PAST } else { PAST };
        device >= received.saturating_sub(past)
    }

    /// The device's time moved by the error of the gateway's clock, where that error can be told.
    fn offset(self, device: i64, received: i64, zone: Zone) -> Option<i64> {
        let plausible =
            |t: i64| (received.saturating_sub(PAST)..=received.saturating_add(FUTURE)).contains(&t);
        let message = self.message.filter(|m| !self.trusted && !plausible(*m))?;
        let moved = device.checked_sub(message)?.checked_add(received)?;
        (plausible(moved) && Timestamp::from_seconds(moved).date_time(zone).is_some()).then_some(moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const R: i64 = 1_772_323_200; // 2026-03-01T00:00:00Z

    fn judged(item: Option<i64>, message: Option<i64>, trusted: bool) -> (i64, Option<&'static str>) {
        let clock = Times {
            item,
            message,
            received_at: Timestamp::from_micros(R * 1_000_000 + 999_999),
            trusted,
        }
        .judge("+07:00".parse().unwrap());
        (clock.effective, clock.rule)
    }

    #[test]
    fn a_time_in_bounds_counts_as_it_is() {
        for item in [R, R + 300, R - 30 * DAY] {
            assert_eq!(judged(Some(item), None, false), (item, None));
        }
    }

    #[test]
    fn a_buffered_reading_on_a_good_clock_may_be_a_year_old() {
        for (item, message) in [(R - 365 * DAY, R - 300), (R - 40 * DAY, R + 300)] {
            assert_eq!(judged(Some(item), Some(message), false), (item, None));
        }
        assert_eq!(
            judged(Some(R - 40 * DAY), Some(R - 301), false),
            (R, Some("receipt"))
        );
        assert_eq!(
            judged(Some(R - 365 * DAY - 1), Some(R), false),
            (R, Some("receipt"))
        );
    }

    #[test]
    fn a_clock_that_is_wrong_throughout_is_corrected_by_its_message() {
        let ahead = 64_576_800;
        assert_eq!(
            judged(Some(R + ahead - 60), Some(R + ahead), false),
            (R - 60, Some("message-offset"))
        );
        // The result has to lie in bounds itself.
        assert_eq!(
            judged(Some(R + ahead - 31 * DAY), Some(R + ahead), false),
            (R, Some("receipt"))
        );
        // A message in bounds says nothing about a wrong item.
        assert_eq!(
            judged(Some(R + ahead), Some(R - 1000), false),
            (R, Some("receipt"))
        );
        assert_eq!(judged(Some(R + 301), None, false), (R, Some("receipt")));
    }

    #[test]
    fn without_any_time_the_receipt_counts() {
        assert_eq!(judged(None, None, false), (R, Some("receipt")));
        assert_eq!(judged(None, Some(R - 5), false), (R - 5, None));
    }

    #[test]
    fn a_call_or_a_backfill_has_only_the_future_bound() {
        assert_eq!(judged(Some(0), None, true), (0, None));
        assert_eq!(judged(Some(-86_400), Some(R + DAY), true), (-86_400, None));
        assert_eq!(judged(Some(R + 301), Some(R + 301), true), (R, Some("receipt")));
        assert_eq!(judged(Some(i64::MIN), None, true), (R, Some("receipt")));
    }

    #[test]
    fn no_time_is_too_large_to_judge() {
        for t in [i64::MIN, i64::MAX] {
            assert_eq!(judged(Some(t), Some(t), false), (R, Some("message-offset")));
            assert_eq!(judged(Some(t), Some(0), false).1, Some("receipt"));
        }
    }
}
