//! Acknowledged is stored, exactly once, whatever is killed when.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::servers::Server;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{wait, ward};

const BEDS: u8 = 12;

/// `KILLS` says how many in all (20 of each process of ours, with a broker and a database of their own every few rounds),
/// `SEED` repeats the moments of an earlier run.
pub fn acknowledged_means_exactly_once_under_kill_9(backend: Backend) {
    let seed = number("SEED", ward::now().unsigned_abs());
    let mut moments = StdRng::seed_from_u64(seed);
    let mut stack = Stack::bare(backend);
    let mut below = Vec::new();
    if backend == Backend::Kafka {
        below = vec![("broker", Server::kafka()), ("database", Server::mongo())];
        stack.set("KAFKA_BROKERS", below[0].1.address());
        stack.set("MONGODB_URI", below[1].1.address());
        // A killed member is missed after this time, and nobody has its partitions until then: less of it, more kills
        // of processes that are at work.
        stack.set(
            "KAFKA_PROPERTIES",
            "session.timeout.ms=3000,heartbeat.interval.ms=500",
        );
    }
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let kills = number(
        "KILLS",
        match backend {
            Backend::Embedded => 20,
            Backend::Kafka => 88,
        },
    );
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, pause(backend, kills));
    println!("    {kills} kills on {backend:?}, SEED={seed}");
    let begun = Instant::now();
    let mut killed = BTreeMap::new();
    let mut victims: Vec<&str> = Vec::new();
    let mut round = 0;
    while killed.values().sum::<u64>() < kills {
        if victims.is_empty() {
            victims = stack.names();
            victims.extend(below.get(round % 5).map(|(name, _)| *name));
            victims.shuffle(&mut moments);
            round += 1;
            // A kill of a process that does nothing yet proves nothing.
            at_work(&stack);
        }
        let Some(name) = victims.pop() else { break };
        *killed.entry(name).or_insert(0) += 1;
        sleep(Duration::from_millis(moments.random_range(0..500)));
        // Sometimes it comes back at once, sometimes work piles up first.
        let away = Duration::from_millis(moments.random_range(0..200));
        if let Some((_, server)) = below.iter().find(|(known, _)| *known == name) {
            server.kill9();
            sleep(away * 10);
            server.again();
            at_work(&stack);
        } else {
            stack.kill9(name);
            sleep(away);
            stack.start_one(name, &[]);
            load.moved(stack.door());
        }
    }
    stack.wait_ready();
    let broken = load.broken();
    let acknowledged = load.stop();
    println!(
        "    {backend:?}: {killed:?} killed in {} s, {} messages acknowledged, {broken} requests broken by kills",
        begun.elapsed().as_secs(),
        acknowledged.len()
    );
    assert!(
        acknowledged.len() as u64 > kills * 3,
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

/// Waits until every service has done something from now on.
fn at_work(stack: &Stack) {
    for name in stack.names() {
        let done = || stack.services[name].metric(works(name));
        let before = done();
        wait::until(&format!("{name} is at work"), || (done() > before).then_some(()));
    }
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

/// As much load as keeps every service busy without a backlog that takes minutes, and no more in a long run than can be
/// checked one by one.
fn pause(backend: Backend, kills: u64) -> Duration {
    let long = if kills > 200 { 4 } else { 1 };
    match backend {
        Backend::Embedded => Duration::from_millis(5) * long,
        Backend::Kafka => Duration::from_millis(150) * long,
    }
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
