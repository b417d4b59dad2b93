//! The whole way of one message.

use std::collections::HashMap;

use uuid::Uuid;

use super::Rules;
use super::clock::Times;
use super::item::{self, Planned};
use super::reading::{MessageFacts, dead, judge_planned};
use crate::call;
use crate::ids::{Mac, PatientId};
use crate::json::Raw;
use crate::message::{self, Message, Opened, Readings};
use crate::outcome::{DeadReason, Source, Stage};
use crate::reading::{Death, DeviceStatus, Envelope, Judged, Reading, Refusal};
use crate::registry::Registry;
use crate::time::Timestamp;

/// What a message would become, before the registry is asked.
#[derive(Debug)]
pub(crate) struct Plan<'a, 'm> {
    pub gateway: Mac,
    pub is_call: bool,
    pub content: Content<'a, 'm>,
}

#[derive(Debug)]
pub(crate) enum Content<'a, 'm> {
    /// In the order of the items.
    Items {
        items: Vec<Result<Planned<'m>, DeadItem>>,
        origin: Origin<'a>,
    },
    Status(DeviceStatus),
    Nothing,
    /// No item can be told apart.
    Dead(Death),
}

/// An item that is dead.
#[derive(Debug)]
pub(crate) struct DeadItem {
    index: i32,
    device: Option<Mac>,
    death: Death,
}

