//! Leases: one holder at a time, by the server's clock.

use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use stardust_pipeline::store::StoreError;

use crate::connect::{MongoStore, bounded_raw};
use crate::error::{is_duplicate, of_driver};
use crate::names::LEASES;

impl MongoStore {
    /// One command decides and writes, with the time of the server: clocks of the holders do not matter.
    pub(crate) async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        seconds: u32,
    ) -> Result<bool, StoreError> {
        let me = doc! {"$literal": holder};
        let change = vec![
            // A lease that never was has no end, which is before every time.
            doc! {"$set": {"free": {"$or": [{"$eq": ["$holder", &me]}, {"$lte": ["$until", "$$NOW"]}]}}},
            doc! {"$set": {
                "holder": {"$cond": ["$free", &me, "$holder"]},
                "until": {"$cond": ["$free", {"$add": ["$$NOW", i64::from(seconds) * 1_000]}, "$until"]},
            }},
            doc! {"$unset": "free"},
        ];
        let leases = self.fhir::<Document>(LEASES);
        for _ in 0..2 {
            let call = leases
                .find_one_and_update(doc! {"_id": name}, change.clone())
                .upsert(true)
                .return_document(ReturnDocument::After);
            match bounded_raw(call).await? {
                Ok(lease) => {
                    return Ok(
                        lease.is_some_and(|lease| lease.get_str("holder").is_ok_and(|by| by == holder))
                    );
                }
                // Two came at once to a lease that never was; the second look sees the other's.
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(of_driver(&error)),
            }
        }
        Ok(false)
    }
}
