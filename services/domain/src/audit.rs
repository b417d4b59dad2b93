//! The AuditEvent of what became of a reading.
//!
//! A function of its facts alone, so that a replay writes the same event under the same id.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::ids::uuid_of;
use crate::mapping::Settings;
use crate::outcome::AuditOutcome;
use crate::reading::{Audit, AuditFacts};

mod shape;

use shape::{
    Agent, Coding, Concept, Detail, Entity, Event, Identifier, Outcome, Reference, System, Text, Value,
};

const AUDIT_EVENT_TYPE: System<'_> = System("", "http://terminology.hl7.org/CodeSystem/audit-event-type");
const RESTFUL_INTERACTION: System<'_> = System("", "http://hl7.org/fhir/restful-interaction");
const ISSUE_SEVERITY: System<'_> = System("", "http://hl7.org/fhir/issue-severity");
const DEVICE_IDENTIFIERS: System<'_> = System(
    "",
    "http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers",
);
const ETHERNET: System<'_> = System("", "http://hl7.org/fhir/sid/eui-48/ethernet");
/// The service whose verdicts are audited.
const OBSERVER: &str = "fhir-parser";
/// `recorded` is required; a timestamp of the log that no calendar holds is written as the epoch.
const NO_INSTANT: &str = "1970-01-01T00:00:00.000Z";

/// The AuditEvent of these facts, as FHIR R5 JSON.
///
/// Id: UUIDv5 of `audit|1|<receipt>|<item, or - for a whole message>|<outcome>`; for `amended` followed by
/// `|<mapping version>`, for `rolled-back` by `|<run>`.
///
/// `outcome.code` is `error` for what did not reach the store (parked, dead), else `success`. `outcome.detail`
/// names the outcome, then the reason, then each refused quantity of a reading that lives; these codes are on
/// `urn:stardust:audit`. Entities: the Observations, then the receipt with the item and the mapping version.
#[must_use]
pub fn audit_event(settings: &Settings, facts: &AuditFacts<'_>) -> Audit {
    let id = event_id(facts);
    let recorded = facts.recorded.instant();
    let recorded = recorded.as_deref().unwrap_or(NO_INSTANT);
    let event = event(id, &settings.identifier_base, recorded, facts);
    Audit {
        id,
        // Writing these shapes to memory cannot fail.
        json: serde_json::to_string(&event).unwrap_or_default(),
    }
}

fn event_id(facts: &AuditFacts<'_>) -> Uuid {
    let mut key = String::with_capacity(160);
    key.push_str("audit|1|");
    key.push_str(facts.receipt);
    // Writing to a String cannot fail.
    let _ = match facts.item {
        Some(item) => write!(key, "|{item}|"),
        None => key.write_str("|-|"),
    };
    key.push_str(facts.outcome.label());
    let suffix = match facts.outcome {
        AuditOutcome::Amended => Some(facts.mapping_version),
        AuditOutcome::RolledBack => facts.migration_run,
        _ => None,
    };
    if let Some(suffix) = suffix {
        key.push('|');
        key.push_str(suffix);
    }
    uuid_of(&key)
}

fn event<'a>(id: Uuid, base: &'a str, recorded: &'a str, facts: &'a AuditFacts<'a>) -> Event<'a> {
    let (interaction, action) = match facts.outcome {
        AuditOutcome::Amended | AuditOutcome::RolledBack => ("update", "U"),
        _ => ("create", "C"),
    };
    let code = match facts.outcome {
        AuditOutcome::Parked | AuditOutcome::Dead => Coding::shown(ISSUE_SEVERITY, "error", "Error"),
        _ => Coding::shown(ISSUE_SEVERITY, "success", "Operation Successful"),
    };
    Event {
        resource_type: "AuditEvent",
        id,
        category: [Concept::of(Coding::shown(
            AUDIT_EVENT_TYPE,
            "rest",
            "RESTful Operation",
        ))],
        code: Concept::of(Coding::shown(RESTFUL_INTERACTION, interaction, interaction)),
        action,
        recorded,
        outcome: Outcome {
            code,
            detail: details(base, facts),
        },
        patient: facts.patient.map(|patient| Reference::to("Patient/", patient)),
        agent: [Agent {
            who: who(base, facts),
        }],
        source: shape::Source {
            observer: Reference::known_as(Identifier::plain(System(base, "service"), OBSERVER)),
        },
        entity: entities(base, facts),
    }
}

fn details<'a>(base: &'a str, facts: &'a AuditFacts<'a>) -> Vec<Concept<'a>> {
    let coded = |code| Concept::of(Coding::bare(System(base, "audit"), code));
    let mut details = Vec::with_capacity(2 + facts.dead_quantities.len());
    details.push(coded(facts.outcome.label()));
    details.extend(facts.reason.filter(|reason| !reason.is_empty()).map(coded));
    details.extend(facts.dead_quantities.iter().map(|quantity| Concept {
        text: Some(Text::Quantity(quantity)),
        ..coded(quantity.reason.label())
    }));
    details
}

fn who<'a>(base: &'a str, facts: &'a AuditFacts<'a>) -> Reference<'a> {
    match (facts.migration_run, facts.gateway) {
        (Some(run), _) => Reference::known_as(Identifier::plain(System(base, "migration-run"), run)),
        (None, Some(gateway)) => Reference {
            type_: Some("Device"),
            ..Reference::known_as(Identifier {
                type_: Some(Concept::of(Coding::bare(DEVICE_IDENTIFIERS, "ETHMAC"))),
                system: ETHERNET,
                value: Text::Address(gateway),
            })
        },
        // An unreadable message: somebody sent it, and it does not say who.
        (None, None) => Reference {
            display: Some("unknown gateway"),
            ..Reference::default()
        },
    }
}

fn entities<'a>(base: &'a str, facts: &'a AuditFacts<'a>) -> Vec<Entity<'a>> {
    let detail = |code, value| Detail {
        type_: Concept::of(Coding::bare(System(base, "audit"), code)),
        value,
    };
    let mut of_receipt = Vec::with_capacity(2);
    of_receipt.extend(facts.item.map(|item| detail("item", Value::Integer(item))));
    of_receipt.push(detail("mapping-version", Value::String(facts.mapping_version)));

    let mut entities = Vec::with_capacity(1 + facts.observations.len());
    entities.extend(facts.observations.iter().map(|id| Entity {
        what: Reference::to("Observation/", *id),
        detail: Vec::new(),
    }));
    entities.push(Entity {
        what: Reference::known_as(Identifier::plain(System(base, "receipt"), facts.receipt)),
        detail: of_receipt,
    });
    entities
}

#[cfg(test)]
mod tests;
