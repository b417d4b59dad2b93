//! Indexes of the FHIR database. The main database is not touched.

use mongodb::IndexModel;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use stardust_pipeline::store::StoreError;

use crate::audit::LOWEST_CHAIN;
use crate::connect::{MongoStore, bounded};
use crate::names::{AUDIT, BOOKS, CHECKPOINTS, DEAD, OBSERVATIONS, PARKED};

fn index(keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

/// An index of the documents whose field is of the type of `from`: copies of an older database may lack it. A range, since
/// some servers do not see that a value implies `$exists`. Named, so that it may stand beside one with that condition.
fn index_from(name: &str, keys: Document, field: &str, from: impl Into<Bson>, unique: bool) -> IndexModel {
    let options = IndexOptions::builder()
        .name(name.to_owned())
        .unique(unique)
        .partial_filter_expression(doc! {field: {"$gte": from}})
        .build();
    IndexModel::builder().keys(keys).options(options).build()
}

impl MongoStore {
    pub(crate) async fn make_indexes(&self) -> Result<(), StoreError> {
        let position = || index(doc! {"raw.topic": 1, "raw.partition": 1, "raw.offset": 1});
        let receipt = || index(doc! {"receipt_id": 1});
        let observations = vec![
            index(doc! {"resource_id": 1}),
            index(doc! {"patient_id": 1, "effective_datetime": -1}),
            index(doc! {"device_mac_address": 1, "effective_datetime": -1}),
            receipt(),
            position(),
            // In the order in which the pages of a run are read.
            index_from(
                "run_in_order",
                doc! {"migration_run": 1, "_id": 1},
                "migration_run",
                "",
                false,
            ),
        ];
        let audit = vec![
            index(doc! {"resource_id": 1}),
            index(doc! {"patient_id": 1, "recorded_datetime": -1}),
            receipt(),
            index_from(
                "of_chain",
                doc! {"chain": 1, "seq": 1},
                "chain",
                LOWEST_CHAIN,
                true,
            ),
        ];
        let letters = || vec![receipt(), position(), index(doc! {"state": 1, "_id": 1})];
        for (collection, indexes) in [
            (OBSERVATIONS, observations),
            (AUDIT, audit),
            (CHECKPOINTS, vec![index(doc! {"mark": 1, "chain": 1, "seq": 1})]),
            (DEAD, letters()),
            (PARKED, letters()),
            (BOOKS, vec![index(doc! {"topic": 1, "partition": 1, "from": 1})]),
        ] {
            bounded(self.fhir::<Document>(collection).create_indexes(indexes)).await?;
        }
        Ok(())
    }
}
