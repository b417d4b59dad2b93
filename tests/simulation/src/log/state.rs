//! The log's own state: partitions with their records, and transactions.

use std::collections::BTreeMap;

use bytes::Bytes;
use stardust_pipeline::log::{Ack, Bounds, LogError, LogRecord, NewRecord, Topic, TopicSpec, TopicState};
use stardust_pipeline::partition::partition_of;

use super::groups::Group;

/// A partition of a topic.
pub(crate) type Place = (Topic, i32);

/// The largest record.
const LARGEST: usize = 4 << 20;

/// What a refused record has in it.
pub(crate) const REFUSED: &[u8] = b"THE-LOG-REFUSES-THIS";

/// How an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Committed,
    /// Of a transaction that is still open.
    Open,
    Aborted,
    /// The end of a transaction: no record.
    Marker,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
    pub(crate) timestamp_ms: i64,
    pub(crate) standing: Standing,
}

/// One partition. The offset is the index.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) entries: Vec<Entry>,
    /// The first record of each open transaction.
    open: BTreeMap<u64, i64>,
}

impl Part {
    pub(crate) fn high(&self) -> i64 {
        i64::try_from(self.entries.len()).unwrap_or(i64::MAX)
    }

    /// Where readers of committed records have to stop.
    pub(crate) fn stable(&self) -> i64 {
        self.open.values().copied().min().unwrap_or_else(|| self.high())
    }

    /// Committed records from an offset on.
    pub(crate) fn committed(&self, from: i64) -> impl Iterator<Item = (i64, &Entry)> {
        let (from, to) = (from.max(0), self.stable());
        let at = |offset: i64| usize::try_from(offset).unwrap_or(0);
        self.entries[at(from.min(to))..at(to)]
            .iter()
            .zip(from..)
            .filter(|(entry, _)| entry.standing == Standing::Committed)
            .map(|(entry, offset)| (offset, entry))
    }

    fn push(&mut self, entry: Entry) -> i64 {
        self.entries.push(entry);
        self.high() - 1
    }
}

#[derive(Debug)]
struct Stored {
    spec: TopicSpec,
    parts: Vec<Part>,
}

/// A transaction that is not ended.
#[derive(Debug)]
struct Transaction {
    name: String,
    group: String,
    begun_ms: i64,
    offsets: Vec<(Place, i64)>,
    records: Vec<(Place, i64)>,
}

/// How a transaction ended, or that it has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    NotYet,
    Committed,
    Aborted,
}

pub(crate) struct LogState {
    topics: BTreeMap<Topic, Stored>,
    pub(crate) groups: BTreeMap<String, Group>,
    transactions: BTreeMap<u64, Transaction>,
    ended: BTreeMap<u64, bool>,
    serial: u64,
}

impl LogState {
    pub(crate) fn new() -> Self {
        Self {
            topics: BTreeMap::new(),
            groups: BTreeMap::new(),
            transactions: BTreeMap::new(),
            ended: BTreeMap::new(),
            serial: 0,
        }
    }

    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    pub(crate) fn create(&mut self, specs: &[TopicSpec]) -> Vec<Topic> {
        let mut created = Vec::new();
        for spec in specs {
            if self.topics.contains_key(&spec.topic) {
                continue;
            }
            let parts = (0..spec.partitions).map(|_| Part::default()).collect();
            let spec = spec.clone();
            created.push(spec.topic.clone());
            self.topics.insert(spec.topic.clone(), Stored { spec, parts });
        }
        created
    }

    pub(crate) fn describe(&self, topics: &[Topic]) -> Vec<TopicState> {
        let found = topics.iter().filter_map(|topic| self.topics.get(topic));
        found
            .map(|stored| TopicState {
                spec: stored.spec.clone(),
                bounds: bounds(&stored.parts),
            })
            .collect()
    }

