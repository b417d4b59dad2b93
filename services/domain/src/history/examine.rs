//! From the body of a raw record to readings.

use super::body::{Body, read};
use super::document::{Shape, patient};
use super::fields::{self, Field};
use super::number::Number;
use super::observation::Taken;
use super::rules::{Found, Measured, Reader, Rule};
use super::times::{Placed, placed};
use crate::ids::{Mac, PatientId, sha256_hex, uuid_of};
use crate::judge::Rules;
use crate::judge::item::death_of;
use crate::judge::reading::dead;
use crate::outcome::{DeadReason, ParkReason, Stage};
use crate::reading::{Death, Envelope, Reading, Verdict};
use crate::registry::{Gateway, Registry};
use crate::time::Timestamp;

/// What the rules make of one entry.
#[derive(Debug, Default)]
pub(crate) struct Examined {
    /// `_id` of the document, where the body can be read.
    pub document: Option<String>,
    /// In the order of the fields' table.
    pub readings: Vec<Reading>,
    /// When the entry's readings were taken, where that can be placed.
    pub at: Option<Timestamp>,
    /// Fields that say "none", and how: no readings.
    pub nothing: Vec<(&'static str, &'static str)>,
    /// Lines of the report that readings of this entry belong to.
    pub lines: Vec<&'static str>,
    /// Fields that hold something and have no place in the table.
    pub left_over: Vec<String>,
}

/// Who decides whose the readings are.
#[derive(Clone, Copy)]
pub(crate) enum Whose<'a> {
    /// The registry.
    Of(&'a Registry),
    /// It is decided: the patient, and whether an address in the entry is that of a sub-device.
    Settled { patient: PatientId, device: bool },
}

/// Judges the body of a raw record of a migration. `received_at` of the envelope is when it was published.
pub(crate) fn examine(rules: Rules<'_>, envelope: &Envelope<'_>, whose: Whose<'_>) -> Examined {
    let refused = |document, detail: &str| Examined {
        document,
        readings: vec![dead(None, None, unreadable(detail))],
        ..Examined::default()
    };
    let Some(value) = &read(envelope.body) else {
        return refused(
            None,
            "not an entry of a history document, or with a text that cannot be read",
        );
    };
    let Some(body) = Body::of(value) else {
        return refused(None, "not an entry of a history document");
    };
    let document = Some(body.id.clone());
    let Some(table) = fields::of(body.collection) else {
        let death = Death {
            reason: DeadReason::UnknownAttribute,
            field: Some("collection".to_owned()),
            ..unreadable("not a history collection that is known")
        };
        return Examined {
            document,
            readings: vec![dead(None, None, death)],
            ..Examined::default()
        };
    };
    if body.entry.fields().is_none() {
        return refused(document, "the entry is not a document");
    }
    if value.has_duplicate() {
        return refused(document, "a key stands twice");
    }
    Examination {
        rules,
        envelope,
        whose,
        body,
        table,
    }
    .run()
}

fn unreadable(detail: &str) -> Death {
    Death {
        stage: Stage::Payload,
        reason: DeadReason::Unreadable,
        field: None,
        detail: Some(detail.to_owned()),
    }
}

/// One entry under examination.
pub(super) struct Examination<'a> {
    pub rules: Rules<'a>,
    pub envelope: &'a Envelope<'a>,
    whose: Whose<'a>,
    pub body: Body<'a>,
    table: &'static [Field],
}

impl<'a> Examination<'a> {
    fn run(self) -> Examined {
        let reader = Reader {
            catalogue: self.rules.catalogue,
        };
        let entry = self.body.entry;
        let placed = placed(
            entry,
            self.body.shape,
            self.rules.settings.zone,
            self.envelope.received_at,
        );
        let mut done = Examined {
            document: Some(self.body.id.clone()),
            at: match &placed {
                Placed::At(at) => Some(*at),
                Placed::Nowhere(..) => None,
            },
            left_over: self.left_over(),
            ..Examined::default()
        };
        let found: Vec<Found<'a>> = self.table.iter().map(|field| reader.read(field, entry)).collect();
        let facts = Facts {
            device: self.device(),
            patient: self.patient(),
            hash: sha256_hex(entry.canonical().as_bytes()),
            several: self.several(&found),
            placed,
        };
        for (index, (field, found)) in (0..).zip(self.table.iter().zip(found)) {
            let (reading, line) = match found {
                Found::Absent => continue,
                Found::Nothing(name, how) => {
                    done.nothing.push((name, how));
                    continue;
                }
                Found::Bad(bad, line) => (dead(Some(index), facts.device, death_of(&bad)), line),
                Found::Good(measured) => {
                    let line = measured.line;
                    (self.reading(index, field, &facts, measured), line)
                }
            };
            if !self.wanted(index) {
                continue;
            }
            done.lines.extend(line);
            done.readings.push(reading);
        }
        done
    }

    fn wanted(&self, index: i32) -> bool {
        self.envelope.items.is_none_or(|wanted| wanted.contains(&index))
    }

