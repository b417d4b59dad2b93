//! The schemas that are compiled in, with the ids that hold where no registry is named.

use std::sync::LazyLock;

use apache_avro::Schema;

use crate::WireError;

/// What a topic's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Subject {
    /// `ava4.readings.raw`.
    Raw,
    /// `ava4.readings.parked`.
    Parked,
    /// `ava4.readings.dead`.
    Dead,
    /// `ava4.device.status`.
    Status,
    /// `fhir.observations`.
    Observations,
    /// `legacy.histories`.
    Legacy,
    /// `audit.events`.
    Audit,
}

impl Subject {
    /// Every subject.
    pub const ALL: [Self; 7] = [
        Self::Raw,
        Self::Parked,
        Self::Dead,
        Self::Status,
        Self::Observations,
        Self::Legacy,
        Self::Audit,
    ];

    /// The default name of its topic.
    #[must_use]
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Raw => "ava4.readings.raw",
            Self::Parked => "ava4.readings.parked",
            Self::Dead => "ava4.readings.dead",
            Self::Status => "ava4.device.status",
            Self::Observations => "fhir.observations",
            Self::Legacy => "legacy.histories",
            Self::Audit => "audit.events",
        }
    }

    /// The subject's name in a registry.
    #[must_use]
    pub fn name(self) -> String {
        format!("{}-value", self.topic())
    }

    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Raw => 0,
            Self::Parked => 1,
            Self::Dead => 2,
            Self::Status => 3,
            Self::Observations => 4,
            Self::Legacy => 5,
            Self::Audit => 6,
        }
    }
}

/// One version of a subject's schema.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    /// The id in records, where no registry is named.
    pub id: u32,
    /// The subject.
    pub subject: Subject,
    /// The version within the subject, from 1.
    pub version: u32,
    /// The schema as JSON.
    pub text: &'static str,
}

macro_rules! version {
    ($id:literal, $subject:ident, $version:literal, $file:literal) => {
        Version {
            id: $id,
            subject: Subject::$subject,
            version: $version,
            text: include_str!(concat!("../../../schemas/", $file)),
        }
    };
}

/// Every version of every schema, oldest first. Ids are never used again.
pub const VERSIONS: &[Version] = &[
    version!(1, Raw, 1, "ava4.readings.raw.avsc"),
    version!(2, Parked, 1, "ava4.readings.parked.avsc"),
    version!(3, Dead, 1, "ava4.readings.dead.avsc"),
    version!(4, Status, 1, "ava4.device.status.avsc"),
    version!(5, Observations, 1, "fhir.observations.avsc"),
    version!(6, Legacy, 1, "legacy.histories.avsc"),
    version!(7, Audit, 1, "audit.events.avsc"),
];

/// The newest version of a subject.
#[must_use]
pub fn newest(subject: Subject) -> Option<&'static Version> {
    VERSIONS.iter().rev().find(|v| v.subject == subject)
}

static PARSED: LazyLock<Result<Vec<Schema>, String>> = LazyLock::new(|| {
    VERSIONS
        .iter()
        .map(|v| Schema::parse_str(v.text).map_err(|e| format!("{}: {e}", v.subject.name())))
        .collect()
});

/// The parsed schemas, in the order of [`VERSIONS`].
pub(crate) fn parsed() -> Result<&'static [Schema], WireError> {
    PARSED.as_deref().map_err(|e| WireError::Schema(e.clone()))
}
