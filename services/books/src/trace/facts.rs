//! Everything that is known of a receipt, and what follows from it.

use std::collections::{BTreeMap, HashMap};

use stardust_domain::history;
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_pipeline::log::LogRecord;
use stardust_pipeline::store::{
    LegacyContent, Letter, LetterState, ObservationDocument, Position, ReceiptDocuments, RecordedEvent,
    Shelf, Writer,
};
use stardust_wire::RawRecord;
use uuid::Uuid;

use super::answer::{AuditPart, LetterPart, ObservationPart, ReadingPart};
use super::outputs::Emitted;
use crate::line::audit_id;

/// Items of a message are at most so many.
const ITEMS: i32 = 1_000;

/// Everything that is known of a receipt.
pub(super) struct Facts {
    pub(super) receipt: String,
    pub(super) stored: ReceiptDocuments,
    /// Its Observations with their content's owner and legacy document.
    pub(super) documents: Vec<ObservationDocument>,
    /// Raw records: the delivery, further copies, releases and replays; by place.
    pub(super) copies: BTreeMap<(i32, i64), (LogRecord, RawRecord)>,
    /// A raw record, wherever it was met.
    pub(super) raw: Option<RawRecord>,
    pub(super) spooled: bool,
    /// Audit event to item and outcome.
    pub(super) items: HashMap<Uuid, (Option<i32>, AuditOutcome)>,
    pub(super) emitted: Vec<Emitted>,
    pub(super) committed: HashMap<i32, i64>,
    pub(super) legacy: HashMap<String, bool>,
}

pub(super) fn item_of(position: &Position) -> Option<i32> {
    Some(position.item).filter(|item| *item >= 0)
}

pub(super) fn legacy<'a>(
    documents: impl IntoIterator<Item = &'a ObservationDocument>,
) -> impl Iterator<Item = (&'a ObservationDocument, &'a LegacyContent)> {
    documents
        .into_iter()
        .filter_map(|d| Some((d, d.legacy.as_ref()?)))
}

pub(super) fn is_delivery(raw: &RawRecord) -> bool {
    let again = [Source::Release.label(), Source::Replay.label()];
    raw.is_delivery() && !again.contains(&raw.source.as_str())
}

/// The item of an audit event: its id is a function of it.
pub(super) fn item_of_event(receipt: &str, id: Uuid, outcome: &str) -> Option<(Option<i32>, AuditOutcome)> {
    let outcome = AuditOutcome::from_label(outcome)?;
    std::iter::once(None)
        .chain((0..ITEMS).map(Some))
        .find(|item| audit_id(receipt, *item, outcome) == id)
        .map(|item| (item, outcome))
}

pub(super) fn items(receipt: &str, events: &[RecordedEvent]) -> HashMap<Uuid, (Option<i32>, AuditOutcome)> {
    events
        .iter()
        .filter_map(|e| Some((e.id, item_of_event(receipt, e.id, &e.outcome)?)))
        .collect()
}

pub(super) fn shelf(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Dead => "dead",
        Shelf::Parked => "parked",
    }
}

pub(super) fn letter_part(letter: &Letter) -> LetterPart {
    let position = &letter.writer.position;
    LetterPart {
        shelf: shelf(letter.shelf),
        item: item_of(position),
        stage: letter.stage.clone(),
        reason: letter.reason.clone(),
        field: letter.field.clone(),
        state: letter.state.label(),
        partition: position.partition,
        offset: position.offset,
        first_try: letter.first_try.instant(),
        last_try: letter.last_try.instant(),
    }
}

pub(super) fn observation_part((id, writer, main): &(Uuid, Writer, bool)) -> ObservationPart {
    ObservationPart {
        observation_id: id.to_string(),
        item: item_of(&writer.position),
        main: *main,
        topic: writer.position.topic.clone(),
        partition: writer.position.partition,
        offset: writer.position.offset,
    }
}

impl Facts {
    pub(super) fn is_worked(&self, record: &LogRecord) -> bool {
        self.committed
            .get(&record.partition)
            .is_some_and(|next| *next > record.offset)
    }

    pub(super) fn gateway(&self) -> Option<String> {
        let letter = || self.stored.letters.iter().find_map(|l| l.gateway);
        self.raw.as_ref().and_then(|r| r.gateway.clone()).or_else(|| {
            let document = self.documents.iter().find_map(|d| d.gateway);
            document.or_else(letter).map(|mac| mac.to_string())
        })
    }

