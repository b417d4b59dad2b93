//! The dead letter of a record that the log refuses for good.

use bytes::Bytes;
use stardust_domain::outcome::{DeadReason, Stage};
use stardust_pipeline::log::{NewRecord, Topic};
use stardust_wire::{LetterItem, LetterRecord, RawRecord, Subject, Wire, WireError};

/// What is needed to write letters.
#[derive(Clone)]
pub(crate) struct Letters {
    pub(crate) wire: Wire,
    pub(crate) topic: Topic,
    pub(crate) mapping_version: String,
}

impl Letters {
    /// The letter of a raw record. It was never in the log, so that the receipt time stands for its first and last try.
    pub(crate) fn of(&self, record: &NewRecord) -> Result<NewRecord, WireError> {
        let raw: RawRecord = self.wire.decode(Subject::Raw, &record.value)?;
        let refused = LetterItem {
            item_index: None,
            stage: Stage::Spool.label().to_owned(),
            reason: DeadReason::RefusedByTheLog.label().to_owned(),
            field: None,
        };
        let letter = LetterRecord::of(raw, vec![refused], self.mapping_version.clone());
        Ok(NewRecord {
            topic: self.topic.clone(),
            key: record.key.clone(),
            value: Bytes::from(self.wire.encode(Subject::Dead, &letter)?),
        })
    }
}
