//! Readings that a door worked itself (the synchronous fallback): they were written from its local log, and the record
//! in the raw topic is a copy.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use stardust_pipeline::log::Log;
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{Store, Written};
use uuid::Uuid;

use crate::line::{Line, Unit};
use crate::reconcile::{BooksError, Reconciler};

/// Offsets that lie no further apart are asked for together.
const APART: i64 = 500;

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// What the receipts of these lines wrote from another log than the raw topic.
    pub(crate) async fn written_locally(&self, lines: &[&Line]) -> Result<Vec<Written>, BooksError> {
        let mains: Vec<Uuid> = lines.iter().filter_map(|line| line.main).collect();
        if mains.is_empty() {
            return Ok(Vec::new());
        }
        let receipts: HashSet<&str> = lines.iter().map(|line| line.receipt.as_str()).collect();
        let mut places: BTreeMap<(String, i32), BTreeSet<i64>> = BTreeMap::new();
        for writer in self
            .store
            .observation_writers(&mains)
            .await?
            .into_iter()
            .flatten()
        {
            let at = writer.position;
            if at.topic != self.topics.raw.as_str() && receipts.contains(writer.receipt_id.as_str()) {
                places
                    .entry((at.topic, at.partition))
                    .or_default()
                    .insert(at.offset);
            }
        }
        let mut written = Vec::new();
        for ((topic, partition), offsets) in places {
            for (from, to) in spans(&offsets) {
                let mut found = self.store.written_at(&topic, partition, from, to).await?;
                found.retain(|w| receipts.contains(w.writer.receipt_id.as_str()));
                written.extend(found);
            }
        }
        Ok(written)
    }
}

/// The lines of a page that may be copies of what a door worked itself.
pub(crate) fn candidates(
    lines: &[Line],
    stored: impl Fn(&Unit) -> bool,
    seen: impl Fn(&Line) -> bool,
) -> Vec<&Line> {
    lines
        .iter()
        .filter(|line| line.copy && !line.ignored && !stored(&line.unit) && !seen(line))
        .collect()
}

fn spans(offsets: &BTreeSet<i64>) -> Vec<(i64, i64)> {
    let mut spans: Vec<(i64, i64)> = Vec::new();
    for offset in offsets {
        match spans.last_mut() {
            Some((_, to)) if *offset - *to <= APART => *to = *offset,
            _ => spans.push((*offset, *offset)),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_lie_near_are_one_span() {
        let offsets = BTreeSet::from([3, 4, 500, 5_000, 5_001]);
        assert_eq!(spans(&offsets), [(3, 500), (5_000, 5_001)]);
        assert!(spans(&BTreeSet::new()).is_empty());
    }
}
