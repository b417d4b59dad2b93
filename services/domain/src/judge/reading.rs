//! From a planned reading to its documents, once the registry has named the patient.

use serde_json::value::RawValue;

use super::Rules;
use super::item::{Planned, PlannedObservation, has_main_quantity};
use super::legacy;
use super::quantities::{Good, Level, RowValue};
use crate::fhir::{self, Header, Part, Resource, Value};
use crate::ids::{Mac, PatientId};
use crate::outcome::ParkReason;
use crate::reading::{DeadQuantity, Death, Observation, Reading, Verdict};
use crate::registry::{Gateway, Registry};
use crate::remap::{OTHER_KIND, TWIN, UNREGISTERED};
use crate::text::quoted;
use crate::time::Timestamp;

/// Longest text of a message that is repeated in a note.
const MAX_REPEATED: usize = 200;

/// What the readings of one message have in common.
#[derive(Debug)]
pub(crate) struct MessageFacts {
    pub gateway: Mac,
    /// FHIR instant of the receipt.
    issued: String,
    /// `meta.source`, a JSON text.
    source: String,
    /// Reference to the gateway, as JSON.
    gateway_device: String,
    /// The receipt as a date of legacy documents.
    pub received_date: String,
}

impl MessageFacts {
    pub(crate) fn new(rules: Rules<'_>, gateway: Mac, received_at: Timestamp) -> Self {
        let base = &rules.settings.identifier_base;
        Self {
            gateway,
            issued: received_at.instant().unwrap_or_default(),
            source: quoted(&[base, "gateway:", gateway.hex().as_str()].concat()),
            gateway_device: fhir::ethernet_device(gateway),
            received_date: legacy::date(received_at),
        }
    }
}

/// A reading that is refused.
pub(crate) fn dead(item: Option<i32>, device: Option<Mac>, death: Death) -> Reading {
    Reading {
        item,
        verdict: Verdict::Dead(death),
        dead_quantities: Vec::new(),
        main_id: None,
        observation_ids: Vec::new(),
        device,
        effective: None,
        observations: Vec::new(),
        legacy: None,
        raw_item: String::new(),
    }
}

/// Asks the registry for the patient, and writes the documents where there is one. `settled` is the patient where he
/// needs no asking for.
pub(crate) fn judge_planned(
    rules: Rules<'_>,
    facts: &MessageFacts,
    registry: &Registry,
    planned: &Planned<'_>,
    raw_item: String,
    settled: Option<PatientId>,
) -> Reading {
    let (asked, notes) = owner(facts, registry, planned);
    let patient = settled.map_or(asked, Ok);
    let ids: Vec<_> = planned.observations.iter().map(|o| o.id).collect();
    let mut reading = Reading {
        item: Some(planned.index),
        verdict: match patient {
            Ok(patient) => Verdict::Emit(patient),
            Err(reason) => Verdict::Park(reason),
        },
        dead_quantities: planned
            .bad
            .iter()
            .map(|b| DeadQuantity {
                field: b.field.clone(),
                reason: b.reason,
            })
            .collect(),
        main_id: ids.first().copied(),
        observation_ids: ids,
        device: planned.device,
        effective: Some(Timestamp::from_seconds(planned.clock.effective)),
        observations: Vec::new(),
        legacy: None,
        raw_item,
    };
    if let Ok(patient) = patient {
        reading.observations = observations(rules, facts, planned, patient, &notes);
        if has_main_quantity(rules, planned) {
            reading.legacy = legacy::write(rules, facts, planned, patient);
        }
    }
    reading
}

