//! A database as the source of a migration: only read, in the order of the ids.

use std::time::Duration;

use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::{ClientOptions, ReadPreference, SelectionCriteria};
use mongodb::{Client, Cursor, Database};
use stardust_pipeline::history::{Collection, Documents, Source, SourceDocument, SourceError};
use stardust_pipeline::store::StoreError;
use tokio::time::timeout;

use crate::connect::bounded_raw;
use crate::error::of_driver;
use crate::text;

/// How long the server may take for one answer.
const ANSWER: Duration = Duration::from_secs(60);

/// A BSON document, as files of `mongodump` have it, as Extended JSON that keeps the kind of every value; none where it
/// is damaged.
#[must_use]
pub fn document_text(bytes: &[u8]) -> Option<String> {
    text::exact(RawDocument::from_bytes(bytes).ok()?).ok()
}

/// The collections of a database.
#[derive(Debug, Clone)]
pub struct MongoSource {
    database: Database,
    place: String,
}

fn of_store(error: StoreError) -> SourceError {
    match error {
        StoreError::Unavailable(what) | StoreError::Conflict(what) => SourceError::Unavailable(what),
        StoreError::Refused(what) | StoreError::Unusable(what) => SourceError::Unusable(what),
        other => SourceError::Unusable(other.to_string()),
    }
}

/// What an error of a read means. Of the rights that a store needs a source needs one.
fn of_read(error: &Error, what: &str) -> SourceError {
    match &*error.kind {
        ErrorKind::Command(failure) if matches!(failure.code, 13 | 18 | 8_000) => {
            SourceError::Unusable(format!(
                "MongoDB does not allow to read {what} ({} {}); the user needs the right `find` there",
                failure.code, failure.code_name
            ))
        }
        // The cursor was closed, for its age or with its server.
        ErrorKind::Command(failure) if matches!(failure.code, 43 | 175 | 237) => {
            SourceError::Unavailable(format!(
                "the cursor on {what} is gone ({} {})",
                failure.code, failure.code_name
            ))
        }
        _ => of_store(of_driver(error)),
    }
}

async fn answered<T>(
    call: impl Future<Output = mongodb::error::Result<T>>,
    what: &str,
) -> Result<T, SourceError> {
    match timeout(ANSWER, call).await {
        Ok(answer) => answer.map_err(|error| of_read(&error, what)),
        Err(_) => Err(SourceError::Unavailable(format!(
            "MongoDB did not answer within {} s",
            ANSWER.as_secs()
        ))),
    }
}

impl MongoSource {
    /// The database that the URI names, else `database`. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// [`SourceError::Unusable`] for a URI that is none.
    pub async fn connect(uri: &str, database: &str) -> Result<Self, SourceError> {
        // The driver quotes parts of the URI, which could be of a password.
        let unreadable =
            || SourceError::Unusable("the URI of the source is no MongoDB connection string".to_owned());
        let mut options = bounded_raw(ClientOptions::parse(uri))
            .await
            .map_err(of_store)?
            .map_err(|_| unreadable())?;
        options
            .app_name
            .get_or_insert_with(|| "stardust migrate".to_owned());
        options
            .server_selection_timeout
            .get_or_insert(Duration::from_secs(5));
        options
            .selection_criteria
            .get_or_insert(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        let hosts: Vec<String> = options.hosts.iter().map(ToString::to_string).collect();
        let name = options
            .default_database
            .clone()
            .unwrap_or_else(|| database.to_owned());
        let client = Client::with_options(options).map_err(|_| unreadable())?;
        Ok(Self {
            place: format!("MongoDB at {} ({name})", hosts.join(",")),
            database: client.database(&name),
        })
    }

    fn documents(&self, collection: &str) -> mongodb::Collection<RawDocumentBuf> {
        self.database.collection(collection)
    }

    fn named(&self, collection: &str) -> String {
        format!("{}.{collection}", self.database.name())
    }
}

impl Source for MongoSource {
    type Documents = MongoDocuments;

    fn database(&self) -> &str {
        self.database.name()
    }

    fn describe(&self) -> String {
        self.place.clone()
    }

    async fn collections(&self, names: &[&str]) -> Result<Vec<Collection>, SourceError> {
        let list = self.database.list_collection_names();
        let present = answered(list.into_future(), &self.named("*")).await?;
        let mut found = Vec::new();
        for name in names.iter().filter(|name| present.iter().any(|p| p == *name)) {
            let (documents, what) = (self.documents(name), self.named(name));
            // A list of names says nothing of the right to read.
            let one = async { documents.find(doc! {}).limit(1).await?.advance().await };
            answered(one, &what).await?;
            let count = documents.estimated_document_count();
            found.push(Collection {
                name: (*name).to_owned(),
                size: answered(count.into_future(), &what).await?,
            });
        }
        Ok(found)
    }

