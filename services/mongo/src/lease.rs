//! Leases: one holder at a time, by the server's clock.

use mongodb::bson::{DateTime, Document, doc};
use stardust_pipeline::store::StoreError;

use crate::connect::{MongoStore, bounded, bounded_raw};
use crate::error::{is_duplicate, of_driver, unavailable};
use crate::names::LEASES;

impl MongoStore {
    /// The clocks of the holders do not matter: the server's time is asked first. It is a little old when the lease
    /// is taken, so a lease is taken a little late and ends a little early, never the other way round.
    pub(crate) async fn take_lease(
        &self,
        name: &str,
        holder: &str,
        seconds: u32,
    ) -> Result<bool, StoreError> {
        let now = self.server_time().await?;
        let until = DateTime::from_millis(now.timestamp_millis() + i64::from(seconds) * 1_000);
        let free = doc! {"_id": name, "$or": [{"holder": holder}, {"until": {"$lte": now}}]};
        let change = doc! {"$set": {"holder": holder, "until": until}};
        let leases = self.fhir::<Document>(LEASES);
        match bounded_raw(leases.update_one(free, change).upsert(true)).await? {
            Ok(_) => Ok(true),
            // It exists and is not free, so the upsert tried to insert it a second time.
            Err(error) if is_duplicate(&error) => Ok(false),
            Err(error) => Err(of_driver(&error)),
        }
    }

    async fn server_time(&self) -> Result<DateTime, StoreError> {
        let hello = bounded(self.fhir_db().run_command(doc! {"hello": 1})).await?;
        hello
            .get_datetime("localTime")
            .copied()
            .map_err(|_| unavailable("MongoDB did not tell its time"))
    }
}
