//! Settings from the environment: names, defaults, limits, and what `stardust config` prints.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use stardust_domain::time::Zone;

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

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn set(env: Lookup<'_>, name: &'static str) -> Option<String> {
    env(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

fn fail<T>(
    name: &'static str,
    problem: impl Into<String>,
    allowed: impl Into<String>,
) -> Result<T, SettingError> {
    Err(SettingError {
        name,
        problem: problem.into(),
        allowed: allowed.into(),
    })
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(
    env: Lookup<'_>,
    name: &'static str,
    default: T,
    least: T,
    most: T,
) -> Result<T, SettingError> {
    let Some(text) = set(env, name) else {
        return Ok(default);
    };
    match text.parse::<T>() {
        Ok(n) if n >= least && n <= most => Ok(n),
        _ => fail(
            name,
            format!("`{text}` cannot be used"),
            format!("a whole number from {least} to {most}"),
        ),
    }
}

fn truth(env: Lookup<'_>, name: &'static str, default: bool) -> Result<bool, SettingError> {
    match set(env, name).map(|v| v.to_ascii_lowercase()).as_deref() {
        None => Ok(default),
        Some("true" | "1" | "yes" | "on") => Ok(true),
        Some("false" | "0" | "no" | "off") => Ok(false),
        Some(other) => fail(name, format!("`{other}` cannot be used"), "true or false"),
    }
}

fn topic_part(name: &'static str, text: String) -> Result<String, SettingError> {
    let fits = text.len() <= 200
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it cannot be used",
            "letters, digits, `.`, `_` and `-`, at most 200",
        )
    }
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

    /// The settings in force, by variable. Secrets are masked.
    #[must_use]
    pub fn listing(&self) -> Vec<(&'static str, String)> {
        let none = || "(not set)".to_owned();
        let properties: Vec<String> = self
            .kafka_properties
            .iter()
            // Where a separator is missing, a password became part of the value before it.
            .map(|(k, v)| format!("{k}={}", if is_secret(k) || is_secret(v) { "***" } else { v }))
            .collect();
        vec![
            (
                "STARDUST_LISTEN",
                self.listen
                    .map_or_else(|| "(the command's default)".to_owned(), |a| a.to_string()),
            ),
            ("STARDUST_INSTANCE_ID", self.instance.clone()),
            ("STARDUST_DATA_DIR", self.data_dir.display().to_string()),
            ("KAFKA_BROKERS", self.kafka_brokers.clone().unwrap_or_else(none)),
            (
                "KAFKA_PROPERTIES",
                if properties.is_empty() {
                    none()
                } else {
                    properties.join(",")
                },
            ),
            (
                "SCHEMA_REGISTRY_URL",
                self.schema_registry.as_deref().map_or_else(none, masked),
            ),
            (
                "MONGODB_URI",
                self.mongodb_uri.as_deref().map_or_else(none, masked),
            ),
            ("MONGODB_MAIN_DB", self.main_db.clone()),
            ("MONGODB_FHIR_DB", self.fhir_db.clone()),
            ("ENABLE_ASYNC_FHIR", self.async_fhir.to_string()),
            ("FHIR_QUEUE_NAME", self.group.clone()),
            ("AUDIT_QUEUE_NAME", self.audit_group.clone()),
            ("FHIR_BATCH_SIZE", self.batch_size.to_string()),
            ("FHIR_WORKER_THREADS", self.workers.to_string()),
            ("ENABLE_LEGACY_ROUTING", self.legacy_routing.to_string()),
            ("AUTO_START_MIGRATION", self.auto_start_migration.to_string()),
            (
                "MIGRATE_FROM",
                self.migrate_from.as_deref().map_or_else(none, |from| {
                    if from.contains("://") {
                        masked(from)
                    } else {
                        from.to_owned()
                    }
                }),
            ),
            ("MIGRATION_BATCH_SIZE", self.migration_batch.to_string()),
            ("TIME_ZONE_OFFSET", self.zone.to_string()),
            ("IDENTIFIER_BASE", self.identifier_base.clone()),
            (
                "MAPPING_FILE",
                self.mapping_file
                    .as_ref()
                    .map_or_else(none, |f| f.display().to_string()),
            ),
            (
                "REGISTRY_REFRESH_SECONDS",
                self.registry_refresh.as_secs().to_string(),
            ),
            ("SPOOL_LIMIT_MB", (self.spool_limit_bytes >> 20).to_string()),
            ("TOPIC_PREFIX", self.topic_prefix.clone()),
            ("TOPIC_PARTITIONS", self.topic_partitions.to_string()),
            (
                "AUDIT_SIGNING_KEY_FILE",
                self.audit_key
                    .as_ref()
                    .map_or_else(none, |f| f.display().to_string()),
            ),
            ("AUDIT_SIGNING_SECONDS", self.audit_signing.as_secs().to_string()),
            ("RUST_LOG", self.log_filter.clone()),
            (
                "LOG_FORMAT",
                if self.log_format == LogFormat::Json {
                    "json"
                } else {
                    "text"
                }
                .to_owned(),
            ),
        ]
    }
}

/// Settings of what this version does not have: better refused than silently without effect.
fn unavailable(env: Lookup<'_>) -> Result<(), SettingError> {
    for (name, what) in [
        ("DEVICE_TOKENS_FILE", "device tokens"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "the export of traces"),
    ] {
        if set(env, name).is_some() {
            return fail(
                name,
                format!("this version does not have {what}"),
                "leave it unset",
            );
        }
    }
    Ok(())
}

fn database(env: Lookup<'_>, name: &'static str, default: &str) -> Result<String, SettingError> {
    let text = set(env, name).unwrap_or_else(|| default.to_owned());
    let fits = text.len() <= 63 && !text.contains(['/', '\\', '.', ' ', '"', '$', '\0']);
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it is no name of a database",
            "at most 63 characters without / \\ . \" $ and blanks",
        )
    }
}

