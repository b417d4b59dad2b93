//! What the door shows but does not know itself: the wiring provides it.

use std::collections::BTreeMap;
use std::future::Future;

use serde::Serialize;
use serde_json::Value;

/// What is asked cannot be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Away;

/// How a component is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should.
    Healthy,
    /// It works, with something to look at.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// A component of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Component {
    /// How it is doing.
    pub status: State,
    /// In words, without values of patients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How the process is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// It can do its work; false: 503.
    pub ready: bool,
    /// By name.
    pub components: BTreeMap<String, Component>,
}

impl Health {
    /// The worst state of a component.
    #[must_use]
    pub fn status(&self) -> State {
        let worst = self.components.values().map(|c| c.status).max();
        match (self.ready, worst) {
            (false, _) => State::Unhealthy,
            (true, None) => State::Healthy,
            // It does its work, whatever is wrong somewhere.
            (true, Some(State::Unhealthy)) => State::Degraded,
            (true, Some(state)) => state,
        }
    }
}

/// The answer of `/admin/queue/stats`: these four keys and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueStats {
    /// Asynchronous processing is on.
    pub enabled: bool,
    /// Records that the parser has not done; none where the broker cannot say.
    pub queue_size: Option<u64>,
    /// `healthy`, or `unknown` where the broker cannot say.
    pub status: String,
    /// The parser's consumer group.
    pub queue_name: String,
}

/// Where a receipt is now and the steps it took: a JSON object without values of patients.
pub type ReceiptView = Value;

/// What the wiring shows through the door.
pub trait Views: Send + Sync + 'static {
    /// Where a receipt is now; none where nobody knows it.
    fn receipt(&self, receipt_id: &str) -> impl Future<Output = Result<Option<ReceiptView>, Away>> + Send;

    /// How the process is doing. Answers within a second, whatever is away.
    fn health(&self) -> impl Future<Output = Health> + Send;

    /// The parser's queue.
    fn queue(&self) -> impl Future<Output = QueueStats> + Send;

    /// Readings by outcome since the start, for the status page; empty where this process does not know.
    fn outcomes(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }

    /// Something that whoever looks at the status page has to know, such as that all of it is simulated.
    fn notice(&self) -> Option<String> {
        None
    }
}
