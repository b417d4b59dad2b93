//! The store: Observations, legacy documents, audit events, letters and the registry.
//!
//! Everything is inserted if absent, by a deterministic id, and the answer says who won. All calls may be repeated.

use std::future::Future;

use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::time::Timestamp;
use uuid::Uuid;

/// Where a reading stands in the log: the identity of a unit of work.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// The item within the message; -1 for the message as a whole.
    pub item: i32,
}

/// Who wrote a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The receipt.
    pub receipt_id: String,
    /// The position.
    pub position: Position,
}

/// What came of an insert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Won {
    /// It was absent and is now stored.
    Inserted,
    /// It was there already, written by this one.
    Present(Writer),
}

/// An Observation with the wrapper that the readers of the FHIR database query.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservationDocument {
    /// The resource id.
    pub id: Uuid,
    /// True for the Observation of the reading's main kind.
    pub main: bool,
    /// The resource as FHIR JSON, with the digits of its decimals.
    pub resource: String,
    /// The first code.
    pub code: String,
    /// FHIR status.
    pub status: String,
    /// The patient.
    pub patient: PatientId,
    /// The sub-device.
    pub device: Option<Mac>,
    /// The gateway.
    pub gateway: Option<Mac>,
    /// The clinical time.
    pub effective: Timestamp,
    /// The receipt time.
    pub recorded: Timestamp,
    /// Who wrote it.
    pub writer: Writer,
    /// Where the raw record came from: `http`, `migration`, ….
    pub source: String,
    /// The item as it came, as JSON: enough to map it again.
    pub raw_item: String,
    /// The mapping that made it.
    pub mapping_version: String,
    /// The migration run.
    pub migration_run: Option<String>,
    /// With the main kind: the legacy document that belongs to the reading.
    pub legacy: Option<LegacyContent>,
}

/// A legacy document as content: what is needed to emit it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyContent {
    /// The collection.
    pub collection: String,
    /// The ObjectId as 24 hex digits.
    pub id: String,
    /// The document as relaxed Extended JSON.
    pub document: String,
}

/// A legacy document to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyDocument {
    /// The content.
    pub content: LegacyContent,
    /// The receipt that it belongs to.
    pub receipt_id: String,
}

/// Which letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shelf {
    /// `stardust_dead`.
    Dead,
    /// `stardust_parked`.
    Parked,
}

/// The state of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Waits.
    Open,
    /// Sent back to the raw topic; the parser has not answered yet.
    Releasing,
    /// Done with.
    Closed,
}

impl LetterState {
    /// The stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Releasing => "releasing",
            Self::Closed => "closed",
        }
    }

    /// The state with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Open, Self::Releasing, Self::Closed]
            .into_iter()
            .find(|s| s.label() == label)
    }
}

/// The state of a dead or parked item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Which shelf.
    pub shelf: Shelf,
    /// `<receipt>:<item>[:<field>]`; the item is `-` for a message as a whole.
    pub id: String,
    /// Who wrote it: the receipt, and the position of the raw record.
    pub writer: Writer,
    /// The field as sent, where one is to blame.
    pub field: Option<String>,
    /// True where only one quantity of a reading that lives was refused: outside the balance.
    pub partial: bool,
    /// The step that wrote it.
    pub stage: String,
    /// The reason's label.
    pub reason: String,
    /// Limits and further fields in words.
    pub detail: Option<String>,
    /// The gateway.
    pub gateway: Option<Mac>,
    /// The sub-device.
    pub device: Option<Mac>,
    /// The mapping that judged.
    pub mapping_version: String,
    /// The log's timestamp of the record that was first judged.
    pub first_try: Timestamp,
    /// The log's timestamp of the record that was last judged.
    pub last_try: Timestamp,
    /// The state.
    pub state: LetterState,
}

impl Letter {
    /// The id of a letter: `<receipt>:<item>[:<field>]`, the item `-` for a message as a whole.
    #[must_use]
    pub fn id_of(receipt: &str, item: Option<i32>, field: Option<&str>) -> String {
        let item = item.map_or_else(|| "-".to_owned(), |i| i.to_string());
        match field {
            Some(field) => format!("{receipt}:{item}:{field}"),
            None => format!("{receipt}:{item}"),
        }
    }
}

/// An AuditEvent with its place in a hash chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainedEvent {
    /// The event's id.
    pub id: Uuid,
    /// The resource as FHIR JSON.
    pub resource: String,
    /// The outcome's label.
    pub outcome: String,
    /// The receipt.
    pub receipt_id: String,
    /// The patient, where known.
    pub patient: Option<PatientId>,
    /// The gateway, where known.
    pub gateway: Option<Mac>,
    /// The log's timestamp of the raw record.
    pub recorded: Timestamp,
    /// The chain: the partition of the audit topic.
    pub chain: i32,
    /// Its place, from 1.
    pub seq: i64,
    /// The hash of the one before: 64 lower hex digits (zeros at the start).
    pub prev: String,
    /// Its own hash.
    pub hash: String,
}