    /// Whether an entry has several readings of the kind of each field.
    fn several(&self, found: &[Found<'_>]) -> Vec<bool> {
        let kind = |field: &Field| {
            let quantity = self.rules.catalogue.quantity(field.quantity)?;
            let row = self.rules.catalogue.quantities.get(quantity)?.row;
            self.rules.catalogue.rows.get(row).map(|row| row.kind.as_str())
        };
        let kinds: Vec<Option<&str>> = self
            .table
            .iter()
            .zip(found)
            .map(|(field, found)| match found {
                Found::Good(_) | Found::Bad(..) => kind(field),
                Found::Absent | Found::Nothing(..) => None,
            })
            .collect();
        let count = |kind: &Option<&str>| kinds.iter().filter(|other| *other == kind).count();
        kinds
            .iter()
            .map(|kind| kind.is_some() && count(kind) > 1)
            .collect()
    }

    /// The sub-device: an address in the entry itself that is no gateway's.
    fn device(&self) -> Option<Mac> {
        let text = self.body.entry.get("device_id")?.text()?;
        let mac: Mac = text.trim().parse().ok()?;
        // Whoever typed these meant "none".
        let nobody = matches!(
            mac.octets(),
            [0x00, 0x00, 0x00, 0x00, 0x00, 0x00] | [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]
        );
        let is_sub_device = match self.whose {
            Whose::Of(registry) => registry.gateway(mac) == Gateway::Unknown,
            Whose::Settled { device, .. } => device,
        };
        (!nobody && is_sub_device).then_some(mac)
    }

    fn patient(&self) -> Result<PatientId, Owner> {
        let registry = match self.whose {
            Whose::Of(registry) => registry,
            Whose::Settled { patient, .. } => return Ok(patient),
        };
        if self.body.shape == Shape::E {
            return Err(Owner::Nobody);
        }
        patient(self.body.document)
            .filter(|patient| registry.has_patient(*patient))
            .ok_or(Owner::Unknown)
    }

    /// Values of the entry that no reading takes up.
    fn left_over(&self) -> Vec<String> {
        let known = |name: &str| {
            fields::is_beside(name)
                || self.table.iter().any(|field| {
                    field.names.contains(&name)
                        || matches!(field.rule, Rule::Pressure { lower, .. } if lower.contains(&name))
                })
        };
        let fields = self.body.entry.fields().unwrap_or_default().iter();
        fields
            .filter(|(name, value)| {
                let number = Number::of(Some(value));
                !known(name) && !matches!(number, Number::Nothing(_)) && !number.is_zero()
            })
            .map(|(name, _)| name.clone().into_owned())
            .collect()
    }

    fn reading(&self, index: i32, field: &Field, facts: &Facts, measured: Measured<'a>) -> Reading {
        let refuse = |stage, reason, field: Option<&str>, detail: &str| {
            let death = Death {
                stage,
                reason,
                field: field.map(str::to_owned),
                detail: Some(detail.to_owned()),
            };
            dead(Some(index), facts.device, death)
        };
        if facts.patient == Err(Owner::Nobody) {
            let (reason, detail) = (
                DeadReason::NoPatient,
                "the document names a hospital and no patient",
            );
            return refuse(Stage::Registry, reason, Some("patient_id"), detail);
        }
        let at = match &facts.placed {
            Placed::At(at) => *at,
            Placed::Nowhere(name, why) => {
                return refuse(Stage::Mapping, DeadReason::UnknownTime, Some(name), why);
            }
        };
        let Some(row) = self.row(&measured) else {
            return refuse(
                Stage::Mapping,
                DeadReason::UnknownAttribute,
                Some(measured.name),
                "is not in the device catalogue",
            );
        };
        let several = usize::try_from(index).ok().and_then(|at| facts.several.get(at)) == Some(&true);
        let key = self.key(facts, row, several.then_some(measured.name));
        let id = uuid_of(&key);
        let mut reading = Reading {
            item: Some(index),
            verdict: Verdict::Park(ParkReason::PatientUnknown),
            dead_quantities: Vec::new(),
            main_id: Some(id),
            observation_ids: vec![id],
            device: facts.device,
            effective: Some(at),
            observations: Vec::new(),
            legacy: None,
            raw_item: self.raw_item(index),
        };
        if let Ok(patient) = facts.patient {
            let told = Taken {
                id,
                key,
                row,
                at,
                patient,
            };
            match self.observation(field, facts, measured, told) {
                Some(observation) => {
                    reading.observations = vec![observation];
                    reading.verdict = Verdict::Emit(patient);
                }
                None => {
                    return refuse(
                        Stage::Mapping,
                        DeadReason::UnknownAttribute,
                        None,
                        "has no code in the device catalogue",
                    );
                }
            }
        }
        reading
    }

    /// All of the body, to map the reading again.
    fn raw_item(&self, index: i32) -> String {
        let body = std::str::from_utf8(self.envelope.body).unwrap_or_default();
        format!(r#"{{"history":{body},"item":{index}}}"#)
    }
}

/// What the readings of an entry have in common.
pub(super) struct Facts {
    pub device: Option<Mac>,
    patient: Result<PatientId, Owner>,
    pub hash: String,
    several: Vec<bool>,
    placed: Placed,
}

/// Why there is no patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// None that is known: one can be registered.
    Unknown,
    /// None by the form of the document.
    Nobody,
}
