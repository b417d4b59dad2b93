//! The gateways: each sends its messages one after the other and tries again until they are taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stardust_domain::mapping::Mapping;
use stardust_ingest::{Code, Door, Fault, Message as Sent, Taken};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::dice::Dice;
use crate::fleet::Fleet;
use crate::process::Process;
use crate::ward::Message;

/// One try to hand a message in.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) message: usize,
    pub(crate) gateway: usize,
    pub(crate) request_id: String,
    /// The life of the door that had it.
    pub(crate) door: u64,
    /// When it began and was answered, in the order of everything that was sent and answered.
    pub(crate) begun: u64,
    pub(crate) ended: Option<u64>,
    /// Its place in the request.
    pub(crate) index: usize,
    /// Its request.
    pub(crate) request: usize,
    pub(crate) receipt: Option<String>,
}

/// What was sent and what was answered.
#[derive(Default)]
pub(crate) struct Post {
    pub(crate) messages: Vec<Message>,
    pub(crate) attempts: Vec<Attempt>,
    requests: usize,
    moments: u64,
    pub(crate) acknowledged: usize,
    /// Gateways that have something left to send.
    pub(crate) busy: usize,
}

impl Post {
    fn moment(&mut self) -> u64 {
        self.moments += 1;
        self.moments
    }
}

/// The post of a run. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct PostOffice(Arc<Mutex<Post>>);

impl PostOffice {
    pub(crate) fn open(&self) -> MutexGuard<'_, Post> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Answer {
    /// Every message has a receipt.
    Taken,
    /// It will never be taken.
    Refused,
    /// Perhaps another time.
    Later,
}

/// A gateway of the ward.
pub(crate) struct Gateway {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) post: PostOffice,
    pub(crate) dice: Dice,
    /// What it sends: the message, and the pause before it.
    pub(crate) messages: Vec<(Duration, usize)>,
}

impl Gateway {
    pub(crate) async fn run(mut self) {
        let messages = std::mem::take(&mut self.messages);
        let mut rest = messages.as_slice();
        while let Some((pause, _)) = rest.first() {
            sleep(*pause).await;
            let many = if self.dice.below(6) == 0 {
                2 + self.dice.index(3)
            } else {
                1
            };
            let (now, later) = rest.split_at(many.min(rest.len()));
            let numbers: Vec<usize> = now.iter().map(|(_, number)| *number).collect();
            self.hand_in(&numbers).await;
            rest = later;
        }
        self.post.open().busy -= 1;
    }

    /// Tries until the messages are taken or the gateway gives up.
    async fn hand_in(&mut self, numbers: &[usize]) {
        loop {
            match self.attempt(numbers).await {
                Answer::Taken | Answer::Refused => return,
                // A gateway may forget what nobody took.
                Answer::Later if self.fleet.world.is_faulty() && self.dice.below(12) == 0 => return,
                Answer::Later => sleep(self.dice.millis(100, 5_000)).await,
            }
        }
    }

    /// A door that is open.
    fn door(&mut self) -> Option<(Process, Door<Mapping>)> {
        let lives = self.fleet.lives();
        let mut open: Vec<_> = lives
            .iter()
            .filter_map(|life| Some((life.process.clone()?, life.door.clone()?)))
            .collect();
        drop(lives);
        if open.is_empty() {
            return None;
        }
        // Most gateways stay with one door.
        let at = if self.dice.below(5) == 0 {
            self.dice.index(open.len())
        } else {
            0
        };
        Some(open.swap_remove(at))
    }

    async fn attempt(&mut self, numbers: &[usize]) -> Answer {
        let Some((process, door)) = self.door() else {
            return Answer::Later;
        };
        let world = self.fleet.world.clone();
        let (first, messages) = self.write_down(numbers, &process);
        world.note("gateway", "sends", i64::try_from(first).unwrap_or(0), || {
            format!("{numbers:?} to {}", process.name())
        });
        let (sender, answer) = oneshot::channel();
        let handler = process.spawn(async move {
            let answered = if messages.len() == 1 {
                let one = messages.into_iter().next();
                match one {
                    Some(message) => door.take(message).await.map(|taken| vec![taken]),
                    None => Ok(Vec::new()),
                }
            } else {
                let all = door.take_all(messages).await;
                all.map_err(|mut faults| faults.pop().map_or_else(gone, |(_, fault)| fault))
            };
            // The client may have gone.
            let _ = sender.send(answered);
        });
        let patience = self.dice.millis(2_000, 40_000);
        let answered = timeout(patience, answer).await;
        if answered.is_err() && self.dice.coin() {
            // The connection is closed, and the handler with it.
            handler.abort();
        }
        let answered = answered.ok().and_then(Result::ok);
        self.note_answer(first, answered)
    }

    /// Notes the attempts before they are made; the first of them, and what the door gets.
    fn write_down(&mut self, numbers: &[usize], process: &Process) -> (usize, Vec<Sent>) {
        let mut post = self.post.open();
        post.requests += 1;
        let begun = post.moment();
        let (request, first) = (post.requests, post.attempts.len());
        let mut sent = Vec::with_capacity(numbers.len());
        for (index, number) in numbers.iter().enumerate() {
            let request_id = format!("r-{request}-{index}");
            let message = &post.messages[*number];
            sent.push(Sent {
                body: message.body.clone(),
                content_type: None,
                request_id: request_id.clone(),
                backfill: message.backfill,
            });
            let attempt = Attempt {
                message: *number,
                gateway: message.gateway,
                request_id,
                door: process.serial(),
                begun,
                ended: None,
                index,
                request,
                receipt: None,
            };
            post.attempts.push(attempt);
        }
        (first, sent)
    }

    fn note_answer(&self, first: usize, answered: Option<Result<Vec<Taken>, Fault>>) -> Answer {
        let number = i64::try_from(first).unwrap_or(0);
        let note = |what: &str| self.fleet.world.note("gateway", what, number, String::new);
        match answered {
            Some(Ok(all)) => {
                self.fleet.world.note("gateway", "is answered", number, || {
                    let receipts = all.iter().map(|t| format!("{} {:?}", t.receipt_id, t.processing));
                    receipts.collect::<Vec<_>>().join(" ")
                });
                let mut post = self.post.open();
                let ended = post.moment();
                post.acknowledged += all.len();
                for (attempt, taken) in post.attempts[first..].iter_mut().zip(&all) {
                    attempt.ended = Some(ended);
                    attempt.receipt = Some(taken.receipt_id.to_string());
                }
                Answer::Taken
            }
            Some(Err(fault)) if fault.code == Code::ServiceUnavailable => {
                note("is told to come again");
                Answer::Later
            }
            Some(Err(fault)) => {
                let code = fault.code.label();
                self.fleet
                    .world
                    .violation(format!("a good message was refused: {code}"));
                Answer::Refused
            }
            None => {
                note("hears nothing");
                Answer::Later
            }
        }
    }
}

fn gone() -> Fault {
    Fault {
        code: Code::ServiceUnavailable,
        message: "no answer".into(),
        field: None,
        suggestion: "".into(),
        retry_after: None,
        close: false,
    }
}
