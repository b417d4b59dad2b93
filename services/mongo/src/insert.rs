//! Many documents at once, each only where it is absent.
//!
//! Every write is an upsert of `$setOnInsert` by `_id`, so a call that is repeated changes nothing. Two commands can
//! carry it: `update`, one for each collection, known to every server and written here straight as BSON; and
//! `bulkWrite` of servers from 8.0 on, which takes several collections in one round trip, by `Client::bulk_write`
//! with its driver documents. So one collection goes by `update`, several by `bulkWrite` where the server knows it.

use std::future::IntoFuture;
use std::ops::Range;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Document, RawDocumentBuf, doc};
use mongodb::error::{BulkWriteError, ErrorKind, PartialBulkWriteResult};
use mongodb::options::{UpdateOneModel, WriteModel};
use mongodb::{Database, Namespace};
use stardust_pipeline::store::StoreError;

use crate::connect::{CONFIRM, MongoStore, bounded, bounded_raw, durable};
use crate::error::{DUPLICATE_KEY, not_confirmed, of_code, of_driver, unavailable};
use crate::writer::{Key, Writer};

/// Most documents in one command.
const MOST_DOCUMENTS: usize = 1_000;
/// Most bytes of documents in one command: a command is a document itself, of 16 MiB at most.
const MOST_BYTES: usize = 8 << 20;
/// A document that no server takes.
const TOO_LARGE: usize = (16 << 20) - 1_024;

/// How many documents are written at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Bulk {
    /// `update` for one collection; for several `bulkWrite`, where the server knows it.
    #[default]
    Fitting,
    /// Always `bulkWrite`.
    BulkWrite,
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

impl MongoStore {
    /// Inserts what is absent; true for each document that this call inserted.
    pub(crate) async fn insert_absent(
        &self,
        database: &Database,
        documents: &[Absent],
    ) -> Result<Vec<bool>, StoreError> {
        if let Some(large) = documents.iter().find(|d| d.fields.as_bytes().len() > TOO_LARGE) {
            return Err(StoreError::Refused(format!(
                "a document of {} bytes in {}: MongoDB takes 16 MiB",
                large.fields.as_bytes().len(),
                large.collection
            )));
        }
        let mut inserted = vec![false; documents.len()];
        for range in commands(documents) {
            let part = &documents[range.clone()];
            let several = part.iter().any(|d| d.collection != part[0].collection);
            let by_bulk_write = match self.bulk() {
                Bulk::Fitting => several && self.knows_bulk_write().await?,
                Bulk::BulkWrite => true,
                Bulk::Update => false,
            };
            if by_bulk_write {
                self.by_bulk_write(database, part, &mut inserted[range]).await?;
            } else {
                by_update(database, part, &mut inserted[range]).await?;
            }
        }
        Ok(inserted)
    }

    async fn by_bulk_write(
        &self,
        database: &Database,
        documents: &[Absent],
        inserted: &mut [bool],
    ) -> Result<(), StoreError> {
        let mut models = Vec::with_capacity(documents.len());
        for document in documents {
            let fields = Document::try_from(&document.fields).map_err(|error| of_driver(&error.into()))?;
            let filter = match &document.id {
                DocumentId::Text(id) => doc! {"_id": id},
                DocumentId::Object(id) => doc! {"_id": id},
            };
            let model = UpdateOneModel::builder()
                .namespace(Namespace::new(database.name(), document.collection))
                .filter(filter)
                .update(doc! {"$setOnInsert": fields})
                .upsert(true)
                .build();
            models.push(WriteModel::UpdateOne(model));
        }
        let call = self
            .client()
            .bulk_write(models)
            .ordered(false)
            .write_concern(durable())
            .verbose_results();
        let result = match bounded_raw(call.into_future()).await? {
            Ok(result) => result,
            Err(error) => match &*error.kind {
                ErrorKind::BulkWrite(failure)
                    if std::error::Error::source(&error).is_none() && only_duplicates(failure) =>
                {
                    match &failure.partial_result {
                        Some(PartialBulkWriteResult::Verbose(result)) => result.clone(),
                        _ => return Ok(()),
                    }
                }
                _ => return Err(of_driver(&error)),
            },
        };
        for (at, update) in &result.update_results {
            if let Some(flag) = inserted.get_mut(*at) {
                *flag = update.upserted_id.is_some();
            }
        }
        Ok(())
    }
}

