//! Dead letters and parked readings, and the raw records that they came from.

use std::collections::HashMap;

use mongodb::bson::{Document, RawDocumentBuf, doc};
use stardust_pipeline::store::{Letter, LetterState, Shelf, StoreError, Won};
use uuid::Uuid;

use crate::connect::{MongoStore, bounded};
use crate::fields::{Fields, write_author};
use crate::insert::{Absent, DocumentId, Order};
use crate::names::{DEAD, PARKED, RAW};
use crate::writer::Writer;

pub(crate) const fn shelf_name(shelf: Shelf) -> &'static str {
    match shelf {
        Shelf::Dead => DEAD,
        Shelf::Parked => PARKED,
    }
}

/// The fields of a letter beside its `_id`; `first_try` is left out where a parked letter opens again.
fn to_bson(letter: &Letter, with_first_try: bool) -> Result<RawDocumentBuf, StoreError> {
    let mut fields = Writer::with_capacity(700);
    write_author(&mut fields, &letter.writer);
    fields.text_if("field", letter.field.as_deref());
    fields.boolean("partial", letter.partial);
    fields.text("stage", &letter.stage);
    fields.text("reason", &letter.reason);
    fields.text_if("detail", letter.detail.as_deref());
    fields.display_if("gateway", letter.gateway);
    fields.display_if("device", letter.device);
    fields.text("mapping_version", &letter.mapping_version);
    if with_first_try {
        fields.time("first_try", letter.first_try);
    }
    fields.time("last_try", letter.last_try);
    fields.text("state", letter.state.label());
    fields.finish()
}

pub(crate) fn from_bson(shelf: Shelf, document: &RawDocumentBuf) -> Result<Letter, StoreError> {
    let fields = Fields(document);
    Ok(Letter {
        shelf,
        id: fields.owned("_id")?,
        writer: fields.author()?,
        field: fields.owned_if("field")?,
        partial: fields.boolean("partial")?,
        stage: fields.owned("stage")?,
        reason: fields.owned("reason")?,
        detail: fields.owned_if("detail")?,
        gateway: fields.parsed_if("gateway")?,
        device: fields.parsed_if("device")?,
        mapping_version: fields.owned("mapping_version")?,
        first_try: fields.time("first_try")?,
        last_try: fields.time("last_try")?,
        state: state_of(fields)?,
    })
}

fn state_of(fields: Fields<'_>) -> Result<LetterState, StoreError> {
    let label = fields.text("state")?;
    LetterState::from_label(label)
        .ok_or_else(|| StoreError::Unusable(format!("a letter is in a state that is not known: {label}")))
}

impl MongoStore {
    pub(crate) async fn put_letters(&self, letters: &[Letter]) -> Result<Vec<Won>, StoreError> {
        let inserted = self
            .insert_absent(self.fhir_db(), Order::Free, letters, |letter| {
                Ok(Absent {
                    collection: shelf_name(letter.shelf),
                    id: DocumentId::Text(letter.id.clone()),
                    fields: to_bson(letter, true)?,
                })
            })
            .await?;
        let mut stored = HashMap::new();
        for shelf in [Shelf::Dead, Shelf::Parked] {
            let ids: Vec<&str> = letters
                .iter()
                .zip(&inserted)
                .filter(|(letter, inserted)| letter.shelf == shelf && !**inserted)
                .map(|(letter, _)| letter.id.as_str())
                .collect();
            let projection = doc! {"receipt_id": 1, "raw": 1, "state": 1};
            for document in self.find_by_id(shelf_name(shelf), &ids, projection).await? {
                let fields = Fields(&document);
                stored.insert(
                    (shelf, fields.owned("_id")?),
                    (fields.author()?, state_of(fields)?),
                );
            }
        }
        let mut answers = Vec::with_capacity(letters.len());
        for (letter, inserted) in letters.iter().zip(inserted) {
            answers.push(match stored.remove(&(letter.shelf, letter.id.clone())) {
                _ if inserted => Won::Inserted,
                Some((author, state)) => {
                    let opens = match state {
                        LetterState::Open => false,
                        LetterState::Releasing => true,
                        LetterState::Closed => author.position != letter.writer.position,
                    };
                    if opens && self.open_again(letter).await? {
                        Won::Inserted
                    } else {
                        Won::Present(author)
                    }
                }
                None => return Err(StoreError::Conflict("a letter was removed meanwhile".to_owned())),
            });
        }
        Ok(answers)
    }

