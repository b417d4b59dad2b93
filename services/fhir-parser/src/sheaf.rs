//! Records that share their memory: a batch leads to thousands, and each would be two allocations of its own.

use std::ops::Range;

use bytes::Bytes;
use stardust_pipeline::log::{NewRecord, Topic};

/// A block is closed with the record that fills it. Small enough that the allocator takes it from its heap and not, page
/// by page, from the system.
const BLOCK: usize = 64 << 10;
/// Room behind [`BLOCK`] for the record that fills it, so that a block hardly ever has to move.
const ROOM: usize = 16 << 10;

/// Collects records in blocks of memory.
#[derive(Debug)]
pub(crate) struct Sheaf {
    done: Vec<NewRecord>,
    block: Vec<u8>,
    open: Vec<(Topic, Range<usize>, Range<usize>)>,
}

impl Sheaf {
    /// With room for this many records.
    pub(crate) fn for_records(count: usize) -> Self {
        Self {
            done: Vec::with_capacity(count),
            block: Vec::new(),
            open: Vec::new(),
        }
    }

    /// Adds a record whose value is appended by `write`. Where that fails, nothing is added.
    pub(crate) fn push<E>(
        &mut self,
        topic: &Topic,
        key: &str,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.block.capacity() == 0 {
            self.block.reserve(BLOCK + ROOM);
        }
        let start = self.block.len();
        self.block.extend_from_slice(key.as_bytes());
        let middle = self.block.len();
        if let Err(error) = write(&mut self.block) {
            self.block.truncate(start);
            return Err(error);
        }
        self.open
            .push((topic.clone(), start..middle, middle..self.block.len()));
        if self.block.len() >= BLOCK {
            self.close();
        }
        Ok(())
    }

    fn close(&mut self) {
        let block = Bytes::from(std::mem::take(&mut self.block));
        self.done
            .extend(self.open.drain(..).map(|(topic, key, value)| NewRecord {
                topic,
                key: block.slice(key),
                value: block.slice(value),
            }));
    }

    /// The records in the order in which they came.
    pub(crate) fn records(mut self) -> Vec<NewRecord> {
        self.close();
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_order_and_bytes_over_several_blocks() {
        let (topic, mut sheaf) = (Topic::new("t"), Sheaf::for_records(4));
        let sizes = [10, BLOCK, 3 * BLOCK, 0, 7];
        for (at, size) in sizes.into_iter().enumerate() {
            let value = vec![u8::try_from(at).unwrap(); size];
            sheaf
                .push(&topic, &format!("key {at}"), |block| {
                    block.extend_from_slice(&value);
                    Ok::<_, ()>(())
                })
                .unwrap();
        }
        let records = sheaf.records();
        assert_eq!(records.len(), sizes.len());
        for (at, (record, size)) in records.iter().zip(sizes).enumerate() {
            assert_eq!(record.key, format!("key {at}"));
            assert_eq!(record.value, vec![u8::try_from(at).unwrap(); size]);
        }
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing() {
        let (topic, mut sheaf) = (Topic::new("t"), Sheaf::for_records(2));
        let failed = sheaf.push(&topic, "key", |block| {
            block.extend_from_slice(b"half");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        sheaf
            .push(&topic, "k", |block| {
                block.push(1);
                Ok::<_, ()>(())
            })
            .unwrap();
        assert_eq!(sheaf.records()[0].value, [1_u8][..]);
    }
}
