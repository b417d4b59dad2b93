//! The walk along one chain.

use stardust_pipeline::patience::patiently;
use stardust_pipeline::store::{ChainedEvent, Checkpoint, Mark, Store, StoreError};
use tokio::sync::watch;

use crate::chain::{START, link};
use crate::key::PublicKey;
use crate::verify::{Broken, ChainReport, Heads, Place};

const PAGE: usize = 1_000;

/// What is known on the way.
pub(crate) struct Walk<'a> {
    keys: &'a [PublicKey],
    heads: &'a Heads,
    /// The place before the first that is walked, and the hash there.
    start: i64,
    prev: String,
    report: ChainReport,
}

/// What a signature is worth.
enum Signature {
    Holds,
    Bad,
    /// The key is not at hand.
    Unchecked,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(keys: &'a [PublicKey], chain: i32, cut: Option<&Checkpoint>, heads: &'a Heads) -> Self {
        let start = cut.map_or(0, |cut| cut.seq);
        let mut walk = Self {
            keys,
            heads,
            start,
            prev: cut.map_or_else(|| START.to_owned(), |cut| cut.hash.clone()),
            report: ChainReport {
                chain,
                cut: cut.map(Place::from),
                last: start,
                ..ChainReport::default()
            },
        };
        if let Some(cut) = cut {
            match walk.judge(cut) {
                Signature::Holds => {}
                Signature::Bad => walk.broken(
                    start,
                    None,
                    "the front was cut here without a signature that holds",
                ),
                Signature::Unchecked => walk.report.cut_unchecked = true,
            }
        }
        walk
    }

    /// Walks to the end or to the first bad place.
    pub(crate) async fn run<S: Store>(
        mut self,
        store: &S,
        stopping: &watch::Receiver<bool>,
    ) -> Result<ChainReport, StoreError> {
        match self.walk(store, stopping).await {
            Ok(()) => Ok(self.report),
            // What cannot be read is not what was written.
            Err(StoreError::Unusable(what)) => {
                self.broken(
                    self.report.last + 1,
                    None,
                    &format!("from here on something cannot be read: {what}"),
                );
                Ok(self.report)
            }
            Err(e) => Err(e),
        }
    }

    async fn walk<S: Store>(
        &mut self,
        store: &S,
        stopping: &watch::Receiver<bool>,
    ) -> Result<(), StoreError> {
        let chain = self.report.chain;
        let mut from = i64::MIN;
        while self.report.broken.is_none() {
            // Signed places first: the event of each was there before it. A place is signed once, so these are all
            // that fall to the events of the page.
            let place = self.report.last + 1;
            let signed = patiently(stopping, || store.checkpoints(Mark::Head, chain, place, PAGE)).await?;
            let events = patiently(stopping, || store.chain_from(chain, from, PAGE)).await?;
            let Some(last) = events.last() else {
                self.end(signed.first());
                break;
            };
            from = last.seq.saturating_add(1);
            let mut signed = signed.iter().peekable();
            for event in &events {
                self.event(event);
                if self.report.broken.is_some() {
                    break;
                }
                if let Some(checkpoint) = signed.next_if(|c| c.seq == event.seq) {
                    self.checkpoint(event, checkpoint);
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, event: &ChainedEvent) {
        let id = || Some(event.id.to_string());
        let place = self.report.last + 1;
        if event.seq <= self.start && event.seq >= 1 {
            self.report.leftovers += 1;
        } else if event.seq < place {
            self.broken(event.seq, id(), "no event can stand here: it was inserted");
        } else if event.seq > place {
            self.broken(
                place,
                None,
                &format!("the event is missing; the next one stands at place {}", event.seq),
            );
        } else if event.prev != self.prev {
            self.broken(place, id(), "it does not follow the event before it");
        } else if link(event).is_none_or(|hash| hash != event.hash) {
            self.broken(place, id(), "it is not what was recorded");
        } else if let Some(whence) = self.another_head(place, &event.hash) {
            self.broken(
                place,
                id(),
                &format!("it is not the event whose hash was {whence} as the head"),
            );
        } else {
            self.report.events += 1;
            self.report.last = place;
            self.prev.clone_from(&event.hash);
        }
    }

    /// A signed place that the walk has come to.
    fn checkpoint(&mut self, event: &ChainedEvent, checkpoint: &Checkpoint) {
        let id = || Some(event.id.to_string());
        let seq = event.seq;
        match self.judge(checkpoint) {
            Signature::Bad => self.broken(seq, id(), "the signature of this place does not hold"),
            _ if checkpoint.hash != event.hash => {
                let since = self.report.signed.as_ref().map_or(self.start, |place| place.seq) + 1;
                let what = format!(
                    "its hash is not the one that was signed: an event from place {since} to here is not what was recorded, and the hashes after it were made anew"
                );
                self.broken(seq, id(), &what);
            }
            Signature::Holds => {
                self.report.signed = Some(checkpoint.into());
                // What this one covers needs no other.
                self.report.unchecked = None;
            }
            Signature::Unchecked => self.report.unchecked = Some(checkpoint.into()),
        }
    }

    /// The end, and the first signed place after it.
    fn end(&mut self, after: Option<&Checkpoint>) {
        let last = self.report.last;
        if let Some(checkpoint) = after {
            let what = match self.judge(checkpoint) {
                Signature::Bad => format!(
                    "the chain ends before place {}, whose signature does not hold",
                    checkpoint.seq
                ),
                _ => format!(
                    "the event is missing: the chain was signed up to place {} at least",
                    checkpoint.seq
                ),
            };
            self.broken(last + 1, None, &what);
        } else if let Some((seq, whence)) = self
            .heads
            .range(last + 1..)
            .find_map(|(seq, of)| Some((seq, of.first()?.1)))
        {
            let what = format!("the event is missing: the head was {whence} at place {seq}");
            self.broken(last + 1, None, &what);
        }
    }

    /// Whence another hash of this place is known.
    fn another_head(&self, place: i64, hash: &str) -> Option<&'static str> {
        let known = self.heads.get(&place)?;
        known
            .iter()
            .find(|(known, _)| known != hash)
            .map(|(_, whence)| *whence)
    }

    fn judge(&self, checkpoint: &Checkpoint) -> Signature {
        match self.keys.iter().find(|key| key.id() == checkpoint.key_id) {
            None => Signature::Unchecked,
            Some(key) if key.signed(checkpoint) => Signature::Holds,
            Some(_) => Signature::Bad,
        }
    }

    fn broken(&mut self, seq: i64, id: Option<String>, what: &str) {
        self.report.broken.get_or_insert_with(|| Broken {
            seq,
            id,
            what: what.to_owned(),
        });
    }
}
