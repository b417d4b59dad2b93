//! Seeds, on as many threads as there are processors.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use libtest_mimic::Failed;
use stardust_simulation::{Bug, Outcome, Rules, Stats, run};

/// Seeds of a plain `cargo test`; `SIMULATED_SEEDS` says otherwise.
const SEEDS: u64 = 300;
/// A planted bug is found within this many.
const FOUND_WITHIN: u64 = 5_000;
/// Seeds that are run twice.
const TWICE: u64 = 60;

fn simulate(seed: u64, rules: &Rules, bug: Option<Bug>, lines: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(run(seed, rules, bug, lines))
}

/// Runs seeds until `stop` says that it is enough; the outcomes it stopped at, by seed.
fn simulate_all(
    count: u64,
    bug: Option<Bug>,
    stop: impl Fn(&Outcome) -> bool + Sync,
) -> (Vec<(u64, Outcome)>, Stats, u64) {
    let rules = Rules::builtin().unwrap();
    let (next, end) = (AtomicU64::new(0), AtomicU64::new(count));
    let found = Mutex::new((Vec::new(), Stats::default(), 0));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut stats = Stats::default();
                let mut done = 0;
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end.load(Ordering::Relaxed) {
                        break;
                    }
                    let outcome = simulate(seed, &rules, bug, false);
                    stats += outcome.stats;
                    done += 1;
                    if stop(&outcome) {
                        end.fetch_min(seed, Ordering::Relaxed);
                        found.lock().unwrap().0.push((seed, outcome));
                    }
                }
                let mut found = found.lock().unwrap();
                found.1 += stats;
                found.2 += done;
            });
        }
    });
    let (mut found, stats, done) = found.into_inner().unwrap();
    found.sort_by_key(|(seed, _)| *seed);
    (found, stats, done)
}

fn summary(stats: &Stats, done: u64, since: Instant) -> String {
    format!(
        "{done} seeds in {:.1} s: {} messages acknowledged, {} Observations, {} lives of processes, {} virtual hours",
        since.elapsed().as_secs_f64(),
        stats.acknowledged,
        stats.observations,
        stats.lives,
        stats.virtual_ms / 3_600_000
    )
}

/// One seed with its trace.
pub fn one(seed: u64, bug: Option<Bug>) -> ExitCode {
    let outcome = simulate(seed, &Rules::builtin().unwrap(), bug, true);
    for line in &outcome.trace {
        println!("{line}");
    }
    println!("seed {seed}: hash {:016x}, {:?}", outcome.hash, outcome.stats);
    for violation in &outcome.violations {
        println!("BROKEN: {violation}");
    }
    if outcome.violations.is_empty() {
        println!("every promise was kept");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}

/// Many seeds, every broken one named.
pub fn all(count: u64, bug: Option<Bug>) -> ExitCode {
    let since = Instant::now();
    let rules = Rules::builtin().unwrap();
    let next = AtomicU64::new(0);
    let broken = AtomicU64::new(0);
    let total = Mutex::new(Stats::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut stats = Stats::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count {
                        break;
                    }
                    let outcome = simulate(seed, &rules, bug, false);
                    stats += outcome.stats;
                    if let Some(violation) = outcome.violations.first() {
                        broken.fetch_add(1, Ordering::Relaxed);
                        println!("seed {seed}: {violation}");
                    }
                }
                *total.lock().unwrap() += stats;
            });
        }
    });
    println!("{}", summary(&total.into_inner().unwrap(), count, since));
    println!("{} broken", broken.load(Ordering::Relaxed));
    ExitCode::from(u8::from(broken.into_inner() > 0))
}

pub fn twice() -> Result<(), Failed> {
    let rules = Rules::builtin().unwrap();
    for seed in 0..TWICE {
        let (one, two) = (
            simulate(seed, &rules, None, false),
            simulate(seed, &rules, None, true),
        );
        if one.hash != two.hash {
            return Err(format!("seed {seed} went {:016x} and then {:016x}", one.hash, two.hash).into());
        }
    }
    Ok(())
}

pub fn none_breaks_a_promise() -> Result<(), Failed> {
    let count = match std::env::var("SIMULATED_SEEDS") {
        Ok(text) => text.parse().map_err(|_| "SIMULATED_SEEDS is a number of seeds")?,
        Err(_) => SEEDS,
    };
    let since = Instant::now();
    let (found, stats, done) = simulate_all(count, None, |outcome| !outcome.violations.is_empty());
    println!("{}", summary(&stats, done, since));
    let Some((seed, outcome)) = found.first() else {
        return Ok(());
    };
    let again = simulate(*seed, &Rules::builtin().unwrap(), None, true);
    for line in &again.trace {
        println!("{line}");
    }
    Err(format!(
        "seed {seed} broke {:?}\nalone: cargo test --release -p stardust-simulation -- --seed {seed}",
        outcome.violations
    )
    .into())
}

pub fn is_found(bug: Bug) -> Result<(), Failed> {
    let (found, _, done) = simulate_all(FOUND_WITHIN, Some(bug), |outcome| !outcome.violations.is_empty());
    match found.first() {
        Some((seed, outcome)) => {
            println!(
                "{} is found at seed {seed}: {}",
                bug.label(),
                outcome.violations[0]
            );
            Ok(())
        }
        None => Err(format!("{} stays hidden for {done} seeds", bug.label()).into()),
    }
}
