//! Many documents at once, each only where it is absent.
//!
//! Every write is an upsert of `$setOnInsert` by `_id`, so a call that is repeated changes nothing. Two commands can
//! carry it: `bulkWrite` of servers from 8.0 on, several collections in one round trip; and `update`, one for each
//! collection, known to every server. Both are written here straight as BSON: `Client::bulk_write` takes its
//! documents as trees only, which costs several times the CPU (`benches/mongo.rs`).

use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, Document, RawDocumentBuf};
use mongodb::error::{Error, ErrorKind};
use stardust_pipeline::store::StoreError;

use crate::connect::{CONFIRM, MongoStore, bounded, bounded_raw};
use crate::error::{DUPLICATE_KEY, not_confirmed, of_code, of_driver, unavailable};
use crate::writer::{Key, Writer};

/// Most documents in one command.
const MOST_DOCUMENTS: usize = 1_000;
/// Most bytes of documents in one command. The driver copies a command several times on its way out; beyond this size
/// that costs memory in each member, and a server gains nothing by it.
const MOST_BYTES: usize = 1 << 20;
/// A document that no server takes.
const TOO_LARGE: usize = (16 << 20) - 1_024;

/// The server does not know the command.
const COMMAND_NOT_FOUND: i32 = 59;

/// How many documents are written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bulk {
    /// `bulkWrite` where the server knows it, else `update`.
    #[default]
    Fitting,
    /// Always `update`, one command for each collection.
    Update,
}

/// In which order the documents of a call are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// In any.
    Free,
    /// One after the other, within a collection: what comes after a failure is not written.
    Kept,
}

impl Order {
    /// How many of the documents a command came to, where a statement met a key that was there.
    fn came_to(self, taken: Option<usize>, documents: usize) -> usize {
        match (self, taken) {
            (Self::Kept, Some(at)) => at + 1,
            _ => documents,
        }
    }
}

/// The `_id` of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DocumentId {
    /// A text.
    Text(String),
    /// An ObjectId.
    Object(ObjectId),
}

/// A document to insert where it is absent.
#[derive(Debug)]
pub(crate) struct Absent {
    /// The collection.
    pub(crate) collection: &'static str,
    /// Its `_id`.
    pub(crate) id: DocumentId,
    /// Its other fields.
    pub(crate) fields: RawDocumentBuf,
}

/// The documents of one command.
#[derive(Debug, Default)]
struct Together {
    documents: Vec<Absent>,
    bytes: usize,
}

impl Together {
    /// Whether a document of this size goes with them.
    fn takes(&self, size: usize) -> bool {
        self.documents.is_empty() || self.documents.len() < MOST_DOCUMENTS && self.bytes + size <= MOST_BYTES
    }

    fn add(&mut self, document: Absent) {
        self.bytes += document.size();
        self.documents.push(document);
    }
}

impl Absent {
    fn size(&self) -> usize {
        self.fields.as_bytes().len()
    }
}

impl MongoStore {
    /// Inserts what is absent, as `absent` writes it; true for each document that this call inserted. A command is sent
    /// before the next is written: a call that breaks off leaves the first of them, or any part where the order is free.
    pub(crate) async fn insert_absent<T: Sync>(
        &self,
        database: &Database,
        order: Order,
        documents: &[T],
        absent: fn(&T) -> Result<Absent, StoreError>,
    ) -> Result<Vec<bool>, StoreError> {
        let mut inserted = Vec::with_capacity(documents.len());
        let mut together = Together::default();
        for document in documents {
            let document = absent(document)?;
            let size = document.size();
            if size > TOO_LARGE {
                return Err(StoreError::Refused(format!(
                    "a document of {size} bytes in {}: MongoDB takes 16 MiB",
                    document.collection
                )));
            }
            if !together.takes(size) {
                self.insert_together(database, order, &together.documents, &mut inserted)
                    .await?;
                together = Together::default();
            }
            together.add(document);
        }
        if !together.documents.is_empty() {
            self.insert_together(database, order, &together.documents, &mut inserted)
                .await?;
        }
        Ok(inserted)
    }

    async fn insert_together(
        &self,
        database: &Database,
        order: Order,
        documents: &[Absent],
        inserted: &mut Vec<bool>,
    ) -> Result<(), StoreError> {
        let mut next = inserted.len();
        inserted.resize(next + documents.len(), false);
        let mut rest = documents;
        while !rest.is_empty() {
            let flags = &mut inserted[next..];
            let bulk_write = self.bulk() == Bulk::Fitting && self.knows_bulk_write().await?;
            let by_bulk_write = if bulk_write {
                by_bulk_write(&self.admin_db(), database.name(), order, rest, flags).await?
            } else {
                None
            };
            let done = match by_bulk_write {
                Some(done) => done,
                None => by_update(database, order, rest, flags).await?,
            };
            next += done;
            rest = &rest[done..];
        }
        Ok(())
    }
}

