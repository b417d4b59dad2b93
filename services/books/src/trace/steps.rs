//! The steps, in order.

use std::collections::HashSet;

use stardust_domain::time::Timestamp;
use stardust_pipeline::log::Log;
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::{Letter, ObservationDocument, Store};
use stardust_wire::RawRecord;
use uuid::Uuid;

use super::Tracer;
use super::answer::{Step, Trace};
use super::facts::{
    Facts, is_delivery, item_of, item_of_event, legacy, letter_part, observation_part, shelf,
};
use super::find::given_ms;
use super::outputs::Emitted;

fn instant(at_ms: i64) -> Option<String> {
    Timestamp::from_millis(at_ms).instant()
}

impl<L: Log, S: Store, P: Spool> Tracer<L, S, P> {
    pub(super) fn assembled(&self, facts: &Facts) -> Trace {
        let raw = facts.raw.as_ref();
        let received = raw
            .map(|r| Timestamp::from_micros(r.received_at))
            .or_else(|| facts.documents.first().map(|d| d.recorded))
            .or_else(|| given_ms(&facts.receipt).map(Timestamp::from_millis));
        let source = facts
            .copies
            .values()
            .map(|(_, raw)| raw)
            .chain(raw)
            .find(|r| is_delivery(r))
            .map(|r| r.source.clone());
        let mut trace = Trace {
            receipt_id: facts.receipt.clone(),
            state: facts.state(),
            request_id: raw.map(|r| r.request_id.clone()),
            gateway: facts.gateway(),
            received: received.and_then(Timestamp::instant),
            source,
            readings: facts.readings(),
            observations: facts.stored.observations.iter().map(observation_part).collect(),
            letters: facts.stored.letters.iter().map(letter_part).collect(),
            audit: facts.stored.audit.iter().map(|e| facts.audit_part(e)).collect(),
            ..Trace::default()
        };
        trace.audit.sort_by_key(|a| (a.chain, a.seq));
        self.steps(facts, &mut trace);
        trace
    }

    fn steps(&self, facts: &Facts, trace: &mut Trace) {
        let step = |step, result: String| Step {
            step,
            result,
            ..Step::default()
        };
        trace.steps.push(Step {
            time: trace.received.clone(),
            ..step(
                "received",
                trace
                    .source
                    .clone()
                    .unwrap_or_else(|| "source not kept".to_owned()),
            )
        });
        if facts.spooled {
            trace.steps.push(step(
                "spooled",
                "waits on the door's disk for the broker".to_owned(),
            ));
        } else if !facts.copies.values().any(|(_, raw)| is_delivery(raw)) {
            trace.notes.push(format!(
                "the raw record is not on {} any more, or too far from the time of the receipt to be looked for",
                self.topics.raw
            ));
        }
        let mut moments: Vec<i64> = facts
            .copies
            .values()
            .map(|(record, _)| record.timestamp_ms)
            .chain(facts.stored.audit.iter().map(|e| e.recorded.millis()))
            .collect();
        moments.sort_unstable();
        moments.dedup();
        let mut told = HashSet::new();
        for at in moments {
            self.moment(facts, at, trace, &mut told);
        }
        // Documents whose moment nobody names any more.
        let rest: Vec<&ObservationDocument> =
            facts.documents.iter().filter(|d| !told.contains(&d.id)).collect();
        self.documents_of(facts, &rest, trace);
        for letter in &facts.stored.letters {
            trace.steps.push(letter_step(letter));
        }
        let missing = self.missing(facts);
        if missing > 0 {
            trace.notes.push(format!(
                "{missing} output records are not on their topics any more, or too far from the time of the raw record to be looked for"
            ));
        }
    }