    async fn open(&self, collection: &str, after: Option<&str>) -> Result<MongoDocuments, SourceError> {
        let filter = match after {
            None => Document::new(),
            Some(place) => behind(place)?,
        };
        let (documents, what) = (self.documents(collection), self.named(collection));
        let query = documents.find(filter).sort(doc! {"_id": 1}).batch_size(100);
        Ok(MongoDocuments {
            cursor: answered(query.into_future(), &what).await?,
            what,
            failed: None,
        })
    }
}

/// The kinds that an `_id` can have, in the order in which the server sorts them: those between braces are compared
/// with each other.
const KINDS: [&[&str]; 11] = [
    &["minKey"],
    &["null"],
    &["int", "long", "double", "decimal"],
    &["string", "symbol"],
    &["object"],
    &["binData"],
    &["objectId"],
    &["bool"],
    &["date"],
    &["timestamp"],
    &["maxKey"],
];

/// The documents behind an id. A server compares with ids of the same kind only, so the kinds that follow are named.
fn behind(place: &str) -> Result<Document, SourceError> {
    let unusable = || SourceError::Unusable(format!("{place} is no `_id` to go on behind"));
    let json: serde_json::Value = serde_json::from_str(place).map_err(|_| unusable())?;
    let id: Bson = serde_json::from_value(json).map_err(|_| unusable())?;
    let kind = match &id {
        Bson::MinKey => 0,
        Bson::Null => 1,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_) => 2,
        Bson::String(_) | Bson::Symbol(_) => 3,
        Bson::Document(_) => 4,
        Bson::Binary(_) => 5,
        Bson::ObjectId(_) => 6,
        Bson::Boolean(_) => 7,
        Bson::DateTime(_) => 8,
        Bson::Timestamp(_) => 9,
        _ => 10,
    };
    let later: Vec<&str> = KINDS[kind + 1..]
        .iter()
        .flat_map(|kinds| kinds.iter().copied())
        .collect();
    let same = doc! {"_id": {"$gt": id}};
    Ok(if later.is_empty() {
        same
    } else {
        doc! {"$or": [same, {"_id": {"$type": later}}]}
    })
}

/// The documents of a collection.
pub struct MongoDocuments {
    cursor: Cursor<RawDocumentBuf>,
    what: String,
    failed: Option<SourceError>,
}

impl Documents for MongoDocuments {
    async fn next(&mut self, most: usize, bytes: usize) -> Result<Vec<SourceDocument>, SourceError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut taken = Vec::new();
        let mut size = 0;
        while taken.len() < most && size < bytes {
            match answered(self.cursor.advance(), &self.what).await {
                Ok(true) => {}
                Ok(false) => break,
                // What came before is given first.
                Err(error) if taken.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
            let document = self.cursor.current();
            size += document.as_bytes().len();
            taken.push(SourceDocument {
                text: text::exact(document).ok(),
                place: place_of(document),
                size: 1,
            });
        }
        Ok(taken)
    }
}

/// The `_id` as Extended JSON.
fn place_of(document: &RawDocument) -> String {
    let id = document.get("_id").ok().flatten();
    id.and_then(|id| text::exact_value(id).ok())
        .unwrap_or_else(|| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::oid::ObjectId;
    use mongodb::bson::{Binary, DateTime, Timestamp, spec::BinarySubtype};

    #[test]
    fn the_text_of_a_document_keeps_the_kind_of_every_value() {
        let document = doc! {
            "_id": ObjectId::from_bytes([7; 12]), "i": 5, "l": 5_i64, "d": 5.0, "n": f64::NAN, "inf": f64::INFINITY,
            "dec": "36.60".parse::<mongodb::bson::Decimal128>().unwrap(), "t": "ä\"", "date": DateTime::from_millis(-1),
            "late": DateTime::from_millis(1_700_000_000_123), "none": Bson::Null, "list": [true, {"a": 1_i64}],
            "bytes": Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2] }, "min": Bson::MinKey,
            "stamp": Timestamp { time: 1, increment: 2 },
        };
        let text = document_text(&mongodb::bson::serialize_to_vec(&document).unwrap()).unwrap();
        let expected = concat!(
            r#"{"_id":{"$oid":"070707070707070707070707"},"i":5,"l":{"$numberLong":"5"},"d":5.0,"#,
            r#""n":{"$numberDouble":"NaN"},"inf":{"$numberDouble":"Infinity"},"dec":{"$numberDecimal":"36.60"},"#,
            r#""t":"ä\"","date":{"$date":{"$numberLong":"-1"}},"late":{"$date":{"$numberLong":"1700000000123"}},"#,
            r#""none":null,"list":[true,{"a":{"$numberLong":"1"}}],"#,
            r#""bytes":{"$binary":{"base64":"AQI=","subType":"00"}},"min":{"$minKey":1},"#,
            r#""stamp":{"$timestamp":{"t":1,"i":2}}}"#
        );
        assert_eq!(text, expected);
        assert_eq!(document_text(&[5, 0, 0, 0, 1]), None);
        assert_eq!(document_text(&[]), None);
    }

    #[test]
    fn a_place_leads_behind_ids_of_its_kind_and_to_the_kinds_that_follow() {
        let id = ObjectId::from_bytes([7; 12]);
        for (id, later) in [
            (Bson::ObjectId(id), 4),
            (Bson::String("x".into()), 7),
            (Bson::Int64(5), 9),
            (Bson::DateTime(DateTime::from_millis(1)), 2),
            (Bson::Document(doc! {"a": 1_i64}), 6),
            (Bson::MaxKey, 0),
        ] {
            let document = mongodb::bson::RawDocumentBuf::try_from(&doc! {"_id": id.clone()}).unwrap();
            let filter = behind(&place_of(&document)).unwrap();
            let same = match filter.get_array("$or") {
                Ok(parts) => {
                    let kinds = parts[1].as_document().unwrap().get_document("_id").unwrap();
                    assert_eq!(kinds.get_array("$type").unwrap().len(), later, "{id}");
                    parts[0].as_document().unwrap()
                }
                Err(_) => {
                    assert_eq!(later, 0, "{id}");
                    &filter
                }
            };
            assert_eq!(same.get_document("_id").unwrap().get("$gt"), Some(&id));
        }
        assert!(behind("nonsense").is_err());
    }
}
