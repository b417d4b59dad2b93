//! Bodies of the batch route.

use bytes::Bytes;
use stardust_ingest::batch::{NoBatch, array, lines, looks_like_an_array};

use super::{HOLDS, Target, hold, ward};
use crate::bytes::mutated;

const MOST: usize = 1_000;

pub fn target() -> Target {
    let messages = ward::messages();
    let joined = |with: &[u8], n: usize| messages[..n].join(with);
    let samples = vec![
        [b"[".as_slice(), &joined(b",", 3), b"]"].concat(),
        [b" [ ".as_slice(), &joined(b"\n,", 6), b" ] "].concat(),
        joined(b"\n", 5),
        joined(b"\r\n\n", 4),
        b"[]".to_vec(),
    ];
    Target {
        name: "batches",
        weight: 8,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(|_, bytes| {
            let body = Bytes::copy_from_slice(bytes);
            let is_array = looks_like_an_array(bytes);
            let split = if is_array {
                array(&body, MOST)
            } else {
                lines(&body, MOST)
            };
            let parts = match split {
                Ok(parts) => parts,
                Err(NoBatch::TooMany) => return Ok(true),
                Err(NoBatch::NotAnArray) => {
                    let read = serde_json::from_slice::<Vec<serde_json::Value>>(bytes);
                    hold!(read.is_err(), "an array that is refused");
                    return Ok(false);
                }
            };
            hold!(parts.len() <= MOST, "{} messages", parts.len());
            let mut at = 0;
            for part in &parts {
                hold!(!part.trim_ascii().is_empty(), "an empty message");
                // Each is a part of the body, one after the other.
                let from = part.as_ptr() as usize - body.as_ptr() as usize;
                hold!(
                    from >= at && from + part.len() <= body.len(),
                    "a message that is no part of the body"
                );
                at = from + part.len();
            }
            Ok(!parts.is_empty())
        }),
    }
}