/// The patient of the reading, and what is to be noted about how it was found.
fn owner(
    facts: &MessageFacts,
    registry: &Registry,
    planned: &Planned<'_>,
) -> (Result<PatientId, ParkReason>, Vec<String>) {
    let gateway = registry.gateway(facts.gateway);
    let (Some(device), Some(kind)) = (planned.device, planned.model.device) else {
        let patient = match gateway {
            Gateway::Unknown => Err(ParkReason::DeviceUnknown),
            Gateway::Known(patient) => patient,
        };
        return (patient, Vec::new());
    };
    let effective = Timestamp::from_seconds(planned.clock.effective);
    match registry.owner_at(device, kind, effective) {
        Err(reason) => (Err(reason), Vec::new()),
        Ok(owner) => {
            let mut notes = Vec::new();
            if owner.other_kind {
                notes.push(OTHER_KIND.to_owned());
            }
            if gateway == Gateway::Unknown {
                notes.push(UNREGISTERED.to_owned());
            }
            (Ok(owner.patient), notes)
        }
    }
}

pub(crate) fn observations(
    rules: Rules<'_>,
    facts: &MessageFacts,
    planned: &Planned<'_>,
    patient: PatientId,
    shared_notes: &[String],
) -> Vec<Observation> {
    let zone = rules.settings.zone;
    let effective_at = Timestamp::from_seconds(planned.clock.effective);
    let effective = effective_at.date_time(zone).unwrap_or_default();
    let extension = planned
        .clock
        .rule
        .map(|rule| effective_extension(rules, planned, rule));
    let device = planned.device.map(fhir::bluetooth_device);
    let patient = patient.hex();
    let header = Header {
        source: &facts.source,
        key_system: &rules.urls.key_system,
        patient: patient.as_str(),
        effective: &effective,
        effective_extension: extension.as_deref(),
        issued: &facts.issued,
        device: device.as_deref(),
        gateway: Some(&facts.gateway_device),
    };
    planned
        .observations
        .iter()
        .filter_map(|o| observation(rules, planned, &header, effective_at, o, shared_notes))
        .collect()
}

/// The device's own time, where it can be written, and the rule that put another in its place.
fn effective_extension(rules: Rules<'_>, planned: &Planned<'_>, rule: &str) -> String {
    let device_time = planned
        .clock
        .device
        .and_then(|t| Timestamp::from_seconds(t).date_time(rules.settings.zone));
    let device_time = device_time.map_or_else(String::new, |time| {
        let url = &rules.urls.device_time;
        [r#"{"url":"#, url, r#","valueDateTime":""#, &time, r#""},"#].concat()
    });
    [
        r#"{"extension":["#,
        &device_time,
        r#"{"url":"#,
        &rules.urls.clock_rule,
        r#","valueCode":""#,
        rule,
        r#""}]}"#,
    ]
    .concat()
}

fn observation(
    rules: Rules<'_>,
    planned: &Planned<'_>,
    header: &Header<'_>,
    effective: Timestamp,
    observation: &PlannedObservation<'_>,
    shared_notes: &[String],
) -> Option<Observation> {
    let context = &planned.context;
    let mut notes = Vec::new();
    if planned.clock.item_time_missing {
        notes.push(match planned.clock.device {
            Some(_) => "The reading carries no readable time: the time of its message stands in.".to_owned(),
            None => "Neither the reading nor its message carries a readable time.".to_owned(),
        });
    }
    notes.extend(implausible(rules, &observation.value.values));
    if let Some(sent) = &context.marker_sent
        && context.marker_is_unknown()
    {
        notes.extend(unknown_marker(sent));
    }
    if observation.twin {
        notes.push(TWIN.to_owned());
    }
    notes.extend_from_slice(shared_notes);
    written(
        rules,
        header,
        effective,
        &Told {
            id: observation.id,
            key: &observation.key,
            value: &observation.value,
            marker: context.marker,
            mode: context.mode.as_deref(),
            by_device: planned.device.is_some(),
            preliminary: planned.clock.item_time_missing,
            notes: &notes,
        },
    )
}

/// What is told of one Observation.
pub(crate) struct Told<'a> {
    pub id: uuid::Uuid,
    pub key: &'a str,
    pub value: &'a RowValue<'a>,
    pub marker: Option<usize>,
    pub mode: Option<&'a str>,
    /// Sent by a personal health device, rather than entered or taken over.
    pub by_device: bool,
    /// Beside values that are implausible, which make it preliminary anyway.
    pub preliminary: bool,
    pub notes: &'a [String],
}