    /// What was done with the raw record of one moment.
    fn moment(&self, facts: &Facts, at: i64, trace: &mut Trace, told: &mut HashSet<Uuid>) {
        for (record, raw) in facts.copies.values().filter(|(r, _)| r.timestamp_ms == at) {
            trace.steps.push(Step {
                time: instant(record.timestamp_ms),
                step: "published",
                topic: Some(record.topic.to_string()),
                partition: Some(record.partition),
                offset: Some(record.offset),
                result: published(raw, facts.is_worked(record)),
                ..Step::default()
            });
        }
        let events = facts.stored.audit.iter().filter(|e| e.recorded.millis() == at);
        let mut parsed: Vec<(Option<i32>, String, Option<i64>)> = events
            .map(|e| {
                let item = facts.items.get(&e.id).and_then(|(item, _)| *item);
                let record = facts.emitted.iter().find(|m| m.id == e.id.to_string());
                let reason = facts.reason(record, e, item);
                (item, said(&e.outcome, reason.as_deref()), record.map(|r| r.at_ms))
            })
            .collect();
        // Written, and not recorded yet.
        let recorded: HashSet<String> = facts.stored.audit.iter().map(|e| e.id.to_string()).collect();
        let has_copy = facts.copies.values().any(|(r, _)| r.timestamp_ms == at);
        for m in facts
            .emitted
            .iter()
            .filter(|m| has_copy && !recorded.contains(&m.id))
        {
            if let Some((outcome, reason)) = &m.outcome {
                let item = Uuid::parse_str(&m.id)
                    .ok()
                    .and_then(|id| item_of_event(&facts.receipt, id, outcome))
                    .and_then(|(item, _)| item);
                parsed.push((item, said(outcome, reason.as_deref()), Some(m.at_ms)));
            }
        }
        parsed.sort_by_key(|(item, _, _)| *item);
        for (item, result, time) in parsed {
            trace.steps.push(Step {
                time: time.and_then(instant),
                step: "parsed",
                item,
                result,
                ..Step::default()
            });
        }
        let documents: Vec<&ObservationDocument> = facts
            .documents
            .iter()
            .filter(|d| facts.moment(&d.writer.position) == Some(at))
            .collect();
        told.extend(documents.iter().map(|d| d.id));
        self.documents_of(facts, &documents, trace);
        for e in facts.stored.audit.iter().filter(|e| e.recorded.millis() == at) {
            let id = e.id.to_string();
            self.emitted_step(facts, &id, "AuditEvent", trace);
            trace.steps.push(Step {
                step: "audited",
                item: facts.items.get(&e.id).and_then(|(item, _)| *item),
                id: Some(id),
                result: format!("{}: chain {}, seq {}", e.outcome, e.chain, e.seq),
                ..Step::default()
            });
        }
        for m in &facts.emitted {
            let letter = m.topic == self.topics.parked || m.topic == self.topics.dead;
            // A letter's record carries no moment: it is told with the last moment before it.
            let later = facts
                .stored
                .audit
                .iter()
                .any(|e| e.recorded.millis() > at && e.recorded.millis() <= m.at_ms);
            if letter && m.at_ms >= at && !later {
                trace.steps.push(emitted(m, "letter"));
            }
        }
    }

    fn documents_of(&self, facts: &Facts, documents: &[&ObservationDocument], trace: &mut Trace) {
        for d in documents {
            let id = d.id.to_string();
            trace.steps.push(Step {
                step: "stored",
                item: item_of(&d.writer.position),
                id: Some(id.clone()),
                result: if d.main {
                    "Observation".to_owned()
                } else {
                    "Observation beside it".to_owned()
                },
                ..Step::default()
            });
            self.emitted_step(facts, &id, "Observation", trace);
        }
        for (d, l) in legacy(documents.iter().copied()) {
            self.emitted_step(facts, &l.id, "legacy document", trace);
            let present = facts.legacy.get(&l.id).copied().unwrap_or(false);
            trace.steps.push(Step {
                step: "legacy",
                item: item_of(&d.writer.position),
                id: Some(l.id.clone()),
                result: if present {
                    format!("in {}", l.collection)
                } else {
                    format!("not in {} yet", l.collection)
                },
                ..Step::default()
            });
        }
    }

    fn emitted_step(&self, facts: &Facts, id: &str, what: &str, trace: &mut Trace) {
        let records = facts.emitted.iter().filter(|m| m.id == id);
        trace.steps.extend(records.map(|m| emitted(m, what)));
    }

    /// How many output records of what is stored were not found.
    fn missing(&self, facts: &Facts) -> usize {
        let found: HashSet<&str> = facts.emitted.iter().map(|m| m.id.as_str()).collect();
        let documents = facts.documents.iter().map(|d| d.id.to_string());
        let legacy = legacy(&facts.documents).map(|(_, l)| l.id.clone());
        let audit = facts.stored.audit.iter().map(|e| e.id.to_string());
        let all = documents.chain(legacy).chain(audit);
        all.filter(|id| !found.contains(id.as_str())).count()
    }
}

fn emitted(m: &Emitted, what: &str) -> Step {
    Step {
        time: instant(m.at_ms),
        step: "emitted",
        id: Some(m.id.clone()),
        topic: Some(m.topic.to_string()),
        partition: Some(m.partition),
        offset: Some(m.offset),
        result: what.to_owned(),
        ..Step::default()
    }
}

fn published(raw: &RawRecord, worked: bool) -> String {
    let state = if worked { "worked" } else { "waits for the parser" };
    if is_delivery(raw) {
        return state.to_owned();
    }
    match raw.wanted() {
        Some(items) => {
            let items: Vec<String> = items.iter().map(i32::to_string).collect();
            format!("{} of item {}: {state}", raw.source, items.join(", "))
        }
        None => format!("{}: {state}", raw.source),
    }
}

fn said(outcome: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("{outcome}: {reason}"),
        None => outcome.to_owned(),
    }
}

fn letter_step(letter: &Letter) -> Step {
    let field = letter
        .field
        .as_ref()
        .map_or_else(String::new, |field| format!(" ({field})"));
    let what = if letter.partial {
        "quantity refused"
    } else {
        shelf(letter.shelf)
    };
    Step {
        time: letter.last_try.instant(),
        step: "letter",
        item: item_of(&letter.writer.position),
        id: Some(letter.id.clone()),
        topic: Some(letter.writer.position.topic.clone()),
        partition: Some(letter.writer.position.partition),
        offset: Some(letter.writer.position.offset),
        result: format!("{what}: {}{field}, {}", letter.reason, letter.state.label()),
    }
}
