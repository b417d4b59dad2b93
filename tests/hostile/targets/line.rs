//! What stands on the command line: times, addresses, heads, labels, key files.

use stardust::arguments::{gateway, head, time};
use stardust_audit_recorder::{PublicKey, SigningKey};
use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::outcome::{DeadReason, ParkReason, Source, Stage};
use stardust_domain::time::Zone;

use super::{HOLDS, Target, hold};
use crate::bytes::mutated;

pub fn targets() -> Vec<Target> {
    vec![arguments(), keys()]
}

fn arguments() -> Target {
    let head_of = format!("3:118:{}", "ab".repeat(32));
    let samples: Vec<Vec<u8>> = [
        "2026-03-01T08:00:00+07:00",
        "2026-03-01T01:00:00.123456789Z",
        "1772323200",
        "-9223372036854775808",
        "02:00:00:AA:00:01",
        "02-00-00-aa-00-01",
        "020000AA0001",
        "65a000000000000000000001",
        "+07:00",
        "-12:00",
        "device unknown",
        "value impossible",
        "mapping",
        "http",
        head_of.as_str(),
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    Target {
        name: "arguments",
        weight: 10,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(|_, bytes| {
            let text = &String::from_utf8_lossy(bytes);
            let mut good = false;
            if let Ok(at) = time(text) {
                good = true;
                // Whatever was given can be written, or lies outside every calendar.
                if let Some(written) = at.instant() {
                    hold!(time(&written).is_ok(), "{written} is printed and cannot be read");
                }
            }
            if let Ok(mac) = gateway(text) {
                good = true;
                hold!(gateway(&mac.to_string()) == Ok(mac), "{mac} is another address");
            }
            if let Ok((chain, place)) = head(text) {
                good = true;
                let again = head(&format!("{chain}:{}:{}", place.seq, place.hash));
                hold!(again == Ok((chain, place)), "another head");
            }
            good |= text.parse::<Mac>().is_ok() || text.parse::<Zone>().is_ok();
            if let Ok(patient) = text.parse::<PatientId>() {
                good = true;
                hold!(
                    patient.to_string().parse() == Ok(patient),
                    "{patient} is another patient"
                );
            }
            let label = [
                ParkReason::from_label(text).map(|r| r.label().to_owned()),
                DeadReason::from_label(text).map(|r| r.label().to_owned()),
                Source::from_label(text).map(|r| r.label().to_owned()),
                Stage::from_label(text).map(|s| s.label().to_owned()),
            ];
            for known in label.into_iter().flatten() {
                good = true;
                hold!(known == **text, "`{known}` for `{text}`");
            }
            Ok(good)
        }),
    }
}

/// The examples of RFC 8410, section 10.
fn keys() -> Target {
    let samples = vec![
        b"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n".to_vec(),
        b"-----BEGIN PRIVATE KEY-----\nMHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\noB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB\nZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PRIVATE KEY-----\n".to_vec(),
        b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n".to_vec(),
    ];
    Target {
        name: "keys",
        weight: 4,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(|_, bytes| {
            let private = SigningKey::from_pem(bytes);
            let public = PublicKey::from_pem(bytes);
            if let Ok(key) = &public {
                hold!(key.id().len() == 16, "an id of {} digits", key.id().len());
            }
            for text in [private.as_ref().err(), public.as_ref().err()]
                .into_iter()
                .flatten()
            {
                hold!(!text.to_string().contains("MC4CAQ"), "the key is quoted");
            }
            Ok(private.is_ok() || public.is_ok())
        }),
    }
}
