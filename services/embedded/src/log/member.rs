//! A member of a group: takes a batch, commits it or gives it back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rusqlite::Connection;
use stardust_pipeline::log::{Budget, Commit, LogError, LogRecord, Member, NewRecord, Topic};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::groups::{self, Owned, Seat, Standing};
use super::records;
use super::sessions::Identity;
use crate::bells::Bell;
use crate::error::DbError;
use crate::shared::Shared;

/// Looks again after this time even where no bell rang.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The incarnation of a member that has not heard yet that it joined.
pub(super) const UNKNOWN: i64 = 0;

/// The part of the open batch that comes from one partition.
#[derive(Debug, Clone, Copy)]
struct Span {
    tp: i64,
    epoch: i64,
    /// The record after the last of the batch.
    next: i64,
}

/// A member of a group.
///
/// It holds no positions: each batch starts at the committed offsets, so nothing can go stale.
pub struct EmbeddedMember {
    shared: Arc<Shared>,
    seat: Arc<Seat>,
    incarnation: i64,
    /// Rings for new records and for changes of the group.
    bell: Arc<Notify>,
    /// Rings for changes of the group only, so that a batch at work does not look up at each new record.
    group_bell: Arc<Notify>,
    open: Option<Arc<[Span]>>,
    assigned: Vec<(Topic, i32)>,
    /// Which partition comes first next time.
    turn: usize,
    seated: bool,
}

/// What a look into the file found.
enum Look {
    Standing(Standing),
    Found {
        owned: Vec<Owned>,
        records: Vec<LogRecord>,
    },
}

impl EmbeddedMember {
    pub(super) fn new(shared: Arc<Shared>, seat: Seat) -> Self {
        Self {
            shared,
            seat: Arc::new(seat),
            incarnation: UNKNOWN,
            bell: Arc::default(),
            group_bell: Arc::default(),
            open: None,
            assigned: Vec::new(),
            turn: 0,
            seated: false,
        }
    }

    /// Joins the group, first or again.
    pub(super) async fn sit_down(&mut self) -> Result<(), LogError> {
        let (identity, seat) = (Identity::of(&self.shared), self.seat.clone());
        // Cut off here, the job still runs: the member then joins again, or its drop leaves by the name alone.
        self.seated = true;
        self.incarnation = UNKNOWN;
        self.shared.joined.store(true, Ordering::Relaxed);
        self.incarnation = self
            .shared
            .write(move |unit| groups::join(unit, &identity, &seat))
            .await
            .inspect_err(|_| self.seated = false)?;
        let seat = self.seat.clone();
        let owned = self
            .shared
            .read(move |conn| groups::owned(conn, &seat))
            .await
            .map_err(LogError::from)?;
        self.assign(&owned);
        Ok(())
    }

    /// Hears of new records of these topics and of changes of the group from now on.
    pub(super) fn listen(&self, topics: Vec<i64>) {
        let group = Bell::Group(self.seat.group.clone());
        let bells = topics.into_iter().map(Bell::Topic).chain([group.clone()]);
        self.shared.bells.hang(bells, &self.bell);
        self.shared.bells.hang([group], &self.group_bell);
    }

    fn assign(&mut self, owned: &[Owned]) {
        self.assigned.clear();
        self.assigned
            .extend(owned.iter().map(|o| (o.part.topic.clone(), o.part.partition)));
    }

    fn fenced(&self) -> LogError {
        LogError::Fenced(self.seat.name.clone())
    }

    /// How the open batch stands; true where it is of no use any more.
    async fn is_lost(&self, open: &Arc<[Span]>) -> Result<bool, LogError> {
        let (seat, incarnation, open) = (self.seat.clone(), self.incarnation, open.clone());
        self.shared
            .read(move |conn| {
                let seated = groups::standing(conn, &seat, incarnation)? == Standing::Seated;
                Ok(!seated || !groups::still_owned(conn, &seat, open.iter().map(|s| (s.tp, s.epoch)))?)
            })
            .await
    }
}

