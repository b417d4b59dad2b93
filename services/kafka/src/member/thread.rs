//! The thread of a member: takes commands, one at a time, and keeps the membership in between.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use stardust_pipeline::log::{Budget, Commit, LogError, LogRecord, NewRecord, Topic};
use tokio::sync::{oneshot, watch};

use super::assignment::Changes;
use super::membership::Membership;
use super::transaction::{Failure, Transactions, Turn};
use super::{Command, Shared};
use crate::config::KafkaConfig;
use crate::errors::{from_code, from_kafka};

/// How long joining may take; then the caller hears that the broker is away.
const JOIN_WITHIN: Duration = Duration::from_secs(15);
/// How long a commit waits for the broker; then the caller hears that it is away, and the batch is settled later.
const COMMIT_WITHIN: Duration = Duration::from_secs(15);
/// How long a `next` waits for the broker to settle the batch before.
const SETTLE_WITHIN: Duration = Duration::from_secs(5);
/// How often the thread looks after the membership while nothing is asked of it.
const IDLE: Duration = Duration::from_millis(100);

/// Starts the thread and waits until it has joined.
pub(super) async fn start(
    config: &KafkaConfig,
    group: &str,
    topics: &[Topic],
    worker: usize,
    shared: Arc<Shared>,
) -> Result<(Sender<Command>, watch::Receiver<bool>), LogError> {
    let (commands, inbox) = mpsc::channel();
    let (lost, lost_seen) = watch::channel(false);
    let (ready, joined) = oneshot::channel();
    let identity = Identity {
        config: config.clone(),
        group: group.to_owned(),
        topics: topics.to_vec(),
        worker,
    };
    let body = move || match Seat::take(identity, shared, lost, &ready) {
        Ok(seat) => {
            if ready.send(Ok(())).is_ok() {
                seat.serve(&inbox);
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    };
    std::thread::Builder::new()
        .name(format!("{group}/{worker}"))
        .spawn(body)
        .map_err(|error| LogError::Fatal(format!("no thread for a member: {error}")))?;
    joined
        .await
        .map_err(|_| LogError::Fatal("the member's thread ended while joining".to_owned()))??;
    Ok((commands, lost_seen))
}

/// Who the member is.
struct Identity {
    config: KafkaConfig,
    group: String,
    topics: Vec<Topic>,
    worker: usize,
}

/// The member's clients and state.
struct Seat {
    identity: Identity,
    membership: Membership,
    transactions: Transactions,
    /// The offsets of a transaction of which it is not known whether it took effect.
    unsettled: Option<TopicPartitionList>,
    /// After this nothing works any more.
    failed: Option<LogError>,
}

impl Seat {
    fn take(
        identity: Identity,
        shared: Arc<Shared>,
        lost: watch::Sender<bool>,
        ready: &oneshot::Sender<Result<(), LogError>>,
    ) -> Result<Self, LogError> {
        let Identity { config, group, .. } = &identity;
        let name = config.transactional_id(group, identity.worker);
        let consumer: BaseConsumer<Changes> = config
            .member(group, identity.worker)
            .create_with_context(Changes::default())
            .map_err(|error| from_kafka(&error, "", &name))?;
        for topic in &identity.topics {
            must_exist(&consumer, topic, config)?;
        }
        let mut joining = Joining {
            deadline: Instant::now() + JOIN_WITHIN,
            ready,
        };
        // Before the subscription: what an earlier member of this id left open would hold up its offsets.
        let transactions = Transactions::open(config, group, identity.worker, &mut joining)?;
        let membership = Membership::new(consumer, identity.topics.clone(), name, shared, lost);
        membership.subscribe()?;
        Ok(Self {
            identity,
            membership,
            transactions,
            unsettled: None,
            failed: None,
        })
    }

    fn serve(mut self, inbox: &Receiver<Command>) {
        loop {
            match inbox.recv_timeout(IDLE) {
                Ok(Command::Next { budget, reply }) => {
                    let taken = self.next(&budget, || reply.is_closed());
                    if let Err(error) = &taken {
                        self.remember(error);
                    }
                    if reply.send(taken).is_err() {
                        self.membership.records.give_back();
                    }
                }
                Ok(Command::Commit { outputs, reply }) => {
                    let result = self.commit(&outputs);
                    if let Err(error) = &result {
                        self.remember(error);
                    }
                    // The caller may have gone; what was committed is committed.
                    let _ = reply.send(result);
                }
                Ok(Command::Rewind { reply }) => {
                    // Of an unsettled batch it is not known yet whether it is to come again.
                    if self.unsettled.is_none() {
                        self.membership.records.give_back();
                    }
                    let _ = reply.send(self.failed.clone().map_or(Ok(()), Err));
                }
                Ok(Command::Leave { reply }) => {
                    // Dropping the consumer takes leave of the group; the producer may take its time after that.
                    drop(self.membership);
                    let _ = reply.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(error) = self.membership.keep_alive() {
                        self.remember(&error);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn remember(&mut self, error: &LogError) {
        if matches!(error, LogError::Fatal(_) | LogError::Fenced(_)) && self.failed.is_none() {
            self.failed = Some(error.clone());
        }
    }

    fn next(&mut self, budget: &Budget, abandoned: impl Fn() -> bool) -> Result<Vec<LogRecord>, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.unsettled.is_some() {
            self.membership.give_up_after(SETTLE_WITHIN);
            self.settle()?;
        }
        self.membership.take(budget, abandoned)
    }

    fn commit(&mut self, outputs: &[NewRecord]) -> Result<Commit, LogError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.membership.give_up_after(COMMIT_WITHIN);
        if self.unsettled.is_some() {
            return self.settle();
        }
        let offsets = self.offsets()?;
        if offsets.count() == 0 && outputs.is_empty() {
            return Ok(Commit::Done);
        }
        let metadata = self.membership.metadata();
        let (false, Some(metadata)) = (self.membership.records.is_lost(), metadata) else {
            return Ok(self.again());
        };
        match self
            .transactions
            .run(outputs, &offsets, &metadata, &mut self.membership)
        {
            Ok(()) => Ok(self.done()),
            Err(Failure::Aborted) => Ok(self.again()),
            Err(Failure::Faulty(error)) => {
                self.again();
                Err(error)
            }
            Err(Failure::Unknown) => {
                self.unsettled = Some(offsets);
                self.settle()
            }
            Err(Failure::Stop(error)) => Err(error),
        }
    }

    fn done(&mut self) -> Commit {
        self.unsettled = None;
        self.membership.records.done();
        Commit::Done
    }

    fn again(&mut self) -> Commit {
        self.unsettled = None;
        self.membership.records.give_back();
        Commit::Again
    }

    /// Opens another producer, which ends the transaction in question, and looks whether it had been committed.
    ///
    /// Only this member commits the offsets of its partitions; were one taken away meanwhile, its offset moves on
    /// only when another member has done the same records.
    fn settle(&mut self) -> Result<Commit, LogError> {
        let Some(offsets) = self.unsettled.clone() else {
            return Ok(self.again());
        };
        if self.membership.is_closing() {
            return Err(LogError::Unavailable(
                "the member leaves; its next batch shows what was committed".to_owned(),
            ));
        }
        let Identity {
            config,
            group,
            worker,
            ..
        } = &self.identity;
        self.transactions = Transactions::open(config, group, *worker, &mut self.membership)?;
        if offsets.count() == 0 {
            return Ok(self.again());
        }
        let committed = loop {
            match self.membership.committed(&offsets) {
                Ok(committed) => break committed,
                Err(error) => {
                    if !self.membership.turn() {
                        tracing::warn!(
                            group,
                            "whether a transaction was committed is not to be learnt: {error}"
                        );
                        return Err(from_kafka(&error, "", group));
                    }
                    std::thread::sleep(IDLE);
                }
            }
        };
        let done = offsets.elements().iter().all(|wanted| {
            let found = committed.find_partition(wanted.topic(), wanted.partition());
            let offset = found.filter(|found| found.error().is_ok()).map(|found| found.offset());
            matches!((offset, wanted.offset()), (Some(Offset::Offset(is)), Offset::Offset(wants)) if is >= wants)
        });
        tracing::info!(group, done, "a transaction was settled by the committed offsets");
        Ok(if done { self.done() } else { self.again() })
    }

    fn offsets(&self) -> Result<TopicPartitionList, LogError> {
        let mut list = TopicPartitionList::new();
        for ((topic, partition), offset) in self.membership.records.offsets() {
            list.add_partition_offset(topic.as_str(), partition, Offset::Offset(offset))
                .map_err(|error| LogError::Fatal(error.to_string()))?;
        }
        Ok(list)
    }
}

/// A subscription to a topic that does not exist would wait for it in silence.
fn must_exist(consumer: &BaseConsumer<Changes>, topic: &Topic, config: &KafkaConfig) -> Result<(), LogError> {
    let name = topic.as_str();
    let error = |error: &KafkaError| from_kafka(error, name, &config.instance);
    let metadata = consumer
        .fetch_metadata(Some(name), config.answer_within)
        .map_err(|e| error(&e))?;
    let found = metadata.topics().iter().find(|found| found.name() == name);
    match found.map(|found| found.error().map(RDKafkaErrorCode::from)) {
        Some(None) => Ok(()),
        Some(Some(code)) => Err(from_code(code, name, &config.instance)),
        None => Err(LogError::UnknownTopic(name.to_owned())),
    }
}

/// While joining: up to a deadline, and only as long as somebody waits for it.
struct Joining<'a> {
    deadline: Instant,
    ready: &'a oneshot::Sender<Result<(), LogError>>,
}

impl Turn for Joining<'_> {
    fn turn(&mut self) -> bool {
        Instant::now() < self.deadline && !self.ready.is_closed()
    }
}
