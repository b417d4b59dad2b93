//! Waits until a group has worked off a topic; says how fast it was and what its process cost.
//!
//! `cargo run --release -p stardust-load --example lag -- --brokers B --group G --topic T --pid parser=PID`

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Parser;
use serde_json::{Map, json};
use stardust_load::process::Watched;
use stardust_load::topics::Behind;

/// Waits until a group's lag is 0.
#[derive(Parser)]
struct Arguments {
    /// Bootstrap servers.
    #[arg(long)]
    brokers: String,
    /// The consumer group.
    #[arg(long)]
    group: String,
    /// The topic.
    #[arg(long)]
    topic: String,
    /// The group's process, NAME=PID.
    #[arg(long)]
    pid: Option<Watched>,
    /// The topic is written in transactions.
    #[arg(long)]
    transactional: bool,
    /// Seconds to wait.
    #[arg(long, default_value_t = 300)]
    patience: u64,
}

/// A moment: when, records left, CPU of the process so far.
struct Mark {
    at: Instant,
    lag: i64,
    cpu: Duration,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let behind = Behind::new(
        &arguments.brokers,
        &arguments.group,
        &arguments.topic,
        arguments.transactional,
    )?;
    let since = Instant::now();
    let patience = Duration::from_secs(arguments.patience);
    // A group that begins has no coordinator yet, and one that joins may not answer: asked again until it does.
    let ask = || loop {
        match behind.ask() {
            Err(_) if since.elapsed() < patience => std::thread::sleep(Duration::from_millis(100)),
            answer => break answer,
        }
    };
    let mark = || -> anyhow::Result<Mark> {
        let (_, lag) = ask()?;
        let cpu = arguments.pid.as_ref().map_or(Ok(Duration::ZERO), Watched::cpu)?;
        Ok(Mark {
            at: Instant::now(),
            lag,
            cpu,
        })
    };
    let (records, lag) = ask()?;
    let start = mark()?;
    // The first commit: what came before it is start and joining.
    let mut moving = None;
    let end = loop {
        let now = mark()?;
        if now.lag == 0 {
            break now;
        }
        ensure!(
            since.elapsed() < patience,
            "{} of {records} records are still to do",
            now.lag
        );
        if moving.is_none() && now.lag < lag {
            moving = Some(now);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let mut report = Map::new();
    report.insert("records".to_owned(), json!(records));
    report.insert("seconds".to_owned(), json!((end.at - start.at).as_secs_f64()));
    let moving = moving.unwrap_or(start);
    let worked = count(moving.lag - end.lag);
    let seconds = (end.at - moving.at).as_secs_f64().max(1e-3);
    report.insert("per_second".to_owned(), json!((worked / seconds).round()));
    if let Some(process) = &arguments.pid {
        let micros = |cpu: Duration, records: f64| (cpu.as_secs_f64() * 1e7 / records).round() / 10.0;
        report.insert("cpu_us".to_owned(), json!(micros(end.cpu - moving.cpu, worked)));
        report.insert(
            "cpu_us_with_start".to_owned(),
            json!(micros(end.cpu, count(records))),
        );
        report.insert("peak_mib".to_owned(), json!(process.peak_kib()? / 1024));
    }
    println!("{}", serde_json::Value::Object(report));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn count(records: i64) -> f64 {
    records.max(1) as f64
}
