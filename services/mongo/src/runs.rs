//! Migration runs and what they wrote.

use std::collections::HashMap;

use mongodb::bson::{Document, RawDocumentBuf, doc, serialize_to_document};
use serde_json::Value;
use stardust_pipeline::runs::{Retractions, Run, RunDocument, RunState, Runs};
use stardust_pipeline::store::{ObservationDocument, Shelf, StoreError};
use uuid::Uuid;

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver, refused, unusable};
use crate::fields::Fields;
use crate::letters::shelf_name;
use crate::names::{OBSERVATIONS, RAW, RUNS};
use crate::observations;
use crate::text;
use crate::writer::Writer;

/// Most ids in one command.
const IDS: usize = 1_000;

/// What changes with each save.
fn changing(run: &Run, version: i64) -> Result<Document, StoreError> {
    let progress = serde_json::from_str::<Value>(&run.progress)
        .ok()
        .and_then(|progress| serialize_to_document(&progress).ok())
        .ok_or_else(|| refused("the progress of a run that cannot be written"))?;
    let mut fields = Writer::with_capacity(64);
    fields.time("updated", run.updated);
    let mut document = Document::try_from(&fields.finish()?)
        .map_err(|_| refused("the time of a run that cannot be written"))?;
    document.extend(doc! {"state": run.state.label(), "version": version, "progress": progress});
    Ok(document)
}

fn from_bson(document: &RawDocumentBuf) -> Result<Run, StoreError> {
    let fields = Fields(document);
    let state = fields.text("state")?;
    Ok(Run {
        id: fields.owned("_id")?,
        kind: fields.owned("kind")?,
        source: fields.owned("source")?,
        state: RunState::from_label(state)
            .ok_or_else(|| unusable(format!("a run is in a state that is not known: {state}")))?,
        started: fields.time("started")?,
        updated: fields.time("updated")?,
        version: fields.long("version")?,
        progress: text::extended(fields.document("progress")?.0)?,
    })
}

impl Runs for MongoStore {
    async fn add_run(&self, run: &Run) -> Result<bool, StoreError> {
        let mut fields = Writer::with_capacity(256);
        fields.text("_id", &run.id);
        fields.text("kind", &run.kind);
        fields.text("source", &run.source);
        fields.time("started", run.started);
        let mut document =
            Document::try_from(&fields.finish()?).map_err(|_| refused("a run that cannot be written"))?;
        document.extend(changing(run, run.version)?);
        match bounded_raw(self.fhir::<Document>(RUNS).insert_one(document)).await? {
            Ok(_) => Ok(true),
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(of_driver(&error)),
        }
    }

    async fn save_run(&self, run: &Run) -> Result<bool, StoreError> {
        let before = doc! {"_id": &run.id, "version": run.version};
        let mut change = doc! {"$set": changing(run, run.version + 1)?};
        if run.updated.micros().rem_euclid(1_000) == 0 {
            change.insert("$unset", doc! {"updated_us": ""});
        }
        let saved = bounded(self.fhir::<Document>(RUNS).update_one(before, change)).await?;
        Ok(saved.matched_count == 1)
    }

    async fn run(&self, id: &str) -> Result<Option<Run>, StoreError> {
        let found = self.find_by_id(RUNS, &[id], Document::new()).await?;
        found.first().map(from_bson).transpose()
    }

