//! FHIR documents of the main database copied into the FHIR database, to the byte.
//!
//! A page is what the source has next in the order of the ids. What the target has already is compared by the SHA-256 of
//! its bytes: the same is `present`, anything else is a `conflict` and stays. What it lacks is inserted, read back and
//! compared. Nothing is changed or removed on either side.

use std::collections::HashMap;

use futures_util::TryStreamExt;
use mongodb::bson::raw::RawBsonRef;
use mongodb::bson::{Bson, Document, RawDocument, RawDocumentBuf, cstr, doc};
use mongodb::{Collection, Database, IndexModel};
use stardust_domain::ids::sha256_hex;
use stardust_pipeline::store::StoreError;

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver, unusable};
use crate::text;

/// The types that an `_id` can have, in the order in which a database sorts them. A comparison stays within one of them.
const TYPES: [&str; 9] = [
    "number",
    "string",
    "object",
    "binData",
    "objectId",
    "bool",
    "date",
    "timestamp",
    "regex",
];

/// Copies between two databases.
#[derive(Debug, Clone)]
pub struct FhirCopies {
    source: Database,
    target: Database,
}

/// A collection that would be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copyable {
    /// Its name.
    pub name: String,
    /// Documents at the source.
    pub documents: u64,
    /// Documents that the target has under this name.
    pub target: u64,
    /// Indexes at the source, that of `_id` left out.
    pub indexes: u64,
}

/// What became of one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The target lacks it; it was inserted, and what was read back is the same.
    Inserted,
    /// The target has the same.
    Present,
    /// The target has something else under this `_id`, which stays.
    Conflict,
}

/// A document on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedDocument {
    /// What became of it; of a dry run: what would become of it.
    pub copied: Copied,
    /// `resource_data` as FHIR JSON; none where it has no such object.
    pub resource: Option<String>,
    /// `resource_type`, where it is a text.
    pub resource_type: Option<String>,
    /// `resource_id`, where it is a text.
    pub resource_id: Option<String>,
}

/// A place in a collection: goes on after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place(RawDocumentBuf);

impl Place {
    /// As a text.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// From its text; none where it is none.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
        let bytes = (0..text.len())
            .step_by(2)
            .map(digits)
            .collect::<Option<Vec<u8>>>()?;
        let document = RawDocumentBuf::from_bytes(bytes).ok()?;
        document.get("_id").ok()??;
        Some(Self(document))
    }

    fn of(document: &RawDocument) -> Result<Self, StoreError> {
        let id = id_of(document)?;
        let mut place = RawDocumentBuf::new();
        place.append(cstr!("_id"), id);
        Ok(Self(place))
    }

    /// What comes after.
    fn filter(&self) -> Result<Document, StoreError> {
        let id = bson_of(id_of(&self.0)?)?;
        let name = match id {
            Bson::Double(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Decimal128(_) => "number",
            Bson::String(_) | Bson::Symbol(_) => "string",
            Bson::Document(_) => "object",
            Bson::Binary(_) => "binData",
            Bson::ObjectId(_) => "objectId",
            Bson::Boolean(_) => "bool",
            Bson::DateTime(_) => "date",
            Bson::Timestamp(_) => "timestamp",
            _ => return Err(unusable("a document has an _id of a type that is not copied")),
        };
        let at = TYPES.iter().position(|of| *of == name).unwrap_or(0);
        let mut any = vec![doc! {"_id": {"$gt": id}}];
        any.extend(TYPES[at + 1..].iter().map(|of| doc! {"_id": {"$type": *of}}));
        Ok(doc! {"$or": any})
    }
}

fn id_of(document: &RawDocument) -> Result<RawBsonRef<'_>, StoreError> {
    match document.get("_id") {
        Ok(Some(id)) => Ok(id),
        _ => Err(unusable("a document without _id")),
    }
}

fn bson_of(id: RawBsonRef<'_>) -> Result<Bson, StoreError> {
    Bson::try_from(id).map_err(|_| unusable("an id that cannot be compared"))
}

