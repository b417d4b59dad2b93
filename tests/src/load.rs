//! Senders that behave as gateways do: one message after the other, sent again until it is acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use serde_json::Value;

use crate::books::Stored;
use crate::http::{Connection, strings};
use crate::stack::Stack;
use crate::topics;
use crate::{ids, ward};

/// What the door promised for one message.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The number of the message.
    pub number: u64,
    /// The receipt.
    pub receipt: String,
    /// The ids that the answer named.
    pub observation_ids: Vec<String>,
    /// `queued`, `spooled` or `stored`.
    pub processing: String,
    /// How often it was sent.
    pub tries: u32,
    /// When the answer came, epoch milliseconds.
    pub at: i64,
}

struct Shared {
    door: Mutex<SocketAddr>,
    next: AtomicU64,
    most: u64,
    beds: u8,
    from: i64,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
    broken: AtomicU64,
    pause: Duration,
}

impl Shared {
    fn acknowledged(&self) -> Vec<Acknowledged> {
        self.acknowledged.lock().expect("no panic while held").clone()
    }
}

/// Senders at work.
pub struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts senders of a mixture over the beds 1 to `beds`, at most `most` messages in all, each sender pausing after
    /// each message.
    pub fn start(door: SocketAddr, senders: usize, beds: u8, most: u64, pause: Duration) -> Self {
        let shared = Arc::new(Shared {
            door: Mutex::new(door),
            next: AtomicU64::new(0),
            most,
            beds,
            // In bounds of the clock, and two weeks of room for further messages.
            from: ward::now() - 14 * 86_400,
            stop: AtomicBool::new(false),
            acknowledged: Mutex::default(),
            broken: AtomicU64::new(0),
            pause,
        });
        let senders = (0..senders)
            .map(|_| Arc::clone(&shared))
            .map(|shared| spawn(move || send(&shared)))
            .collect();
        Self { shared, senders }
    }

    /// The door moved.
    pub fn moved(&self, door: SocketAddr) {
        *self.shared.door.lock().expect("no panic while held") = door;
    }

    /// How many messages were acknowledged so far.
    pub fn count(&self) -> usize {
        self.shared
            .acknowledged
            .lock()
            .expect("no panic while held")
            .len()
    }

    /// How many requests broke so far.
    pub fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::SeqCst)
    }

    /// Waits until all messages are acknowledged.
    pub fn finish(self) -> Vec<Acknowledged> {
        self.join()
    }

    /// What was acknowledged so far.
    pub fn acknowledged(&self) -> Vec<Acknowledged> {
        self.shared.acknowledged()
    }

    /// Lets each sender finish its message, then stops.
    pub fn stop(self) -> Vec<Acknowledged> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join()
    }

    fn join(self) -> Vec<Acknowledged> {
        for sender in self.senders {
            sender
                .join()
                .expect("a sender found an answer that it does not understand");
        }
        self.shared.acknowledged()
    }
}

fn send(shared: &Shared) {
    let mut connection = None;
    loop {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let number = shared.next.fetch_add(1, Ordering::SeqCst);
        if number >= shared.most {
            return;
        }
        let body = ward::mixture(number, shared.beds, shared.from);
        let acknowledged = deliver(shared, &mut connection, number, &body);
        shared
            .acknowledged
            .lock()
            .expect("no panic while held")
            .push(acknowledged);
        sleep(shared.pause);
    }
}

