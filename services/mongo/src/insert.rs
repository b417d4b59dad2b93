//! Many documents at once, each only where it is absent.
//!
//! Every write is an upsert of `$setOnInsert` by `_id`, so a call that is repeated changes nothing. Two commands can
//! carry it: `bulkWrite` of servers from 8.0 on, several collections in one round trip; and `update`, one for each
//! collection, known to every server. Both are written here straight as BSON: `Client::bulk_write` takes its
//! documents as trees only, which costs several times the CPU (`benches/mongo.rs`).

use mongodb::Database;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, RawDocumentBuf};
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
    /// before the next is written: a call that breaks off leaves any part.
    pub(crate) async fn insert_absent<T: Sync>(
        &self,
        database: &Database,
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
                self.insert_together(database, &together.documents, &mut inserted)
                    .await?;
                together = Together::default();
            }
            together.add(document);
        }
        if !together.documents.is_empty() {
            self.insert_together(database, &together.documents, &mut inserted)
                .await?;
        }
        Ok(inserted)
    }

    async fn insert_together(
        &self,
        database: &Database,
        documents: &[Absent],
        inserted: &mut Vec<bool>,
    ) -> Result<(), StoreError> {
        let before = inserted.len();
        inserted.resize(before + documents.len(), false);
        let flags = &mut inserted[before..];
        let bulk_write = self.bulk() == Bulk::Fitting && self.knows_bulk_write().await?;
        if !bulk_write || !by_bulk_write(&self.admin_db(), database.name(), documents, flags).await? {
            by_update(database, documents, flags).await?;
        }
        Ok(())
    }
}

/// One `bulkWrite` command; false where the server does not know it (a member of an older version became primary).
async fn by_bulk_write(
    admin: &Database,
    database: &str,
    documents: &[Absent],
    inserted: &mut [bool],
) -> Result<bool, StoreError> {
    let command = bulk_write_command(database, documents)?;
    let reply = match bounded_raw(admin.run_raw_command(command)).await? {
        Ok(reply) => reply,
        Err(error) if is_unknown_command(&error) => return Ok(false),
        Err(error) => return Err(of_driver(&error)),
    };
    let answers = reply
        .get_document("cursor")
        .and_then(|cursor| cursor.get_array("firstBatch"))
        .map_err(|_| unreadable())?;
    for answer in answers.iter().filter_map(|answer| answer.as_document()) {
        if let Some(error) = failure(answer) {
            return Err(error);
        }
        let at = answer.get_i32("idx").ok().and_then(|at| usize::try_from(at).ok());
        let flag = at.and_then(|at| inserted.get_mut(at)).ok_or_else(unreadable)?;
        *flag = answer.contains_key("upserted");
    }
    // Answers beyond the first batch are not fetched (there are none for so few writes): such a document counts as
    // present, and who wrote it is looked up.
    confirmed(&reply)?;
    Ok(true)
}

fn bulk_write_command(database: &str, documents: &[Absent]) -> Result<RawDocumentBuf, StoreError> {
    let names = collections(documents);
    let mut command = start(documents.iter());
    command.int("bulkWrite", 1);
    command.boolean("ordered", false);
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

/// One `update` command for each collection of the part.
async fn by_update(
    database: &Database,
    documents: &[Absent],
    inserted: &mut [bool],
) -> Result<(), StoreError> {
    for collection in collections(documents) {
        let of_it: Vec<usize> = (0..documents.len())
            .filter(|at| documents[*at].collection == collection)
            .collect();
        let command = update_command(collection, of_it.iter().map(|at| &documents[*at]))?;
        let reply = bounded(database.run_raw_command(command)).await?;
        for at in upserted(&reply)? {
            if let Some(at) = of_it.get(at) {
                inserted[*at] = true;
            }
        }
    }
    Ok(())
}

fn update_command<'a>(
    collection: &str,
    documents: impl Iterator<Item = &'a Absent> + Clone,
) -> Result<RawDocumentBuf, StoreError> {
    let mut command = start(documents.clone());
    command.text("update", collection);
    command.boolean("ordered", false);
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

/// Fails where a statement of an `update` failed, or the majority does not have it.
pub(crate) fn updated(reply: &Document) -> Result<(), StoreError> {
    let errors = reply.get_array("writeErrors").into_iter().flatten();
    if let Some(error) = errors.filter_map(|error| error.as_document()).find_map(failure) {
        return Err(error);
    }
    confirmed(reply)
}

/// The indexes of the statements that inserted.
fn upserted(reply: &Document) -> Result<Vec<usize>, StoreError> {
    updated(reply)?;
    let Ok(upserted) = reply.get_array("upserted") else {
        return Ok(Vec::new());
    };
    upserted
        .iter()
        .map(|entry| {
            entry
                .as_document()
                .and_then(|entry| entry.get_i32("index").ok())
                .and_then(|index| usize::try_from(index).ok())
                .ok_or_else(unreadable)
        })
        .collect()
}

fn is_unknown_command(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(failure) if failure.code == COMMAND_NOT_FOUND)
}

/// What the answer to a statement means where it failed. Two upserts of one new `_id` can meet: the later one hits
/// the key of the other, which is no failure.
fn failure(answer: &Document) -> Option<StoreError> {
    let code = answer.get_i32("code").ok()?;
    (code != DUPLICATE_KEY).then(|| of_code(code, answer.get_str("codeName").unwrap_or_default()))
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
        assert_eq!(upserted(&reply).unwrap(), [2]);
        let reply = doc! {"ok": 1, "writeErrors": [{"index": 0, "code": 11000}, {"index": 1, "code": 121}]};
        assert!(matches!(upserted(&reply), Err(StoreError::Refused(_))));
        let reply = doc! {"ok": 1, "n": 1, "upserted": [{"index": 0}], "writeConcernError": {"code": 64}};
        assert!(matches!(upserted(&reply), Err(StoreError::Unavailable(_))));
    }
}