impl MongoStore {
    /// Copies from the main database of this store, or from that of another one, into the FHIR database of this one.
    ///
    /// # Errors
    /// Where both are one.
    pub fn fhir_copies(&self, from: Option<&Self>) -> Result<FhirCopies, StoreError> {
        let source = from.unwrap_or(self).main_db().clone();
        if from.is_none() && source.name() == self.fhir_db().name() {
            return Err(unusable(
                "MONGODB_MAIN_DB and MONGODB_FHIR_DB are one database: there is nothing to copy",
            ));
        }
        Ok(FhirCopies {
            source,
            target: self.fhir_db().clone(),
        })
    }
}

impl FhirCopies {
    /// The collections `fhir_*` of the source, by name.
    ///
    /// # Errors
    /// As the database has them; not allowed to read is one.
    pub async fn collections(&self) -> Result<Vec<Copyable>, StoreError> {
        let mut names = bounded(self.source.list_collection_names()).await?;
        names.retain(|name| name.starts_with("fhir_"));
        names.sort_unstable();
        let mut found = Vec::new();
        for name in names {
            let documents = bounded(self.from(&name).count_documents(doc! {})).await?;
            let target = bounded(self.to(&name).count_documents(doc! {})).await?;
            let indexes = self.indexes(&name).await?.len() as u64;
            found.push(Copyable {
                name,
                documents,
                target,
                indexes,
            });
        }
        Ok(found)
    }

    fn from(&self, collection: &str) -> Collection<RawDocumentBuf> {
        self.source.collection(collection)
    }

    fn to(&self, collection: &str) -> Collection<RawDocumentBuf> {
        self.target.collection(collection)
    }

    async fn indexes(&self, collection: &str) -> Result<Vec<IndexModel>, StoreError> {
        let from = self.from(collection);
        let all: Vec<IndexModel> = bounded(async { from.list_indexes().await?.try_collect().await }).await?;
        let is_id = |index: &IndexModel| index.keys.len() == 1 && index.keys.contains_key("_id");
        Ok(all.into_iter().filter(|index| !is_id(index)).collect())
    }

    /// Makes the source's indexes of a collection at the target. One that is there in another form stays: how many of
    /// the source's could not be made.
    ///
    /// # Errors
    /// As the database has them.
    pub async fn make_indexes(&self, collection: &str) -> Result<u64, StoreError> {
        let mut left = 0;
        for index in self.indexes(collection).await? {
            match bounded_raw(self.to(collection).create_index(index)).await? {
                Ok(_) => {}
                Err(error) if is_index_conflict(&error) => left += 1,
                Err(error) => return Err(of_driver(&error)),
            }
        }
        Ok(left)
    }

    /// The next page of a collection, copied where `write`; none at its end.
    ///
    /// # Errors
    /// As the database has them. Any part of the page may have been copied.
    pub async fn page(
        &self,
        collection: &str,
        after: Option<&Place>,
        most: usize,
        write: bool,
    ) -> Result<Option<(Vec<CopiedDocument>, Place)>, StoreError> {
        let filter = match after {
            Some(place) => place.filter()?,
            None => doc! {},
        };
        let from = self.from(collection);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let page: Vec<RawDocumentBuf> = bounded(async {
            let query = from.find(filter).sort(doc! {"_id": 1}).limit(most);
            query.await?.try_collect().await
        })
        .await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        let place = Place::of(last)?;
        let before = self.hashes(collection, &page).await?;
        let mut outcomes = Vec::with_capacity(page.len());
        let mut missing = Vec::new();
        for (at, document) in page.iter().enumerate() {
            let hash = sha256_hex(document.as_bytes());
            match before.get(&key(document)?) {
                Some(there) if *there == hash => outcomes.push(Copied::Present),
                Some(_) => outcomes.push(Copied::Conflict),
                None => {
                    outcomes.push(Copied::Inserted);
                    missing.push(at);
                }
            }
        }
        if write && !missing.is_empty() {
            let new: Vec<RawDocumentBuf> = missing.iter().map(|at| page[*at].clone()).collect();
            let to = self.to(collection);
            match bounded_raw(to.insert_many(&new).ordered(false)).await? {
                Ok(_) => {}
                // A live writer was faster: what it wrote is compared like everything else.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(of_driver(&error)),
            }
            let after = self.hashes(collection, &new).await?;
            for (at, document) in missing.into_iter().zip(&new) {
                match after.get(&key(document)?) {
                    Some(there) if *there == sha256_hex(document.as_bytes()) => {}
                    Some(_) => outcomes[at] = Copied::Conflict,
                    None => {
                        return Err(StoreError::Conflict(
                            "a copied document was removed at once".to_owned(),
                        ));
                    }
                }
            }
        }
        let documents = page
            .iter()
            .zip(outcomes)
            .map(|(document, copied)| copied_document(document, copied))
            .collect::<Result<_, _>>()?;
        Ok(Some((documents, place)))
    }

