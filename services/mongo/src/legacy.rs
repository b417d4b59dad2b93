//! Histories of the main database. Documents are added, nothing else of it is changed.

use std::collections::{HashMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{RawDocumentBuf, doc};
use stardust_pipeline::store::{LegacyDocument, StoreError};

use crate::connect::{MongoStore, bounded};
use crate::error::refused;
use crate::extended;
use crate::insert::{Absent, DocumentId, Order};
use crate::names::HISTORIES;

/// The collection of this name, if this pipeline may add documents to it.
fn history(name: &str) -> Result<&'static str, StoreError> {
    HISTORIES
        .into_iter()
        .find(|history| *history == name)
        .ok_or_else(|| StoreError::Refused(format!("{name} is no collection of histories")))
}

impl MongoStore {
    pub(crate) async fn put_legacy(&self, documents: &[LegacyDocument]) -> Result<Vec<bool>, StoreError> {
        let inserted = self
            .insert_absent(self.main_db(), Order::Free, documents, |document| {
                let content = &document.content;
                let (id, fields) = extended::document(&content.document)?;
                if id.to_hex() != content.id {
                    return Err(StoreError::Refused(
                        "a legacy document whose _id is not the id that it was announced with".to_owned(),
                    ));
                }
                Ok(Absent {
                    collection: history(&content.collection)?,
                    id: DocumentId::Object(id),
                    fields,
                })
            })
            .await?;
        // A unique index of the main database that is not the one of `_id` could refuse as well: that is no presence.
        let others: Vec<(String, String)> = documents
            .iter()
            .zip(&inserted)
            .filter(|(_, inserted)| !**inserted)
            .map(|(document, _)| (document.content.collection.clone(), document.content.id.clone()))
            .collect();
        if self.has_legacy(&others).await?.contains(&false) {
            return Err(refused(
                "a unique index of the main database does not let a legacy document in",
            ));
        }
        Ok(inserted)
    }

    pub(crate) async fn has_legacy(&self, ids: &[(String, String)]) -> Result<Vec<bool>, StoreError> {
        let mut wanted: HashMap<&str, Vec<ObjectId>> = HashMap::new();
        for (collection, id) in ids {
            // What is no ObjectId cannot be there.
            if let Ok(id) = ObjectId::parse_str(id) {
                wanted.entry(collection).or_default().push(id);
            }
        }
        let mut present = HashSet::new();
        for (collection, ids) in wanted {
            for part in ids.chunks(1_000) {
                let documents = self.main_db().collection::<RawDocumentBuf>(collection);
                let found: Vec<RawDocumentBuf> = bounded(async {
                    let query = documents.find(doc! {"_id": {"$in": part}});
                    query.projection(doc! {"_id": 1}).await?.try_collect().await
                })
                .await?;
                for document in found {
                    if let Ok(id) = document.get_object_id("_id") {
                        present.insert((collection, id));
                    }
                }
            }
        }
        Ok(ids
            .iter()
            .map(|(collection, id)| {
                ObjectId::parse_str(id).is_ok_and(|id| present.contains(&(collection.as_str(), id)))
            })
            .collect())
    }
}
