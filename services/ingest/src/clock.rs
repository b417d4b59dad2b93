//! The time of day and the ids that are made from it.

use std::time::{SystemTime, UNIX_EPOCH};

use stardust_domain::time::Timestamp;
use uuid::{Builder, Uuid};

/// Where receipts get their time and their chance from.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Now.
    pub now: fn() -> Timestamp,
    /// The random part of an id.
    pub random: fn() -> [u8; 10],
}

impl Default for Clock {
    /// The time of day, and the thread's own generator: no system call a request.
    fn default() -> Self {
        Self {
            now,
            random: rand::random,
        }
    }
}

impl Clock {
    /// A new UUIDv7 of this moment.
    pub(crate) fn id(&self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.millis()).unwrap_or(0);
        Builder::from_unix_timestamp_millis(millis, &(self.random)()).into_uuid()
    }
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    Timestamp::from_micros(micros)
}

/// A new UUIDv7 of this moment.
pub(crate) fn new_id(at: Timestamp) -> Uuid {
    Clock::default().id(at)
}

/// The moment as envelopes carry it.
pub(crate) fn text(at: Timestamp) -> String {
    at.instant()
        .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_7_and_carry_their_moment() {
        let at = Timestamp::from_millis(1_745_300_000_123);
        let id = new_id(at);
        assert_eq!(id.get_version_num(), 7);
        let (seconds, nanos) = id.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos / 1_000_000), (1_745_300_000, 123));
        assert_ne!(id, new_id(at));
    }
}