    /// What the target has under the ids of these documents: the hash of each, by id.
    async fn hashes(
        &self,
        collection: &str,
        documents: &[RawDocumentBuf],
    ) -> Result<HashMap<Vec<u8>, String>, StoreError> {
        let mut ids = Vec::with_capacity(documents.len());
        for document in documents {
            let id = bson_of(id_of(document)?)?;
            ids.push(id);
        }
        let to = self.to(collection);
        let found: Vec<RawDocumentBuf> =
            bounded(async { to.find(doc! {"_id": {"$in": ids}}).await?.try_collect().await }).await?;
        found
            .iter()
            .map(|document| Ok((key(document)?, sha256_hex(document.as_bytes()))))
            .collect()
    }
}

/// The `_id` as bytes, with its type.
fn key(document: &RawDocument) -> Result<Vec<u8>, StoreError> {
    Ok(Place::of(document)?.0.into_bytes())
}

fn copied_document(document: &RawDocument, copied: Copied) -> Result<CopiedDocument, StoreError> {
    let text_of = |name: &str| match document.get(name) {
        Ok(Some(RawBsonRef::String(text))) => Some(text.to_owned()),
        _ => None,
    };
    let resource = match document.get("resource_data") {
        Ok(Some(RawBsonRef::Document(resource))) => Some(text::resource(resource)?),
        _ => None,
    };
    Ok(CopiedDocument {
        copied,
        resource,
        resource_type: text_of("resource_type"),
        resource_id: text_of("resource_id"),
    })
}

/// Whether an index is there under this name, or with these keys, in another form.
fn is_index_conflict(error: &mongodb::error::Error) -> bool {
    matches!(&*error.kind, mongodb::error::ErrorKind::Command(failure) if matches!(failure.code, 85 | 86))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mongodb::bson::oid::ObjectId;

    fn place(id: impl Into<Bson>) -> Place {
        let document = doc! {"_id": id.into(), "x": 1};
        Place::of(&RawDocumentBuf::try_from(&document).unwrap()).unwrap()
    }

    #[test]
    fn a_place_of_any_type_comes_back_from_its_text() {
        for id in [
            Bson::String("a'b".to_owned()),
            Bson::ObjectId(ObjectId::from_bytes([7; 12])),
            Bson::Int32(-3),
            Bson::Document(doc! {"a": 1}),
        ] {
            let place = place(id);
            assert_eq!(Place::from_hex(&place.hex()), Some(place));
        }
        for none in ["", "0", "zz", "0500000000", "é"] {
            assert_eq!(Place::from_hex(none), None, "{none}");
        }
    }

    #[test]
    fn after_the_last_text_come_the_ids_of_other_types() {
        let filter = place("z").filter().unwrap();
        let any = filter.get_array("$or").unwrap();
        assert_eq!(any[0], Bson::Document(doc! {"_id": {"$gt": "z"}}));
        assert!(any.contains(&Bson::Document(doc! {"_id": {"$type": "objectId"}})));
        assert!(
            !any.contains(&Bson::Document(doc! {"_id": {"$type": "number"}})),
            "they came before"
        );
    }
}
