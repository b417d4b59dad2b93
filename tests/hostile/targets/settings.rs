//! Settings from the environment.

use std::collections::BTreeMap;

use stardust::settings::Settings;

use super::{HOLDS, Target, hold};
use crate::bytes::mutated;

/// Whatever is done around it, this must never be printed.
const SECRET: &str = "hUsHhUsH";

const GOOD: &[&str] = &[
    "STARDUST_LISTEN=127.0.0.1:5054",
    "STARDUST_LISTEN=[::1]:0",
    "STARDUST_INSTANCE_ID=ward-1",
    "STARDUST_DATA_DIR=./data",
    "KAFKA_BROKERS=127.0.0.1:9092",
    "KAFKA_PROPERTIES=security.protocol=sasl_ssl,ssl.cipher.suites=A,B,sasl.password=hUsHhUsH",
    "KAFKA_PROPERTIES=sasl.jaas.config=x,ssl.key.pem=hUsHhUsH",
    "SCHEMA_REGISTRY_URL=http://user:hUsHhUsH@127.0.0.1:8081/",
    "MONGODB_URI=mongodb://ward:hUsHhUsH@127.0.0.1:27017/?tls=true",
    "MONGODB_URI=mongodb+srv://ward:hu/s:h@hUsHhUsH@example.invalid/x",
    "MONGODB_MAIN_DB=AMY",
    "MONGODB_FHIR_DB=MFC_FHIR_R5",
    "FHIR_QUEUE_NAME=queue",
    "FHIR_BATCH_SIZE=500",
    "FHIR_WORKER_THREADS=4",
    "ENABLE_LEGACY_ROUTING=TRUE",
    "ENABLE_ASYNC_FHIR=1",
    "TIME_ZONE_OFFSET=+07:00",
    "TIME_ZONE_OFFSET=-12:00",
    "IDENTIFIER_BASE=urn:stardust:",
    "MAPPING_FILE=catalogue.json",
    "REGISTRY_REFRESH_SECONDS=30",
    "SPOOL_LIMIT_MB=1024",
    "TOPIC_PREFIX=t.",
    "TOPIC_PARTITIONS=12",
    "AUDIT_SIGNING_KEY_FILE=key.pem",
    "AUDIT_SIGNING_SECONDS=60",
    "RUST_LOG=info",
    "LOG_FORMAT=json",
    "DEVICE_TOKENS_FILE=hUsHhUsH",
];

pub fn target() -> Target {
    let samples: Vec<Vec<u8>> = GOOD.iter().map(|line| line.as_bytes().to_vec()).collect();
    Target {
        name: "settings",
        weight: 12,
        holds: HOLDS,
        bytes: Box::new(move |numbers| {
            let mut lines = Vec::new();
            for _ in 0..1 + numbers.below(6) {
                // Most are left as they are, so that what one setting says of another has its turn too.
                let damaged = numbers.once_in(3);
                let line = if damaged {
                    mutated(numbers, &samples)
                } else {
                    numbers.one(&samples).clone()
                };
                lines.push(line);
            }
            lines.join(b"\n".as_slice())
        }),
        check: Box::new(|_, bytes| {
            let text = String::from_utf8_lossy(bytes);
            let set: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once('=')).collect();
            let settings = match Settings::from_lookup(&|name| set.get(name).map(|v| (*v).to_owned())) {
                Ok(settings) => settings,
                Err(e) => {
                    let words = e.to_string();
                    let named = words.split(':').next().unwrap_or_default();
                    hold!(
                        set.contains_key(named) || is_a_default(named),
                        "no variable is named: {words}"
                    );
                    hold!(words.contains("Allowed: "), "no way out is named: {words}");
                    // A value is quoted only where no secret belongs.
                    let secret = [
                        "KAFKA_PROPERTIES",
                        "SCHEMA_REGISTRY_URL",
                        "MONGODB_URI",
                        "DEVICE_TOKENS_FILE",
                    ];
                    hold!(
                        !(secret.contains(&named) && words.contains(SECRET)),
                        "a secret is quoted: {words}"
                    );
                    return Ok(false);
                }
            };
            hold!(
                settings.listen.is_none_or(|a| a.ip().is_loopback()),
                "it would listen on {:?}",
                settings.listen
            );
            hold!(
                !settings.main_db.eq_ignore_ascii_case(&settings.fhir_db),
                "both databases are one"
            );
            hold!(
                (1..=10_000).contains(&settings.batch_size),
                "a batch of {}",
                settings.batch_size
            );
            hold!(
                (1..=64).contains(&settings.workers),
                "{} workers",
                settings.workers
            );
            hold!(
                (1..=1_000).contains(&settings.topic_partitions),
                "{} partitions",
                settings.topic_partitions
            );
            hold!(
                settings.kafka_brokers.is_some() || settings.kafka_properties.is_empty(),
                "properties without a broker"
            );
            for (name, value) in settings.listing() {
                let secret = match name {
                    "KAFKA_PROPERTIES" => ["password=", "key.pem="]
                        .iter()
                        .any(|n| value.contains(&format!("{n}{SECRET}"))),
                    // What stands before an @ is who connects, and with which password.
                    "SCHEMA_REGISTRY_URL" | "MONGODB_URI" => set.get(name).is_some_and(|given| {
                        given.rfind('@') > given.rfind(SECRET) && value.contains(SECRET)
                    }),
                    _ => false,
                };
                hold!(!secret, "{name} is printed as {value}");
            }
            Ok(true)
        }),
    }
}

/// Variables that are refused for what another one says.
fn is_a_default(name: &str) -> bool {
    ["MONGODB_FHIR_DB"].contains(&name)
}
