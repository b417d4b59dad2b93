//! One entry of a document, as it goes into the raw topic.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::uuid_of;
use crate::text::Hex;

/// An entry, ready to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in `data`, from 0.
    pub index: u64,
    /// SHA-256 of the entry as canonical Extended JSON with the keys in order: 64 lower-case hex digits.
    pub hash: String,
    /// UUIDv5 of `mig|1|<database>.<collection>|<_id>|<hash>`: equal entries and second runs are one receipt.
    pub receipt_id: Uuid,
    /// Body of the raw record: `{collection, database, document, document_id, entry, shape}`, canonical Extended JSON.
    /// `document` is the document without `data`.
    pub body: String,
    /// An equal entry stands before it in the same document: the same receipt, to be counted as a duplicate.
    pub repeated: bool,
}

impl Entry {
    /// From what stands before the entry, the entry and what stands behind it; with the hash.
    pub(super) fn new(index: u64, key: &str, [start, entry, end]: [&str; 3]) -> (Self, [u8; 32]) {
        let digest: [u8; 32] = Sha256::digest(entry.as_bytes()).into();
        let hash = Hex::<64>::lower(&digest).as_str().to_owned();
        let made = Self {
            index,
            receipt_id: uuid_of(&[key, &hash].concat()),
            hash,
            body: [start, entry, end].concat(),
            repeated: false,
        };
        (made, digest)
    }
}