/// The Observation of a row's values; none where the catalogue has no code for it.
pub(crate) fn written(
    rules: Rules<'_>,
    header: &Header<'_>,
    effective: Timestamp,
    told: &Told<'_>,
) -> Option<Observation> {
    let catalogue = rules.catalogue;
    let row = catalogue.rows.get(told.value.row)?;
    // Without a value the code is that of the row's first quantity in its first unit.
    let first = row
        .quantities
        .first()
        .and_then(|q| catalogue.quantities.get(*q))?;
    let values = &told.value.values;
    let code = match &row.panel {
        Some(panel) => panel,
        None => values
            .first()
            .map(|v| v.measure)
            .or(first.measures.first())?
            .code(told.marker)?,
    };
    let has_meal = told
        .marker
        .and_then(|m| catalogue.markers.get(m))
        .and_then(|m| m.component.as_deref());
    let preliminary = told.preliminary || values.iter().any(|v| v.level == Level::Implausible);
    let status = if preliminary { "preliminary" } else { "final" };
    let json = fhir::write(
        header,
        &Resource {
            id: told
                .id
                .hyphenated()
                .encode_lower(&mut uuid::Uuid::encode_buffer()),
            key: told.key,
            profile: row.profile.as_deref(),
            status,
            category: if told.by_device {
                &row.category.device
            } else {
                &row.category.person
            },
            code,
            value: value(row.panel.is_some(), values)?,
            notes: told.notes,
            body_site: body_site(&first.sites, told.mode),
            context: has_meal,
        },
    );
    Some(Observation {
        id: told.id,
        key: told.key.to_owned(),
        code: code.first.clone(),
        status,
        effective,
        json,
    })
}

fn body_site<'m>(sites: &'m [(String, Box<RawValue>)], mode: Option<&str>) -> Option<&'m RawValue> {
    let mode = mode?.trim();
    sites
        .iter()
        .find(|(name, _)| name == mode)
        .map(|(_, site)| &**site)
}

fn value<'m>(panel: bool, values: &[Good<'m>]) -> Option<Value<'m>> {
    if panel && !values.is_empty() {
        let parts = values
            .iter()
            .map(|good| {
                Some(Part {
                    code: good.measure.code(None)?,
                    value: good.value,
                    measure: good.measure,
                })
            })
            .collect::<Option<_>>()?;
        return Some(Value::Parts(parts));
    }
    let Some(good) = values.first() else {
        return Some(Value::Failed);
    };
    Some(match good.level {
        Level::Plausible | Level::Implausible => Value::Number(good.value, good.measure),
        Level::Above => Value::Above(good.value, good.measure),
        Level::Below => Value::Below(good.value, good.measure),
    })
}

/// A note for each value that can be, but hardly is.
pub(crate) fn implausible(rules: Rules<'_>, values: &[Good<'_>]) -> Vec<String> {
    let note = |good: &Good<'_>| {
        let quantity = rules.catalogue.quantities.get(good.quantity)?;
        let limits = &quantity.plausible;
        Some(format!(
            "Implausible: {} outside of {} to {} {}.",
            quantity.name,
            limits.from,
            limits.to,
            quantity.measures.first().map_or("", |m| m.words.as_str())
        ))
    };
    let implausible = values.iter().filter(|good| good.level == Level::Implausible);
    implausible.filter_map(note).collect()
}

/// The note on a marker that the catalogue does not know.
pub(crate) fn unknown_marker(sent: &str) -> Option<String> {
    repeated(sent).map(|sent| format!("Marker as sent: {sent}"))
}

/// A text of a message as FHIR can hold it: no control characters, not too long, not blank.
fn repeated(text: &str) -> Option<String> {
    let clean: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(MAX_REPEATED)
        .collect();
    (!clean.trim().is_empty()).then_some(clean)
}
