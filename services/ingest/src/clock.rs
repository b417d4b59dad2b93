//! The time of day and the ids that are made from it.

use std::time::{SystemTime, UNIX_EPOCH};

use stardust_domain::time::Timestamp;
use uuid::{Builder, Uuid};

/// Now.
pub(crate) fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_micros()).unwrap_or(i64::MAX),
    };
    Timestamp::from_micros(micros)
}

/// A new UUIDv7 of this moment. The random part comes from the thread's own generator: no system call a request.
pub(crate) fn new_id(at: Timestamp) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or(0);
    Builder::from_unix_timestamp_millis(millis, &rand::random::<[u8; 10]>()).into_uuid()
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
