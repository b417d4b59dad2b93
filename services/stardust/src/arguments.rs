//! The values of arguments.

use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::ChainHead;

/// A time: RFC 3339, or epoch seconds.
///
/// # Errors
/// What it should look like.
pub fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(Timestamp::from_seconds(seconds));
    }
    time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .map(|t| Timestamp::from_micros(i64::try_from(t.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)))
        .map_err(|_| "not a time such as 2026-03-01T08:00:00+07:00 or epoch seconds".to_owned())
}

/// A gateway.
///
/// # Errors
/// What it should look like.
pub fn gateway(text: &str) -> Result<Mac, String> {
    text.parse()
        .map_err(|_| "not a MAC of 12 hex digits such as 02:00:00:AA:00:01".to_owned())
}

/// The head of an audit chain, `<chain>:<place>:<hash>`, as the log lines of the signatures have it.
///
/// # Errors
/// What it should look like.
pub fn head(text: &str) -> Result<(i32, ChainHead), String> {
    let parsed = || {
        let mut parts = text.splitn(3, ':');
        let (chain, seq, hash) = (parts.next()?, parts.next()?, parts.next()?);
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
        let head = ChainHead {
            seq: seq.parse().ok().filter(|seq| *seq > 0)?,
            hash: is_hash.then(|| hash.to_ascii_lowercase())?,
        };
        Some((chain.parse().ok()?, head))
    };
    parsed().ok_or_else(|| "not a head such as 3:118: and 64 hex digits".to_owned())
}

/// An offset for each of some partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets(pub Vec<(i32, i64)>);

/// Offsets, `<partition>=<offset>,…`.
///
/// # Errors
/// What they should look like, or which partition stands there twice.
pub fn offsets(text: &str) -> Result<Offsets, String> {
    let mut found: Vec<(i32, i64)> = Vec::new();
    for part in text.split(',') {
        let pair = part.split_once('=').and_then(|(partition, offset)| {
            let partition = partition.trim().parse().ok().filter(|p| *p >= 0)?;
            Some((partition, offset.trim().parse().ok()?))
        });
        let pair: (i32, i64) = pair.ok_or("not a list such as 0=1200,3=80 (partition=offset)")?;
        if found.iter().any(|(partition, _)| *partition == pair.0) {
            return Err(format!("partition {} stands there twice", pair.0));
        }
        found.push(pair);
    }
    Ok(Offsets(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_and_what_is_none_is_refused() {
        assert_eq!(offsets("0=12,3=4"), Ok(Offsets(vec![(0, 12), (3, 4)])));
        assert_eq!(offsets(" 1 = -5 "), Ok(Offsets(vec![(1, -5)])));
        for wrong in [
            "",
            "1",
            "1=",
            "=1",
            "a=1",
            "-1=1",
            "1=1,",
            "1=1,1=2",
            "1=99999999999999999999",
        ] {
            assert!(offsets(wrong).is_err(), "{wrong}");
        }
    }
}
