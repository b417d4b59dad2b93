//! Records between librdkafka and the worker: those that wait, and those of the open batch.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stardust_pipeline::log::{Budget, LogRecord, Topic};

/// A partition of a topic.
pub(crate) type Place = (Topic, i32);

/// Records in the order in which they have to be delivered, within each partition.
///
/// What the worker gives back goes to the front of those that wait, so that nothing has to be fetched again; what was
/// of a partition that has been taken away is forgotten, as its next owner (perhaps this member again) starts at the
/// committed offset.
#[derive(Default)]
pub(crate) struct Records {
    waiting: VecDeque<LogRecord>,
    waiting_bytes: usize,
    open: Option<Open>,
}

struct Open {
    records: Vec<LogRecord>,
    lost: BTreeSet<Place>,
}

impl Records {
    /// A record as it came.
    pub(crate) fn push(&mut self, record: LogRecord) {
        self.waiting_bytes += record.value.len();
        self.waiting.push_back(record);
    }

    /// Whether what waits fills the budget.
    pub(crate) fn fills(&self, budget: &Budget) -> bool {
        self.waiting.len() >= budget.records.max(1) || self.waiting_bytes >= budget.bytes.max(1)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Opens a batch of what waits and hands out its records. Nothing waits: no batch is open.
    pub(crate) fn open(&mut self, budget: &Budget) -> Vec<LogRecord> {
        self.give_back();
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < budget.records.max(1) && bytes < budget.bytes.max(1) {
            let Some(record) = self.waiting.pop_front() else {
                break;
            };
            self.waiting_bytes -= record.value.len();
            bytes += record.value.len();
            records.push(record);
        }
        if !records.is_empty() {
            self.open = Some(Open {
                records: records.clone(),
                lost: BTreeSet::new(),
            });
        }
        records
    }

    /// The open batch goes back to the front, without what was lost.
    pub(crate) fn give_back(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        for record in open.records.into_iter().rev() {
            if !open.lost.contains(&(record.topic.clone(), record.partition)) {
                self.waiting_bytes += record.value.len();
                self.waiting.push_front(record);
            }
        }
    }

    /// The open batch is done.
    pub(crate) fn done(&mut self) {
        self.open = None;
    }

    /// A partition was taken away; says whether the open batch has records of it.
    pub(crate) fn lose(&mut self, place: &Place) -> bool {
        let of_place = |record: &LogRecord| record.partition == place.1 && record.topic == place.0;
        self.waiting.retain(|record| !of_place(record));
        self.waiting_bytes = self.waiting.iter().map(|record| record.value.len()).sum();
        let Some(open) = &mut self.open else {
            return false;
        };
        let touched = open.records.iter().any(of_place);
        if touched {
            open.lost.insert(place.clone());
        }
        touched
    }

    /// Whether the open batch has lost a partition.
    pub(crate) fn is_lost(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.lost.is_empty())
    }

    /// The offsets that the open batch commits: the next record of each of its partitions.
    pub(crate) fn offsets(&self) -> BTreeMap<Place, i64> {
        let mut offsets = BTreeMap::new();
        for record in self.open.iter().flat_map(|open| &open.records) {
            offsets.insert((record.topic.clone(), record.partition), record.offset + 1);
        }
        offsets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::time::Duration;

    fn record(partition: i32, offset: i64) -> LogRecord {
        LogRecord {
            topic: Topic::new("t"),
            partition,
            offset,
            timestamp_ms: 0,
            key: None,
            value: Bytes::from_static(b"12345"),
        }
    }

    fn budget(records: usize, bytes: usize) -> Budget {
        Budget {
            records,
            bytes,
            wait: Duration::ZERO,
        }
    }

    fn places(records: &[LogRecord]) -> Vec<(i32, i64)> {
        records.iter().map(|r| (r.partition, r.offset)).collect()
    }

    fn filled() -> Records {
        let mut records = Records::default();
        for (partition, offset) in [(0, 1), (1, 7), (0, 2), (1, 9), (0, 3)] {
            records.push(record(partition, offset));
        }
        records
    }

    #[test]
    fn what_is_given_back_comes_again_first_and_in_order() {
        let mut records = filled();
        let first = records.open(&budget(3, 1_000));
        records.give_back();
        assert_eq!(records.open(&budget(3, 1_000)), first);
        records.done();
        assert_eq!(places(&records.open(&budget(9, 1_000))), [(1, 9), (0, 3)]);
    }

    #[test]
    fn a_batch_that_nobody_closed_comes_again() {
        let mut records = filled();
        let first = records.open(&budget(2, 1_000));
        assert_eq!(records.open(&budget(2, 1_000)), first);
    }

    #[test]
    fn a_lost_partition_is_forgotten_wherever_its_records_are() {
        let mut records = filled();
        records.open(&budget(3, 1_000));
        assert!(records.lose(&(Topic::new("t"), 0)));
        assert!(records.is_lost());
        // Given again, it starts at the committed offset.
        records.push(record(0, 1));
        records.give_back();
        assert_eq!(places(&records.open(&budget(9, 1_000))), [(1, 7), (1, 9), (0, 1)]);
        assert!(!records.is_lost());
    }

    #[test]
    fn a_partition_that_only_waits_does_not_spoil_the_open_batch() {
        let mut records = filled();
        records.open(&budget(1, 1_000));
        assert!(!records.lose(&(Topic::new("t"), 1)));
        assert!(!records.is_lost());
    }

    #[test]
    fn the_last_record_may_pass_the_budget_of_bytes() {
        let mut records = filled();
        assert!(records.fills(&budget(99, 25)));
        assert!(!records.fills(&budget(99, 26)));
        assert_eq!(records.open(&budget(99, 6)).len(), 2);
    }

    #[test]
    fn offsets_are_those_of_the_next_records() {
        let mut records = filled();
        records.open(&budget(4, 1_000));
        let offsets: Vec<(i32, i64)> = records
            .offsets()
            .into_iter()
            .map(|((_, p), offset)| (p, offset))
            .collect();
        assert_eq!(offsets, [(0, 3), (1, 10)]);
    }
}