/// Waits for a bell, at most until `end`.
async fn wait(bell: &Notify, end: Instant) {
    // Either way the file is looked at again.
    let _ = timeout_at(end.min(Instant::now() + LOOK_AGAIN), bell.notified()).await;
}

/// Reads the member's standing, its partitions and the records that are next.
fn look(
    conn: &Connection,
    seat: &Seat,
    incarnation: i64,
    budget: Budget,
    turn: usize,
) -> Result<Look, DbError> {
    match groups::standing(conn, seat, incarnation)? {
        Standing::Seated => {}
        other => return Ok(Look::Standing(other)),
    }
    let owned = groups::owned(conn, seat)?;
    let mut records = Vec::new();
    let start = if owned.is_empty() { 0 } else { turn % owned.len() };
    for o in owned[start..].iter().chain(&owned[..start]) {
        if o.next < o.high && (records.is_empty() || has_room(&records, budget)) {
            records::after(conn, &o.part, o.next, budget, &mut records)?;
        }
    }
    Ok(Look::Found { owned, records })
}

fn has_room(records: &[LogRecord], budget: Budget) -> bool {
    records.len() < budget.records && records.iter().map(|r| r.value.len()).sum::<usize>() < budget.bytes
}

fn spans(owned: &[Owned], records: &[LogRecord]) -> Arc<[Span]> {
    owned
        .iter()
        .filter_map(|o| {
            let mine = |r: &&LogRecord| r.partition == o.part.partition && r.topic == o.part.topic;
            // Within a partition the last record of the batch is the highest.
            records.iter().rev().find(mine).map(|r| Span {
                tp: o.part.tp,
                epoch: o.epoch,
                next: r.offset + 1,
            })
        })
        .collect()
}

impl Member for EmbeddedMember {
    async fn next(&mut self, budget: Budget) -> Result<Vec<LogRecord>, LogError> {
        // A batch left open is given back.
        self.open = None;
        let end = Instant::now() + budget.wait;
        if self.incarnation == UNKNOWN {
            self.sit_down().await?;
        }
        loop {
            let (seat, incarnation, turn) = (self.seat.clone(), self.incarnation, self.turn);
            let found = self
                .shared
                .read(move |conn| look(conn, &seat, incarnation, budget, turn))
                .await
                .map_err(LogError::from)?;
            match found {
                Look::Standing(Standing::Fenced) => return Err(self.fenced()),
                Look::Standing(_) => self.sit_down().await?,
                Look::Found { owned, records } => {
                    self.assign(&owned);
                    if !records.is_empty() {
                        self.turn = self.turn.wrapping_add(1);
                        self.open = Some(spans(&owned, &records));
                        return Ok(records);
                    }
                    if Instant::now() >= end {
                        return Ok(records);
                    }
                    wait(&self.bell, end).await;
                }
            }
        }
    }