    /// The key of audit events and letters.
    pub(super) fn key(&self) -> String {
        let migrated = self.raw.as_ref().filter(|raw| raw.migration_run.is_some());
        let document = migrated
            .and_then(|raw| history::keys_of(&raw.body))
            .map(|keys| keys.document);
        document
            .or_else(|| self.gateway())
            .unwrap_or_else(|| self.receipt.clone())
    }

    /// The log's timestamp of the record that stands at this place.
    pub(super) fn moment(&self, position: &Position) -> Option<i64> {
        let copy = self.copies.get(&(position.partition, position.offset));
        if let Some((record, _)) = copy.filter(|(r, _)| r.topic.as_str() == position.topic) {
            return Some(record.timestamp_ms);
        }
        let item = item_of(position);
        let created = |e: &&RecordedEvent| {
            self.items
                .get(&e.id)
                .is_some_and(|(i, outcome)| *i == item && *outcome == AuditOutcome::Created)
        };
        self.stored
            .audit
            .iter()
            .find(created)
            .map(|e| e.recorded.millis())
    }

    /// Why: as the topic has it, else as the letter that was written at that moment has it.
    pub(super) fn reason(
        &self,
        record: Option<&Emitted>,
        e: &RecordedEvent,
        item: Option<i32>,
    ) -> Option<String> {
        if let Some((_, reason)) = record.and_then(|r| r.outcome.as_ref()) {
            return reason.clone();
        }
        let letter = self.stored.letters.iter().find(|l| {
            !l.partial
                && item_of(&l.writer.position) == item
                && shelf(l.shelf) == e.outcome
                && (l.last_try == e.recorded || l.first_try == e.recorded)
        });
        letter.map(|l| l.reason.clone())
    }

    pub(super) fn audit_part(&self, e: &RecordedEvent) -> AuditPart {
        AuditPart {
            event_id: e.id.to_string(),
            item: self.items.get(&e.id).and_then(|(item, _)| *item),
            outcome: e.outcome.clone(),
            recorded: e.recorded.instant(),
            chain: e.chain,
            seq: e.seq,
        }
    }

    /// What became of each reading, as far as the store or the topic of audit events knows.
    pub(super) fn readings(&self) -> Vec<ReadingPart> {
        let mut readings: BTreeMap<Option<i32>, ReadingPart> = BTreeMap::new();
        let mut put = |item, outcome, reason| {
            readings.entry(item).or_insert(ReadingPart {
                item,
                outcome,
                reason,
            });
        };
        for wanted in [Shelf::Parked, Shelf::Dead] {
            let waiting = |l: &&Letter| !l.partial && l.shelf == wanted && l.state != LetterState::Closed;
            for l in self.stored.letters.iter().filter(waiting) {
                put(item_of(&l.writer.position), shelf(wanted), Some(l.reason.clone()));
            }
        }
        for (_, writer, _) in self.stored.observations.iter().filter(|(_, _, main)| *main) {
            put(item_of(&writer.position), "stored", None);
        }
        let on_topic = self.emitted.iter().filter_map(|m| {
            let (outcome, _) = m.outcome.as_ref()?;
            item_of_event(&self.receipt, m.id.parse().ok()?, outcome)
        });
        for (item, outcome) in self.items.values().copied().chain(on_topic) {
            if outcome == AuditOutcome::Duplicate {
                put(item, "duplicate", None);
            }
        }
        readings.into_values().collect()
    }

    pub(super) fn state(&self) -> &'static str {
        let readings = self.readings();
        let any = |outcome| readings.iter().any(|r| r.outcome == outcome);
        if self.spooled {
            return "spooled";
        }
        if let Some(state) = ["parked", "stored", "dead", "duplicate"]
            .into_iter()
            .find(|s| any(*s))
        {
            return state;
        }
        let worked = self.copies.values().any(|(record, _)| self.is_worked(record));
        let known = !(self.stored.audit.is_empty() && self.stored.letters.is_empty());
        match (known, worked, self.copies.is_empty()) {
            (true, _, _) => "done",
            (false, true, _) => "ignored",
            (false, false, _) => "queued",
        }
    }
}
