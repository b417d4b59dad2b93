//! The consumer of a member: polling, the assignment, and what was fetched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Message, TopicPartitionList};
use stardust_pipeline::log::{Budget, LogError, LogRecord, Topic};
use tokio::sync::watch;

use super::Shared;
use super::assignment::{Change, Changes};
use super::batch::{Place, Records};
use super::transaction::Turn;
use crate::blocking::locked;
use crate::errors::from_kafka;
use crate::reader::record_of;

/// After this long without a `next` the partitions are paused and the consumer is polled for the group's sake. Until
/// then a rebalance waits, so that the open batch can still be committed.
const PATIENCE: Duration = Duration::from_secs(1);
/// One poll.
const SLICE: Duration = Duration::from_millis(100);
/// How long `next` may go without a poll while enough records wait.
const POLL_AT_LEAST_EVERY: Duration = Duration::from_millis(200);

/// A consumer with its records.
pub(crate) struct Membership {
    consumer: BaseConsumer<Changes>,
    topics: Vec<Topic>,
    instance: String,
    pub(crate) records: Records,
    assigned: BTreeSet<Place>,
    paused: bool,
    last_poll: Instant,
    /// Every broker was out of reach, and none has answered since.
    away: bool,
    /// When calls that wait for the broker are to give up.
    give_up_at: Instant,
    shared: Arc<Shared>,
    lost: watch::Sender<bool>,
}

impl Membership {
    pub(crate) fn new(
        consumer: BaseConsumer<Changes>,
        topics: Vec<Topic>,
        instance: String,
        shared: Arc<Shared>,
        lost: watch::Sender<bool>,
    ) -> Self {
        Self {
            consumer,
            topics,
            instance,
            records: Records::default(),
            assigned: BTreeSet::new(),
            paused: false,
            last_poll: Instant::now(),
            away: false,
            give_up_at: Instant::now(),
            shared,
            lost,
        }
    }

    /// Calls that wait for the broker give up after this long.
    pub(crate) fn give_up_after(&mut self, time: Duration) {
        self.give_up_at = Instant::now() + time;
    }

    /// Starts to be a member.
    pub(crate) fn subscribe(&self) -> Result<(), LogError> {
        let names: Vec<&str> = self.topics.iter().map(Topic::as_str).collect();
        self.consumer
            .subscribe(&names)
            .map_err(|error| from_kafka(&error, "", &self.instance))
    }

    /// Takes the next batch. Ends early where `abandoned` says that nobody waits for it.
    pub(crate) fn take(
        &mut self,
        budget: &Budget,
        abandoned: impl Fn() -> bool,
    ) -> Result<Vec<LogRecord>, LogError> {
        // One that was never closed was never seen: its records come again.
        self.records.give_back();
        self.resume();
        let deadline = Instant::now() + budget.wait;
        if self.records.fills(budget) && self.last_poll.elapsed() > POLL_AT_LEAST_EVERY {
            self.poll(Duration::ZERO)?;
        }
        while !self.records.fills(budget) {
            let wait = if self.records.is_empty() {
                SLICE.min(deadline.saturating_duration_since(Instant::now()))
            } else {
                Duration::ZERO
            };
            let came = self.poll(wait)?;
            let over =
                !self.records.is_empty() || Instant::now() >= deadline || abandoned() || self.is_closing();
            if !came && over {
                break;
            }
        }
        if self.away && self.records.is_empty() {
            self.look_for_brokers()?;
        }
        let batch = self.records.open(budget);
        self.lost.send_replace(false);
        Ok(batch)
    }

    /// Polls for the group's sake if that is due. Only a fatal error is told.
    pub(crate) fn keep_alive(&mut self) -> Result<(), LogError> {
        if self.last_poll.elapsed() < PATIENCE && !self.paused {
            return Ok(());
        }
        self.pause();
        match self.poll(Duration::ZERO) {
            Err(error) if !error.is_retriable() => Err(error),
            _ => Ok(()),
        }
    }

    /// The group's generation, to go with offsets; none where the group has put this member out.
    pub(crate) fn metadata(&self) -> Option<ConsumerGroupMetadata> {
        let metadata = self.consumer.group_metadata();
        // Asked in this order: what was valid when it was fetched is refused by the broker when it is not any more.
        // Without this check a member that was put out would send offsets that name no generation, which are taken.
        if self.consumer.assignment_lost() {
            return None;
        }
        metadata
    }

    /// The committed offsets of these places, once no transaction is open on them.
    pub(crate) fn committed(&self, places: &TopicPartitionList) -> Result<TopicPartitionList, KafkaError> {
        self.consumer
            .committed_offsets(places.clone(), Duration::from_secs(1))
    }

