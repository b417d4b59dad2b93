//! The answer: one shape for the command and for HTTP.

use serde::Serialize;

use super::find::Raw;

/// What an id leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Traced {
    /// One receipt.
    Receipt(Box<Trace>),
    /// A request of several messages: its receipts, each with a trace of its own.
    Request(RequestPart),
}

/// A request of several messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestPart {
    /// The request.
    pub request_id: String,
    /// Its receipts as far as they were found, at most 1,000.
    pub receipts: Vec<String>,
}

/// The trace of a receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The receipt.
    pub receipt_id: String,
    /// Where it is now: `spooled`, `queued`, `parked`, `stored`, `dead`, `duplicate`, `ignored` (it carries no reading),
    /// `done` (nothing of it waits any more). Of several readings the one that needs most attention decides.
    pub state: &'static str,
    /// The request.
    pub request_id: Option<String>,
    /// The gateway.
    pub gateway: Option<String>,
    /// Where the message came from.
    pub source: Option<String>,
    /// When it was received.
    pub received: Option<String>,
    /// What became of each reading.
    pub readings: Vec<ReadingPart>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// Its Observations.
    pub observations: Vec<ObservationPart>,
    /// Its letters.
    pub letters: Vec<LetterPart>,
    /// Its audit events.
    pub audit: Vec<AuditPart>,
    /// What could not be found out, in words.
    pub notes: Vec<String>,
}

/// A reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadingPart {
    /// The item; none for a message as a whole.
    pub item: Option<i32>,
    /// The outcome now: `stored`, `duplicate`, `parked`, `dead`.
    pub outcome: &'static str,
    /// Why it is parked or dead.
    pub reason: Option<String>,
}

/// A step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// When, where anybody noted it.
    pub time: Option<String>,
    /// Which: `received`, `spooled`, `published`, `parsed`, `stored`, `emitted`, `legacy`, `audited`, `letter`.
    pub step: &'static str,
    /// The item, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<i32>,
    /// Id of the document, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The topic, where it is about a record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<i32>,
    /// The offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// In words.
    pub result: String,
}

/// An Observation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservationPart {
    /// Its id.
    pub observation_id: String,
    /// The item.
    pub item: Option<i32>,
    /// Whether it is of the reading's main kind.
    pub main: bool,
    /// Topic of the record that it was stored from.
    pub topic: String,
    /// Partition of that record.
    pub partition: i32,
    /// Offset of that record.
    pub offset: i64,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterPart {
    /// `parked` or `dead`.
    pub shelf: &'static str,
    /// The item.
    pub item: Option<i32>,
    /// The step that wrote it.
    pub stage: String,
    /// The reason.
    pub reason: String,
    /// The field, where one is to blame.
    pub field: Option<String>,
    /// `open`, `releasing` or `closed`.
    pub state: &'static str,
    /// Partition of the record that was judged last.
    pub partition: i32,
    /// Offset of that record.
    pub offset: i64,
    /// When it was judged first.
    pub first_try: Option<String>,
    /// When it was judged last.
    pub last_try: Option<String>,
}

/// A recorded audit event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditPart {
    /// Its id.
    pub event_id: String,
    /// The item.
    pub item: Option<i32>,
    /// The outcome.
    pub outcome: String,
    /// The log's timestamp of the raw record.
    pub recorded: Option<String>,
    /// The chain.
    pub chain: i32,
    /// Its place in the chain.
    pub seq: i64,
}

pub(super) fn request(id: &str, receipts: &[(String, Option<Box<Raw>>)]) -> RequestPart {
    RequestPart {
        request_id: id.to_owned(),
        receipts: receipts.iter().map(|(receipt, _)| receipt.clone()).collect(),
    }
}
