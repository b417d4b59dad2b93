//! The journal: outputs and copies of raw records on their way to the broker, in one order.

use bytes::{BufMut, BytesMut};
use stardust_pipeline::log::{LogRecord, NewRecord, Topic};
use stardust_pipeline::worker::{Stage, StageError};

use super::{Held, Local, bytes};

/// The stage of the worker on a local log: what it makes goes to the journal, and behind it copies of what it worked.
pub struct Journaled<S> {
    stage: S,
    raw: Topic,
    journal: Topic,
    held: Held,
    worked: (u64, u64),
    entered: (u64, u64),
}

impl<S> Journaled<S> {
    /// A stage on this local log, with copies for the topic `raw` of the broker.
    pub fn new<K>(stage: S, local: &Local<K>, raw: Topic) -> Self {
        Self {
            stage,
            raw,
            journal: local.journal.clone(),
            held: local.held.clone(),
            worked: (0, 0),
            entered: (0, 0),
        }
    }
}

impl<S: Stage> Stage for Journaled<S> {
    async fn work(&mut self, batch: &[LogRecord]) -> Result<Vec<NewRecord>, StageError> {
        let outputs = self.stage.work(batch).await?;
        let copies = batch.iter().map(|record| NewRecord {
            topic: self.raw.clone(),
            key: record.key.clone().unwrap_or_default(),
            value: record.value.clone(),
        });
        // Outputs first: who meets the copy has its outputs before it.
        let entries: Vec<NewRecord> = outputs
            .into_iter()
            .chain(copies)
            .map(|record| entry(&self.journal, &record))
            .collect();
        let worked = batch
            .iter()
            .map(|r| (r.key.as_deref().unwrap_or_default(), &r.value[..]));
        self.worked = (batch.len() as u64, bytes(worked));
        let entered = entries.iter().map(|r| (&r.key[..], &r.value[..]));
        self.entered = (entries.len() as u64, bytes(entered));
        Ok(entries)
    }

    fn committed(&mut self) {
        self.stage.committed();
        let ((more, more_bytes), (less, less_bytes)) = (
            std::mem::take(&mut self.entered),
            std::mem::take(&mut self.worked),
        );
        self.held.add(more, more_bytes);
        self.held.remove(less, less_bytes);
    }

    fn reset(&mut self) {
        self.stage.reset();
        (self.worked, self.entered) = ((0, 0), (0, 0));
    }
}

/// A record as an entry of the journal: before its value stand the length of its topic's name (two bytes, the higher
/// first) and the name.
fn entry(journal: &Topic, record: &NewRecord) -> NewRecord {
    let name = record.topic.as_str().as_bytes();
    let mut value = BytesMut::with_capacity(2 + name.len() + record.value.len());
    // Names of topics have at most 249 characters.
    value.put_u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
    value.put_slice(name);
    value.put_slice(&record.value);
    NewRecord {
        topic: journal.clone(),
        key: record.key.clone(),
        value: value.freeze(),
    }
}

/// The record of an entry; none where it is not one.
pub(super) fn record(entry: &LogRecord) -> Option<NewRecord> {
    let length = entry.value.get(..2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let name = std::str::from_utf8(entry.value.get(2..2 + length)?).ok()?;
    Some(NewRecord {
        topic: Topic::new(name),
        key: entry.key.clone().unwrap_or_default(),
        value: entry.value.slice(2 + length..),
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_entry_gives_its_record_back() {
        for (topic, key, value) in [("fhir.observations", "p", "v"), ("t", "", "")] {
            let original = NewRecord {
                topic: Topic::new(topic),
                key: Bytes::from(key),
                value: Bytes::from(value),
            };
            let entry = entry(&Topic::new("journal"), &original);
            assert_eq!(entry.topic.as_str(), "journal");
            let mut read = LogRecord {
                topic: entry.topic,
                partition: 0,
                offset: 0,
                timestamp_ms: 0,
                key: Some(entry.key),
                value: entry.value,
            };
            assert_eq!(record(&read), Some(original));
            read.value.truncate(2);
            assert_eq!(record(&read), None);
        }
    }
}