fn identifier_base(env: Lookup<'_>) -> Result<String, SettingError> {
    let name = "IDENTIFIER_BASE";
    let text = set(env, name).unwrap_or_else(|| "urn:stardust:".to_owned());
    let absolute = text
        .split_once(':')
        .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    let fits = absolute
        && text.ends_with([':', '/', '#'])
        && text
            .bytes()
            .all(|c| c.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&c));
    if fits {
        Ok(text)
    } else {
        fail(
            name,
            "it is no start of a URI",
            "an absolute URI that ends with `:`, `/` or `#`, such as urn:stardust:",
        )
    }
}

fn properties(env: Lookup<'_>) -> Result<Vec<(String, String)>, SettingError> {
    let name = "KAFKA_PROPERTIES";
    let text = set(env, name).unwrap_or_default();
    match stardust_kafka::parse_properties(&text) {
        Ok(pairs) => Ok(pairs),
        Err(e) => fail(
            name,
            e.to_string(),
            "name=value,name=value as librdkafka has them",
        ),
    }
}

fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    [
        "password",
        "secret",
        "key.pem",
        "jaas",
        "token",
        "mechanismproperties",
    ]
    .iter()
    .any(|part| property.contains(part))
}

/// A URI without what only its owner should know: who connects with which password, and options that hold secrets.
fn masked(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return "***".to_owned();
    };
    // To the last @, wherever: a password may hold characters that should have been escaped.
    let (who, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => ("***@", rest),
        None => ("", rest),
    };
    let Some((place, options)) = rest.split_once('?') else {
        return format!("{scheme}://{who}{rest}");
    };
    let options: Vec<String> = options
        .split('&')
        .map(|option| match option.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}=***"),
            _ => option.to_owned(),
        })
        .collect();
    format!("{scheme}://{who}{place}?{}", options.join("&"))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c))
        .collect();
    if name.is_empty() {
        "stardust".to_owned()
    } else {
        name
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