    pub(crate) fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        Ok(bounds(self.parts(topic)?))
    }

    pub(crate) fn parts(&self, topic: &Topic) -> Result<&[Part], LogError> {
        let stored = self.topics.get(topic);
        stored
            .map(|stored| stored.parts.as_slice())
            .ok_or_else(|| LogError::UnknownTopic(topic.to_string()))
    }

    pub(crate) fn part(&self, place: &Place) -> Result<&Part, LogError> {
        let parts = self.parts(&place.0)?;
        usize::try_from(place.1)
            .ok()
            .and_then(|at| parts.get(at))
            .ok_or_else(|| LogError::Refused(format!("no partition {} of {}", place.1, place.0)))
    }

    fn part_mut(&mut self, place: &Place) -> Option<&mut Part> {
        let stored = self.topics.get_mut(&place.0)?;
        stored.parts.get_mut(usize::try_from(place.1).ok()?)
    }

    /// Where a record goes, or why it never will.
    pub(crate) fn place(&self, record: &NewRecord) -> Result<Place, LogError> {
        let parts = self.parts(&record.topic)?;
        let refused = || record.value.windows(REFUSED.len()).any(|part| part == REFUSED);
        if record.value.len() > LARGEST || (record.topic.as_str().ends_with(".raw") && refused()) {
            return Err(LogError::Refused("too large".to_owned()));
        }
        let count = i32::try_from(parts.len()).unwrap_or(i32::MAX);
        Ok((record.topic.clone(), partition_of(&record.key, count)))
    }

    /// Appends a record outside of any transaction.
    pub(crate) fn append(&mut self, record: &NewRecord, now_ms: i64) -> Result<Ack, LogError> {
        let place = self.place(record)?;
        let entry = Entry {
            key: record.key.clone(),
            value: record.value.clone(),
            timestamp_ms: now_ms,
            standing: Standing::Committed,
        };
        let partition = place.1;
        let offset = self.part_mut(&place).map_or(0, |part| part.push(entry));
        Ok(Ack { partition, offset })
    }

    /// Opens a transaction of `name` with these records, and with offsets for a group.
    pub(crate) fn begin(
        &mut self,
        name: &str,
        group: &str,
        outputs: &[NewRecord],
        offsets: Vec<(Place, i64)>,
        now_ms: i64,
    ) -> Result<u64, LogError> {
        let places = outputs
            .iter()
            .map(|o| self.place(o))
            .collect::<Result<Vec<_>, _>>()?;
        let serial = self.next_serial();
        let mut records = Vec::with_capacity(places.len());
        for (place, output) in places.into_iter().zip(outputs) {
            let entry = Entry {
                key: output.key.clone(),
                value: output.value.clone(),
                timestamp_ms: now_ms,
                standing: Standing::Open,
            };
            if let Some(part) = self.part_mut(&place) {
                let offset = part.push(entry);
                part.open.entry(serial).or_insert(offset);
                records.push((place, offset));
            }
        }
        let transaction = Transaction {
            name: name.to_owned(),
            group: group.to_owned(),
            begun_ms: now_ms,
            offsets,
            records,
        };
        self.transactions.insert(serial, transaction);
        Ok(serial)
    }

    pub(crate) fn ended(&self, transaction: u64) -> Ended {
        match self.ended.get(&transaction) {
            Some(true) => Ended::Committed,
            Some(false) => Ended::Aborted,
            None => Ended::NotYet,
        }
    }

    /// Ends a transaction. One that is ended stays as it is.
    pub(crate) fn end(&mut self, serial: u64, commit: bool, now_ms: i64) {
        let Some(transaction) = self.transactions.remove(&serial) else {
            return;
        };
        self.ended.insert(serial, commit);
        let standing = if commit {
            Standing::Committed
        } else {
            Standing::Aborted
        };
        let mut places: Vec<Place> = Vec::new();
        for (place, offset) in transaction.records {
            if let Some(part) = self.part_mut(&place) {
                part.open.remove(&serial);
                let at = usize::try_from(offset).unwrap_or(usize::MAX);
                if let Some(entry) = part.entries.get_mut(at) {
                    entry.standing = standing;
                }
            }
            if !places.contains(&place) {
                places.push(place);
            }
        }
        for place in places {
            if let Some(part) = self.part_mut(&place) {
                part.push(Entry {
                    key: Bytes::new(),
                    value: Bytes::new(),
                    timestamp_ms: now_ms,
                    standing: Standing::Marker,
                });
            }
        }
        if commit {
            let group = self.groups.entry(transaction.group).or_default();
            group.committed.extend(transaction.offsets);
        }
    }

    /// Ends what an earlier holder of this transactional id left open.
    pub(crate) fn abort_of(&mut self, name: &str, now_ms: i64) {
        let open: Vec<u64> = self
            .transactions
            .iter()
            .filter(|(_, t)| t.name == name)
            .map(|(serial, _)| *serial)
            .collect();
        for serial in open {
            self.end(serial, false, now_ms);
        }
    }

    /// Ends transactions that were begun before this time; whether there were any.
    pub(crate) fn abort_older(&mut self, begun_before_ms: i64, now_ms: i64) -> bool {
        let old: Vec<u64> = self
            .transactions
            .iter()
            .filter(|(_, t)| t.begun_ms < begun_before_ms)
            .map(|(serial, _)| *serial)
            .collect();
        for serial in &old {
            self.end(*serial, false, now_ms);
        }
        !old.is_empty()
    }

    /// Whether an open transaction has offsets of a group for this place: nobody may go on there before it ends.
    pub(crate) fn unsettled(&self, group: &str, place: &Place) -> bool {
        self.transactions
            .values()
            .any(|t| t.group == group && t.offsets.iter().any(|(p, _)| p == place))
    }

    pub(crate) fn has_open(&self) -> bool {
        !self.transactions.is_empty()
    }

    /// Records that a group has not done.
    pub(crate) fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        let mut left = 0;
        for (partition, part) in (0..).zip(self.parts(topic)?) {
            let from = self.next_of(group, &(topic.clone(), partition));
            let at = usize::try_from(from).unwrap_or(0).min(part.entries.len());
            let records = part.entries[at..]
                .iter()
                .filter(|e| matches!(e.standing, Standing::Committed | Standing::Open));
            left += records.count() as u64;
        }
        Ok(left)
    }

    /// The next record of a group.
    pub(crate) fn next_of(&self, group: &str, place: &Place) -> i64 {
        let committed = self.groups.get(group).and_then(|g| g.committed.get(place));
        committed.copied().unwrap_or(0)
    }

    /// Every committed record of a topic, partition by partition.
    pub(crate) fn everything(&self, topic: &Topic) -> Vec<LogRecord> {
        let mut all = Vec::new();
        for (partition, part) in (0..).zip(self.parts(topic).unwrap_or_default()) {
            let committed = part.committed(0);
            all.extend(committed.map(|(offset, entry)| record(topic, partition, offset, entry)));
        }
        all
    }
}

/// An entry as readers get it.
pub(crate) fn record(topic: &Topic, partition: i32, offset: i64, entry: &Entry) -> LogRecord {
    LogRecord {
        topic: topic.clone(),
        partition,
        offset,
        timestamp_ms: entry.timestamp_ms,
        key: Some(entry.key.clone()),
        value: entry.value.clone(),
    }
}

fn bounds(parts: &[Part]) -> Vec<Bounds> {
    (0..)
        .zip(parts)
        .map(|(partition, part)| Bounds {
            partition,
            low: 0,
            high: part.high(),
        })
        .collect()
}
