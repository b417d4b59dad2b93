//! Values on our topics that are not ours, or that can never be worked: kept whole as dead letters.

use stardust_domain::ids::uuid_of;
use stardust_domain::outcome::{DeadReason, Source, Stage};
use stardust_wire::{LetterItem, LetterRecord, RawRecord};

use crate::log::LogRecord;

/// In the letter of a value that no mapping has judged.
pub const NO_MAPPING: &str = "-";

/// A raw record around a value that is not one: its receipt follows from its position.
#[must_use]
pub fn raw(record: &LogRecord) -> RawRecord {
    let position = format!(
        "foreign|1|{}|{}|{}",
        record.topic, record.partition, record.offset
    );
    RawRecord {
        receipt_id: uuid_of(&position).to_string(),
        request_id: "-".to_owned(),
        received_at: record.timestamp_ms.saturating_mul(1_000),
        source: Source::Http.label().to_owned(),
        content_type: None,
        gateway: None,
        migration_run: None,
        items: None,
        body: record.value.clone(),
    }
}

/// The dead letter of a value that a step can never work.
#[must_use]
pub fn letter(record: &LogRecord, stage: Stage, reason: DeadReason) -> LetterRecord {
    let item = LetterItem {
        item_index: None,
        stage: stage.label().to_owned(),
        reason: reason.label().to_owned(),
        field: None,
    };
    LetterRecord::of(raw(record), vec![item], NO_MAPPING.to_owned())
}