/// The last event of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainHead {
    /// Its place.
    pub seq: i64,
    /// Its hash.
    pub hash: String,
}

/// What a signature of a chain says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// The chain had come so far.
    Head,
    /// Everything up to here was removed on purpose: the chain is walked from here on.
    Cut,
}

impl Mark {
    /// The stable label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Cut => "cut",
        }
    }

    /// The mark with this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Head, Self::Cut].into_iter().find(|m| m.label() == label)
    }
}

/// A signed place of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// What the signature says.
    pub mark: Mark,
    /// The chain.
    pub chain: i32,
    /// The place of the event.
    pub seq: i64,
    /// The hash of the event.
    pub hash: String,
    /// When the chain had come so far, by the clock of the signer.
    pub at: Timestamp,
    /// Which key.
    pub key_id: String,
    /// The signature in lower hex.
    pub signature: String,
}

/// Where an Observation came from, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The resource id.
    pub id: Uuid,
    /// True for the Observation of the reading's main kind.
    pub main: bool,
    /// Who wrote it.
    pub writer: Writer,
    /// With the main kind: collection and id of the legacy document that belongs to the reading.
    pub legacy: Option<(String, String)>,
}

/// A page of the books: what stood in a raw partition between two offsets, summed up while the log still had it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookPage {
    /// The raw topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that it covers.
    pub from: i64,
    /// The first offset that it does not cover any more.
    pub to: i64,
    /// The sums as a JSON object.
    pub sums: String,
}

/// A recorded audit event and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedEvent {
    /// The event's id.
    pub id: Uuid,
    /// The outcome's label.
    pub outcome: String,
    /// The log's timestamp of the raw record.
    pub recorded: Timestamp,
    /// The chain.
    pub chain: i32,
    /// Its place in the chain.
    pub seq: i64,
}

/// What is stored of one receipt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiptDocuments {
    /// Observations: id, who wrote it, and whether it is of the reading's main kind.
    pub observations: Vec<(Uuid, Writer, bool)>,
    /// Letters of both shelves, by id.
    pub letters: Vec<Letter>,
    /// Audit events.
    pub audit: Vec<RecordedEvent>,
}

/// Registry documents as JSON (Extended JSON where a type needs it).
#[derive(Debug, Clone, Default)]
pub struct RegistryDocuments {
    /// `amy_boxes`.
    pub boxes: Vec<serde_json::Value>,
    /// `amy_devices`.
    pub devices: Vec<serde_json::Value>,
    /// `patients`: only the fields that name the patient's devices.
    pub patients: Vec<serde_json::Value>,
}

/// What can be exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// FHIR Observations as JSON.
    Observations,
    /// `{"collection","document"}` of the documents that this pipeline wrote.
    Legacy,
    /// AuditEvents as JSON.
    Audit,
    /// Open dead letters.
    Dead,
    /// Open parked readings.
    Parked,
}

/// One page of an export, in the order of the ids.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The lines as JSON.
    pub lines: Vec<String>,
    /// Where the next page starts; none at the end.
    pub next: Option<String>,
}

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached now; the effect of the call is unknown.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Another writer took the place in a chain meanwhile; reading again helps.
    #[error("another writer was faster: {0}")]
    Conflict(String),
    /// The store refuses this document for good.
    #[error("the store refuses the document: {0}")]
    Refused(String),
    /// Its content or its rights are not as they must be.
    #[error("the store cannot be used: {0}")]
    Unusable(String),
}

impl StoreError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Conflict(_) => "conflict",
            Self::Refused(_) => "refused",
            Self::Unusable(_) => "unusable",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Conflict(_))
    }
}

