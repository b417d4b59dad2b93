//! Settings from the environment: names, defaults, limits, and what `stardust config` prints.

mod listing;
mod read;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use stardust_domain::time::Zone;

use self::read::{
    Lookup, database, fail, host_name, identifier_base, number, properties, set, topic_part, truth,
    unavailable,
};

/// A setting that cannot be used. The message names the variable and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}. Allowed: {allowed}")]
pub struct SettingError {
    name: &'static str,
    problem: String,
    allowed: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `STARDUST_LISTEN`; none: the command's default.
    pub listen: Option<SocketAddr>,
    /// `STARDUST_INSTANCE_ID`.
    pub instance: String,
    /// `STARDUST_DATA_DIR`.
    pub data_dir: PathBuf,
    /// `KAFKA_BROKERS`.
    pub kafka_brokers: Option<String>,
    /// `KAFKA_PROPERTIES`.
    pub kafka_properties: Vec<(String, String)>,
    /// `SCHEMA_REGISTRY_URL`.
    pub schema_registry: Option<String>,
    /// `MONGODB_URI`.
    pub mongodb_uri: Option<String>,
    /// `MONGODB_MAIN_DB`.
    pub main_db: String,
    /// `MONGODB_FHIR_DB`.
    pub fhir_db: String,
    /// `ENABLE_ASYNC_FHIR`.
    pub async_fhir: bool,
    /// `FHIR_QUEUE_NAME`.
    pub group: String,
    /// `AUDIT_QUEUE_NAME`.
    pub audit_group: String,
    /// `FHIR_BATCH_SIZE`.
    pub batch_size: usize,
    /// `FHIR_WORKER_THREADS`.
    pub workers: usize,
    /// `ENABLE_LEGACY_ROUTING`.
    pub legacy_routing: bool,
    /// `AUTO_START_MIGRATION`.
    pub auto_start_migration: bool,
    /// `MIGRATE_FROM`: the source of a migration where it is not the main database.
    pub migrate_from: Option<String>,
    /// `MIGRATION_BATCH_SIZE`.
    pub migration_batch: usize,
    /// `TIME_ZONE_OFFSET`.
    pub zone: Zone,
    /// `IDENTIFIER_BASE`.
    pub identifier_base: String,
    /// `MAPPING_FILE`.
    pub mapping_file: Option<PathBuf>,
    /// `REGISTRY_REFRESH_SECONDS`.
    pub registry_refresh: Duration,
    /// `SPOOL_LIMIT_MB`.
    pub spool_limit_bytes: u64,
    /// `TOPIC_PREFIX`.
    pub topic_prefix: String,
    /// `TOPIC_PARTITIONS`.
    pub topic_partitions: i32,
    /// `AUDIT_SIGNING_KEY_FILE`.
    pub audit_key: Option<PathBuf>,
    /// `AUDIT_SIGNING_SECONDS`.
    pub audit_signing: Duration,
    /// `RUST_LOG`.
    pub log_filter: String,
    /// `LOG_FORMAT`.
    pub log_format: LogFormat,
}

impl SettingError {
    /// A setting that turned out not to be usable after the variables were read.
    pub fn new(name: &'static str, problem: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self {
            name,
            problem: problem.into(),
            allowed: allowed.into(),
        }
    }
}