    /// Opens a letter that is releasing, or closed and written from another position; false where it is not (any
    /// more).
    async fn open_again(&self, letter: &Letter) -> Result<bool, StoreError> {
        let fields = Document::try_from(&to_bson(letter, false)?)
            .map_err(|_| StoreError::Refused("a letter that cannot be written".to_owned()))?;
        // What the new verdict does not have must not stay from the old one.
        let mut gone = doc! {"release": ""};
        for name in ["field", "detail", "gateway", "device", "last_try_us"] {
            if !fields.contains_key(name) {
                gone.insert(name, "");
            }
        }
        let position = &letter.writer.position;
        let elsewhere = doc! {"state": LetterState::Closed.label(), "$or": [
            {"raw.topic": {"$ne": &position.topic}},
            {"raw.partition": {"$ne": position.partition}},
            {"raw.offset": {"$ne": position.offset}},
            {"raw.item": {"$ne": position.item}},
        ]};
        let filter = doc! {
            "_id": &letter.id,
            "$or": [{"state": LetterState::Releasing.label()}, elsewhere],
        };
        let shelf = self.fhir::<Document>(shelf_name(letter.shelf));
        let result = bounded(shelf.update_one(filter, doc! {"$set": fields, "$unset": gone})).await?;
        Ok(result.modified_count == 1)
    }

    pub(crate) async fn close(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        let letters = self.fhir::<Document>(shelf_name(shelf));
        let mut closed = 0;
        for part in ids.chunks(1_000) {
            let filter = doc! {"_id": {"$in": part}, "state": {"$ne": LetterState::Closed.label()}};
            let change = doc! {"$set": {"state": LetterState::Closed.label()}};
            closed += bounded(letters.update_many(filter, change)).await?.modified_count;
        }
        Ok(closed)
    }

    pub(crate) async fn read_letters(
        &self,
        shelf: Shelf,
        ids: &[String],
    ) -> Result<Vec<Option<Letter>>, StoreError> {
        let wanted: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut found = HashMap::new();
        for document in self
            .find_by_id(shelf_name(shelf), &wanted, Document::new())
            .await?
        {
            let letter = from_bson(shelf, &document)?;
            found.insert(letter.id.clone(), letter);
        }
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    pub(crate) async fn read_letters_after(
        &self,
        shelf: Shelf,
        states: &[LetterState],
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let labels: Vec<&str> = states.iter().map(|state| state.label()).collect();
        let mut filter = doc! {"state": {"$in": labels}};
        if let Some(after) = after {
            filter.insert("_id", doc! {"$gt": after});
        }
        let found = self
            .find(shelf_name(shelf), filter, Document::new(), doc! {"_id": 1}, most)
            .await?;
        found.iter().map(|document| from_bson(shelf, document)).collect()
    }

    /// Each call marks with a token of its own, so that it can tell which letters it was that changed.
    pub(crate) async fn release(&self, shelf: Shelf, ids: &[String]) -> Result<Vec<String>, StoreError> {
        let token = Uuid::new_v4().to_string();
        let letters = self.fhir::<Document>(shelf_name(shelf));
        let mut marked = Vec::new();
        for part in ids.chunks(1_000) {
            let filter = doc! {"_id": {"$in": part}, "state": LetterState::Open.label()};
            let change = doc! {"$set": {"state": LetterState::Releasing.label(), "release": &token}};
            bounded(letters.update_many(filter, change)).await?;
            let mine = doc! {"_id": {"$in": part}, "release": &token};
            for document in self
                .find(shelf_name(shelf), mine, doc! {"_id": 1}, Document::new(), 0)
                .await?
            {
                marked.push(Fields(&document).owned("_id")?);
            }
        }
        let marked: std::collections::HashSet<String> = marked.into_iter().collect();
        Ok(ids.iter().filter(|id| marked.contains(*id)).cloned().collect())
    }

    pub(crate) async fn put_raw(&self, records: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        self.insert_absent(self.fhir_db(), Order::Free, records, |(receipt, record)| {
            let mut fields = Writer::with_capacity(record.len() + 64);
            fields.binary("record", record);
            Ok(Absent {
                collection: RAW,
                id: DocumentId::Text(receipt.clone()),
                fields: fields.finish()?,
            })
        })
        .await
        .map(drop)
    }

    pub(crate) async fn read_raw(&self, receipt_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.find_by_id(RAW, &[receipt_id], Document::new()).await?;
        found
            .first()
            .map(|document| Fields(document).bytes("record").map(<[u8]>::to_vec))
            .transpose()
    }
}
