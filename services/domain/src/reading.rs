//! What the rules make of one message: the shapes that leave the domain.

use uuid::Uuid;

use crate::ids::{Mac, PatientId};
use crate::outcome::{AuditOutcome, DeadReason, ParkReason, Source, Stage};
use crate::time::Timestamp;

/// A raw record as the rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'a> {
    /// The receipt that the door gave.
    pub receipt: &'a str,
    /// When the door received it.
    pub received_at: Timestamp,
    /// Where it came from; decides the clock rule.
    pub source: Source,
    /// The items to judge (a release or a letter's replay); none: all.
    pub items: Option<&'a [i32]>,
    /// The bytes as they came.
    pub body: &'a [u8],
}

/// What became of one message.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The gateway that the message names, where it can be read.
    pub gateway: Option<Mac>,
    /// The history document that a migrated entry belongs to, as it stands in ids: the key of its audit events.
    pub document: Option<String>,
    /// One for each item, in order; empty where the message carries no readings (it counts one `ignored`).
    pub readings: Vec<Reading>,
    /// Set for heartbeats and power-on messages.
    pub status: Option<DeviceStatus>,
}

/// A heartbeat or power-on message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceStatus {
    /// The gateway.
    pub gateway: Mac,
    /// `heartbeat` or `power-on`.
    pub kind: &'static str,
    /// The name that the gateway gives itself.
    pub name: Option<String>,
    /// Its IMEI.
    pub imei: Option<String>,
    /// Its ICCID.
    pub iccid: Option<String>,
    /// The gateway's own clock, where it can be read.
    pub reported_at: Option<Timestamp>,
}

/// What became of one item of a message, or of a message in which no item can be told apart.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Index of the item from 0; none for the message as a whole.
    pub item: Option<i32>,
    /// The verdict, before the store is asked.
    pub verdict: Verdict,
    /// Quantities that are refused although the reading is emitted (or parked): field as sent, and reason.
    pub dead_quantities: Vec<DeadQuantity>,
    /// Id of the Observation of the main kind; none where the reading is dead.
    pub main_id: Option<Uuid>,
    /// Ids of all its Observations, main kind first; empty where the reading is dead.
    pub observation_ids: Vec<Uuid>,
    /// The sub-device, where the address is usable (API calls: none).
    pub device: Option<Mac>,
    /// The clinical time; none where the reading is dead.
    pub effective: Option<Timestamp>,
    /// The Observations, main kind first; empty unless the verdict is to emit.
    pub observations: Vec<Observation>,
    /// The legacy document; none unless the verdict is to emit and the main quantity has a place there.
    pub legacy: Option<Legacy>,
    /// The item as it came with the attribute and the message's time, as JSON: enough to map it again.
    /// Empty where the reading is dead.
    pub raw_item: String,
}

/// What is to happen with a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Store it for this patient.
    Emit(PatientId),
    /// Wait for the registry.
    Park(ParkReason),
    /// Never.
    Dead(Death),
}

/// Why a reading is dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// The step that refused it.
    pub stage: Stage,
    /// The rule.
    pub reason: DeadReason,
    /// The field as sent, where one is to blame.
    pub field: Option<String>,
    /// The other bad fields of the item and the limit in words; never a measured value.
    pub detail: Option<String>,
}

/// A refused quantity of a reading that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadQuantity {
    /// The field as sent.
    pub field: String,
    /// The rule.
    pub reason: DeadReason,
}

/// An Observation, ready to store.
#[derive(Debug, Clone)]
pub struct Observation {
    /// UUIDv5 of the key.
    pub id: Uuid,
    /// The key in clear.
    pub key: String,
    /// The first LOINC code (the code of our own system where no LOINC fits).
    pub code: String,
    /// FHIR status: `final` or `preliminary`.
    pub status: &'static str,
    /// The clinical time.
    pub effective: Timestamp,
    /// The resource as FHIR R5 JSON.
    pub json: String,
}

/// A document for the AMY database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// The collection.
    pub collection: &'static str,
    /// The ObjectId as 24 hex digits.
    pub id: String,
    /// The document as relaxed Extended JSON.
    pub document: String,
}

/// The facts of an AuditEvent.
#[derive(Debug, Clone)]
pub struct AuditFacts<'a> {
    /// The receipt.
    pub receipt: &'a str,
    /// The item; none for a message as a whole.
    pub item: Option<i32>,
    /// The outcome.
    pub outcome: AuditOutcome,
    /// The reason of a parked or dead reading.
    pub reason: Option<&'a str>,
    /// Quantities of the reading that were refused.
    pub dead_quantities: &'a [DeadQuantity],
    /// The log's timestamp of the raw record that was processed.
    pub recorded: Timestamp,
    /// The gateway; none for migrations and unreadable messages.
    pub gateway: Option<Mac>,
    /// The migration run.
    pub migration_run: Option<&'a str>,
    /// The patient, where known.
    pub patient: Option<PatientId>,
    /// The Observations that the event is about.
    pub observations: &'a [Uuid],
    /// The mapping version that judged.
    pub mapping_version: &'a str,
}

/// An AuditEvent, ready to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// UUIDv5 of `audit|1|<receipt>|<item or ->|<outcome>`.
    pub id: Uuid,
    /// The resource as FHIR R5 JSON.
    pub json: String,
}

/// What the door may do with a body.
#[derive(Debug, Clone)]
pub struct Admission {
    /// The gateway: the key of the raw record.
    pub gateway: Mac,
    /// True for a person's API call: the door then asks the registry for the gateway.
    pub api_call: bool,
    /// Ids of the Observations of every reading that the mapping accepts, whoever the patient.
    pub observation_ids: Vec<Uuid>,
}

/// Why the door refuses a body. `code` is the `error_code` of the envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// Which rule.
    pub code: RefusalCode,
    /// The field as sent, where one is to blame (dotted path).
    pub field: Option<String>,
    /// What is wrong, without any measured value.
    pub message: String,
    /// What to send instead.
    pub suggestion: String,
}

/// The `error_code` of a body that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// Not JSON, not an object, too deep, duplicate keys: 400.
    InvalidJson,
    /// No gateway address, or none that can be read: 422.
    InvalidMacAddress,
    /// API call: a required key is missing: 422.
    ValidationMissingField,
    /// API call: a field of the wrong JSON type: 422.
    InvalidType,
    /// API call: a value that is no number, impossible, of unknown unit or type: 422.
    InvalidFormat,
}

impl RefusalCode {
    /// The code as clients know it.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::InvalidJson => "INVALID_JSON",
            Self::InvalidMacAddress => "INVALID_MAC_ADDRESS",
            Self::ValidationMissingField => "VALIDATION_MISSING_FIELD",
            Self::InvalidType => "INVALID_TYPE",
            Self::InvalidFormat => "INVALID_FORMAT",
        }
    }
}

impl std::fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.label())
    }
}
