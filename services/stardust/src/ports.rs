//! Opens what the settings name: log, store, spool, rules.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use stardust_books::Groups;
use stardust_domain::mapping::{Mapping, Settings as MappingSettings};
use stardust_embedded::{Embedded, EmbeddedSpool};
use stardust_kafka::{KafkaConfig, KafkaLog};
use stardust_mongo::MongoStore;
use stardust_pipeline::log::Topic;
use stardust_pipeline::topics::Topics;
use stardust_wire::Wire;

use crate::backend::{AnyLog, AnyStore};
use crate::fallback::LocalPorts;
use crate::schema_registry;
use crate::settings::Settings;

/// How a command uses the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// As the process that works on it: nobody else may.
    Exclusive,
    /// Beside a process that may be working on it; the file has to be there.
    Beside,
    /// Beside a process that may be working on it; made where it is missing.
    Create,
}

/// Everything outside the process, as ports.
#[derive(Clone)]
pub struct Ports {
    /// The log.
    pub log: AnyLog,
    /// The store.
    pub store: AnyStore,
    /// The door's spool: only with a broker, and only in a process with a data folder.
    pub spool: Option<EmbeddedSpool>,
    /// What the synchronous fallback needs, where the spool is.
    pub local: Option<LocalPorts>,
    /// The codec.
    pub wire: Wire,
    /// The rules.
    pub mapping: Arc<Mapping>,
    /// The topics.
    pub topics: Topics,
    /// The groups.
    pub groups: Groups,
    /// Where log and store are, in words, without secrets.
    pub place: String,
    /// The embedded file, so that it stays open (and locked) as long as the ports are used.
    _file: Option<Embedded>,
}

/// The topics by the settings.
pub fn topics(settings: &Settings) -> Topics {
    let named = |topic: &Topic| Topic::new(&format!("{}{topic}", settings.topic_prefix));
    let d = Topics::default();
    Topics {
        raw: named(&d.raw),
        parked: named(&d.parked),
        dead: named(&d.dead),
        status: named(&d.status),
        observations: named(&d.observations),
        legacy: named(&d.legacy),
        audit: named(&d.audit),
        partitions: settings.topic_partitions,
    }
}

/// The rules by the settings.
pub fn mapping(settings: &Settings) -> anyhow::Result<Arc<Mapping>> {
    match &settings.mapping_file {
        None => Ok(Arc::new(Mapping::builtin(of_the_deployment(settings))?)),
        Some(file) => mapping_from(settings, file).context("MAPPING_FILE"),
    }
}

/// The rules of a catalogue in a file.
pub fn mapping_from(settings: &Settings, file: &Path) -> anyhow::Result<Arc<Mapping>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let mapping = Mapping::from_text(&text, of_the_deployment(settings))
        .with_context(|| format!("{} cannot be used", file.display()))?;
    Ok(Arc::new(mapping))
}

fn of_the_deployment(settings: &Settings) -> MappingSettings {
    MappingSettings {
        zone: settings.zone,
        identifier_base: settings.identifier_base.clone(),
    }
}

/// Both variables are needed by a service that runs alone.
pub fn require_outside(settings: &Settings, service: &str) -> Result<(), String> {
    let missing: Vec<&str> = [
        (settings.kafka_brokers.is_none(), "KAFKA_BROKERS"),
        (settings.mongodb_uri.is_none(), "MONGODB_URI"),
    ]
    .into_iter()
    .filter_map(|(missing, name)| missing.then_some(name))
    .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(format!(
        "`stardust {service}` runs with a broker and a database; {} is not set. \
         Without them `stardust up` runs everything in one process",
        missing.join(" and ")
    ))
}

fn kafka(settings: &Settings, brokers: &str) -> KafkaConfig {
    let mut config = KafkaConfig::new(brokers, &settings.instance);
    config.properties.clone_from(&settings.kafka_properties);
    config
}

/// Opens the ports. `spool` says whether this process has a door.
pub async fn open(settings: &Settings, how: Use, spool: bool) -> anyhow::Result<Ports> {
    let mapping = mapping(settings)?;
    let topics = topics(settings);
    let needs_file = settings.kafka_brokers.is_none() || settings.mongodb_uri.is_none() || spool;
    let embedded = if needs_file {
        let opened = match how {
            Use::Exclusive => Embedded::open_exclusive(&settings.data_dir, &settings.instance),
            Use::Beside => Embedded::open_existing(&settings.data_dir, &settings.instance),
            Use::Create => Embedded::open(&settings.data_dir, &settings.instance),
        };
        Some(opened?)
    } else {
        None
    };
    let (log, log_place) = match (&settings.kafka_brokers, &embedded) {
        (Some(brokers), _) => (
            AnyLog::Kafka(KafkaLog::new(kafka(settings, brokers)).context("KAFKA_PROPERTIES")?),
            format!("Kafka at {brokers}"),
        ),
        (None, Some(file)) => (
            AnyLog::Embedded(file.log()),
            format!("the log in {}", settings.data_dir.display()),
        ),
        (None, None) => bail!("neither a broker nor a data folder"),
    };
    let (store, store_place) = match (&settings.mongodb_uri, &embedded) {
        (Some(uri), _) => (
            AnyStore::Mongo(MongoStore::connect(uri, &settings.main_db, &settings.fhir_db).await?),
            format!("MongoDB ({}, {})", settings.main_db, settings.fhir_db),
        ),
        (None, Some(file)) => (
            AnyStore::Embedded(file.store()),
            format!("the store in {}", settings.data_dir.display()),
        ),
        (None, None) => bail!("neither a database nor a data folder"),
    };
    let ids = match &settings.schema_registry {
        Some(url) => schema_registry::register(url, &topics).await?,
        None => HashMap::new(),
    };
    let (spool, local) = match (&settings.kafka_brokers, &embedded) {
        (Some(brokers), Some(file)) if spool => (
            Some(file.spool(settings.spool_limit_bytes)),
            Some(LocalPorts {
                log: file.log(),
                kafka: kafka(settings, brokers),
            }),
        ),
        _ => (None, None),
    };
    Ok(Ports {
        log,
        store,
        spool,
        local,
        wire: Wire::with_ids(&ids)?,
        mapping,
        groups: Groups {
            parser: settings.group.clone(),
            router: format!("{}legacy-router", settings.topic_prefix),
            recorder: settings.audit_group.clone(),
        },
        topics,
        place: format!("{log_place}; {store_place}"),
        _file: embedded,
    })
}