/// Sends one message until the door says 200; 503 means later.
fn deliver(shared: &Shared, connection: &mut Option<Connection>, number: u64, body: &str) -> Acknowledged {
    let mut tries: u32 = 0;
    loop {
        tries += 1;
        assert!(
            tries < 3_000,
            "the door took message {number} in none of {tries} tries"
        );
        let door = *shared.door.lock().expect("no panic while held");
        let open = connection.take().map_or_else(|| Connection::open(door), Ok);
        let answered = open.and_then(|mut open| {
            let json = [("content-type", "application/json")];
            let answer = open.request("POST", "/api/ava4/data", &json, body.as_bytes())?;
            Ok((open, answer))
        });
        match answered {
            Ok((open, answer)) if answer.status == 200 => {
                *connection = Some(open);
                let json: Value = answer.json();
                return Acknowledged {
                    number,
                    receipt: json["receipt_id"].as_str().expect("a receipt").to_owned(),
                    observation_ids: strings(&json["observation_ids"]),
                    processing: json["processing"].as_str().expect("processing").to_owned(),
                    tries,
                    at: ward::now_ms(),
                };
            }
            Ok((_, answer)) => {
                assert!(
                    answer.status == 503 || answer.status == 408,
                    "{}: {}",
                    answer.status,
                    answer.text()
                );
                sleep(Duration::from_millis(100));
            }
            Err(_) => {
                shared.broken.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_millis(30));
            }
        }
    }
}

/// Every acknowledged message is stored and on the topics, each document exactly once.
pub fn kept(stack: &Stack, acknowledged: &[Acknowledged], stored: &Stored) {
    let observations = topics::ids(stack, topics::OBSERVATIONS);
    let legacy = topics::ids(stack, topics::LEGACY);
    let audit = topics::ids(stack, topics::AUDIT);
    for (name, count) in [
        ("Observation", &observations),
        ("legacy document", &legacy),
        ("AuditEvent", &audit),
    ] {
        let doubled: Vec<_> = count.iter().filter(|(_, n)| **n > 1).collect();
        assert!(
            doubled.is_empty(),
            "{name} more than once on its topic: {doubled:?}"
        );
    }
    let same = |name: &str, on_topic: Vec<&String>, in_store: Vec<&String>| {
        assert_eq!(on_topic, in_store, "{name}: ids on the topic and in the store");
    };
    same(
        "Observation",
        observations.keys().collect(),
        stored.observations.keys().collect(),
    );
    same(
        "legacy document",
        legacy.keys().collect(),
        stored.legacy.keys().collect(),
    );
    same(
        "AuditEvent",
        audit.keys().collect(),
        stored.audit.keys().collect(),
    );
    for a in acknowledged {
        let items = items(a);
        let lost = |id: &&String| !stored.observations.contains_key(*id);
        if let Some(id) = a.observation_ids.iter().find(lost) {
            let events = stored
                .audit
                .values()
                .filter(|e| e.to_string().contains(&a.receipt));
            let events: Vec<_> = events.map(|e| (&e["outcome"], &e["entity"])).collect();
            panic!("{id} of acknowledged {a:?} is lost; its audit: {events:?}");
        }
        for item in 0..items {
            let created = stored
                .audit
                .contains_key(&ids::audit(&a.receipt, Some(item), "created"));
            let duplicate = stored
                .audit
                .contains_key(&ids::audit(&a.receipt, Some(item), "duplicate"));
            assert!(
                created != duplicate,
                "message {}, item {item}: created {created}, duplicate {duplicate}",
                a.number
            );
        }
    }
}

/// Nothing came twice, but for what a sender sent twice and what the door spooled (a copy that the broker did not
/// confirm in time may be in the log).
pub fn once(acknowledged: &[Acknowledged], stored: &Stored) {
    let readings = |of: fn(&&Acknowledged) -> bool| -> u64 {
        let of = acknowledged.iter().filter(of);
        of.map(|a| items(a) as u64).sum()
    };
    let (again, spooled) = (readings(|a| a.tries > 1), readings(|a| a.processing == "spooled"));
    assert!(
        stored.count("duplicate") <= again && stored.count("redelivered") <= spooled,
        "readings of messages sent again: {again}, spooled: {spooled}; {}",
        stored.books
    );
}

/// Readings of a message of the mixture, told from the number of its Observations.
fn items(a: &Acknowledged) -> usize {
    match a.observation_ids.len() {
        0 => 0,
        4 => 2,
        _ => 1,
    }
}
