//! Notes how far the chains have come, and signs it.

use std::collections::BTreeMap;
use std::time::Duration;

use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Mark, Store, StoreError};
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::counters::Counters;
use crate::heads::Heads;
use crate::key::SigningKey;

/// How often heads are noted: after that long the loss of a chain's last events shows even without a key.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// Signs heads.
#[derive(Debug)]
pub struct Signer {
    /// With this key.
    pub key: SigningKey,
    /// So often.
    pub every: Duration,
}

/// Keeps the heads of what the recorders of this process write.
pub struct Keeper<S> {
    store: S,
    heads: Heads,
    signer: Option<Signer>,
    clock: fn() -> Timestamp,
    counters: Counters,
    noted: BTreeMap<i32, i64>,
    signed: BTreeMap<i32, i64>,
    /// The heads that were there before this process are known.
    began: bool,
    /// The last try failed, and that was said.
    failing: bool,
}

impl<S: Store> Keeper<S> {
    /// A keeper of these heads.
    pub const fn new(
        store: S,
        heads: Heads,
        signer: Option<Signer>,
        clock: fn() -> Timestamp,
        counters: Counters,
    ) -> Self {
        Self {
            store,
            heads,
            signer,
            clock,
            counters,
            noted: BTreeMap::new(),
            signed: BTreeMap::new(),
            began: false,
            failing: false,
        }
    }

    /// Notes and signs until told to stop. What comes after that is for [`Self::keep`].
    pub async fn run(&mut self, mut stopping: watch::Receiver<bool>) {
        let every = self.signer.as_ref().map_or(NOTE_EVERY, |s| s.every);
        let mut due = Instant::now();
        loop {
            let sign = Instant::now() >= due;
            if sign {
                due = Instant::now() + every;
            }
            if self.keep(sign).await {
                self.failing = false;
            } else if sign {
                // What could not be signed is signed at the next turn.
                due = Instant::now();
            }
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => return,
                () = sleep(every.min(NOTE_EVERY)) => {}
            }
        }
    }

    /// Notes what is new, and signs it if asked to; false where the store did not take it.
    pub async fn keep(&mut self, sign: bool) -> bool {
        match self.try_keep(sign).await {
            Ok(()) => true,
            Err(e) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!("the heads of the audit chains could not be kept: {e}");
                }
                false
            }
        }
    }

    async fn try_keep(&mut self, sign: bool) -> Result<(), StoreError> {
        if self.signer.is_some() && !self.began {
            self.begin().await?;
            self.began = true;
        }
        let new = self.heads.beyond(&self.noted);
        self.store.note_heads(&new).await?;
        self.noted
            .extend(new.iter().map(|(chain, head)| (*chain, head.seq)));
        match &self.signer {
            Some(signer) if sign => {
                let at = (self.clock)();
                let new = self.heads.beyond(&self.signed);
                let signed: Vec<_> = new
                    .iter()
                    .map(|(chain, head)| signer.key.checkpoint(Mark::Head, *chain, head, at))
                    .collect();
                self.store.put_checkpoints(&signed).await?;
                self.signed
                    .extend(new.iter().map(|(chain, head)| (*chain, head.seq)));
                self.counters.signed(signed.len(), at);
                if !signed.is_empty() {
                    // A witness outside the store, where log lines are kept elsewhere.
                    let heads: Vec<String> = new
                        .iter()
                        .map(|(chain, head)| format!("{chain}:{}:{}", head.seq, head.hash))
                        .collect();
                    tracing::info!(
                        key = signer.key.public().id(),
                        "audit heads signed: {}",
                        heads.join(" ")
                    );
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What a process before this one wrote and did not sign. Not where the store ends before what was noted: the
    /// first that looks must see that something is missing.
    async fn begin(&self) -> Result<(), StoreError> {
        let noted: BTreeMap<i32, i64> = self
            .store
            .noted_heads()
            .await?
            .into_iter()
            .map(|(chain, head)| (chain, head.seq))
            .collect();
        for chain in self.store.chains().await? {
            let Some(head) = self.store.chain_head(chain).await? else {
                continue;
            };
            if noted.get(&chain).is_some_and(|seq| *seq > head.seq) {
                tracing::error!(
                    chain,
                    place = head.seq,
                    "❌ an audit chain has lost its last events: `stardust audit verify`"
                );
            } else {
                self.heads.set(chain, &head);
            }
        }
        Ok(())
    }
}
