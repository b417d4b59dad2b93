//! One run: so many readings over so many connections, at a rate or as fast as it goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::latency::Latencies;
use crate::readable::Sent;
use crate::ward::Ward;

/// What to send, where to, how fast.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Where the door listens.
    pub address: SocketAddr,
    /// Whose readings.
    pub ward: Ward,
    /// Number of the first reading: runs into one store need ranges of their own.
    pub first: u64,
    /// How many.
    pub readings: u64,
    /// Kept connections.
    pub connections: u64,
    /// Readings a second; none: as fast as they are answered.
    pub rate: Option<u32>,
}

/// What came of it.
#[derive(Debug)]
pub struct Done {
    /// From the first send to the last answer.
    pub took: Duration,
    /// Of every request. At a rate: from when it was due, so that a stall counts for all that it held up.
    pub latencies: Latencies,
    /// The bodies of the answers.
    pub answers: Vec<Bytes>,
}

/// Sends the plan's readings, and tells `told` of each that was answered. Connections are made before the clock starts.
///
/// # Errors
/// The first answer other than 200, or a broken connection.
pub async fn drive(plan: Plan, told: Option<UnboundedSender<Sent>>) -> anyhow::Result<Done> {
    let mut clients = Vec::new();
    for _ in 0..plan.connections.min(plan.readings) {
        clients.push(Client::connect(plan.address).await?);
    }
    let next = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut senders = JoinSet::new();
    for client in clients {
        senders.spawn(connection(client, plan, Arc::clone(&next), start, told.clone()));
    }
    drop(told);
    let mut micros = Vec::new();
    let mut answers = Vec::new();
    while let Some(ended) = senders.join_next().await {
        let (sent, bodies) = ended??;
        micros.extend(sent);
        answers.extend(bodies);
    }
    Ok(Done {
        took: start.elapsed(),
        latencies: Latencies::new(micros),
        answers,
    })
}

async fn connection(
    mut client: Client,
    plan: Plan,
    next: Arc<AtomicU64>,
    start: Instant,
    told: Option<UnboundedSender<Sent>>,
) -> anyhow::Result<(Vec<u32>, Vec<Bytes>)> {
    let mut micros = Vec::new();
    let mut answers = Vec::new();
    loop {
        let n = next.fetch_add(1, Ordering::Relaxed);
        if n >= plan.readings {
            return Ok((micros, answers));
        }
        let due = plan
            .rate
            .map(|rate| start + Duration::from_nanos(n * 1_000_000_000 / u64::from(rate.max(1))));
        if let Some(due) = due {
            sleep_until(due).await;
        }
        let reading = plan.first + n;
        let (gateway, message) = (plan.ward.gateway_of(reading), plan.ward.message(reading));
        let since = due.unwrap_or_else(Instant::now);
        let answer = client.send(&gateway, message).await?;
        micros.push(u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX));
        if let Some(told) = &told {
            told.send(Sent {
                due: since,
                answer: answer.clone(),
            })?;
        }
        answers.push(answer);
    }
}