/// Cuts documents into commands that a server takes.
fn commands(documents: &[Absent]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, document) in documents.iter().enumerate() {
        let size = document.fields.as_bytes().len();
        if at > start && (at - start == MOST_DOCUMENTS || bytes + size > MOST_BYTES) {
            ranges.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < documents.len() {
        ranges.push(start..documents.len());
    }
    ranges
}

/// Two upserts of one new `_id` can meet: the later one finds the document present.
fn only_duplicates(failure: &BulkWriteError) -> bool {
    failure.write_concern_errors.is_empty() && failure.write_errors.values().all(|e| e.code == DUPLICATE_KEY)
}

/// One `update` command for each collection of the part.
async fn by_update(
    database: &Database,
    documents: &[Absent],
    inserted: &mut [bool],
) -> Result<(), StoreError> {
    let mut collections: Vec<&'static str> = documents.iter().map(|d| d.collection).collect();
    collections.sort_unstable();
    collections.dedup();
    for collection in collections {
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
    let bytes: usize = documents.clone().map(|d| d.fields.as_bytes().len() + 160).sum();
    let mut command = Writer::with_capacity(bytes + 256);
    command.text("update", collection);
    command.boolean("ordered", false);
    command.document("writeConcern");
    command.text("w", "majority");
    command.boolean("j", true);
    command.long("wtimeout", i64::try_from(CONFIRM.as_millis()).unwrap_or(0));
    command.close();
    command.array("updates");
    for (at, document) in documents.enumerate() {
        command.document(Key::Index(at));
        command.document("q");
        match &document.id {
            DocumentId::Text(id) => command.text("_id", id),
            DocumentId::Object(id) => command.object_id("_id", *id),
        }
        command.close();
        command.document("u");
        command.raw("$setOnInsert", &document.fields);
        command.close();
        command.boolean("upsert", true);
        command.close();
    }
    command.finish()
}

/// The indexes of the statements that inserted.
fn upserted(reply: &Document) -> Result<Vec<usize>, StoreError> {
    let code = |error: &Document| error.get_i32("code").unwrap_or(0);
    let name = |error: &Document| error.get_str("codeName").unwrap_or_default().to_owned();
    if let Ok(errors) = reply.get_array("writeErrors") {
        let other = errors
            .iter()
            .filter_map(|error| error.as_document())
            .find(|error| code(error) != DUPLICATE_KEY);
        if let Some(error) = other {
            return Err(of_code(code(error), &name(error)));
        }
    }
    if let Ok(error) = reply.get_document("writeConcernError") {
        return Err(not_confirmed(code(error), &name(error)));
    }
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
                .ok_or_else(|| unavailable("an answer of MongoDB could not be read"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent(bytes: usize) -> Absent {
        let mut fields = Writer::with_capacity(bytes);
        fields.text("pad", &"x".repeat(bytes));
        Absent {
            collection: "c",
            id: DocumentId::Text("id".to_owned()),
            fields: fields.finish().unwrap(),
        }
    }

    #[test]
    fn commands_stay_below_what_a_server_takes() {
        let many: Vec<_> = (0..2_001).map(|_| absent(10)).collect();
        assert_eq!(commands(&many), [0..1_000, 1_000..2_000, 2_000..2_001]);
        let large: Vec<_> = (0..4).map(|_| absent(5 << 20)).collect();
        assert_eq!(commands(&large), [0..1, 1..2, 2..3, 3..4]);
        assert!(commands(&[]).is_empty());
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
