//! Observations from the first to the last, and their amendments.

use mongodb::bson::{Document, RawDocumentBuf, doc};
use stardust_pipeline::amend::{Amend, Amendment};
use stardust_pipeline::store::{ObservationDocument, Position, StoreError};

use crate::connect::{MongoStore, bounded};
use crate::insert::{unreadable, updated, write_concern};
use crate::json;
use crate::names::OBSERVATIONS;
use crate::observations::from_bson;
use crate::writer::{Key, Writer};

/// Most amendments in one command, and most bytes: a command is a document of 16 MiB at most.
const MOST_DOCUMENTS: usize = 1_000;
const MOST_BYTES: usize = 6 << 20;

impl Amend for MongoStore {
    async fn observations_after(
        &self,
        after: Option<&Position>,
        most: usize,
    ) -> Result<Vec<ObservationDocument>, StoreError> {
        let (topic, partition, offset) =
            after.map_or(("", -1, -1), |p| (p.topic.as_str(), p.partition, p.offset));
        // One step of the index after the other: an `$or` over the three would be sorted in memory.
        for filter in [
            doc! {"raw.topic": topic, "raw.partition": partition, "raw.offset": {"$gt": offset}},
            doc! {"raw.topic": topic, "raw.partition": {"$gt": partition}},
            doc! {"raw.topic": {"$gt": topic}},
        ] {
            let order = doc! {"raw.topic": 1, "raw.partition": 1, "raw.offset": 1};
            let found = self
                .find(OBSERVATIONS, filter, Document::new(), order, most)
                .await?;
            if !found.is_empty() {
                let mut documents = found.iter().map(from_bson).collect::<Result<Vec<_>, _>>()?;
                documents.sort_by(|a, b| (&a.writer.position, a.id).cmp(&(&b.writer.position, b.id)));
                return Ok(documents);
            }
        }
        Ok(Vec::new())
    }

    async fn foreign_observations(&self) -> Result<u64, StoreError> {
        let documents = self.fhir::<Document>(OBSERVATIONS);
        bounded(documents.count_documents(doc! {"raw": {"$exists": false}})).await
    }

    async fn amend(&self, amendments: &[Amendment]) -> Result<u64, StoreError> {
        let (mut changed, mut from) = (0, 0);
        while from < amendments.len() {
            let (mut to, mut bytes) = (from, 0);
            while to < amendments.len() && to - from < MOST_DOCUMENTS && (to == from || bytes < MOST_BYTES) {
                bytes += amendments[to].resource.len() * 2;
                to += 1;
            }
            let command = command(&amendments[from..to])?;
            let reply = bounded(self.fhir_db().run_raw_command(command)).await?;
            updated(&reply)?;
            let n = reply.get_i32("n").map_err(|_| unreadable())?;
            changed += u64::try_from(n).unwrap_or(0);
            from = to;
        }
        Ok(changed)
    }
}

fn command(amendments: &[Amendment]) -> Result<RawDocumentBuf, StoreError> {
    let bytes: usize = amendments.iter().map(|a| a.resource.len() * 2 + 400).sum();
    let mut command = Writer::with_capacity(bytes + 1_024);
    command.text("update", OBSERVATIONS);
    command.boolean("ordered", false);
    write_concern(&mut command);
    command.array("updates");
    for (at, amendment) in amendments.iter().enumerate() {
        command.document(Key::Index(at));
        command.document("q");
        command.text("_id", &amendment.id.to_string());
        command.text("mapping_version", &amendment.from_mapping);
        command.close();
        command.document("u");
        command.document("$set");
        command.text("status", &amendment.status);
        command.text("code", &amendment.code);
        command.text("mapping_version", &amendment.to_mapping);
        command.date("updated_at", amendment.at.millis());
        let comes_back = json::resource(&mut command, "resource_data", &amendment.resource)?;
        if !comes_back {
            command.text("resource_text", &amendment.resource);
        }
        command.close();
        if comes_back {
            command.document("$unset");
            command.text("resource_text", "");
            command.close();
        }
        command.close();
        command.boolean("multi", false);
        command.boolean("upsert", false);
        command.close();
    }
    command.finish()
}
