//! Decode and judge: from a record of the log to readings with a verdict.

use stardust_domain::ids::Mac;
use stardust_domain::mapping::Mapping;
use stardust_domain::outcome::{DeadReason, Source, Stage};
use stardust_domain::reading::{Death, Envelope, Judged, Reading, Verdict};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::LogRecord;
use stardust_wire::{RawRecord, Subject, Wire};

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
}

impl Message {
    /// Whether it is a release or a letter's replay: only those name the items to judge, or are of such a source.
    pub(crate) fn judges_again(&self) -> bool {
        self.raw.items.is_some() || matches!(self.source, Source::Release | Source::Replay)
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
        Some(source) => {
            let envelope = Envelope {
                receipt: &raw.receipt_id,
                received_at: Timestamp::from_micros(raw.received_at),
                source,
                items: raw.items.as_deref(),
                body: &raw.body,
            };
            (source, mapping.judge(&envelope, registry))
        }
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
    }
}

fn unreadable() -> Judged {
    Judged {
        gateway: None,
        readings: vec![Reading {
            item: None,
            verdict: Verdict::Dead(Death {
                stage: Stage::Payload,
                reason: DeadReason::Unreadable,
                field: None,
                detail: Some("the value is not a raw record of this pipeline".to_owned()),
            }),
            dead_quantities: Vec::new(),
            main_id: None,
            observation_ids: Vec::new(),
            device: None,
            observations: Vec::new(),
            legacy: None,
            raw_item: String::new(),
        }],
        status: None,
    }
}
