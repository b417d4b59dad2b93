//! Cutting the front of the chains.

use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{ChainHead, Checkpoint, Mark, Store, StoreError};

use crate::key::{PublicKey, SigningKey};
use crate::verify::ChainReport;

const PAGE: usize = 1_000;
/// Events removed in one call.
const CHUNK: usize = 5_000;

/// What is to be cut from a chain, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainCut {
    /// The chain.
    pub chain: i32,
    /// The last place that goes; none where nothing signed is old enough.
    pub up_to: Option<Checkpoint>,
    /// How many events go: those up to the place, and what an unfinished cut has left.
    pub events: u64,
    /// How many stay.
    pub stay: u64,
}

/// Cuts chains that were verified.
#[derive(Debug)]
pub struct Cutter<'a, S> {
    /// The store.
    pub store: &'a S,
    /// Signs where the chains start from now on.
    pub key: &'a SigningKey,
    /// Signatures of these keys count.
    pub keys: &'a [PublicKey],
}

impl<S: Store> Cutter<'_, S> {
    /// What would be cut: up to the last place that was signed before this time. Everything that goes stood in the
    /// chain by then.
    ///
    /// # Errors
    /// As the store has them.
    pub async fn plan(&self, report: &ChainReport, before: Timestamp) -> Result<ChainCut, StoreError> {
        let start = report.cut.as_ref().map_or(0, |cut| cut.seq);
        let mut up_to: Option<Checkpoint> = None;
        let mut from = start + 1;
        loop {
            let page = self
                .store
                .checkpoints(Mark::Head, report.chain, from, PAGE)
                .await?;
            let Some(last) = page.last() else { break };
            from = last.seq + 1;
            let fits = |c: &&Checkpoint| {
                c.at < before
                    && c.seq <= report.last
                    && self.keys.iter().any(|key| key.id() == c.key_id && key.signed(c))
            };
            if let Some(found) = page.iter().rev().find(fits) {
                up_to = Some(found.clone());
            }
        }
        let gone = up_to.as_ref().map_or(0, |place| place.seq - start);
        let gone = u64::try_from(gone).unwrap_or(0);
        Ok(ChainCut {
            chain: report.chain,
            up_to,
            events: gone + report.leftovers,
            stay: report.events - gone.min(report.events),
        })
    }

    /// Carries a plan out: first the signed note where the chain starts from now on, then the events. May be repeated
    /// after a crash: what is left over goes then. Says how many events went.
    ///
    /// # Errors
    /// As the store has them.
    pub async fn cut(&self, plan: &ChainCut) -> Result<u64, StoreError> {
        if let Some(signed) = &plan.up_to {
            let head = ChainHead {
                seq: signed.seq,
                hash: signed.hash.clone(),
            };
            let cut = self.key.checkpoint(Mark::Cut, plan.chain, &head, signed.at);
            self.store.put_checkpoints(&[cut]).await?;
        }
        let mut removed = 0;
        loop {
            let gone = self.store.remove_cut(plan.chain, CHUNK).await?;
            removed += gone;
            if gone < CHUNK as u64 {
                return Ok(removed);
            }
        }
    }
}