    async fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let found = self
            .find(RUNS, Document::new(), Document::new(), Document::new(), 0)
            .await?;
        let mut runs = found.iter().map(from_bson).collect::<Result<Vec<_>, _>>()?;
        runs.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(runs)
    }

    async fn written_by_run(
        &self,
        run: &str,
        after: Option<Uuid>,
        most: usize,
    ) -> Result<Vec<RunDocument>, StoreError> {
        if most == 0 {
            return Ok(Vec::new());
        }
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let filter = doc! {"migration_run": run, "_id": {"$gt": after}};
        let projection =
            doc! {"main": 1, "patient_id": 1, "receipt_id": 1, "raw": 1, "status": 1, "raw_item": 1};
        let found = self
            .find(OBSERVATIONS, filter, projection, doc! {"_id": 1}, most)
            .await?;
        found
            .iter()
            .map(|document| {
                let fields = Fields(document);
                Ok(RunDocument {
                    id: fields.parsed("_id")?,
                    main: fields.boolean("main")?,
                    patient: fields.owned("patient_id")?,
                    writer: fields.author()?,
                    status: fields.owned("status")?,
                    raw_item: fields.owned("raw_item")?,
                })
            })
            .collect()
    }

    async fn remove_written(&self, run: &str, ids: &[Uuid]) -> Result<u64, StoreError> {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let mut removed = 0;
        for part in ids.chunks(IDS) {
            let these = doc! {"_id": {"$in": part}, "migration_run": run};
            removed += bounded(self.fhir::<Document>(OBSERVATIONS).delete_many(these))
                .await?
                .deleted_count;
        }
        Ok(removed)
    }

    async fn remove_letters(&self, shelf: Shelf, ids: &[String]) -> Result<u64, StoreError> {
        self.remove_by_id(shelf_name(shelf), ids).await
    }

    async fn remove_raw(&self, receipts: &[String]) -> Result<(), StoreError> {
        self.remove_by_id(RAW, receipts).await.map(drop)
    }

    async fn observations_by_id(&self, ids: &[Uuid]) -> Result<Vec<Option<ObservationDocument>>, StoreError> {
        let texts: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let wanted: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut found = HashMap::new();
        for document in self.find_by_id(OBSERVATIONS, &wanted, Document::new()).await? {
            let document = observations::from_bson(&document)?;
            found.insert(document.id, document);
        }
        // Of an id that is asked for twice the second answer must not be empty.
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }
}

impl MongoStore {
    async fn remove_by_id(&self, collection: &str, ids: &[String]) -> Result<u64, StoreError> {
        let mut removed = 0;
        for part in ids.chunks(IDS) {
            let these = doc! {"_id": {"$in": part}};
            removed += bounded(self.fhir::<Document>(collection).delete_many(these))
                .await?
                .deleted_count;
        }
        Ok(removed)
    }
}

impl Retractions for MongoStore {
    async fn retracted(&self, runs: &[String]) -> Result<Vec<String>, StoreError> {
        let wanted: Vec<&str> = runs.iter().map(String::as_str).collect();
        let found = self.find_by_id(RUNS, &wanted, doc! {"state": 1}).await?;
        let mut retracted = Vec::new();
        for document in &found {
            let fields = Fields(document);
            if RunState::from_label(fields.text("state")?).is_some_and(RunState::is_retracted) {
                retracted.push(fields.owned("_id")?);
            }
        }
        Ok(retracted)
    }

    async fn sweep(&self, run: &str) -> Result<u64, StoreError> {
        let these = doc! {"migration_run": run};
        let gone = bounded(self.fhir::<Document>(OBSERVATIONS).delete_many(these)).await?;
        Ok(gone.deleted_count)
    }

    async fn sweep_letters(&self, places: &[(String, i32, i64)]) -> Result<(), StoreError> {
        let mut by_partition: HashMap<(&str, i32), Vec<i64>> = HashMap::new();
        for (topic, partition, offset) in places {
            by_partition.entry((topic, *partition)).or_default().push(*offset);
        }
        for ((topic, partition), offsets) in by_partition {
            for part in offsets.chunks(IDS) {
                let there =
                    doc! {"raw.topic": topic, "raw.partition": partition, "raw.offset": {"$in": part}};
                for shelf in [Shelf::Dead, Shelf::Parked] {
                    let name = shelf_name(shelf);
                    let found = self
                        .find(name, there.clone(), doc! {"receipt_id": 1}, Document::new(), 0)
                        .await?;
                    let mut receipts = Vec::with_capacity(found.len());
                    for document in &found {
                        receipts.push(Fields(document).owned("receipt_id")?);
                    }
                    if receipts.is_empty() {
                        continue;
                    }
                    self.remove_by_id(RAW, &receipts).await?;
                    bounded(self.fhir::<Document>(name).delete_many(there.clone())).await?;
                }
            }
        }
        Ok(())
    }
}
