//! Closing the books: what the raw topic will not keep is summed up while it is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::Log;
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::{BookPage, Store};
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::page::PageSums;
use crate::reconcile::{BooksError, Reconciler};
use crate::stretch::{Patience, Span};

const LEASE: &str = "books";
const LEASE_SECONDS: u32 = 60;

/// How often it is looked whether an hour is over.
const LOOK: Duration = Duration::from_secs(300);
/// How long after its end an hour is closed: router and recorder then have what belongs to it.
const GRACE_SECONDS: i64 = 120;

/// What was closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// Pages that were written.
    pub pages: u64,
    /// Raw records on them.
    pub records: u64,
    /// Partitions where something does not agree yet: they are closed when it does, at the latest when half of the raw
    /// topic's retention is over.
    pub held: u64,
    /// Another process closes books at this moment; nothing was done.
    pub busy: bool,
}

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// Writes pages for everything worked that was published before `before` and stands on no page yet. One process does
    /// it at a time; where two do, the store takes the first page at each place.
    ///
    /// # Errors
    /// As log and store have them; what was written until then stays.
    pub async fn close_books(
        &self,
        before: Timestamp,
        now: Timestamp,
        holder: &str,
    ) -> Result<Closed, BooksError> {
        if !self.store.lease(LEASE, holder, LEASE_SECONDS).await? {
            return Ok(Closed {
                busy: true,
                ..Closed::default()
            });
        }
        let done = self.close_each(before, now, holder).await;
        // Free at once for the next; an error only means that it waits for the lease's end.
        let _ = self.store.lease(LEASE, holder, 0).await;
        done
    }

    /// Closes each hour that is over, until told to stop.
    pub async fn keep_books(
        mut self,
        registry: watch::Receiver<Arc<Registry>>,
        now: fn() -> Timestamp,
        holder: String,
        mut shutdown: watch::Receiver<bool>,
    ) {
        let mut closed_until = None;
        loop {
            let at = now();
            let hour = (at.seconds() - GRACE_SECONDS).div_euclid(3_600);
            if closed_until != Some(hour) {
                self.registry = registry.borrow().clone();
                match self
                    .close_books(Timestamp::from_seconds(hour * 3_600), at, &holder)
                    .await
                {
                    Ok(closed) => {
                        if closed.pages > 0 {
                            tracing::info!(pages = closed.pages, records = closed.records, "books closed");
                        }
                        if closed.held > 0 {
                            tracing::warn!(
                                partitions = closed.held,
                                "books stay open: something does not agree, see `stardust reconcile`"
                            );
                        } else {
                            closed_until = Some(hour);
                        }
                    }
                    Err(e) => tracing::warn!("the books could not be closed: {e}"),
                }
            }
            tokio::select! {
                biased;
                () = stopped(&mut shutdown) => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn close_each(
        &self,
        before: Timestamp,
        now: Timestamp,
        holder: &str,
    ) -> Result<Closed, BooksError> {
        let raw = &self.topics.raw;
        let committed: HashMap<i32, i64> = self
            .log
            .committed(&self.groups.parser, raw)
            .await?
            .into_iter()
            .filter_map(|(partition, offset)| Some((partition, offset?)))
            .collect();
        let retention = self
            .log
            .describe(std::slice::from_ref(raw))
            .await?
            .into_iter()
            .find_map(|state| state.spec.retention);
        let mut closed = Closed::default();
        for bounds in self.log.bounds(raw).await? {
            let partition = bounds.partition;
            let booked = self.store.booked(raw.as_str(), partition).await?;
            let mut from = booked.unwrap_or(bounds.low).max(bounds.low);
            let worked = committed.get(&partition).copied().unwrap_or(bounds.low);
            let end = bounds.high.min(worked);
            while from < end {
                let span = Span {
                    partition,
                    from,
                    end,
                    done: end,
                    before_ms: before.millis(),
                };
                let mut once = Patience {
                    until: Instant::now(),
                    tries: 0,
                };
                let stretch = self.stretch(span, &mut once).await?;
                if stretch.records == 0 {
                    break;
                }
                if !stretch.sums.faults.is_empty() && !is_old(stretch.last_ms, now, retention) {
                    closed.held += 1;
                    break;
                }
                let (to, records) = (stretch.to, stretch.records);
                let page = BookPage {
                    topic: raw.as_str().to_owned(),
                    partition,
                    from,
                    to,
                    sums: serde_json::to_string(&PageSums::of(stretch))?,
                };
                self.store.lease(LEASE, holder, LEASE_SECONDS).await?;
                if !self.store.add_book_page(&page).await? {
                    // Somebody was faster, and may have gone another way from here: the next turn goes on from there.
                    break;
                }
                closed.pages += 1;
                closed.records += records;
                from = to;
            }
        }
        Ok(closed)
    }
}

/// Whether half of the retention is over: then a page with faults is better than none.
fn is_old(last_ms: i64, now: Timestamp, retention: Option<Duration>) -> bool {
    retention.is_some_and(|kept| {
        let half = i64::try_from(kept.as_millis() / 2).unwrap_or(i64::MAX);
        now.millis().saturating_sub(last_ms) >= half
    })
}
