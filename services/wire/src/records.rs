//! The records, field by field as in `schemas/`.
//!
//! The serde name of each is the name of its Avro record: the codec holds one against the other.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `ava4.readings.raw`: a message as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "RawReading")]
pub struct RawRecord {
    /// The receipt.
    pub receipt_id: String,
    /// The request id.
    pub request_id: String,
    /// Receipt time, microseconds since the epoch.
    pub received_at: i64,
    /// The source's label.
    pub source: String,
    /// Content-Type of the request.
    pub content_type: Option<String>,
    /// Gateway MAC, 12 lower hex.
    pub gateway: Option<String>,
    /// The migration run.
    pub migration_run: Option<String>,
    /// Items to judge; none (or an empty list): all. [`RawRecord::WHOLE`] stands for the message as a whole.
    pub items: Option<Vec<i32>>,
    /// The bytes as they came.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub body: Bytes,
}

impl RawRecord {
    /// In `items`: the message as a whole, once more. For records whose source has to stay what it was and therefore
    /// does not tell that they were sent again.
    pub const WHOLE: i32 = -1;

    /// The items to judge; none: all.
    #[must_use]
    pub fn wanted(&self) -> Option<&[i32]> {
        self.items
            .as_deref()
            .filter(|items| !items.is_empty() && !items.contains(&Self::WHOLE))
    }

    /// Whether it is a delivery of the whole message rather than a release or a replay of what was delivered before. An
    /// empty list of items: it comes late, since the log refused it at first, and its dead letter has to close.
    #[must_use]
    pub fn is_delivery(&self) -> bool {
        self.items.as_ref().is_none_or(Vec::is_empty)
    }
}

/// `ava4.readings.parked` and `.dead`: a raw record with the items that did not become Observations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Letter")]
pub struct LetterRecord {
    /// The receipt.
    pub receipt_id: String,
    /// The request id.
    pub request_id: String,
    /// Receipt time, microseconds since the epoch.
    pub received_at: i64,
    /// The source's label.
    pub source: String,
    /// Content-Type of the request.
    pub content_type: Option<String>,
    /// Gateway MAC, 12 lower hex.
    pub gateway: Option<String>,
    /// The migration run.
    pub migration_run: Option<String>,
    /// The bytes as they came.
    #[serde(serialize_with = "write_bytes", deserialize_with = "read_bytes")]
    pub body: Bytes,
    /// The items.
    pub items: Vec<LetterItem>,
    /// The mapping that judged.
    pub mapping_version: String,
    /// First judged: the log's timestamp of the raw record, microseconds.
    pub first_try: i64,
    /// Last judged: the log's timestamp of the raw record, microseconds.
    pub last_try: i64,
}

impl LetterRecord {
    /// The letter of these items of a raw record. Both tries are at its receipt.
    #[must_use]
    pub fn of(raw: RawRecord, items: Vec<LetterItem>, mapping_version: String) -> Self {
        Self {
            receipt_id: raw.receipt_id,
            request_id: raw.request_id,
            received_at: raw.received_at,
            source: raw.source,
            content_type: raw.content_type,
            gateway: raw.gateway,
            migration_run: raw.migration_run,
            body: raw.body,
            items,
            mapping_version,
            first_try: raw.received_at,
            last_try: raw.received_at,
        }
    }
}

/// An item of a letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterItem {
    /// From 0; none for the message as a whole.
    pub item_index: Option<i32>,
    /// The step.
    pub stage: String,
    /// The reason's label.
    pub reason: String,
    /// The field as sent.
    pub field: Option<String>,
}

/// `ava4.device.status`: a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "DeviceStatus")]
pub struct StatusRecord {
    /// Gateway MAC, 12 lower hex.
    pub gateway: String,
    /// IMEI.
    pub imei: Option<String>,
    /// ICCID.
    pub iccid: Option<String>,
    /// The gateway's own name.
    pub name: Option<String>,
    /// The gateway's own clock, microseconds.
    pub reported_at: Option<i64>,
    /// Receipt time, microseconds.
    pub received_at: i64,
    /// `heartbeat` or `power-on`.
    pub kind: String,
}

/// `fhir.observations`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "Observation")]
pub struct ObservationRecord<'a> {
    /// The resource id.
    pub id: Cow<'a, str>,
    /// The receipt.
    pub receipt_id: Cow<'a, str>,
    /// The patient, 24 hex.
    pub patient: Cow<'a, str>,
    /// The sub-device, 12 lower hex.
    pub device: Option<Cow<'a, str>>,
    /// The gateway, 12 lower hex.
    pub gateway: Option<Cow<'a, str>>,
    /// The first LOINC code.
    pub code: Cow<'a, str>,
    /// The clinical time, microseconds.
    pub effective: i64,
    /// Receipt time, microseconds.
    pub recorded: i64,
    /// The mapping that made it.
    pub mapping_version: Cow<'a, str>,
    /// The resource as FHIR JSON.
    pub resource: Cow<'a, str>,
}

/// `legacy.histories`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "LegacyDocument")]
pub struct LegacyRecord<'a> {
    /// The ObjectId, 24 hex.
    pub id: Cow<'a, str>,
    /// The receipt.
    pub receipt_id: Cow<'a, str>,
    /// The collection.
    pub collection: Cow<'a, str>,
    /// The document as relaxed Extended JSON.
    pub document: Cow<'a, str>,
}

/// `audit.events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "AuditEvent")]
pub struct AuditRecord<'a> {
    /// The resource id.
    pub id: Cow<'a, str>,
    /// The receipt.
    pub receipt_id: Cow<'a, str>,
    /// The log's timestamp of the raw record, microseconds.
    pub recorded: i64,
    /// The patient, 24 hex.
    pub patient: Option<Cow<'a, str>>,
    /// The gateway, 12 lower hex.
    pub gateway: Option<Cow<'a, str>>,
    /// The outcome's label.
    pub outcome: Cow<'a, str>,
    /// The reason's label.
    pub reason: Option<Cow<'a, str>>,
    /// The mapping that judged.
    pub mapping_version: Cow<'a, str>,
    /// The AuditEvent as FHIR JSON.
    pub event: Cow<'a, str>,
}

fn write_bytes<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    apache_avro::serde::bytes::deserialize(deserializer).map(Bytes::from)
}