    /// Whether the member was told to leave.
    pub(crate) fn is_closing(&self) -> bool {
        self.shared.closing.load(Ordering::Relaxed)
    }

    /// One poll; whether a record came.
    fn poll(&mut self, wait: Duration) -> Result<bool, LogError> {
        self.last_poll = Instant::now();
        let polled = match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => Ok(self
                .topics
                .iter()
                .find(|topic| topic.as_str() == message.topic())
                .map(|topic| record_of(topic, &message))),
            Some(Err(error)) => Err(error),
        };
        // A change was applied by librdkafka before it gave us the record: in this order what was taken away is
        // forgotten, and a record of the new assignment is kept.
        self.apply_changes();
        match polled {
            Ok(Some(record)) => {
                self.away = false;
                self.records.push(record);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(error) => self.judge(&error).map(|()| false),
        }
    }

    /// librdkafka mends most things by itself.
    fn judge(&mut self, error: &KafkaError) -> Result<(), LogError> {
        let code = error.rdkafka_error_code();
        if let Some((code, reason)) = self.consumer.client().fatal_error() {
            let fatal = KafkaError::MessageConsumptionFatal(code);
            tracing::error!("the consumer of {} failed for good: {reason}", self.instance);
            return Err(from_kafka(&fatal, "", &self.instance));
        }
        match code {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.away = true;
                Err(from_kafka(error, "", &self.instance))
            }
            Some(RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::GroupAuthorizationFailed) => {
                Err(from_kafka(error, "", &self.instance))
            }
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                let names: Vec<&str> = self.topics.iter().map(Topic::as_str).collect();
                Err(LogError::UnknownTopic(names.join(", ")))
            }
            _ => {
                tracing::debug!("{}: {error}", self.instance);
                Ok(())
            }
        }
    }

    /// That brokers are away is told once, that they are back never: so it is asked, and nothing new is not taken for
    /// nothing to do.
    fn look_for_brokers(&mut self) -> Result<(), LogError> {
        let topic = self.topics.first().map(Topic::as_str);
        match self.consumer.fetch_metadata(topic, PATIENCE) {
            Ok(_) => {
                self.away = false;
                Ok(())
            }
            Err(error) => Err(from_kafka(&error, "", &self.instance)),
        }
    }

    fn apply_changes(&mut self) {
        let changes = self.consumer.context().take();
        if changes.is_empty() {
            return;
        }
        for change in changes {
            match change {
                Change::Given(places) => {
                    let places = self.places(places);
                    tracing::info!(member = %self.instance, partitions = %shown(&places), "given by the group");
                    // A partition may come back with the pause of its time here before.
                    let list = list_of(&places);
                    let _ = if self.paused {
                        self.consumer.pause(&list)
                    } else {
                        self.consumer.resume(&list)
                    };
                    self.assigned.extend(places);
                }
                Change::Taken(places) => {
                    let places = self.places(places);
                    tracing::info!(member = %self.instance, partitions = %shown(&places), "taken by the group");
                    for place in places {
                        if self.records.lose(&place) {
                            self.lost.send_replace(true);
                        }
                        self.assigned.remove(&place);
                    }
                }
            }
        }
        *locked(&self.shared.assignment) = self.assigned.iter().cloned().collect();
    }

    fn places(&self, named: Vec<(String, i32)>) -> Vec<Place> {
        named
            .into_iter()
            .map(|(name, partition)| {
                let topic = self.topics.iter().find(|topic| topic.as_str() == name);
                (topic.cloned().unwrap_or_else(|| Topic::new(&name)), partition)
            })
            .collect()
    }

    fn pause(&mut self) {
        if !self.paused {
            self.paused = true;
            // What fails here is a partition that is being taken away.
            let _ = self.consumer.pause(&list_of(&self.assigned));
        }
    }

    fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            let _ = self.consumer.resume(&list_of(&self.assigned));
        }
    }
}

impl Turn for Membership {
    fn turn(&mut self) -> bool {
        if let Err(error) = self.keep_alive() {
            tracing::error!("{}: {error}", self.instance);
        }
        Instant::now() < self.give_up_at && !self.is_closing()
    }
}

fn list_of<'a>(places: impl IntoIterator<Item = &'a Place>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition(topic.as_str(), *partition);
    }
    list
}

fn shown(places: &[Place]) -> String {
    let names: Vec<String> = places
        .iter()
        .map(|(topic, partition)| format!("{topic}-{partition}"))
        .collect();
    names.join(" ")
}
