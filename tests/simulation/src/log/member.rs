//! A member of a group.

use std::time::Duration;

use stardust_pipeline::log::{Budget, Commit, LogError, LogRecord, Member, NewRecord, Topic};
use tokio::time::{Instant, timeout_at};

use super::SimLog;
use super::client::{ANSWER, away};
use super::groups::{Membership, Span};
use super::state::Ended;
use crate::faults::{Fate, Port};
use crate::planted::Bug;

/// Looks again after this time where a partition was held back.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// A member as one process has it.
pub struct SimMember {
    log: SimLog,
    group: String,
    name: String,
    topics: Vec<Topic>,
    member: u64,
    open: Vec<Span>,
    /// A transaction of the open batch of which it is not known how it ended.
    unsettled: Option<u64>,
    /// Which partition comes first.
    turn: usize,
    left: bool,
}

impl SimMember {
    pub(super) fn join(log: &SimLog, group: &str, name: String, topics: &[Topic]) -> Self {
        let mut member = Self {
            log: log.clone(),
            group: group.to_owned(),
            name,
            topics: topics.to_vec(),
            member: 0,
            open: Vec::new(),
            unsettled: None,
            turn: 0,
            left: false,
        };
        member.sit_down();
        member
    }

    fn sit_down(&mut self) {
        let now_ms = self.log.world.now_ms();
        let process = self.log.process.serial();
        let mut state = self.log.world.state();
        self.member = state
            .log
            .join(&self.group, &self.name, process, &self.topics, now_ms);
        self.turn = state.dice.index(8);
        drop(state);
        self.note("sits down", 0, String::new);
        self.log.world.ring();
    }

    fn note(&self, what: &str, number: usize, detail: impl FnOnce() -> String) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let full = || format!("{} {}", self.group, detail());
        self.log.world.note(self.log.process.name(), what, number, full);
    }

    fn standing(&self) -> Membership {
        let state = self.log.world.state();
        let group = state.log.groups.get(&self.group);
        group.map_or(Membership::Removed, |g| g.standing(self.member))
    }

    fn fenced(&self) -> LogError {
        LogError::Fenced(self.name.clone())
    }

    /// Whether every partition of the open batch is still this member's.
    fn holds(&self) -> bool {
        let state = self.log.world.state();
        let group = state.log.groups.get(&self.group);
        group.is_some_and(|g| g.holds(self.member, &self.open))
    }

    /// Ends the transaction in question and looks how it ended; true where the batch was committed.
    fn settle(&mut self) -> bool {
        let Some(transaction) = self.unsettled.take() else {
            return false;
        };
        let now_ms = self.log.world.now_ms();
        let mut state = self.log.world.state();
        if state.log.ended(transaction) == Ended::NotYet {
            // The broker may have been about to commit it.
            let commit = state.dice.coin();
            state.log.end(transaction, commit, now_ms);
        }
        let done = state.log.ended(transaction) == Ended::Committed;
        drop(state);
        self.note("settles", 0, || format!("committed: {done}"));
        self.log.world.ring();
        done
    }

    /// What can be delivered now.
    fn look(&mut self, budget: Budget) -> (Vec<LogRecord>, bool) {
        let faulty = self.log.world.is_faulty() && !self.log.process.is_observer();
        let often = if faulty {
            self.log.world.chances().held_back
        } else {
            0
        };
        let mut state = self.log.world.state();
        let state = &mut *state;
        let mut budget = budget;
        if faulty && state.dice.coin() {
            budget.records = budget.records.min(1 + state.dice.index(4));
        }
        let dice = &mut state.dice;
        let mut held = false;
        let (records, open) = state.log.take(&self.group, self.member, budget, self.turn, || {
            let hold = dice.thousandths(often);
            held |= hold;
            hold
        });
        self.turn = self.turn.wrapping_add(1);
        self.open = open;
        (records, held)
    }

    /// The planted bug: the offsets first, the work after.
    fn commit_offsets(&self) {
        let mut state = self.log.world.state();
        let group = state.log.groups.entry(self.group.clone()).or_default();
        for (place, _, next) in &self.open {
            group.committed.insert(place.clone(), *next);
        }
    }

    /// Offsets and outputs of the open batch, as a transaction that is begun.
    fn begin(&self, outputs: &[NewRecord]) -> Result<u64, LogError> {
        let now_ms = self.log.world.now_ms();
        let offsets = if self.log.world.has(Bug::OffsetsBeforeWork) {
            Vec::new()
        } else {
            self.open
                .iter()
                .map(|(place, _, next)| (place.clone(), *next))
                .collect()
        };
        let mut state = self.log.world.state();
        if self.log.world.has(Bug::OutputOutsideTransaction) {
            for output in outputs {
                state.log.append(output, now_ms)?;
            }
            return state.log.begin(&self.name, &self.group, &[], offsets, now_ms);
        }
        state.log.begin(&self.name, &self.group, outputs, offsets, now_ms)
    }

    fn end(&self, transaction: u64, commit: bool) {
        let now_ms = self.log.world.now_ms();
        self.log.world.state().log.end(transaction, commit, now_ms);
        self.log.world.ring();
    }

    fn again(&mut self) -> Result<Commit, LogError> {
        self.open.clear();
        Ok(Commit::Again)
    }

    fn is_away(&self) -> bool {
        !self.log.process.is_observer() && self.log.world.state().weather.broker_away
    }

    /// Whether chance has a transaction end in this way.
    fn befalls(&self, often: u32) -> bool {
        self.log.world.is_faulty()
            && !self.log.process.is_observer()
            && self.log.world.state().dice.thousandths(often)
    }
}

