//! The shapes of an AuditEvent; names and their order are FHIR's.

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::ids::{Mac, PatientId};
use crate::reading::DeadQuantity;

#[derive(Serialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "resourceType")]
    pub(super) resource_type: &'static str,
    pub(super) id: Uuid,
    pub(super) category: [Concept<'a>; 1],
    pub(super) code: Concept<'a>,
    pub(super) action: &'static str,
    pub(super) recorded: &'a str,
    pub(super) outcome: Outcome<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patient: Option<Reference<'a>>,
    pub(super) agent: [Agent<'a>; 1],
    pub(super) source: Source<'a>,
    pub(super) entity: Vec<Entity<'a>>,
}

#[derive(Serialize)]
pub(super) struct Outcome<'a> {
    pub(super) code: Coding<'a>,
    pub(super) detail: Vec<Concept<'a>>,
}

#[derive(Serialize)]
pub(super) struct Agent<'a> {
    pub(super) who: Reference<'a>,
}

#[derive(Serialize)]
pub(super) struct Source<'a> {
    pub(super) observer: Reference<'a>,
}

#[derive(Serialize)]
pub(super) struct Entity<'a> {
    pub(super) what: Reference<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) detail: Vec<Detail<'a>>,
}

#[derive(Serialize)]
pub(super) struct Detail<'a> {
    #[serde(rename = "type")]
    pub(super) type_: Concept<'a>,
    #[serde(flatten)]
    pub(super) value: Value<'a>,
}

#[derive(Serialize)]
pub(super) enum Value<'a> {
    #[serde(rename = "valueInteger")]
    Integer(i32),
    #[serde(rename = "valueString")]
    String(&'a str),
}

#[derive(Serialize)]
pub(super) struct Concept<'a> {
    pub(super) coding: [Coding<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Text<'a>>,
}

impl<'a> Concept<'a> {
    pub(super) fn of(coding: Coding<'a>) -> Self {
        Self {
            coding: [coding],
            text: None,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Coding<'a> {
    system: System<'a>,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

impl<'a> Coding<'a> {
    pub(super) fn bare(system: System<'a>, code: &'a str) -> Self {
        Self {
            system,
            code,
            display: None,
        }
    }

    pub(super) fn shown(system: System<'a>, code: &'a str, display: &'static str) -> Self {
        Self {
            system,
            code,
            display: Some(display),
        }
    }
}

#[derive(Serialize, Default)]
pub(super) struct Reference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<Target>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) type_: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) identifier: Option<Identifier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) display: Option<&'static str>,
}

impl<'a> Reference<'a> {
    pub(super) fn to(type_and_slash: &'static str, id: impl Into<TargetId>) -> Self {
        Self {
            reference: Some(Target(type_and_slash, id.into())),
            ..Self::default()
        }
    }

    pub(super) fn known_as(identifier: Identifier<'a>) -> Self {
        Self {
            identifier: Some(identifier),
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
pub(super) struct Identifier<'a> {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) type_: Option<Concept<'a>>,
    pub(super) system: System<'a>,
    pub(super) value: Text<'a>,
}

impl<'a> Identifier<'a> {
    pub(super) fn plain(system: System<'a>, value: &'a str) -> Self {
        Self {
            type_: None,
            system,
            value: Text::Plain(value),
        }
    }
}

/// A URI in two parts: the deployment's base and our name, or nothing and the whole.
#[derive(Clone, Copy)]
pub(super) struct System<'a>(pub(super) &'a str, pub(super) &'static str);

impl Serialize for System<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(base, name) = *self;
        if base.is_empty() {
            serializer.serialize_str(name)
        } else {
            serializer.collect_str(&format_args!("{base}{name}"))
        }
    }
}

/// `Patient/…` or `Observation/…`.
pub(super) struct Target(&'static str, TargetId);

pub(super) enum TargetId {
    Patient(PatientId),
    Resource(Uuid),
}

impl From<PatientId> for TargetId {
    fn from(id: PatientId) -> Self {
        Self::Patient(id)
    }
}

impl From<Uuid> for TargetId {
    fn from(id: Uuid) -> Self {
        Self::Resource(id)
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.1 {
            TargetId::Patient(id) => serializer.collect_str(&format_args!("{}{id}", self.0)),
            TargetId::Resource(id) => serializer.collect_str(&format_args!("{}{id}", self.0)),
        }
    }
}

pub(super) enum Text<'a> {
    Plain(&'a str),
    Address(Mac),
    Quantity(&'a DeadQuantity),
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Address(mac) => serializer.serialize_str(&mac.eui48()),
            // The field as sent and the rule, never the value.
            Self::Quantity(DeadQuantity { field, reason }) => {
                serializer.collect_str(&format_args!("{field}: {reason}"))
            }
        }
    }
}