/// Where the items stood, to keep each with what is needed to map it again.
#[derive(Debug)]
pub(crate) enum Origin<'a> {
    Message(Readings<'a>),
    Call(&'a str),
}

impl Plan<'_, '_> {
    /// Ids of every Observation that the mapping accepts, in order.
    pub(crate) fn observation_ids(&self) -> Vec<Uuid> {
        match &self.content {
            Content::Items { items, .. } => items
                .iter()
                .flatten()
                .flat_map(|p| p.observations.iter().map(|o| o.id))
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl<'m> Rules<'m> {
    /// Reads a message and plans its readings.
    ///
    /// # Errors
    /// What the door answers, and the gateway where it can be read all the same.
    pub(crate) fn plan<'a>(
        self,
        body: &'a [u8],
        received_at: Timestamp,
        source: Source,
    ) -> Result<Plan<'a, 'm>, (Option<Mac>, Refusal)> {
        match message::open(body).map_err(|r| (None, r))? {
            Opened::Gateway { gateway, message } => Ok(Plan {
                gateway,
                is_call: false,
                content: match message {
                    Message::Readings(readings) => self.items(readings, received_at, source),
                    Message::Status(status) => Content::Status(status),
                    Message::Nothing => Content::Nothing,
                    Message::Dead(death) => Content::Dead(death),
                },
            }),
            Opened::Call(top) => {
                let call = call::read(self.catalogue, &top)?;
                let clock = Times {
                    item: Some(call.time),
                    message: None,
                    received_at,
                    trusted: Times::trusts(source, true),
                }
                .judge(self.settings.zone);
                let context = item::context(self, call.model, &call.data);
                let planned = item::planned(
                    self,
                    call.model,
                    0,
                    call.gateway,
                    None,
                    clock,
                    received_at,
                    call.assessed,
                    context,
                );
                Ok(Plan {
                    gateway: call.gateway,
                    is_call: true,
                    content: Content::Items {
                        items: vec![Ok(planned)],
                        origin: Origin::Call(std::str::from_utf8(body).unwrap_or_default()),
                    },
                })
            }
        }
    }

    pub(crate) fn items<'a>(
        self,
        readings: Readings<'a>,
        received_at: Timestamp,
        source: Source,
    ) -> Content<'a, 'm> {
        let attribute = readings.attribute.text();
        let Some(model) = attribute
            .as_deref()
            .and_then(|name| self.catalogue.attribute(name.trim()))
        else {
            return Content::Dead(Death {
                stage: Stage::Mapping,
                reason: DeadReason::UnknownAttribute,
                field: Some("data.attribute".to_owned()),
                detail: Some("not in the device catalogue".to_owned()),
            });
        };
        let message_time = readings.time.and_then(message::epoch_seconds);
        let clock = |time| {
            Times {
                item: time,
                message: message_time,
                received_at,
                trusted: Times::trusts(source, false),
            }
            .judge(self.settings.zone)
        };
        let mut items: Vec<_> =
            (0..)
                .zip(&readings.items)
                .map(|(index, raw)| {
                    item::plan(self, model, index, *raw, clock, received_at)
                        .map_err(|(device, death)| DeadItem { index, device, death })
                })
                .collect();
        mark_twins(self, &mut items);
        Content::Items {
            items,
            origin: Origin::Message(readings),
        }
    }

    /// Judges a raw record. `settled` names the patients of items for whom nobody needs to be asked.
    pub(crate) fn judge(
        self,
        envelope: &Envelope<'_>,
        registry: &Registry,
        settled: impl Fn(i32) -> Option<PatientId>,
    ) -> Judged {
        let plan = match self.plan(envelope.body, envelope.received_at, envelope.source) {
            Ok(plan) => plan,
            Err((gateway, refusal)) => {
                let death = Death {
                    stage: Stage::Payload,
                    reason: DeadReason::Unreadable,
                    field: refusal.field,
                    detail: Some(refusal.message),
                };
                return Judged {
                    gateway,
                    readings: vec![dead(None, None, death)],
                    ..Judged::default()
                };
            }
        };
        let gateway = plan.gateway;
        let mut judged = Judged {
            gateway: Some(gateway),
            ..Judged::default()
        };
        match plan.content {
            Content::Items { items, origin } => {
                let facts = MessageFacts::new(self, gateway, envelope.received_at);
                judged.readings = items
                    .into_iter()
                    .filter(|item| {
                        let index = match item {
                            Ok(planned) => planned.index,
                            Err(dead) => dead.index,
                        };
                        envelope.items.is_none_or(|wanted| wanted.contains(&index))
                    })
                    .map(|item| self.reading(&facts, registry, &origin, item, &settled))
                    .collect();
            }
            Content::Status(status) => judged.status = Some(status),
            Content::Nothing => {}
            Content::Dead(death) => judged.readings.push(dead(None, None, death)),
        }
        judged
    }

    fn reading(
        self,
        facts: &MessageFacts,
        registry: &Registry,
        origin: &Origin<'_>,
        item: Result<Planned<'m>, DeadItem>,
        settled: impl Fn(i32) -> Option<PatientId>,
    ) -> Reading {
        match item {
            Ok(planned) => {
                let raw_item = raw_item(facts.gateway, origin, planned.index);
                let patient = settled(planned.index);
                judge_planned(self, facts, registry, &planned, raw_item, patient)
            }
            Err(item) => dead(Some(item.index), item.device, item.death),
        }
    }
}

/// Notes where items of one message carry two values of one kind for one device and second.
fn mark_twins(rules: Rules<'_>, items: &mut [Result<Planned<'_>, DeadItem>]) {
    if items.len() < 2 {
        return;
    }
    let place = |planned: &Planned<'_>, row: usize| {
        let kind = rules.catalogue.rows.get(row).map_or("", |r| r.kind.as_str());
        (planned.device, planned.clock.device, kind)
    };
    // The first values seen at a place, and whether others were seen there too.
    let mut seen = HashMap::new();
    for planned in items.iter().flatten() {
        for observation in &planned.observations {
            let (first, differ) = seen
                .entry(place(planned, observation.value.row))
                .or_insert_with(|| (observation.values().to_owned(), false));
            *differ |= *first != observation.values();
        }
    }
    for planned in items.iter_mut().flatten() {
        let twins: Vec<bool> = planned
            .observations
            .iter()
            .map(|o| {
                seen.get(&place(planned, o.value.row))
                    .is_some_and(|(_, differ)| *differ)
            })
            .collect();
        for (observation, twin) in planned.observations.iter_mut().zip(twins) {
            observation.twin = twin;
        }
    }
}

/// The item as it came, with what it needs to be mapped again.
fn raw_item(gateway: Mac, origin: &Origin<'_>, index: i32) -> String {
    match origin {
        Origin::Call(body) => format!(r#"{{"gateway":"{gateway}","call":{body}}}"#),
        Origin::Message(readings) => {
            let item = usize::try_from(index)
                .ok()
                .and_then(|at| readings.items.get(at))
                .map_or("null", |raw| raw.as_str());
            format!(
                r#"{{"gateway":"{gateway}","attribute":{},"time":{},"item":{item}}}"#,
                readings.attribute.as_str(),
                readings.time.map_or("null", Raw::as_str),
            )
        }
    }
}