impl Settings {
    /// From any source of variables.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn from_lookup(env: Lookup<'_>) -> Result<Self, SettingError> {
        unavailable(env)?;
        let instance = match set(env, "STARDUST_INSTANCE_ID") {
            Some(id) => topic_part("STARDUST_INSTANCE_ID", id)?,
            None => host_name(),
        };
        let listen = match set(env, "STARDUST_LISTEN") {
            None => None,
            Some(text) => match text.parse::<SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => Some(address),
                Ok(_) => {
                    return fail(
                        "STARDUST_LISTEN",
                        "any address other than loopback requires device tokens, which this version does not have",
                        "a loopback address and port such as 127.0.0.1:5054; put a TLS proxy with authentication in front",
                    );
                }
                Err(_) => {
                    return fail(
                        "STARDUST_LISTEN",
                        format!("`{text}` cannot be used"),
                        "an address and port such as 127.0.0.1:5054",
                    );
                }
            },
        };
        let zone = match set(env, "TIME_ZONE_OFFSET")
            .unwrap_or_else(|| "+07:00".to_owned())
            .parse()
        {
            Ok(zone) => zone,
            Err(_) => {
                return fail(
                    "TIME_ZONE_OFFSET",
                    "it cannot be used",
                    "an offset from -12:00 to +14:00 such as +07:00",
                );
            }
        };
        let mongodb_uri = set(env, "MONGODB_URI");
        if mongodb_uri
            .as_ref()
            .is_some_and(|u| !u.starts_with("mongodb://") && !u.starts_with("mongodb+srv://"))
        {
            return fail(
                "MONGODB_URI",
                "it is no MongoDB connection string",
                "mongodb://… or mongodb+srv://…",
            );
        }
        let main_db = database(env, "MONGODB_MAIN_DB", "AMY")?;
        let fhir_db = database(env, "MONGODB_FHIR_DB", "MFC_FHIR_R5")?;
        if main_db.eq_ignore_ascii_case(&fhir_db) {
            return fail(
                "MONGODB_FHIR_DB",
                "it names the same database as MONGODB_MAIN_DB",
                "another name",
            );
        }
        let kafka_brokers = set(env, "KAFKA_BROKERS");
        let kafka_properties = properties(env)?;
        if kafka_brokers.is_none() && !kafka_properties.is_empty() {
            return fail(
                "KAFKA_PROPERTIES",
                "there is no broker that they could be for",
                "only together with KAFKA_BROKERS",
            );
        }
        let schema_registry = set(env, "SCHEMA_REGISTRY_URL");
        if let Some(url) = &schema_registry {
            if !url.starts_with("http://") {
                return fail(
                    "SCHEMA_REGISTRY_URL",
                    "only plain HTTP is spoken to the registry",
                    "http://host:port",
                );
            }
            if kafka_brokers.is_none() {
                return fail(
                    "SCHEMA_REGISTRY_URL",
                    "a registry without a broker is of no use",
                    "only together with KAFKA_BROKERS",
                );
            }
        }
        let migrate_from = set(env, "MIGRATE_FROM");
        let auto_start_migration = truth(env, "AUTO_START_MIGRATION", false)?;
        if auto_start_migration && migrate_from.is_none() && mongodb_uri.is_none() {
            return fail(
                "AUTO_START_MIGRATION",
                "there is nothing that could be migrated",
                "true only together with MONGODB_URI or MIGRATE_FROM",
            );
        }
        let audit_key = set(env, "AUDIT_SIGNING_KEY_FILE").map(PathBuf::from);
        if audit_key.is_none() && set(env, "AUDIT_SIGNING_SECONDS").is_some() {
            return fail(
                "AUDIT_SIGNING_SECONDS",
                "there is no key to sign with",
                "only together with AUDIT_SIGNING_KEY_FILE",
            );
        }
        let topic_prefix = topic_part("TOPIC_PREFIX", set(env, "TOPIC_PREFIX").unwrap_or_default())?;
        let audit_group = match set(env, "AUDIT_QUEUE_NAME") {
            Some(name) => topic_part("AUDIT_QUEUE_NAME", name)?,
            None => format!("{topic_prefix}audit-recorder"),
        };
        Ok(Self {
            listen,
            instance,
            data_dir: set(env, "STARDUST_DATA_DIR").map_or_else(|| PathBuf::from("./data"), PathBuf::from),
            kafka_brokers,
            kafka_properties,
            schema_registry,
            mongodb_uri,
            main_db,
            fhir_db,
            async_fhir: truth(env, "ENABLE_ASYNC_FHIR", true)?,
            group: topic_part(
                "FHIR_QUEUE_NAME",
                set(env, "FHIR_QUEUE_NAME").unwrap_or_else(|| "fhir_processing_queue".to_owned()),
            )?,
            audit_group,
            batch_size: number(env, "FHIR_BATCH_SIZE", 500, 1, 10_000)?,
            workers: number(env, "FHIR_WORKER_THREADS", 4, 1, 64)?,
            legacy_routing: truth(env, "ENABLE_LEGACY_ROUTING", true)?,
            auto_start_migration,
            migrate_from,
            migration_batch: number(env, "MIGRATION_BATCH_SIZE", 50, 1, 10_000)?,
            zone,
            identifier_base: identifier_base(env)?,
            mapping_file: set(env, "MAPPING_FILE").map(PathBuf::from),
            registry_refresh: Duration::from_secs(number(env, "REGISTRY_REFRESH_SECONDS", 30, 1, 86_400)?),
            spool_limit_bytes: number(env, "SPOOL_LIMIT_MB", 1_024_u64, 1, 1_048_576)? << 20,
            topic_prefix,
            topic_partitions: number(env, "TOPIC_PARTITIONS", 12, 1, 1_000)?,
            audit_key,
            audit_signing: Duration::from_secs(number(env, "AUDIT_SIGNING_SECONDS", 60, 1, 86_400)?),
            log_filter: set(env, "RUST_LOG").unwrap_or_else(|| "info".to_owned()),
            log_format: match set(env, "LOG_FORMAT").as_deref() {
                None | Some("text") => LogFormat::Text,
                Some("json") => LogFormat::Json,
                Some(other) => {
                    return fail("LOG_FORMAT", format!("`{other}` cannot be used"), "text or json");
                }
            },
        })
    }
}

