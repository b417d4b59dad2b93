//! No spool: the log is on the door's own disk already.

use std::convert::Infallible;

use stardust_pipeline::log::NewRecord;
use stardust_pipeline::spool::{Spool, SpoolError, SpoolLevel, Spooled};

/// The spool of a door without one. It cannot be made: pass `None::<NoSpool>`.
#[derive(Debug, Clone, Copy)]
pub struct NoSpool(Infallible);

impl Spool for NoSpool {
    async fn append(&self, _: Vec<NewRecord>) -> Result<(), SpoolError> {
        match self.0 {}
    }

    async fn front(&self, _: usize) -> Result<Vec<Spooled>, SpoolError> {
        match self.0 {}
    }

    async fn remove(&self, _: &[i64]) -> Result<(), SpoolError> {
        match self.0 {}
    }

    async fn level(&self) -> Result<SpoolLevel, SpoolError> {
        match self.0 {}
    }
}
