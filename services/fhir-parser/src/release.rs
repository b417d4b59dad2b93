//! Release: parked readings go back into the raw topic once the registry knows their device.

use std::time::Duration;

use stardust_domain::outcome::Source;
use stardust_domain::reading::Verdict;
use stardust_pipeline::log::{Bounds, Log};
use stardust_pipeline::store::{Letter, LetterState, Shelf, Store};
use stardust_pipeline::worker::stopped;
use stardust_wire::RawRecord;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::Rules;
use crate::back::{Back, CHUNK, Due, Lease, ReleaseError, in_order};
use crate::filter::{Filter, Pages, WAITING};

const LEASE: &str = "release";

/// Sends parked readings back.
#[derive(Debug, Clone)]
pub struct Releaser<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The rules; the registry is the one that decides.
    pub rules: Rules,
    /// Who holds the lease.
    pub holder: String,
}

/// What a release did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Released {
    /// Parked readings that passed the filter.
    pub waiting: u64,
    /// Sent back (in a dry run: would be).
    pub released: u64,
    /// The log refuses their raw record; they wait on.
    pub refused: u64,
    /// Another process holds the lease; nothing was done.
    pub busy: bool,
}

impl<L: Log, S: Store> Releaser<L, S> {
    /// Releases what the registry can place by then, every `every` until told to stop. `group` is the parser's.
    pub async fn watch(self, group: String, every: Duration, mut stopping: watch::Receiver<bool>) {
        // Where the raw topic ended when somebody's marks were last looked at.
        let mut ends: Option<Vec<Bounds>> = None;
        loop {
            match self.round(&group, &mut ends).await {
                Ok(done) => {
                    if done.released > 0 {
                        tracing::info!(
                            released = done.released,
                            "parked readings went back to the raw topic"
                        );
                    }
                }
                Err(e) => tracing::warn!("parked readings could not be released: {e}"),
            }
            tokio::select! {
                biased;
                () = stopped(&mut stopping) => return,
                () = sleep(every) => {}
            }
        }
    }

    /// One round of the watch. A reading that somebody marked and never sent must not wait for ever: once the group has
    /// worked all that stood in the raw topic after the mark, what is still marked was not sent.
    async fn round(&self, group: &str, ends: &mut Option<Vec<Bounds>>) -> Result<Released, ReleaseError> {
        let unfinished = match ends.as_deref() {
            Some(ends) => self.worked(group, ends).await?,
            None => false,
        };
        if unfinished || ends.is_none() {
            *ends = Some(self.log.bounds(&self.rules.topics.raw).await?);
        }
        self.run(&Filter::default(), unfinished, false).await
    }

    async fn worked(&self, group: &str, ends: &[Bounds]) -> Result<bool, ReleaseError> {
        let committed = self.log.committed(group, &self.rules.topics.raw).await?;
        Ok(ends.iter().filter(|end| end.high > end.low).all(|end| {
            let next = committed
                .iter()
                .find(|(partition, _)| *partition == end.partition);
            // The last offset can be a control record, which no group ever commits.
            next.and_then(|(_, next)| *next)
                .is_some_and(|next| next + 1 >= end.high)
        }))
    }

    /// Releases the parked readings that pass the filter and that the registry can place now. `unfinished` also takes
    /// those that a process marked and may not have sent: sending again is safe by the ids.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn run(
        &self,
        filter: &Filter,
        unfinished: bool,
        dry_run: bool,
    ) -> Result<Released, ReleaseError> {
        let lease = Lease::new(&self.store, LEASE, &self.holder);
        if dry_run {
            return self.pass(filter, unfinished, None).await;
        }
        let done = lease.hold(self.pass(filter, unfinished, Some(&lease))).await?;
        Ok(done.unwrap_or(Released {
            busy: true,
            ..Released::default()
        }))
    }

    /// Without a lease nothing is sent.
    async fn pass(
        &self,
        filter: &Filter,
        unfinished: bool,
        lease: Option<&Lease<'_, S>>,
    ) -> Result<Released, ReleaseError> {
        let back = Back {
            log: &self.log,
            store: &self.store,
            rules: &self.rules,
            shelf: Shelf::Parked,
            source: Source::Release,
        };
        let states = if unfinished { WAITING } else { &WAITING[..1] };
        let mut done = Released::default();
        let mut ready: Vec<Due> = Vec::new();
        let mut pages = Pages::new(&self.store, Shelf::Parked, states, filter);
        while let Some(letters) = pages.next().await? {
            done.waiting += letters.len() as u64;
            placeable(&back, &letters, &mut ready).await?;
            if let Some(lease) = lease {
                lease.renew().await?;
            }
        }
        in_order(&mut ready);
        let Some(lease) = lease else {
            done.released = ready.len() as u64;
            return Ok(done);
        };
        for chunk in ready.chunks(CHUNK) {
            lease.renew().await?;
            let sent = back.send(chunk).await?;
            done.released += sent.letters;
            done.refused += sent.refused;
        }
        Ok(done)
    }
}

/// Adds those of a page that the registry can place now, and those that are on their way already.
async fn placeable<L: Log, S: Store>(
    back: &Back<'_, L, S>,
    letters: &[Letter],
    ready: &mut Vec<Due>,
) -> Result<(), ReleaseError> {
    let mut raw: Option<RawRecord> = None;
    for letter in letters {
        // Whoever marked it may not have sent it, and only the parser's answer opens it again.
        if letter.state == LetterState::Releasing {
            ready.push(Due::from(letter));
            continue;
        }
        let receipt = letter.writer.receipt_id.as_str();
        if raw.as_ref().is_none_or(|r| r.receipt_id != receipt) {
            raw = back.raw(receipt).await?;
            if raw.is_none() {
                tracing::warn!(receipt, "the raw record of a parked reading is not in the store");
            }
        }
        let waits = raw.as_ref().is_none_or(|raw| {
            let judged = back.judge(raw, letter.writer.position.item);
            let mut verdicts = judged.readings.iter().map(|r| &r.verdict);
            verdicts.any(|v| matches!(v, Verdict::Park(_)))
        });
        if !waits {
            ready.push(Due::from(letter));
        }
    }
    Ok(())
}
