//! Walking the chains.

use stardust_pipeline::store::{ChainedEvent, Store, StoreError};

use crate::chain::{START, link};

const PAGE: usize = 1_000;

/// The first bad link of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The place.
    pub seq: i64,
    /// The event that stands there.
    pub id: String,
    /// What is wrong.
    pub what: &'static str,
}

/// What a walk along one chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainReport {
    /// The chain: the partition of the audit topic.
    pub chain: i32,
    /// Events that hold.
    pub events: u64,
    /// The first bad link.
    pub broken: Option<Broken>,
}

/// Walks every chain from its start to its head.
///
/// # Errors
/// As the store has them.
pub async fn verify<S: Store>(store: &S) -> Result<Vec<ChainReport>, StoreError> {
    let mut reports = Vec::new();
    for chain in store.chains().await? {
        reports.push(walk(store, chain).await?);
    }
    Ok(reports)
}

async fn walk<S: Store>(store: &S, chain: i32) -> Result<ChainReport, StoreError> {
    let mut report = ChainReport {
        chain,
        events: 0,
        broken: None,
    };
    let (mut prev, mut seq) = (START.to_owned(), 1_i64);
    loop {
        let page = store.chain_from(chain, seq, PAGE).await?;
        if page.is_empty() {
            return Ok(report);
        }
        for event in page {
            if let Some(what) = fault(&event, chain, seq, &prev) {
                report.broken = Some(Broken {
                    seq: event.seq,
                    id: event.id.to_string(),
                    what,
                });
                return Ok(report);
            }
            report.events += 1;
            prev = event.hash;
            seq += 1;
        }
    }
}

fn fault(event: &ChainedEvent, chain: i32, seq: i64, prev: &str) -> Option<&'static str> {
    if event.seq != seq {
        return Some("an event before it is missing");
    }
    if event.prev != prev {
        return Some("it does not follow the event before it");
    }
    let hash = link(prev, chain, seq, event.id, &event.resource);
    (hash.as_deref() != Some(event.hash.as_str())).then_some("its content is not what was recorded")
}
