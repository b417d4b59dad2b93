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
        let letter = LetterRecord {
            receipt_id: raw.receipt_id,
            request_id: raw.request_id,
            received_at: raw.received_at,
            source: raw.source,
            content_type: raw.content_type,
            gateway: raw.gateway,
            migration_run: raw.migration_run,
            body: raw.body,
            items: vec![LetterItem {
                item_index: None,
                stage: Stage::Spool.label().to_owned(),
                reason: DeadReason::RefusedByTheLog.label().to_owned(),
                field: None,
            }],
            mapping_version: self.mapping_version.clone(),
            first_try: raw.received_at,
            last_try: raw.received_at,
        };
        Ok(NewRecord {
            topic: self.topic.clone(),
            key: record.key.clone(),
            value: Bytes::from(self.wire.encode(Subject::Dead, &letter)?),
        })
    }
}
