//! Decode and judge: from a record of the log to readings with a verdict.

use std::borrow::Cow;
use std::collections::HashMap;

use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::{DeadReason, Source, Stage};
use stardust_domain::reading::{Death, Envelope, Judged, Reading, Verdict};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::LogRecord;
use stardust_wire::{LetterRecord, RawRecord, Subject, Wire};

/// A raw record with what the rules make of it.
pub(crate) struct Message {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// The log's timestamp.
    pub(crate) recorded: Timestamp,
    pub(crate) raw: RawRecord,
    pub(crate) source: Source,
    pub(crate) judged: Judged,
    /// Set where the record is a dead letter that another service wrote.
    pub(crate) letter: Option<Elsewhere>,
}

/// A dead letter of another service: it stands on its topic, the store does not have it yet.
pub(crate) struct Elsewhere {
    /// The mapping that it names.
    pub(crate) mapping_version: String,
    /// Whether it is about a message; a record of an output topic is none and stands outside the books.
    pub(crate) of_a_message: bool,
    /// The store has it from another record: the same letter once more, or a replay of it.
    pub(crate) known: bool,
    /// It is known, and from a replay: whether this record was worked before that nothing tells.
    pub(crate) replayed: bool,
}

impl Message {
    /// Whether it is a release or a letter's replay: only those name the items to judge, or are of such a source.
    pub(crate) fn judges_again(&self) -> bool {
        self.raw.items.is_some() || matches!(self.source, Source::Release | Source::Replay)
    }

    /// The items that the record was sent for; none for the message as a whole.
    pub(crate) fn named(&self) -> Vec<Option<i32>> {
        match self.raw.wanted() {
            Some(items) => items.iter().copied().map(Some).collect(),
            None => vec![None],
        }
    }

    /// The key of what is said of it: the gateway, of a migrated entry its document, else the receipt.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        if let Some(document) = &self.judged.document {
            return Cow::Borrowed(document);
        }
        match self.gateway().filter(|_| self.raw.migration_run.is_none()) {
            Some(gateway) => Cow::Owned(gateway.to_string()),
            None => Cow::Borrowed(&self.raw.receipt_id),
        }
    }

    /// Judges it once more, with the patients of some items settled.
    pub(crate) fn settle_patients(
        &mut self,
        mapping: &Mapping,
        registry: &Registry,
        settled: &HashMap<i32, PatientId>,
    ) {
        let settled = |item| settled.get(&item).copied();
        self.judged = mapping.judge_settled(&envelope(&self.raw, self.source), registry, settled);
    }

    /// The gateway that the record was keyed by, or that the message names.
    pub(crate) fn gateway(&self) -> Option<Mac> {
        self.judged
            .gateway
            .or_else(|| self.raw.gateway.as_deref().and_then(|mac| mac.parse().ok()))
    }
}

/// Decodes a record and judges it. A value that is no raw record of ours is one dead reading.
pub(crate) fn message(wire: &Wire, mapping: &Mapping, registry: &Registry, record: &LogRecord) -> Message {
    let recorded = Timestamp::from_millis(record.timestamp_ms);
    let (topic, partition, offset) = (record.topic.as_str().to_owned(), record.partition, record.offset);
    let decoded = wire.decode::<RawRecord>(Subject::Raw, &record.value);
    let (raw, known) = match decoded {
        Ok(raw) => {
            let source = Source::from_label(&raw.source);
            (raw, source)
        }
        Err(_) => (foreign::raw(record), None),
    };
    let (source, judged) = match known {
        Some(source) => (source, mapping.judge(&envelope(&raw, source), registry)),
        None => (Source::Http, unreadable()),
    };
    Message {
        topic,
        partition,
        offset,
        recorded,
        raw,
        source,
        judged,
        letter: None,
    }
}

/// A raw record as the rules see it.
fn envelope(raw: &RawRecord, source: Source) -> Envelope<'_> {
    Envelope {
        receipt: &raw.receipt_id,
        received_at: Timestamp::from_micros(raw.received_at),
        source,
        items: raw.wanted(),
        body: &raw.body,
    }
}

/// Decodes a record of the topic of dead letters; none for one that a parser wrote, which the store has. The door writes
/// letters of messages that the log refused, router and recorder of records that they can never work: only the parser
/// puts them into the store, under the record's place.
pub(crate) fn letter(wire: &Wire, record: &LogRecord) -> Option<Message> {
    let letter = wire.decode::<LetterRecord>(Subject::Dead, &record.value).ok()?;
    let item = letter.items.first()?;
    let of_a_message = item.stage == Stage::Spool.label();
    if !of_a_message && letter.mapping_version != foreign::NO_MAPPING {
        return None;
    }
    let judged = dead(Death {
        stage: Stage::from_label(&item.stage).unwrap_or(Stage::Payload),
        reason: DeadReason::from_label(&item.reason).unwrap_or(DeadReason::Unreadable),
        field: None,
        detail: (!of_a_message).then(|| "a record of an output topic".to_owned()),
    });
    Some(Message {
        topic: record.topic.as_str().to_owned(),
        partition: record.partition,
        offset: record.offset,
        recorded: Timestamp::from_micros(letter.last_try),
        source: Source::from_label(&letter.source).unwrap_or(Source::Http),
        judged,
        letter: Some(Elsewhere {
            mapping_version: letter.mapping_version,
            of_a_message,
            known: false,
            replayed: false,
        }),
        raw: RawRecord {
            receipt_id: letter.receipt_id,
            request_id: letter.request_id,
            received_at: letter.received_at,
            source: letter.source,
            content_type: letter.content_type,
            gateway: letter.gateway,
            migration_run: letter.migration_run,
            items: None,
            body: letter.body,
        },
    })
}

fn unreadable() -> Judged {
    dead(Death {
        stage: Stage::Payload,
        reason: DeadReason::Unreadable,
        field: None,
        detail: Some("the value is not a raw record of this pipeline".to_owned()),
    })
}

/// A message that is dead as a whole.
fn dead(death: Death) -> Judged {
    Judged {
        readings: vec![Reading {
            item: None,
            verdict: Verdict::Dead(death),
            dead_quantities: Vec::new(),
            main_id: None,
            observation_ids: Vec::new(),
            device: None,
            effective: None,
            observations: Vec::new(),
            legacy: None,
            raw_item: String::new(),
        }],
        ..Judged::default()
    }
}
