//! A member of a group: the async side. It holds no Kafka client, only a line to the thread that does.

mod assignment;
mod batch;
mod membership;
mod thread;
mod transaction;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stardust_pipeline::log::{Budget, Commit, LogError, LogRecord, Member, NewRecord, Topic};
use tokio::sync::{oneshot, watch};

use crate::blocking::locked;
use crate::config::KafkaConfig;

pub(crate) use transaction::{Failure, Transactions, Turn};

/// How long a member may take to leave; after that its thread goes on alone and the caller is told.
const LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// What the async side asks of the thread.
enum Command {
    Next {
        budget: Budget,
        reply: oneshot::Sender<Result<Vec<LogRecord>, LogError>>,
    },
    Commit {
        outputs: Vec<NewRecord>,
        reply: oneshot::Sender<Result<Commit, LogError>>,
    },
    Rewind {
        reply: oneshot::Sender<Result<(), LogError>>,
    },
    Leave {
        reply: oneshot::Sender<()>,
    },
}

/// What both sides see.
#[derive(Default)]
struct Shared {
    assignment: Mutex<Vec<(Topic, i32)>>,
    closing: AtomicBool,
}

/// A member of a consumer group on Kafka.
///
/// One thread of the operating system owns its consumer and its transactional producer. While a batch is open for
/// longer than a second the thread pauses the partitions and goes on polling, so that the membership is kept.
///
/// Every batch is committed by a transaction, also one without outputs, so that there is one rule for zombies. While
/// the broker is away `commit` waits for some seconds and then answers [`LogError::Unavailable`]; whether the batch
/// was committed is then settled by the committed offsets before `next` gives out anything, and only what was not
/// committed comes again. Dropped without [`Member::leave`], the member leaves by itself in the background.
#[derive(Debug)]
pub struct KafkaMember {
    commands: Sender<Command>,
    shared: Arc<Shared>,
    lost: watch::Receiver<bool>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("assignment", &self.assignment)
            .finish_non_exhaustive()
    }
}

impl KafkaMember {
    /// Opens the clients, ends what an earlier member of this id left open, and joins.
    pub(crate) async fn join(
        config: &KafkaConfig,
        group: &str,
        topics: &[Topic],
        worker: usize,
    ) -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let (commands, lost) = thread::start(config, group, topics, worker, Arc::clone(&shared)).await?;
        Ok(Self {
            commands,
            shared,
            lost,
        })
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Command,
    ) -> Result<T, LogError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }
}

fn ended() -> LogError {
    LogError::Fatal("the member's thread has ended".to_owned())
}

impl Member for KafkaMember {
    async fn next(&mut self, budget: Budget) -> Result<Vec<LogRecord>, LogError> {
        self.ask(|reply| Command::Next { budget, reply }).await
    }

    async fn lost(&mut self) {
        // An error means that the thread is gone, and the batch with it.
        let _ = self.lost.wait_for(|lost| *lost).await;
    }

    async fn commit(&mut self, outputs: Vec<NewRecord>) -> Result<Commit, LogError> {
        self.ask(|reply| Command::Commit { outputs, reply }).await
    }

    async fn rewind(&mut self) -> Result<(), LogError> {
        self.ask(|reply| Command::Rewind { reply }).await
    }

    fn assignment(&self) -> Vec<(Topic, i32)> {
        locked(&self.shared.assignment).clone()
    }

    async fn leave(self) -> Result<(), LogError> {
        let (reply, left) = oneshot::channel();
        self.shared.closing.store(true, Ordering::Relaxed);
        if self.commands.send(Command::Leave { reply }).is_err() {
            return Ok(());
        }
        match tokio::time::timeout(LEAVE_WITHIN, left).await {
            Ok(_) => Ok(()),
            Err(_) => Err(LogError::Unavailable(
                "the group was not told that this member leaves; it will find out by itself".to_owned(),
            )),
        }
    }
}

impl Drop for KafkaMember {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Relaxed);
    }
}
