//! A client of the log, as one process has it.

use std::collections::BTreeMap;
use std::time::Duration;

use stardust_pipeline::log::{
    Ack, Bounds, Budget, Log, LogError, LogRecord, MemberInfo, NewRecord, Topic, TopicSpec, TopicState,
};
use tokio::time::{Instant, timeout_at};

use super::SimMember;
use super::state::{Place, record};
use crate::faults::{Fate, Plan, Port};
use crate::planted::Bug;
use crate::process::Process;
use crate::world::World;

/// How long a client waits for an answer of the broker.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

pub(crate) fn away() -> LogError {
    LogError::Unavailable("the broker does not answer".to_owned())
}

/// The log as one process sees it.
#[derive(Clone)]
pub struct SimLog {
    pub(crate) world: World,
    pub(crate) process: Process,
}

impl SimLog {
    pub(crate) fn new(world: &World, process: &Process) -> Self {
        Self {
            world: world.clone(),
            process: process.clone(),
        }
    }

    fn note(&self, what: &str, number: usize, detail: impl FnOnce() -> String) {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        self.world.note(self.process.name(), what, number, detail);
    }

    /// Whether the broker can be reached by this process.
    fn is_away(&self) -> bool {
        !self.process.is_observer() && self.world.state().weather.broker_away
    }

    /// A question that changes nothing.
    async fn ask<T>(
        &self,
        what: &'static str,
        answer: impl FnOnce(&super::state::LogState) -> Result<T, LogError> + Send,
    ) -> Result<T, LogError> {
        let plan = self.world.plan(&self.process, Port::LogRead);
        self.world
            .before(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        if self.is_away() {
            self.process.pause(ANSWER).await;
            return Err(away());
        }
        let answered = answer(&self.world.state().log);
        self.world
            .after(&self.process, what, plan)
            .await
            .map_err(|()| away())?;
        answered
    }

    /// Appends what the broker takes. Of each partition it may take the first records only, as one that goes away in
    /// the middle: from the first that it did not confirm on it has confirmed none.
    fn append(&self, records: &[NewRecord], cut: bool) -> Vec<Result<Ack, LogError>> {
        let now_ms = self.world.now_ms();
        let mut state = self.world.state();
        let mut left: BTreeMap<Place, usize> = BTreeMap::new();
        if cut {
            for place in records.iter().filter_map(|r| state.log.place(r).ok()) {
                *left.entry(place).or_default() += 1;
            }
            for count in left.values_mut() {
                *count = state.dice.index(*count + 1);
            }
        }
        let mut acks = Vec::with_capacity(records.len());
        for record in records {
            let taken = match state.log.place(record) {
                Err(e) => Err(e),
                Ok(place) => match left.get_mut(&place) {
                    Some(0) => Err(away()),
                    Some(count) => {
                        *count -= 1;
                        state.log.append(record, now_ms)
                    }
                    None => state.log.append(record, now_ms),
                },
            };
            acks.push(taken);
        }
        drop(state);
        self.world.ring();
        acks
    }

    /// The answers of a publish that failed after its effect: of each partition some from the front are confirmed.
    fn forget(&self, acks: Vec<Result<Ack, LogError>>) -> Vec<Result<Ack, LogError>> {
        let mut state = self.world.state();
        let mut silent: BTreeMap<i32, bool> = BTreeMap::new();
        acks.into_iter()
            .map(|ack| {
                let ack = ack?;
                let silent = silent.entry(ack.partition).or_default();
                *silent |= state.dice.coin();
                if *silent { Err(away()) } else { Ok(ack) }
            })
            .collect()
    }

    fn late(&self, wait: Duration, records: Vec<NewRecord>) {
        let world = self.world.clone();
        self.world.later(wait, "a late publish", move |state| {
            let now_ms = world.now_ms();
            for record in &records {
                // One that is refused was told so, or nobody is left to tell.
                let _ = state.log.append(record, now_ms);
            }
        });
    }

    async fn send(&self, records: Vec<NewRecord>, plan: Plan) -> Vec<Result<Ack, LogError>> {
        let none = |e: &LogError| records.iter().map(|_| Err(e.clone())).collect::<Vec<_>>();
        if self.world.before(&self.process, "publish", plan).await.is_err() {
            self.process.pause(ANSWER).await;
            return none(&away());
        }
        if self.is_away() {
            self.note("publish", records.len(), || "broker away".to_owned());
            self.process.pause(ANSWER).await;
            return none(&away());
        }
        if let Fate::Late(wait) = plan.fate {
            self.note("publish", records.len(), || format!("late by {wait:?}"));
            self.late(wait, records.clone());
            self.process.pause(ANSWER).await;
            return none(&away());
        }
        let cut = matches!(plan.fate, Fate::FailAfter | Fate::CrashAfter);
        let acks = self.append(&records, cut);
        self.note("publish", records.len(), || format!("{:?} {acks:?}", plan.fate));
        if self.world.after(&self.process, "publish", plan).await.is_err() {
            self.process.pause(ANSWER).await;
            return self.forget(acks);
        }
        acks
    }

    /// The planted bug: confirmed before it is durable, lost where the process dies too early.
    async fn send_behind(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        let acks = records.iter().map(|record| {
            let place = self.world.state().log.place(record)?;
            Ok(Ack {
                partition: place.1,
                offset: 0,
            })
        });
        let acks = acks.collect();
        let this = self.clone();
        self.process.spawn(async move {
            this.process.pause(Duration::from_millis(20)).await;
            this.append(&records, false);
        });
        acks
    }
}

impl Log for SimLog {
    type Member = SimMember;

