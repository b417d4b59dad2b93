//! A subscriber of a topic, in a process of its own: when could each record be seen?

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::binary::repository;
use crate::client;
use crate::stack::Stack;

/// A follower at work, from the end that the topic had at its start.
pub struct Follower {
    seen: Arc<Mutex<BTreeMap<String, i64>>>,
    child: Child,
}

impl Follower {
    /// Starts to follow a topic (named without its prefix) of a deployment with a broker.
    pub fn start(stack: &Stack, topic: &str) -> Self {
        let mut child = Command::new(client::python())
            .arg(repository().join("tests/clients/follow_topic.py"))
            .arg(stack.setting("KAFKA_BROKERS"))
            .arg(format!("http://{}", stack.door()))
            .arg(format!("{}{topic}", stack.setting("TOPIC_PREFIX")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let seen = Arc::<Mutex<BTreeMap<String, i64>>>::default();
        let (ready, started) = channel();
        let into = Arc::clone(&seen);
        std::thread::spawn(move || {
            if lines.next().is_some_and(|line| line.is_ok_and(|l| l == "ready")) {
                let _ = ready.send(());
            }
            for line in lines.map_while(Result::ok) {
                let (id, at) = line.split_once(' ').expect("an id and a time");
                let at = at.parse().expect("epoch milliseconds");
                into.lock()
                    .expect("no panic while held")
                    .entry(id.to_owned())
                    .or_insert(at);
            }
        });
        started
            .recv_timeout(Duration::from_secs(60))
            .expect("the follower finds its topic");
        Self { seen, child }
    }

    /// When each record could be seen, epoch milliseconds by id.
    pub fn seen(&self) -> BTreeMap<String, i64> {
        self.seen.lock().expect("no panic while held").clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
