//! Acknowledged is stored, exactly once, whatever is killed when.

use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{wait, ward};

const BEDS: u8 = 12;

/// `KILLS` says how many of each process (20), `SEED` repeats the moments of an earlier run.
pub fn acknowledged_means_exactly_once_under_kill_9(backend: Backend) {
    let seed = number("SEED", ward::now().unsigned_abs());
    let mut moments = StdRng::seed_from_u64(seed);
    let mut stack = Stack::new(backend);
    if backend == Backend::Kafka {
        // A killed member is missed after this time, and nobody has its partitions until then: less of it, more kills
        // of processes that are at work.
        stack.set(
            "KAFKA_PROPERTIES",
            "session.timeout.ms=3000,heartbeat.interval.ms=500",
        );
    }
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, pause(backend));
    let mut names = stack.names();
    let rounds = number("KILLS", 20);
    println!("    {rounds} kills of each process on {backend:?}, SEED={seed}");
    for _ in 0..rounds {
        // A kill of a process that does nothing yet proves nothing.
        for name in &names {
            wait::until(&format!("{name} is at work"), || {
                (stack.services[*name].metric(works(name)) > 0.0).then_some(())
            });
        }
        names.shuffle(&mut moments);
        for name in &names {
            sleep(Duration::from_millis(moments.random_range(0..500)));
            stack.kill9(name);
            // Sometimes it comes back at once, sometimes work piles up first.
            sleep(Duration::from_millis(moments.random_range(0..200)));
            stack.start_one(name, &[]);
            load.moved(stack.door());
        }
    }
    stack.wait_ready();
    let broken = load.broken();
    let acknowledged = load.stop();
    println!(
        "    {backend:?}: {} messages acknowledged, {broken} requests broken by kills",
        acknowledged.len()
    );
    assert!(
        acknowledged.len() as u64 > rounds * 20,
        "hardly any load: {}",
        acknowledged.len()
    );
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    assert_eq!(
        stored.count("dead") + stored.count("parked"),
        0,
        "{}",
        stored.books
    );
}

/// What a service counts only once it works.
fn works(service: &str) -> &'static str {
    match service {
        "ingest" => "stardust_door_messages_total",
        "legacy-router" => "stardust_router_documents_total",
        "audit-recorder" => "stardust_recorder_events_total",
        _ => "stardust_parser_units_total",
    }
}

/// As much load as keeps every service busy without a backlog that takes minutes.
fn pause(backend: Backend) -> Duration {
    match backend {
        Backend::Embedded => Duration::from_millis(5),
        Backend::Kafka => Duration::from_millis(30),
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