/// The default address of a command that has the door.
#[must_use]
pub fn door_address() -> SocketAddr {
    SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 5054)
}

/// A free loopback port: for the services without a door.
#[must_use]
pub fn free_address() -> SocketAddr {
    SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
        Settings::from_lookup(&|name| {
            pairs
                .iter()
                .find(|(k, _)| *k == name)
                .map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let s = with(&[]).unwrap();
        assert_eq!((s.main_db.as_str(), s.fhir_db.as_str()), ("AMY", "MFC_FHIR_R5"));
        assert_eq!(
            (s.group.as_str(), s.batch_size, s.workers),
            ("fhir_processing_queue", 500, 4)
        );
        assert_eq!(s.zone.to_string(), "+07:00");
        assert!(s.legacy_routing);
    }

    #[test]
    fn a_value_that_cannot_be_used_names_its_variable_and_what_is_allowed() {
        for (name, value) in [
            ("FHIR_BATCH_SIZE", "0"),
            ("FHIR_WORKER_THREADS", "many"),
            ("ENABLE_LEGACY_ROUTING", "maybe"),
            ("ENABLE_ASYNC_FHIR", "perhaps"),
            ("TIME_ZONE_OFFSET", "7"),
            ("STARDUST_LISTEN", "0.0.0.0:5054"),
            ("STARDUST_LISTEN", "here"),
            ("MONGODB_URI", "http://127.0.0.1"),
            ("MONGODB_FHIR_DB", "AMY"),
            ("KAFKA_PROPERTIES", "a=b"),
            ("SCHEMA_REGISTRY_URL", "127.0.0.1:8081"),
            ("DEVICE_TOKENS_FILE", "tokens"),
            ("AUDIT_SIGNING_SECONDS", "60"),
            ("AUTO_START_MIGRATION", "true"),
            ("MIGRATION_BATCH_SIZE", "0"),
            ("LOG_FORMAT", "xml"),
            ("AUDIT_QUEUE_NAME", "audit trail"),
            ("IDENTIFIER_BASE", "stardust"),
        ] {
            let text = with(&[(name, value)]).unwrap_err().to_string();
            assert!(
                text.starts_with(&format!("{name}: ")) && text.contains("Allowed: "),
                "{text}"
            );
        }
    }

    #[test]
    fn secrets_are_masked() {
        let s = with(&[
            ("KAFKA_BROKERS", "127.0.0.1:9092"),
            (
                "KAFKA_PROPERTIES",
                "sasl.username=ward,sasl.password=hush,ssl.cipher.suites=A Sasl.Password=hush",
            ),
            (
                "MONGODB_URI",
                "mongodb://ward:hu/hu@sh@127.0.0.1:27017/?tls=true&tlsCertificateKeyFilePassword=hush",
            ),
        ])
        .unwrap();
        let listing = format!("{:?}", s.listing());
        assert!(
            !listing.contains("hush") && !listing.contains("hu@sh"),
            "{listing}"
        );
        assert!(
            listing.contains("mongodb://***@127.0.0.1:27017/?tls=true&tlsCertificateKeyFilePassword=***"),
            "{listing}"
        );
    }
}
