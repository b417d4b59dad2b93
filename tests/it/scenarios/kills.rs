//! Acknowledged is stored, exactly once, whatever is killed when.

use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward;

const BEDS: u8 = 12;

/// `KILLS` says how many of each process (20), `SEED` repeats the moments of an earlier run.
pub fn acknowledged_means_exactly_once_under_kill_9(backend: Backend) {
    let seed = number("SEED", ward::now().unsigned_abs());
    let mut moments = StdRng::seed_from_u64(seed);
    let mut stack = Stack::started(backend, &Registry::ward(BEDS));
    let load = Load::start(stack.door(), 6, BEDS, u64::MAX, Duration::from_millis(8));
    let names = stack.names();
    let kills = number("KILLS", 20) * names.len() as u64;
    println!("    {kills} kills on {backend:?}, SEED={seed}");
    for kill in 0..kills {
        sleep(Duration::from_millis(moments.random_range(50..900)));
        let name = names[kill as usize % names.len()];
        stack.kill9(name);
        // Sometimes it comes back at once, sometimes work piles up first.
        sleep(Duration::from_millis(moments.random_range(0..300)));
        stack.start_one(name, &[]);
        load.moved(stack.door());
    }
    stack.wait_ready();
    let broken = load.broken();
    let acknowledged = load.stop();
    println!(
        "    {backend:?}: {} messages acknowledged, {broken} requests broken by kills",
        acknowledged.len()
    );
    assert!(
        acknowledged.len() as u64 > kills * 5,
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

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
