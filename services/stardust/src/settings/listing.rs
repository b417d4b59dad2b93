//! What `stardust config` prints: every setting, without secrets.

use super::{LogFormat, Settings};

impl Settings {
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
