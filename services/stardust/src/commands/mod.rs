//! The commands, one a file.

pub mod audit;
pub mod dead_letters;
pub mod export;
pub mod letters;
pub mod map;
pub mod parked;
pub mod reconcile;
pub mod registry;
pub mod serve;
pub mod topics;
pub mod trace;

use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;

/// A time of the command line: RFC 3339, or epoch seconds.
pub fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(Timestamp::from_seconds(seconds));
    }
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .map(|t| Timestamp::from_micros(i64::try_from(t.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)))
        .map_err(|_| "not a time such as 2026-03-01T08:00:00+07:00 or epoch seconds".to_owned())
}

/// A gateway of the command line.
pub fn gateway(text: &str) -> Result<Mac, String> {
    text.parse()
        .map_err(|_| "not a MAC of 12 hex digits such as 02:00:00:AA:00:01".to_owned())
}
