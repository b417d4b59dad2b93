//! Records of migration runs that were rolled back: they are left alone, and what slipped through is removed.
//!
//! A rollback marks the run and then removes what the run wrote. A parser asks before it stores anything and once more
//! after it: a mark that came in between is seen by the second question, one that comes later finds what was stored.
//! What a parser stored that was killed before its second question goes when its records come again.

use std::collections::BTreeSet;

use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{Store, StoreError};

use crate::decode::Message;
use crate::stage::Parser;

/// The run of a raw record. Letters of other services are no records of a run.
fn run_of(message: &Message) -> Option<&String> {
    message
        .raw
        .migration_run
        .as_ref()
        .filter(|_| message.letter.is_none())
}

fn is_of(message: &Message, runs: &[String]) -> bool {
    run_of(message).is_some_and(|run| runs.contains(run))
}

/// The runs that records of a batch name.
fn runs_of(messages: &[Message]) -> Vec<String> {
    let runs: BTreeSet<&String> = messages.iter().filter_map(run_of).collect();
    runs.into_iter().cloned().collect()
}

impl<S: Store + Retractions> Parser<S> {
    /// Takes the readings out of records whose run is marked; the other runs of the batch.
    pub(crate) async fn retract(&self, messages: &mut [Message]) -> Result<Vec<String>, StoreError> {
        let mut runs = runs_of(messages);
        if runs.is_empty() {
            return Ok(runs);
        }
        let marked = self.store().retracted(&runs).await?;
        if !marked.is_empty() {
            for message in messages.iter_mut().filter(|m| is_of(m, &marked)) {
                message.judged.readings.clear();
                message.judged.status = None;
            }
            self.sweep(&marked, messages).await?;
            runs.retain(|run| !marked.contains(run));
        }
        Ok(runs)
    }

    /// Makes sure that none of these runs was marked meanwhile.
    pub(crate) async fn still_live(&self, runs: &[String], messages: &[Message]) -> Result<(), StoreError> {
        if runs.is_empty() {
            return Ok(());
        }
        let marked = self.store().retracted(runs).await?;
        if marked.is_empty() {
            return Ok(());
        }
        self.sweep(&marked, messages).await?;
        Err(StoreError::Conflict(
            "a migration run was rolled back meanwhile".to_owned(),
        ))
    }

    async fn sweep(&self, marked: &[String], messages: &[Message]) -> Result<(), StoreError> {
        for run in marked {
            self.store().sweep(run).await?;
        }
        let places: Vec<(String, i32, i64)> = messages
            .iter()
            .filter(|m| is_of(m, marked))
            .map(|m| (m.topic.clone(), m.partition, m.offset))
            .collect();
        self.store().sweep_letters(&places).await
    }
}