impl Member for SimMember {
    async fn next(&mut self, budget: Budget) -> Result<Vec<LogRecord>, LogError> {
        self.open.clear();
        let (world, process) = (self.log.world.clone(), self.log.process.clone());
        let end = Instant::now() + budget.wait;
        let plan = world.plan(&process, Port::Next);
        world.before(&process, "next", plan).await.map_err(|()| away())?;
        if self.unsettled.is_some() {
            if self.is_away() {
                process.pause(ANSWER).await;
                return Err(away());
            }
            self.settle();
        }
        loop {
            process.live().await;
            let notified = world.changed().notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let mut held = false;
            if !self.is_away() {
                match self.standing() {
                    Membership::Fenced => return Err(self.fenced()),
                    Membership::Removed if !world.has(Bug::DeafAfterRemoval) => self.sit_down(),
                    Membership::Seated | Membership::Removed => {}
                }
                let (records, held_back) = self.look(budget);
                held = held_back;
                if !records.is_empty() {
                    self.note("takes", records.len(), || {
                        let spans = self
                            .open
                            .iter()
                            .map(|((topic, p), _, next)| format!("{topic}-{p}<{next}"));
                        spans.collect::<Vec<_>>().join(" ")
                    });
                    if world.has(Bug::OffsetsBeforeWork) {
                        self.commit_offsets();
                    }
                    return Ok(records);
                }
            } else if Instant::now() + Duration::from_secs(1) >= end {
                process.pause(Duration::from_secs(1)).await;
                return Err(away());
            }
            if Instant::now() >= end {
                return Ok(Vec::new());
            }
            let until = if held {
                end.min(Instant::now() + LOOK_AGAIN)
            } else {
                end
            };
            let _ = timeout_at(until, notified).await;
        }
    }

    async fn lost(&mut self) {
        let world = self.log.world.clone();
        if world.has(Bug::RevokeLost) || self.befalls(world.chances().deaf) {
            return std::future::pending().await;
        }
        loop {
            let notified = world.changed().notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if !self.holds() {
                self.note("hears of its loss", 0, String::new);
                return;
            }
            notified.await;
        }
    }

    async fn commit(&mut self, outputs: Vec<NewRecord>) -> Result<Commit, LogError> {
        let (world, process) = (self.log.world.clone(), self.log.process.clone());
        process.live().await;
        if self.unsettled.is_some() {
            let done = self.settle();
            return if done { Ok(Commit::Done) } else { self.again() };
        }
        if self.open.is_empty() && outputs.is_empty() {
            return Ok(Commit::Done);
        }
        let plan = world.plan(&process, Port::Commit);
        let chances = *world.chances();
        world
            .before(&process, "commit", plan)
            .await
            .map_err(|()| away())?;
        if self.is_away() {
            process.pause(ANSWER).await;
            return Err(away());
        }
        match self.standing() {
            Membership::Fenced => return Err(self.fenced()),
            Membership::Removed if !world.has(Bug::RevokeLost) => return self.again(),
            Membership::Seated | Membership::Removed => {}
        }
        if !self.holds() && !world.has(Bug::RevokeLost) {
            self.note("commit", outputs.len(), || "is void".to_owned());
            return self.again();
        }
        let transaction = self.begin(&outputs)?;
        self.note("begins", outputs.len(), || format!("transaction {transaction}"));
        if self.befalls(chances.abort) {
            self.end(transaction, false);
            self.note("commit", outputs.len(), || "aborted by the broker".to_owned());
            process.pause(plan.after).await;
            return self.again();
        }
        // The records stand in the log, and whether they count is open.
        let half = world.plan(&process, Port::Commit);
        process.pause(half.before).await;
        if half.fate == Fate::CrashBefore {
            return process.crash(&world).await;
        }
        if self.befalls(chances.unknown) || self.is_away() {
            self.unsettled = Some(transaction);
            self.note("commit", outputs.len(), || "unknown".to_owned());
            process.pause(ANSWER).await;
            return Err(away());
        }
        self.end(transaction, true);
        if world.state().log.ended(transaction) != Ended::Committed {
            // It took longer than the broker allows.
            self.note("commit", outputs.len(), || "was over time".to_owned());
            return self.again();
        }
        self.note("commit", outputs.len(), || "done".to_owned());
        if world.after(&process, "commit", plan).await.is_err() {
            self.unsettled = Some(transaction);
            return Err(away());
        }
        self.open.clear();
        Ok(Commit::Done)
    }

    async fn rewind(&mut self) -> Result<(), LogError> {
        let (world, process) = (self.log.world.clone(), self.log.process.clone());
        let plan = world.plan(&process, Port::LogRead);
        world
            .before(&process, "rewind", plan)
            .await
            .map_err(|()| away())?;
        self.open.clear();
        Ok(())
    }

    fn assignment(&self) -> Vec<(Topic, i32)> {
        let state = self.log.world.state();
        let group = state.log.groups.get(&self.group);
        group.map(|g| g.assignment(self.member)).unwrap_or_default()
    }

    async fn leave(mut self) -> Result<(), LogError> {
        let (world, process) = (self.log.world.clone(), self.log.process.clone());
        let plan = world.plan(&process, Port::LogRead);
        world.before(&process, "leave", plan).await.map_err(|()| away())?;
        self.go();
        Ok(())
    }
}

impl SimMember {
    fn go(&mut self) {
        if !self.left {
            self.left = true;
            self.note("leaves", 0, String::new);
            self.log.world.state().log.remove(&self.group, self.member);
            self.log.world.ring();
        }
    }
}

impl Drop for SimMember {
    fn drop(&mut self) {
        // A dead process takes no leave.
        if self.log.process.is_alive() {
            self.go();
        }
    }
}
