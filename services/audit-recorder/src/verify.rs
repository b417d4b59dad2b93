//! Walking the chains.

use std::collections::BTreeMap;

use stardust_domain::time::Timestamp;
use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{ChainHead, Checkpoint, Mark, Store, StoreError};
use tokio::sync::watch;

use crate::key::PublicKey;
use crate::walk::Walk;

/// The first bad place of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The place.
    pub seq: i64,
    /// The event that stands there, if one does.
    pub id: Option<String>,
    /// What is wrong.
    pub what: String,
}

/// A place that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The place.
    pub seq: i64,
    /// When the chain had come so far.
    pub at: Timestamp,
    /// By which key.
    pub key_id: String,
}

impl From<&Checkpoint> for Place {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            seq: checkpoint.seq,
            at: checkpoint.at,
            key_id: checkpoint.key_id.clone(),
        }
    }
}

/// What a walk along one chain found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// The chain: the partition of the audit topic.
    pub chain: i32,
    /// Where its front was cut: it is walked from the next place on.
    pub cut: Option<Place>,
    /// The cut was signed by a key that is not at hand.
    pub cut_unchecked: bool,
    /// Events that hold.
    pub events: u64,
    /// The last place that holds; the cut where nothing stands after it.
    pub last: i64,
    /// The last place whose signature holds: everything from the start to there is as it was when it was signed.
    pub signed: Option<Place>,
    /// The last place after that which was signed by a key that is not at hand.
    pub unchecked: Option<Place>,
    /// Events before the cut that are still there: it was not finished.
    pub leftovers: u64,
    /// The first bad place.
    pub broken: Option<Broken>,
}

impl ChainReport {
    /// Events that a signature covers.
    #[must_use]
    pub fn covered(&self) -> u64 {
        let before = self.cut.as_ref().map_or(0, |cut| cut.seq);
        let signed = self.signed.as_ref().map_or(before, |place| place.seq);
        u64::try_from(signed - before).unwrap_or(0)
    }
}

/// Walks every chain from its start, or from where it was cut, to its end. Signatures are checked with these keys;
/// heads that were kept elsewhere must still be there.
///
/// Recorders may be at work meanwhile. A store that is away is waited for until somebody says stop.
///
/// # Errors
/// As the store has them.
pub async fn verify<S: Store>(
    store: &S,
    keys: &[PublicKey],
    kept: &[(i32, ChainHead)],
    stopping: &watch::Receiver<bool>,
) -> Result<Vec<ChainReport>, StoreError> {
    // Before the events: what was noted is there, so it must be found.
    let noted = patiently(stopping, || store.noted_heads()).await?;
    let mut heads: BTreeMap<i32, Heads> = BTreeMap::new();
    for (known, whence) in [(noted.as_slice(), "noted"), (kept, "kept elsewhere")] {
        for (chain, head) in known {
            let at = heads.entry(*chain).or_default().entry(head.seq).or_default();
            at.push((head.hash.clone(), whence));
        }
    }
    for chain in patiently(stopping, || store.chains()).await? {
        heads.entry(chain).or_default();
    }
    let mut reports = Vec::with_capacity(heads.len());
    for (chain, heads) in &heads {
        reports.push(one(store, keys, *chain, heads, stopping).await?);
    }
    Ok(reports)
}

/// Heads of a chain by place: the hash, and whence it is known.
pub(crate) type Heads = BTreeMap<i64, Vec<(String, &'static str)>>;

/// Walks one chain.
async fn one<S: Store>(
    store: &S,
    keys: &[PublicKey],
    chain: i32,
    heads: &Heads,
    stopping: &watch::Receiver<bool>,
) -> Result<ChainReport, StoreError> {
    loop {
        let cut = patiently(stopping, || last_cut(store, chain)).await?;
        let walk = Walk::new(keys, chain, cut.as_ref(), heads);
        let report = walk.run(store, stopping).await?;
        // Somebody may have cut the chain under the walk.
        if report.broken.is_none() || patiently(stopping, || last_cut(store, chain)).await? == cut {
            return Ok(report);
        }
    }
}

/// Where a chain was last cut.
pub(crate) async fn last_cut<S: Store>(store: &S, chain: i32) -> Result<Option<Checkpoint>, StoreError> {
    Ok(store.checkpoints(Mark::Cut, chain, 1, 1_000).await?.pop())
}