    async fn publish(&self, records: Vec<NewRecord>) -> Vec<Result<Ack, LogError>> {
        self.process.live().await;
        if self.world.has(Bug::AcknowledgedBeforeDurable) {
            return self.send_behind(records).await;
        }
        let plan = self.world.plan(&self.process, Port::Publish);
        let error = {
            let chances = *self.world.chances();
            let faulty = self.world.is_faulty() && !self.process.is_observer();
            let dice = &mut self.world.state().dice;
            if !faulty {
                None
            } else if dice.thousandths(chances.queue_full) {
                Some(LogError::QueueFull)
            } else if dice.thousandths(chances.fatal) {
                Some(LogError::Fatal("the simulated client is broken".to_owned()))
            } else {
                None
            }
        };
        if let Some(e) = error {
            self.note("publish", records.len(), || e.to_string());
            return records.iter().map(|_| Err(e.clone())).collect();
        }
        self.send(records, plan).await
    }

    async fn join(&self, group: &str, topics: &[Topic], worker: usize) -> Result<SimMember, LogError> {
        self.process.live().await;
        for topic in topics {
            self.world.state().log.parts(topic)?;
        }
        let plan = self.world.plan(&self.process, Port::Join);
        self.world
            .before(&self.process, "join", plan)
            .await
            .map_err(|()| away())?;
        if self.is_away() {
            self.process.pause(ANSWER).await;
            return Err(away());
        }
        let name = format!("{group}/{}/{worker}", self.process.instance());
        let member = SimMember::join(self, group, name, topics);
        self.world
            .after(&self.process, "join", plan)
            .await
            .map_err(|()| away())?;
        Ok(member)
    }

    async fn ping(&self) -> Result<(), LogError> {
        self.ask("ping", |_| Ok(())).await
    }

    async fn describe(&self, topics: &[Topic]) -> Result<Vec<TopicState>, LogError> {
        self.ask("describe", |log| Ok(log.describe(topics))).await
    }

    async fn create(&self, specs: &[TopicSpec]) -> Result<Vec<Topic>, LogError> {
        self.process.live().await;
        Ok(self.world.state().log.create(specs))
    }

    async fn bounds(&self, topic: &Topic) -> Result<Vec<Bounds>, LogError> {
        self.ask("bounds", |log| log.bounds(topic)).await
    }

    async fn committed(&self, group: &str, topic: &Topic) -> Result<Vec<(i32, Option<i64>)>, LogError> {
        self.ask("committed", |log| {
            let committed = log.groups.get(group).map(|g| &g.committed);
            let parts = (0..).zip(log.parts(topic)?);
            Ok(parts
                .map(|(partition, _)| {
                    let next = committed.and_then(|c| c.get(&(topic.clone(), partition)));
                    (partition, next.copied())
                })
                .collect())
        })
        .await
    }

    async fn lag(&self, group: &str, topic: &Topic) -> Result<u64, LogError> {
        self.ask("lag", |log| log.lag(group, topic)).await
    }

    async fn read(
        &self,
        topic: &Topic,
        partition: i32,
        from: i64,
        budget: Budget,
    ) -> Result<Vec<LogRecord>, LogError> {
        let look = |log: &super::state::LogState| {
            let part = log.part(&(topic.clone(), partition))?;
            let mut bytes = 0;
            let fitting = part
                .committed(from)
                .take(budget.records)
                .take_while(|(_, entry)| {
                    let fits = bytes < budget.bytes;
                    bytes += entry.value.len();
                    fits
                });
            Ok(fitting
                .map(|(offset, entry)| record(topic, partition, offset, entry))
                .collect::<Vec<_>>())
        };
        let end = Instant::now() + budget.wait;
        loop {
            let notified = self.world.changed().notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            let found = self.ask("read", look).await?;
            if !found.is_empty() || self.process.is_observer() {
                return Ok(found);
            }
            if timeout_at(end, notified).await.is_err() {
                return Ok(found);
            }
        }
    }

    async fn offset_at(
        &self,
        topic: &Topic,
        partition: i32,
        timestamp_ms: i64,
    ) -> Result<Option<i64>, LogError> {
        self.ask("offset_at", |log| {
            let part = log.part(&(topic.clone(), partition))?;
            let mut later = part.committed(0).filter(|(_, e)| e.timestamp_ms >= timestamp_ms);
            Ok(later.next().map(|(offset, _)| offset))
        })
        .await
    }

    async fn set_offsets(&self, group: &str, topic: &Topic, offsets: &[(i32, i64)]) -> Result<(), LogError> {
        self.process.live().await;
        let mut state = self.world.state();
        let log = &mut state.log;
        if log.groups.get(group).is_some_and(|g| !g.seats.is_empty()) {
            return Err(LogError::Refused(format!("the group {group} has members")));
        }
        for (partition, offset) in offsets {
            let place = (topic.clone(), *partition);
            let high = log.part(&place)?.high();
            let group = log.groups.entry(group.to_owned()).or_default();
            group.committed.insert(place, (*offset).clamp(0, high));
        }
        Ok(())
    }

    async fn members(&self, group: &str) -> Result<Vec<MemberInfo>, LogError> {
        self.ask("members", |log| {
            let seats = log.groups.get(group).map(|g| &g.seats);
            let listed = seats.into_iter().flat_map(BTreeMap::values);
            Ok(listed
                .map(|seat| MemberInfo {
                    name: seat.name.clone(),
                    host: "simulated".to_owned(),
                })
                .collect())
        })
        .await
    }
}
