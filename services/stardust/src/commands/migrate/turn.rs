//! Waiting for the end of another process on the same source.

use std::time::Duration;

use stardust_fhir_migrator::MigrateError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::say::remark;

/// Longer than a lease lasts whose holder was killed.
const WITHIN: Duration = Duration::from_secs(25);

/// Works as soon as no other process works on the same source.
pub async fn in_turn<T, W>(
    stopping: &watch::Receiver<bool>,
    mut work: impl FnMut() -> W,
) -> Result<T, MigrateError>
where
    W: Future<Output = Result<T, MigrateError>>,
{
    let until = Instant::now() + WITHIN;
    let mut said = false;
    loop {
        match work().await {
            Err(MigrateError::Busy(_)) if Instant::now() < until && !*stopping.borrow() => {
                if !std::mem::replace(&mut said, true) {
                    remark!("another process works on this source, or was killed at it: waiting for my turn");
                }
                sleep(Duration::from_millis(500)).await;
            }
            done => return done,
        }
    }
}
