//! A kill in the middle of a replay or a release changes nothing in the end result.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use stardust_scenarios::binary;
use stardust_scenarios::books::{Stored, settled};
use stardust_scenarios::registry::{Device, Registry, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, wait, ward};

use super::dead_letters::{impossible, listed, mended_id, mended_mapping, once_on_the_topics, parser};

const BEDS: u8 = 6;
const ROUNDS: u32 = 3;

fn messages(backend: Backend) -> i64 {
    match backend {
        Backend::Embedded => 600,
        Backend::Kafka => 300,
    }
}

fn moments() -> StdRng {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok());
    let seed = seed.unwrap_or_else(|| ward::now().unsigned_abs());
    println!("    SEED={seed}");
    StdRng::seed_from_u64(seed)
}

/// Starts a command and ends it as a crash would after a while; whether it was still at work.
pub(super) fn killed(stack: &Stack, arguments: &[&str], after: Duration) -> bool {
    let mut child = binary::command(stack.settings())
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    sleep(after);
    let at_work = child.try_wait().expect("its state").is_none();
    let _ = child.kill();
    child.wait().expect("its end");
    at_work
}

/// Kills the command, and the parser in the middle of what it was sent, again and again.
fn kill_rounds(stack: &mut Stack, arguments: &[&str], moments: &mut StdRng) {
    let name = parser(stack);
    let mut cut = 0;
    for round in 0..ROUNDS {
        let after = Duration::from_millis(moments.random_range(30..900));
        cut += u32::from(killed(stack, arguments, after));
        if round > 0 {
            sleep(Duration::from_millis(moments.random_range(0..400)));
            stack.kill9(name);
            stack.start_one(name, &[]);
        }
    }
    println!("    {cut} of {ROUNDS} commands were killed at work");
    stack.wait_ready();
}

fn each_once(stack: &Stack, stored: &Stored, receipts: &BTreeMap<String, String>, before: &str) {
    for (receipt, id) in receipts {
        stored.observation(id);
        assert!(stored.audited(receipt, Some(0), before), "{receipt}");
        assert!(stored.audited(receipt, Some(0), "created"), "{receipt}");
    }
    stored.counts(&[
        ("stored", receipts.len() as u64),
        ("redelivered", stored.count("redelivered")),
    ]);
    assert_eq!((stored.dead.len(), stored.parked.len()), (0, 0));
    once_on_the_topics(stack, stored);
}

pub fn a_kill_in_the_middle_of_a_replay_changes_nothing(backend: Backend) {
    let mut moments = moments();
    let mut stack = Stack::new(backend);
    quick(&mut stack);
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let start = ward::now() - 5_000;
    let mut receipts = BTreeMap::new();
    for n in 0..messages(backend) {
        let bed = u8::try_from(n % i64::from(BEDS)).unwrap() + 1;
        let receipt = stack.accepted(impossible(bed, start + n));
        receipts.insert(receipt, mended_id(bed, start + n));
    }
    settled(&stack).counts(&[("dead", receipts.len() as u64)]);
    let mapping = mended_mapping(stack.folder());
    stack.set("MAPPING_FILE", &mapping);
    stack.terminate(parser(&stack));
    stack.start();

    kill_rounds(&mut stack, &["dead-letters", "replay"], &mut moments);
    // Whatever the killed ones left, the next one ends it.
    stack.run(&["dead-letters", "replay"]).good();
    wait::until("all letters are closed", || {
        listed(&stack, &[]).is_empty().then_some(())
    });
    let stored = settled(&stack);
    each_once(&stack, &stored, &receipts, "dead");
}

pub fn a_kill_in_the_middle_of_a_release_changes_nothing(backend: Backend) {
    let mut moments = moments();
    let mut stack = Stack::new(backend);
    quick(&mut stack);
    let mut registry = Registry::ward(BEDS);
    stack.learn(&registry);
    stack.start();
    let start = ward::now() - 5_000;
    let address = |bed: u8| format!("020000cc00{bed:02x}");
    let mut receipts = BTreeMap::new();
    for n in 0..messages(backend) {
        let bed = u8::try_from(n % i64::from(BEDS)).unwrap() + 1;
        let fields = r#""bp_high":131,"bp_low":84"#;
        let body = ward::single(&gateway(bed), "BP_BIOLIGTH", &address(bed), start + n, fields);
        let id = ids::observation(&address(bed), "blood-pressure", start + n, "131,84");
        receipts.insert(stack.accepted(body), id);
    }
    settled(&stack).counts(&[("parked", receipts.len() as u64)]);
    for bed in 1..=BEDS {
        registry.add_device(Device::Cuff.field(), &address(bed), Some(&patient(bed)));
    }
    // From now on the parser releases by itself, beside the commands.
    stack.learn(&registry);
    kill_rounds(&mut stack, &["parked", "release"], &mut moments);
    wait::until("nothing is parked", || {
        let books: Value = serde_json::from_str(&stack.run(&["reconcile", "--json"]).stdout).ok()?;
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
    let stored = settled(&stack);
    each_once(&stack, &stored, &receipts, "parked");
}

/// A killed member is missed after a short time: the scenario is about letters, not about rebalances.
pub(super) fn quick(stack: &mut Stack) {
    if stack.backend == Backend::Kafka {
        stack.set(
            "KAFKA_PROPERTIES",
            "session.timeout.ms=3000,heartbeat.interval.ms=500",
        );
    }
}