/// One `bulkWrite` command; how many documents it came to. None where the server does not know it (a member of an older
/// version became primary).
async fn by_bulk_write(
    admin: &Database,
    database: &str,
    order: Order,
    documents: &[Absent],
    inserted: &mut [bool],
) -> Result<Option<usize>, StoreError> {
    let command = bulk_write_command(database, order, documents)?;
    let reply = match bounded_raw(admin.run_raw_command(command)).await? {
        Ok(reply) => reply,
        Err(error) if is_unknown_command(&error) => return Ok(None),
        Err(error) => return Err(of_driver(&error)),
    };
    let answers = reply
        .get_document("cursor")
        .and_then(|cursor| cursor.get_array("firstBatch"))
        .map_err(|_| unreadable())?;
    let mut stopped = None;
    for answer in answers.iter().filter_map(|answer| answer.as_document()) {
        let at = index(answer, "idx")?;
        if failed(answer)? {
            stopped = Some(at);
        }
        *inserted.get_mut(at).ok_or_else(unreadable)? = answer.contains_key("upserted");
    }
    // Answers beyond the first batch are not fetched (there are none for so few writes): such a document counts as
    // present, and who wrote it is looked up.
    confirmed(&reply)?;
    Ok(Some(order.came_to(stopped, documents.len())))
}

fn bulk_write_command(
    database: &str,
    order: Order,
    documents: &[Absent],
) -> Result<RawDocumentBuf, StoreError> {
    let names = collections(documents);
    let mut command = start(documents.iter());
    command.int("bulkWrite", 1);
    command.boolean("ordered", order == Order::Kept);
    command.boolean("errorsOnly", false);
    write_concern(&mut command);
    command.array("nsInfo");
    for (at, collection) in names.iter().enumerate() {
        command.document(Key::Index(at));
        command.text("ns", &format!("{database}.{collection}"));
        command.close();
    }
    command.close();
    command.array("ops");
    for (at, document) in documents.iter().enumerate() {
        let name = names.binary_search(&document.collection).unwrap_or(0);
        command.document(Key::Index(at));
        command.int("update", i32::try_from(name).unwrap_or(0));
        upsert(&mut command, document, "filter", "updateMods");
        command.close();
    }
    command.finish()
}

/// One `update` command for each collection of the part; how many documents they came to.
async fn by_update(
    database: &Database,
    order: Order,
    documents: &[Absent],
    inserted: &mut [bool],
) -> Result<usize, StoreError> {
    let mut came_to = documents.len();
    for collection in collections(documents) {
        let of_it: Vec<usize> = (0..documents.len())
            .filter(|at| documents[*at].collection == collection)
            .collect();
        let command = update_command(collection, order, of_it.iter().map(|at| &documents[*at]))?;
        let reply = bounded(database.run_raw_command(command)).await?;
        let place = |at: usize| of_it.get(at).copied().ok_or_else(unreadable);
        if let Some(at) = updated(&reply)? {
            came_to = came_to.min(order.came_to(Some(place(at)?), documents.len()));
        }
        for at in upserted(&reply)? {
            inserted[place(at)?] = true;
        }
    }
    Ok(came_to)
}

fn update_command<'a>(
    collection: &str,
    order: Order,
    documents: impl Iterator<Item = &'a Absent> + Clone,
) -> Result<RawDocumentBuf, StoreError> {
    let mut command = start(documents.clone());
    command.text("update", collection);
    command.boolean("ordered", order == Order::Kept);
    write_concern(&mut command);
    command.array("updates");
    for (at, document) in documents.enumerate() {
        command.document(Key::Index(at));
        upsert(&mut command, document, "q", "u");
        command.close();
    }
    command.finish()
}

/// The collections of these documents, sorted.
fn collections(documents: &[Absent]) -> Vec<&'static str> {
    let mut collections: Vec<_> = documents.iter().map(|document| document.collection).collect();
    collections.sort_unstable();
    collections.dedup();
    collections
}

/// A command with room for these documents.
fn start<'a>(documents: impl Iterator<Item = &'a Absent>) -> Writer {
    let bytes: usize = documents.map(|d| d.fields.as_bytes().len() + 160).sum();
    Writer::with_capacity(bytes + 1_024)
}

pub(crate) fn write_concern(command: &mut Writer) {
    command.document("writeConcern");
    command.text("w", "majority");
    command.boolean("j", true);
    command.long("wtimeout", i64::try_from(CONFIRM.as_millis()).unwrap_or(0));
    command.close();
}