/// Where documents live. Cheap to clone.
pub trait Store: Clone + Send + Sync + 'static {
    /// Prepares collections and indexes. May be repeated.
    fn prepare(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether it can be reached now.
    fn ping(&self) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The highest offset of a raw partition, from `from` on, that an Observation or a letter names as its writer's.
    fn highest_offset(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// The Observations whose writer stands in this partition from offset `from` to `to`, both included.
    fn observations_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> impl Future<Output = Result<Vec<ObservationDocument>, StoreError>> + Send;

    /// As [`Self::observations_at`], without content: for the books, which read every reading again.
    fn written_at(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        to: i64,
    ) -> impl Future<Output = Result<Vec<Written>, StoreError>> + Send;

    /// Inserts Observations if absent, one after the other; one answer each. The ids of one call differ. Where the call
    /// breaks off, the first of them may be stored.
    fn insert_observations(
        &self,
        documents: &[ObservationDocument],
    ) -> impl Future<Output = Result<Vec<Won>, StoreError>> + Send;

    /// Who wrote these Observations; none where absent.
    fn observation_writers(
        &self,
        ids: &[Uuid],
    ) -> impl Future<Output = Result<Vec<Option<Writer>>, StoreError>> + Send;

    /// Inserts letters if absent; one answer each, in order. On either shelf a letter that is `releasing`, or `closed`
    /// and written from another position, opens again with the new position, stage, reason, field, detail, gateway,
    /// device, mapping version and last try and keeps its first try: that counts as inserted.
    fn insert_letters(&self, letters: &[Letter])
    -> impl Future<Output = Result<Vec<Won>, StoreError>> + Send;

    /// Closes the letters of a shelf with these ids that are not closed yet; says how many.
    fn close_letters(
        &self,
        shelf: Shelf,
        ids: &[String],
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Letters by id; none where absent.
    fn letters(
        &self,
        shelf: Shelf,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<Option<Letter>>, StoreError>> + Send;

    /// Letters of a shelf in the order of their ids, after an id.
    fn letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Letter>, StoreError>> + Send;

    /// Marks open letters of a shelf as releasing; says which were open.
    fn mark_releasing(
        &self,
        shelf: Shelf,
        ids: &[String],
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Keeps the raw record of a receipt that has letters (insert if absent).
    fn keep_raw(&self, records: &[(String, Vec<u8>)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The raw record of a receipt that has letters.
    fn kept_raw(&self, receipt_id: &str) -> impl Future<Output = Result<Option<Vec<u8>>, StoreError>> + Send;

    /// Inserts legacy documents if absent; says for each whether it is new.
    fn insert_legacy(
        &self,
        documents: &[LegacyDocument],
    ) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// Which of these legacy documents exist: (collection, id).
    fn legacy_present(
        &self,
        ids: &[(String, String)],
    ) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// Which of these audit events exist.
    fn audit_present(&self, ids: &[Uuid]) -> impl Future<Output = Result<Vec<bool>, StoreError>> + Send;

    /// What is stored of a receipt, whatever the item; all empty where nothing is.
    fn of_receipt(
        &self,
        receipt_id: &str,
    ) -> impl Future<Output = Result<ReceiptDocuments, StoreError>> + Send;

    /// The last event of a chain; where it was cut to the last, the cut.
    fn chain_head(&self, chain: i32) -> impl Future<Output = Result<Option<ChainHead>, StoreError>> + Send;

    /// Appends events to their chains, in order. [`StoreError::Conflict`] where a place is taken: what stood before it may
    /// be appended, what came after is not; read the heads again.
    fn append_audit(&self, events: &[ChainedEvent]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The chains that exist.
    fn chains(&self) -> impl Future<Output = Result<Vec<i32>, StoreError>> + Send;

    /// Events of a chain from a place on, in order.
    fn chain_from(
        &self,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> impl Future<Output = Result<Vec<ChainedEvent>, StoreError>> + Send;

    /// Notes how far chains have come, so that the loss of their last events shows. A note only ever goes forward.
    fn note_heads(&self, heads: &[(i32, ChainHead)]) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How far the chains were noted to have come, in the order of the chains.
    fn noted_heads(&self) -> impl Future<Output = Result<Vec<(i32, ChainHead)>, StoreError>> + Send;

    /// Keeps signed places: for each mark, chain and place the first.
    fn put_checkpoints(
        &self,
        checkpoints: &[Checkpoint],
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Signed places of a chain from a place on, in order.
    fn checkpoints(
        &self,
        mark: Mark,
        chain: i32,
        seq: i64,
        most: usize,
    ) -> impl Future<Output = Result<Vec<Checkpoint>, StoreError>> + Send;

    /// Removes events of a chain up to its last cut, the first first, at most so many; says how many there were. With
    /// the last of them go the signed places before the cut. Does nothing to a chain that was never cut.
    fn remove_cut(&self, chain: i32, most: usize) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Every registry document.
    fn registry(&self) -> impl Future<Output = Result<RegistryDocuments, StoreError>> + Send;

    /// Replaces the registry documents. Only the embedded store allows it: AMY is read only.
    fn import_registry(
        &self,
        documents: &RegistryDocuments,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// One page of an export.
    fn export(
        &self,
        what: Export,
        after: Option<&str>,
        most: usize,
    ) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Adds a page to the books; false where a page of this partition starts at this offset already.
    fn add_book_page(&self, page: &BookPage) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Pages of a partition that start at or after an offset, in order.
    fn book_pages(
        &self,
        topic: &str,
        partition: i32,
        from: i64,
        most: usize,
    ) -> impl Future<Output = Result<Vec<BookPage>, StoreError>> + Send;

    /// Where the last page of a partition ends; none where there is no page.
    fn booked(
        &self,
        topic: &str,
        partition: i32,
    ) -> impl Future<Output = Result<Option<i64>, StoreError>> + Send;

    /// Takes or renews a lease; false where another holder has it. It ends by itself after `seconds`.
    fn lease(
        &self,
        name: &str,
        holder: &str,
        seconds: u32,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;
}
