//! The load generator: unique readings of the eight kinds over kept connections, what they cost, and whether all
//! that was acknowledged arrived.
//!
//! `cargo run --release -p stardust-load --example load -- --address 127.0.0.1:5054 --readings 10000 --pid door=PID`
//!
//! `--verify target/release/stardust` then asks that binary, with this process's environment, for its books and its
//! Observations. A later run into the same store needs a `--first` beyond the readings of the one before.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::Parser;
use serde_json::{Map, Value, json};
use stardust_load::drive::{Plan, drive};
use stardust_load::process::Watched;
use stardust_load::readable::{self, Store};
use stardust_load::verify;
use stardust_load::ward::Ward;
use tokio::sync::mpsc;

/// Sends readings to a door and says what came of them.
#[derive(Parser)]
struct Arguments {
    /// Where the door listens.
    #[arg(long, default_value = "127.0.0.1:5054")]
    address: SocketAddr,
    /// How many readings.
    #[arg(long, default_value_t = 10_000)]
    readings: u64,
    /// Number of the first reading.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Kept connections.
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Readings a second; without it as fast as they are answered.
    #[arg(long)]
    rate: Option<u32>,
    /// Gateways of the ward: as many as were given to `ward`.
    #[arg(long, default_value_t = 200)]
    gateways: u64,
    /// A server's process, NAME=PID: its CPU for each reading and its peak memory are reported.
    #[arg(long = "pid")]
    processes: Vec<Watched>,
    /// The stardust binary to ask whether everything arrived.
    #[arg(long)]
    verify: Option<PathBuf>,
    /// Seconds until the books must balance.
    #[arg(long, default_value_t = 300)]
    patience: u64,
    /// File of Observation ids: those promised now are added, and --verify looks for all of them. With
    /// --readings 0 it looks for those of the runs before.
    #[arg(long)]
    promises: Option<PathBuf>,
    /// Also how long it takes until the Observation of each reading can be read: in this file (`stardust.db`), or
    /// `mongodb` for the database of MONGODB_URI and MONGODB_FHIR_DB.
    #[arg(long, value_name = "FILE|mongodb")]
    readable: Option<String>,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let ward = Ward::today(arguments.gateways);
    ensure!(
        arguments.first + arguments.readings <= ward.capacity(),
        "a ward of {} gateways has {} readings; take more gateways",
        ward.gateways,
        ward.capacity()
    );
    let plan = Plan {
        address: arguments.address,
        ward,
        first: arguments.first,
        readings: arguments.readings,
        connections: arguments.connections,
        rate: arguments.rate,
    };
    let before = cpu(&arguments.processes)?;
    let (told, watcher) = match &arguments.readable {
        Some(place) => {
            let (told, sent) = mpsc::unbounded_channel();
            (
                Some(told),
                Some(tokio::spawn(readable::watch(store(place).await?, sent))),
            )
        }
        None => (None, None),
    };
    let done = drive(plan, told).await?;
    let after = cpu(&arguments.processes)?;
    let mut report = Map::new();
    let mut put = |name: &str, value: Value| report.insert(name.to_owned(), value);
    put("readings", json!(arguments.readings));
    put("seconds", json!(round(done.took.as_secs_f64(), 1_000.0)));
    put(
        "per_second",
        json!(round(per(arguments.readings) / done.took.as_secs_f64(), 1.0)),
    );
    put("p50_ms", json!(millis(done.latencies.at(0.5))));
    put("p99_ms", json!(millis(done.latencies.at(0.99))));
    put("max_ms", json!(millis(done.latencies.at(1.0))));
    if let Some(watcher) = watcher {
        let readable = watcher.await??;
        put("readable_p50_ms", json!(millis(readable.at(0.5))));
        put("readable_p99_ms", json!(millis(readable.at(0.99))));
        put("readable_max_ms", json!(millis(readable.at(1.0))));
    }
    for ((process, before), after) in arguments.processes.iter().zip(before).zip(after) {
        let cpu = (after - before).as_secs_f64() * 1e6 / per(arguments.readings);
        put(&format!("{}_cpu_us", process.name), json!(round(cpu, 10.0)));
    }
    let mut promised = HashSet::new();
    if arguments.verify.is_some() || arguments.promises.is_some() {
        promised = verify::promised(&done.answers)?;
    }
    if let Some(file) = &arguments.promises {
        verify::keep(file, &mut promised)?;
    }
    if let Some(binary) = &arguments.verify {
        let took = verify::balanced(binary, Duration::from_secs(arguments.patience))?;
        let arrived = verify::arrived(binary, promised)?;
        put("balanced_after_seconds", json!(round(took.as_secs_f64(), 10.0)));
        put("observations_arrived", json!(arrived));
    }
    // Last: the peak of memory is also that of the work behind the door.
    for process in &arguments.processes {
        #[expect(clippy::cast_precision_loss, reason = "a size in MiB")]
        let peak = process.peak_kib()? as f64 / 1024.0;
        put(&format!("{}_peak_mib", process.name), json!(round(peak, 10.0)));
    }
    if arguments.json {
        println!("{}", Value::Object(report));
    } else {
        for (name, value) in report {
            println!("{name:>24}  {value}");
        }
    }
    Ok(())
}

/// The store that `--readable` names.
async fn store(place: &str) -> anyhow::Result<Store> {
    if place != "mongodb" {
        return Store::file(Path::new(place));
    }
    let uri = std::env::var("MONGODB_URI").context("MONGODB_URI is not set")?;
    let name = std::env::var("MONGODB_FHIR_DB").unwrap_or_else(|_| "MFC_FHIR_R5".to_owned());
    Store::database(&uri, &name).await
}

fn cpu(processes: &[Watched]) -> anyhow::Result<Vec<Duration>> {
    processes.iter().map(Watched::cpu).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn per(count: u64) -> f64 {
    count.max(1) as f64
}

fn millis(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3, 100.0)
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}