/// Filter and change of one statement.
fn upsert(command: &mut Writer, document: &Absent, filter: &str, change: &str) {
    command.document(filter);
    match &document.id {
        DocumentId::Text(id) => command.text("_id", id),
        DocumentId::Object(id) => command.object_id("_id", *id),
    }
    command.close();
    command.document(change);
    command.raw("$setOnInsert", &document.fields);
    command.close();
    command.boolean("multi", false);
    command.boolean("upsert", true);
}

/// The last statement of an `update` that met a key that was there. Fails where one failed in any other way, or the
/// majority does not have the writes.
pub(crate) fn updated(reply: &Document) -> Result<Option<usize>, StoreError> {
    let mut taken = None;
    let errors = reply.get_array("writeErrors").into_iter().flatten();
    for error in errors.filter_map(Bson::as_document) {
        if failed(error)? {
            taken = taken.max(Some(index(error, "index")?));
        }
    }
    confirmed(reply)?;
    Ok(taken)
}

/// The indexes of the statements that inserted.
fn upserted(reply: &Document) -> Result<Vec<usize>, StoreError> {
    let Ok(upserted) = reply.get_array("upserted") else {
        return Ok(Vec::new());
    };
    upserted
        .iter()
        .map(|entry| index(entry.as_document().ok_or_else(unreadable)?, "index"))
        .collect()
}

/// Which statement is spoken of.
fn index(answer: &Document, field: &str) -> Result<usize, StoreError> {
    let index = answer.get_i32(field).ok();
    index
        .and_then(|at| usize::try_from(at).ok())
        .ok_or_else(unreadable)
}

fn is_unknown_command(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(failure) if failure.code == COMMAND_NOT_FOUND)
}

/// Whether a statement failed as two upserts of one new `_id` can that meet: the later one hits the key of the other, and
/// its document is there. Any other failure is one of the call.
fn failed(answer: &Document) -> Result<bool, StoreError> {
    match answer.get_i32("code") {
        Ok(DUPLICATE_KEY) => Ok(true),
        // Of a statement that went well `bulkWrite` tells no code.
        Err(_) | Ok(0) => Ok(false),
        Ok(code) => Err(of_code(code, answer.get_str("codeName").unwrap_or_default())),
    }
}

/// Whether the majority has the writes.
fn confirmed(reply: &Document) -> Result<(), StoreError> {
    match reply.get_document("writeConcernError") {
        Ok(error) => Err(not_confirmed(
            error.get_i32("code").unwrap_or(0),
            error.get_str("codeName").unwrap_or_default(),
        )),
        Err(_) => Ok(()),
    }
}

pub(crate) fn unreadable() -> StoreError {
    unavailable("an answer of MongoDB could not be read")
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::doc;

    fn absent(bytes: usize) -> Absent {
        let mut fields = Writer::with_capacity(bytes);
        fields.text("pad", &"x".repeat(bytes));
        Absent {
            collection: "c",
            id: DocumentId::Text("id".to_owned()),
            fields: fields.finish().unwrap(),
        }
    }

    /// How many documents go together, of these sizes.
    fn commands(sizes: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut commands = Vec::new();
        let mut together = Together::default();
        for document in sizes.map(absent) {
            if !together.takes(document.size()) {
                commands.push(std::mem::take(&mut together).documents.len());
            }
            together.add(document);
        }
        commands.push(together.documents.len());
        commands
    }

    #[test]
    fn commands_stay_below_what_a_server_takes() {
        assert_eq!(commands((0..2_001).map(|_| 10)), [1_000, 1_000, 1]);
        assert_eq!(commands((0..4).map(|_| 600 << 10)), [1, 1, 1, 1]);
        assert_eq!(commands([5 << 20, 10, 10].into_iter()), [1, 2]);
    }

    #[test]
    fn a_duplicate_key_counts_as_present_and_any_other_error_is_told() {
        let reply = doc! {
            "ok": 1, "n": 2, "upserted": [{"index": 2, "_id": "c"}],
            "writeErrors": [{"index": 0, "code": 11000, "errmsg": "E11000"}],
        };
        assert_eq!(updated(&reply).unwrap(), Some(0));
        assert_eq!(upserted(&reply).unwrap(), [2]);
        let reply = doc! {"ok": 1, "writeErrors": [{"index": 0, "code": 11000}, {"index": 1, "code": 121}]};
        assert!(matches!(updated(&reply), Err(StoreError::Refused(_))));
        let reply = doc! {"ok": 1, "n": 1, "upserted": [{"index": 0}], "writeConcernError": {"code": 64}};
        assert!(matches!(updated(&reply), Err(StoreError::Unavailable(_))));
    }
}
