//! Outputs: the records of every topic that a batch leads to.

use std::borrow::Cow;
use std::collections::HashMap;

use stardust_domain::ids::PatientId;
use stardust_domain::outcome::{AuditOutcome, DeadReason, ParkReason};
use stardust_domain::reading::{AuditFacts, Reading, Verdict};
use stardust_pipeline::log::{NewRecord, Topic};
use stardust_pipeline::store::{Letter, ObservationDocument, Shelf};
use stardust_pipeline::worker::StageError;
use stardust_wire::{
    AuditRecord, LegacyRecord, LetterItem, LetterRecord, ObservationRecord, StatusRecord, Subject, WireError,
};
use uuid::Uuid;

use crate::Rules;
use crate::counters::Tally;
use crate::decode::Message;
use crate::settle::{Fate, Letters, Settled};
use crate::sheaf::Sheaf;

pub(crate) struct Outputs<'a> {
    rules: &'a Rules,
    messages: &'a [Message],
    /// A copy of each record follows: it says what would otherwise be said twice.
    copied: bool,
    sheaf: Sheaf,
    tally: Tally,
}

impl<'a> Outputs<'a> {
    pub(crate) fn new(rules: &'a Rules, messages: &'a [Message], copied: bool) -> Self {
        Self {
            rules,
            messages,
            copied,
            sheaf: Sheaf::for_records(messages.len() * 5),
            tally: Tally::default(),
        }
    }