    async fn lost(&mut self) {
        let Some(open) = self.open.clone() else {
            return std::future::pending().await;
        };
        loop {
            match self.is_lost(&open).await {
                Ok(true) => return,
                Ok(false) => wait(&self.group_bell, Instant::now() + LOOK_AGAIN).await,
                // The file cannot be read now; the commit will tell.
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    }

    async fn commit(&mut self, outputs: Vec<NewRecord>) -> Result<Commit, LogError> {
        let open = self.open.take().unwrap_or_else(|| Arc::new([]));
        if open.is_empty() && outputs.is_empty() {
            return Ok(Commit::Done);
        }
        if self.incarnation == UNKNOWN {
            return Ok(Commit::Again);
        }
        let (seat, incarnation) = (self.seat.clone(), self.incarnation);
        let answer: Result<Option<Commit>, LogError> = self
            .shared
            .write(move |unit| {
                match groups::standing(unit.conn, &seat, incarnation)? {
                    Standing::Seated => {}
                    Standing::Removed => return Ok(Some(Commit::Again)),
                    Standing::Fenced => return Ok(None),
                }
                if !groups::still_owned(unit.conn, &seat, open.iter().map(|s| (s.tp, s.epoch)))? {
                    return Ok(Some(Commit::Again));
                }
                // An output that cannot be written undoes the whole job.
                for ack in records::append(unit, &outputs)? {
                    ack?;
                }
                for span in open.iter() {
                    groups::set_next(unit.conn, &seat.group, span.tp, span.next)?;
                }
                Ok(Some(Commit::Done))
            })
            .await;
        answer?.ok_or_else(|| self.fenced())
    }

    async fn rewind(&mut self) -> Result<(), LogError> {
        self.open = None;
        Ok(())
    }

    fn assignment(&self) -> Vec<(Topic, i32)> {
        self.assigned.clone()
    }

    async fn leave(mut self) -> Result<(), LogError> {
        let (seat, incarnation, session) = (self.seat.clone(), self.incarnation, self.shared.session.clone());
        self.shared
            .write(move |unit| Ok::<_, LogError>(groups::leave(unit, &seat, incarnation, &session)?))
            .await?;
        self.seated = false;
        Ok(())
    }
}

impl Drop for EmbeddedMember {
    fn drop(&mut self) {
        if self.seated {
            let (seat, incarnation, session) =
                (self.seat.clone(), self.incarnation, self.shared.session.clone());
            // Nobody waits for the answer; where it fails, the session's silence ends the membership.
            drop(self.shared.writer.submit(None, move |unit| {
                groups::leave(unit, &seat, incarnation, &session)
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stardust_pipeline::log::{Budget, Commit, Log, Member, NewRecord, Topic, TopicSpec};

    use crate::Embedded;
    use crate::error::DbError;

    const ROOMY: Budget = Budget {
        records: 100,
        bytes: 1 << 20,
        wait: Duration::from_millis(100),
    };

    #[tokio::test(flavor = "multi_thread")]
    async fn a_member_that_slept_through_its_removal_commits_nothing_and_joins_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = Embedded::open(folder.path(), "test").unwrap();
        let (log, topic) = (file.log(), Topic::new("t"));
        let spec = TopicSpec {
            topic: topic.clone(),
            partitions: 1,
            retention: None,
            compacted: false,
        };
        log.create(&[spec]).await.unwrap();
        let records = (0..6_u8).map(|n| NewRecord {
            topic: topic.clone(),
            key: "k".into(),
            value: vec![n].into(),
        });
        assert!(log.publish(records.collect()).await.iter().all(Result::is_ok));
        let mut member = log.join("g", std::slice::from_ref(&topic), 0).await.unwrap();
        assert_eq!(member.next(ROOMY).await.unwrap().len(), 6);
        // As if the process had been stopped for a while. A heartbeat may come between the two; then once more.
        loop {
            let silent = file.shared.write(|unit| {
                unit.conn.execute("UPDATE sessions SET heartbeat = 0", [])?;
                Ok::<_, DbError>(())
            });
            silent.await.unwrap();
            if log.set_offsets("g", &topic, &[(0, 2)]).await.is_ok() {
                break;
            }
        }
        assert_eq!(member.commit(vec![]).await.unwrap(), Commit::Again);
        assert_eq!(
            log.committed("g", &topic).await.unwrap(),
            [(0, Some(2))],
            "what the operator set stands"
        );
        let again = member.next(ROOMY).await.unwrap();
        assert_eq!(again.iter().map(|r| r.offset).collect::<Vec<_>>(), [2, 3, 4, 5]);
        assert_eq!(member.commit(vec![]).await.unwrap(), Commit::Done);
        assert_eq!(log.lag("g", &topic).await.unwrap(), 0);
    }
}
