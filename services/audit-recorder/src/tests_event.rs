//! An event for tests.

use stardust_domain::ids::PatientId;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::ChainedEvent;
use uuid::Uuid;

/// An event at a place of chain 0, without its hash.
pub(crate) fn event(seq: i64, prev: &str, resource: &str) -> ChainedEvent {
    ChainedEvent {
        id: Uuid::from_u128(u128::from(seq.unsigned_abs())),
        resource: resource.to_owned(),
        outcome: "created".to_owned(),
        receipt_id: format!("receipt-{seq}"),
        patient: Some(PatientId::from_bytes([0x65, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
        gateway: "02:00:00:AA:00:01".parse().ok(),
        recorded: Timestamp::from_micros(1_772_323_200_000_000 + seq),
        chain: 0,
        seq,
        prev: prev.to_owned(),
        hash: String::new(),
    }
}