    /// Every record of the batch, in the order of the messages.
    pub(crate) fn write(
        mut self,
        settled: &[Settled<'_>],
        letters: &Letters,
    ) -> Result<(Vec<NewRecord>, Tally), StageError> {
        self.all(settled, letters)
            .map_err(|e| StageError::Broken(format!("an output does not fit its schema: {e}")))?;
        Ok((self.sheaf.records(), self.tally))
    }

    fn all(&mut self, settled: &[Settled<'_>], letters: &Letters) -> Result<(), WireError> {
        let mut shelves: HashMap<(usize, Shelf), Vec<&Letter>> = HashMap::new();
        for (at, s) in settled.iter().enumerate() {
            let message = &self.messages[s.message];
            let reading = &message.judged.readings[s.reading];
            let own = letters.of(at).find(|l| !l.partial);
            let counts = match s.fate {
                Fate::Created(_) => true,
                Fate::Duplicate { twin, .. } => twin || !self.copied,
                Fate::Parked | Fate::Dead => own.is_some(),
                Fate::Redelivered => false,
            };
            if counts && !message.judges_again() {
                let dead = matches!(s.fate, Fate::Dead);
                self.tally.fresh.push((message.gateway(), dead));
            }
            if let Some(letter) = &message.letter {
                // It stands on its topic already; what is left to say is what became of the message.
                if letter.of_a_message && (own.is_some() || letter.replayed) {
                    self.refused(message, reading, "dead", true)?;
                }
                continue;
            }
            for letter in letters.of(at) {
                shelves.entry((s.message, letter.shelf)).or_default().push(letter);
            }
            self.documents(&s.leftover)?;
            match &s.fate {
                Fate::Created(documents) => {
                    self.documents(documents)?;
                    self.legacy(documents)?;
                    self.created(message, reading, documents)?;
                    self.tally.outcomes.push("stored");
                }
                // The copy will find the other receipt, but of a twin its own: that is said here.
                Fate::Duplicate {
                    documents,
                    twin: false,
                } if self.copied => self.documents(documents)?,
                Fate::Duplicate { documents, .. } => {
                    self.documents(documents)?;
                    self.audit(
                        message,
                        reading,
                        AuditOutcome::Duplicate,
                        None,
                        &reading.observation_ids,
                    )?;
                    self.tally.outcomes.push("duplicate");
                }
                Fate::Redelivered => self.tally.outcomes.push("redelivered"),
                Fate::Parked | Fate::Dead => match own {
                    Some(letter) => {
                        let outcome = if letter.shelf == Shelf::Dead {
                            "dead"
                        } else {
                            "parked"
                        };
                        // Of a second try the event of the first one stands: one for each outcome of a reading.
                        self.refused(message, reading, outcome, letter.first_try == letter.last_try)?;
                    }
                    None => self.tally.outcomes.push("redelivered"),
                },
            }
        }
        for (at, message) in self.messages.iter().enumerate() {
            for (shelf, subject, topic) in [
                (Shelf::Parked, Subject::Parked, &self.rules.topics.parked),
                (Shelf::Dead, Subject::Dead, &self.rules.topics.dead),
            ] {
                if let Some(letters) = shelves.get(&(at, shelf)) {
                    self.letter(message, subject, topic.clone(), letters)?;
                }
            }
            if message.judged.readings.is_empty() && !self.copied {
                self.status(message)?;
                self.tally.outcomes.push("ignored");
            }
        }
        Ok(())
    }

    pub(crate) fn documents(&mut self, documents: &[&ObservationDocument]) -> Result<(), WireError> {
        let Rules { topics, wire, .. } = self.rules;
        for d in documents {
            let patient = d.patient.to_string();
            let record = ObservationRecord {
                id: d.id.to_string().into(),
                receipt_id: Cow::Borrowed(&d.writer.receipt_id),
                patient: Cow::Borrowed(&patient),
                device: d.device.map(|mac| mac.to_string().into()),
                gateway: d.gateway.map(|mac| mac.to_string().into()),
                code: Cow::Borrowed(&d.code),
                effective: d.effective.micros(),
                recorded: d.recorded.micros(),
                mapping_version: Cow::Borrowed(&d.mapping_version),
                resource: Cow::Borrowed(&d.resource),
            };
            self.sheaf.push(&topics.observations, &patient, |out| {
                wire.append(Subject::Observations, &record, out)
            })?;
            self.tally.observations += 1;
        }
        Ok(())
    }

    fn legacy(&mut self, documents: &[&ObservationDocument]) -> Result<(), WireError> {
        let Rules { topics, wire, .. } = self.rules;
        for d in documents {
            let Some(legacy) = &d.legacy else { continue };
            let record = LegacyRecord {
                id: Cow::Borrowed(&legacy.id),
                receipt_id: Cow::Borrowed(&d.writer.receipt_id),
                collection: Cow::Borrowed(&legacy.collection),
                document: Cow::Borrowed(&legacy.document),
            };
            let patient = d.patient.to_string();
            self.sheaf.push(&topics.legacy, &patient, |out| {
                wire.append(Subject::Legacy, &record, out)
            })?;
        }
        Ok(())
    }

    fn created(
        &mut self,
        message: &Message,
        reading: &Reading,
        documents: &[&ObservationDocument],
    ) -> Result<(), WireError> {
        let ids: Vec<Uuid> = documents.iter().map(|d| d.id).collect();
        let first = documents.first().copied();
        self.event(
            message,
            reading,
            AuditOutcome::Created,
            None,
            &ids,
            first.map(|d| d.patient),
            first,
        )
    }

    fn audit(
        &mut self,
        message: &Message,
        reading: &Reading,
        outcome: AuditOutcome,
        reason: Option<&str>,
        ids: &[Uuid],
    ) -> Result<(), WireError> {
        let patient = match reading.verdict {
            Verdict::Emit(patient) => Some(patient),
            Verdict::Park(_) | Verdict::Dead(_) => None,
        };
        self.event(message, reading, outcome, reason, ids, patient, None)
    }

    #[expect(clippy::too_many_arguments, reason = "the facts of one event")]
    fn event(
        &mut self,
        message: &Message,
        reading: &Reading,
        outcome: AuditOutcome,
        reason: Option<&str>,
        ids: &[Uuid],
        patient: Option<PatientId>,
        stored: Option<&ObservationDocument>,
    ) -> Result<(), WireError> {
        let mapping_version = stored.map_or_else(
            || self.rules.mapping.version(),
            |document| &document.mapping_version,
        );
        let gateway = message.gateway().filter(|_| message.raw.migration_run.is_none());
        let facts = AuditFacts {
            receipt: &message.raw.receipt_id,
            item: reading.item,
            outcome,
            reason,
            dead_quantities: if mapping_version == self.rules.mapping.version() {
                &reading.dead_quantities
            } else {
                &[]
            },
            recorded: message.recorded,
            gateway,
            migration_run: message.raw.migration_run.as_deref(),
            patient,
            observations: ids,
            mapping_version,
        };
        self.audited(&message.key(), &facts)
    }

    /// The event of these facts, under this key.
    pub(crate) fn audited(&mut self, key: &str, facts: &AuditFacts<'_>) -> Result<(), WireError> {
        let event = self.rules.mapping.audit_event(facts);
        let gateway = facts.gateway.map(|mac| mac.to_string());
        let record = AuditRecord {
            id: event.id.to_string().into(),
            receipt_id: Cow::Borrowed(facts.receipt),
            recorded: facts.recorded.micros(),
            patient: facts.patient.map(|p| p.to_string().into()),
            gateway: gateway.as_deref().map(Cow::Borrowed),
            outcome: facts.outcome.label().into(),
            reason: facts.reason.map(Cow::Borrowed),
            mapping_version: Cow::Borrowed(facts.mapping_version),
            event: Cow::Borrowed(&event.json),
        };
        let Rules { topics, wire, .. } = self.rules;
        self.sheaf.push(&topics.audit, key, |out| {
            wire.append(Subject::Audit, &record, out)
        })
    }

    /// What was collected.
    pub(crate) fn records(self) -> Vec<NewRecord> {
        self.sheaf.records()
    }

    fn refused(
        &mut self,
        message: &Message,
        reading: &Reading,
        outcome: &'static str,
        first: bool,
    ) -> Result<(), WireError> {
        let (audit, reason) = match &reading.verdict {
            Verdict::Park(reason) => (AuditOutcome::Parked, ParkReason::label(*reason)),
            Verdict::Dead(death) => (AuditOutcome::Dead, DeadReason::label(death.reason)),
            Verdict::Emit(_) => return Ok(()),
        };
        if let Verdict::Dead(death) = &reading.verdict {
            tracing::warn!(
                receipt = message.raw.receipt_id,
                item = reading.item,
                field = death.field,
                "❌ dead letter: {reason}"
            );
        }
        self.tally.outcomes.push(outcome);
        self.tally.reasons.push((outcome, reason));
        if !first {
            return Ok(());
        }
        self.audit(message, reading, audit, Some(reason), &[])
    }

    fn letter(
        &mut self,
        message: &Message,
        subject: Subject,
        topic: Topic,
        letters: &[&Letter],
    ) -> Result<(), WireError> {
        let raw = &message.raw;
        let items = letters.iter().map(|l| LetterItem {
            item_index: Some(l.writer.position.item).filter(|item| *item >= 0),
            stage: l.stage.clone(),
            reason: l.reason.clone(),
            field: l.field.clone(),
        });
        let first_try = letters.iter().map(|l| l.first_try.micros()).min();
        let version = self.rules.mapping.version().to_owned();
        let record = LetterRecord {
            first_try: first_try.unwrap_or_default(),
            last_try: message.recorded.micros(),
            ..LetterRecord::of(raw.clone(), items.collect(), version)
        };
        let wire = &self.rules.wire;
        self.sheaf
            .push(&topic, &message.key(), |out| wire.append(subject, &record, out))
    }

    fn status(&mut self, message: &Message) -> Result<(), WireError> {
        let Some(status) = &message.judged.status else {
            return Ok(());
        };
        let gateway = status.gateway.to_string();
        let record = StatusRecord {
            gateway: gateway.clone(),
            imei: status.imei.clone(),
            iccid: status.iccid.clone(),
            name: status.name.clone(),
            reported_at: status.reported_at.map(stardust_domain::time::Timestamp::micros),
            received_at: message.raw.received_at,
            kind: status.kind.to_owned(),
        };
        let Rules { topics, wire, .. } = self.rules;
        self.sheaf.push(&topics.status, &gateway, |out| {
            wire.append(Subject::Status, &record, out)
        })
    }
}
