//! Replay: dead letters go back into the raw topic, to be judged by the rules as they are now.

use stardust_domain::outcome::Source;
use stardust_domain::reading::Verdict;
use stardust_pipeline::foreign;
use stardust_pipeline::log::Log;
use stardust_pipeline::store::{Letter, Shelf, Store};
use stardust_wire::RawRecord;

use crate::Rules;
use crate::back::{Back, CHUNK, Due, Lease, ReleaseError, in_order};
use crate::filter::{Filter, Pages, WAITING};

const LEASE: &str = "replay";

/// Sends dead letters back.
#[derive(Debug, Clone)]
pub struct Replayer<L, S> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The rules; a dry run says what they make of each letter.
    pub rules: Rules,
    /// Who holds the lease.
    pub holder: String,
}

/// What a replay did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that passed the filter.
    pub matching: u64,
    /// Letters that were sent back (in a dry run: would be).
    pub sent: u64,
    /// Raw records that they were sent in: a message is sent once for all of its items.
    pub records: u64,
    /// Letters of single quantities: the rest of their reading lives, and a replay changes nothing that is stored.
    pub quantities: u64,
    /// Letters of records of other topics, which are no readings.
    pub foreign: u64,
    /// Letters whose raw record is not kept.
    pub without_raw: u64,
    /// The log refuses their raw record (again).
    pub refused: u64,
    /// In a dry run: what today's rules make of those that would be sent.
    pub forecast: Forecast,
    /// Another process holds the lease; nothing was done.
    pub busy: bool,
}

/// What would become of letters by the rules of today.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Would be stored (or meet an equal reading).
    pub good: u64,
    /// Would wait for their device or patient.
    pub parked: u64,
    /// Would be dead again.
    pub dead: u64,
}

/// Whether a letter is about a record that is no raw record: its output topic has nothing to judge.
#[must_use]
pub fn is_foreign(letter: &Letter) -> bool {
    letter.mapping_version == foreign::NO_MAPPING
}

impl<L: Log, S: Store> Replayer<L, S> {
    /// Sends the letters back that pass the filter, also those that somebody marked and may not have sent: sending again
    /// is safe by the ids.
    ///
    /// # Errors
    /// As log and store have them.
    pub async fn run(&self, filter: &Filter, dry_run: bool) -> Result<Replayed, ReleaseError> {
        if dry_run {
            return self.pass(filter, None).await;
        }
        let lease = Lease::new(&self.store, LEASE, &self.holder);
        let done = lease.hold(self.pass(filter, Some(&lease))).await?;
        Ok(done.unwrap_or(Replayed {
            busy: true,
            ..Replayed::default()
        }))
    }

    /// Without a lease nothing is sent.
    async fn pass(&self, filter: &Filter, lease: Option<&Lease<'_, S>>) -> Result<Replayed, ReleaseError> {
        let back = Back {
            log: &self.log,
            store: &self.store,
            rules: &self.rules,
            shelf: Shelf::Dead,
            source: Source::Replay,
        };
        let mut done = Replayed::default();
        let mut due: Vec<Due> = Vec::new();
        let mut pages = Pages::new(&self.store, Shelf::Dead, WAITING, filter);
        while let Some(letters) = pages.next().await? {
            for letter in &letters {
                done.matching += 1;
                if letter.partial {
                    done.quantities += 1;
                } else if is_foreign(letter) {
                    done.foreign += 1;
                } else {
                    due.push(Due::from(letter));
                }
            }
            match lease {
                Some(lease) => lease.renew().await?,
                None => forecast(&back, &letters, &mut done).await?,
            }
        }
        let Some(lease) = lease else { return Ok(done) };
        in_order(&mut due);
        for chunk in due.chunks(CHUNK) {
            lease.renew().await?;
            let sent = back.send(chunk).await?;
            done.sent += sent.letters;
            done.records += sent.records;
            done.without_raw += sent.without_raw;
            done.refused += sent.refused;
        }
        Ok(done)
    }
}

/// What would become of the letters of a page. They stand in the order of their receipts.
async fn forecast<L: Log, S: Store>(
    back: &Back<'_, L, S>,
    letters: &[Letter],
    done: &mut Replayed,
) -> Result<(), ReleaseError> {
    let mut raw: Option<RawRecord> = None;
    for letter in letters.iter().filter(|l| !l.partial && !is_foreign(l)) {
        let receipt = letter.writer.receipt_id.as_str();
        if raw.as_ref().is_none_or(|r| r.receipt_id != receipt) {
            raw = back.raw(receipt).await?;
            done.records += u64::from(raw.is_some());
        }
        let Some(raw) = &raw else {
            done.without_raw += 1;
            continue;
        };
        done.sent += 1;
        let judged = back.judge(raw, letter.writer.position.item);
        let has = |wanted: fn(&Verdict) -> bool| judged.readings.iter().any(|r| wanted(&r.verdict));
        if has(|v| matches!(v, Verdict::Dead(_))) {
            done.forecast.dead += 1;
        } else if has(|v| matches!(v, Verdict::Park(_))) {
            done.forecast.parked += 1;
        } else {
            done.forecast.good += 1;
        }
    }
    Ok(())
}
