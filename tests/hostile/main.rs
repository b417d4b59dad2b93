//! Hostile bytes: every parser against inputs that nobody should send.
//!
//! ```sh
//! tests/hostile/run --inputs 10000000
//! ```
//! No input may cause a panic, hold more memory than a multiple of its size, or break what the target says of good
//! inputs. Every input follows from the seed and its number: a failure prints the command that repeats it alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bytes;
mod memory;
mod targets;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::{Numbers, shown};
use targets::{Seen, Target};

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// What `cargo test` does without being asked for more.
const FEW: u64 = 20_000;
const SEED: u64 = 20_260_301;

/// A parser may hold so many times the size of its input, beside what its target allows.
const TIMES: usize = 160;

struct Arguments {
    inputs: u64,
    seed: u64,
    target: Option<String>,
    only: Option<u64>,
}

/// What came of the inputs of a target.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    inputs: u64,
    good: u64,
    most_held: usize,
    longest: usize,
}

thread_local! {
    /// Where the last panic of this thread was, and what it said.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        return ExitCode::SUCCESS;
    };
    std::panic::set_hook(Box::new(|info| {
        PANIC.with_borrow_mut(|text| *text = info.to_string())
    }));
    let started = Instant::now();
    let targets: Vec<Target> = targets::all()
        .into_iter()
        .filter(|t| arguments.target.as_ref().is_none_or(|name| t.name == name))
        .collect();
    assert!(!targets.is_empty(), "no such target");
    if let Some(only) = arguments.only {
        return match one(&targets, &arguments, only) {
            Ok((name, _, _)) => {
                println!("input {only} of {name} is as it must be");
                ExitCode::SUCCESS
            }
            Err(failure) => {
                eprintln!("{failure}");
                ExitCode::FAILURE
            }
        };
    }
    let next = AtomicU64::new(0);
    let failure = std::sync::Mutex::new(None::<String>);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<BTreeMap<&str, Tally>> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| scope.spawn(|| work(&targets, &arguments, &next, &failure)))
            .collect();
        running.into_iter().map(|t| t.join().expect("a thread")).collect()
    });
    let mut sums: BTreeMap<&str, Tally> = BTreeMap::new();
    for (name, tally) in tallies.into_iter().flatten() {
        let sum = sums.entry(name).or_default();
        sum.inputs += tally.inputs;
        sum.good += tally.good;
        sum.most_held = sum.most_held.max(tally.most_held);
        sum.longest = sum.longest.max(tally.longest);
    }
    println!(
        "{:<12} {:>10} {:>10} {:>12} {:>14}",
        "target", "inputs", "good", "longest, B", "most held, B"
    );
    for (name, t) in &sums {
        println!(
            "{name:<12} {:>10} {:>10} {:>12} {:>14}",
            t.inputs, t.good, t.longest, t.most_held
        );
    }
    if let Some(failure) = failure.into_inner().expect("nobody panicked") {
        eprintln!("{failure}");
        return ExitCode::FAILURE;
    }
    // Where nothing or everything is refused the samples or the changes are of no use.
    for (name, t) in &sums {
        let enough = t.inputs < 1_000 || (t.good > t.inputs / 100 && t.good < t.inputs);
        assert!(enough, "{name}: {} of {} inputs are good", t.good, t.inputs);
    }
    println!(
        "{} inputs, no finding, {} s",
        arguments.inputs,
        started.elapsed().as_secs()
    );
    ExitCode::SUCCESS
}

/// None where this is not asked for: a filter of `cargo test` that means other tests, or `--list`.
fn arguments() -> Option<Arguments> {
    let mut found = Arguments {
        inputs: FEW,
        seed: SEED,
        target: None,
        only: None,
    };
    let mut words = std::env::args().skip(1);
    let number = |word: Option<String>| word.and_then(|w| w.parse().ok()).expect("a number");
    while let Some(word) = words.next() {
        match word.as_str() {
            "--inputs" => found.inputs = number(words.next()),
            "--seed" => found.seed = number(words.next()),
            "--only" => found.only = Some(number(words.next())),
            "--target" => found.target = words.next(),
            "--list" => return None,
            // What `cargo test` hands to every harness.
            "--test-threads" | "--skip" | "--format" => drop(words.next()),
            other if other.starts_with('-') => {}
            filter if !"hostile".contains(filter) => return None,
            _ => {}
        }
    }
    Some(found)
}

fn work<'t>(
    targets: &'t [Target],
    arguments: &Arguments,
    next: &AtomicU64,
    failure: &std::sync::Mutex<Option<String>>,
) -> BTreeMap<&'t str, Tally> {
    const AT_ONCE: u64 = 64;
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    loop {
        let from = next.fetch_add(AT_ONCE, Ordering::Relaxed);
        if from >= arguments.inputs {
            return tallies;
        }
        for input in from..(from + AT_ONCE).min(arguments.inputs) {
            match one(targets, arguments, input) {
                Ok((name, seen, held)) => {
                    let tally = tallies.entry(name).or_default();
                    tally.inputs += 1;
                    tally.good += u64::from(seen.good);
                    tally.most_held = tally.most_held.max(held);
                    tally.longest = tally.longest.max(seen.bytes);
                }
                Err(text) => {
                    failure.lock().expect("nobody panicked").get_or_insert(text);
                    next.store(u64::MAX / 2, Ordering::Relaxed);
                    return tallies;
                }
            }
        }
    }
}

/// One input against its target.
fn one<'t>(
    targets: &'t [Target],
    arguments: &Arguments,
    input: u64,
) -> Result<(&'t str, Seen, usize), String> {
    let mut numbers = Numbers::of(arguments.seed, input);
    let all: usize = targets.iter().map(|t| t.weight).sum();
    let mut at = numbers.below(all);
    let target = targets
        .iter()
        .find(|t| {
            let here = at < t.weight;
            at = at.saturating_sub(t.weight);
            here
        })
        .expect("a target");
    let bytes = (target.bytes)(&mut numbers);
    let tell = |what: String| {
        let alone = arguments
            .target
            .as_ref()
            .map_or_else(String::new, |t| format!(" --target {t}"));
        format!(
            "input {input} of {}: {what}\n{}\nagain: tests/hostile/run --seed {}{alone} --only {input}",
            target.name,
            shown(&bytes),
            arguments.seed
        )
    };
    let (done, held) =
        memory::most_held(|| catch_unwind(AssertUnwindSafe(|| (target.check)(&mut numbers, &bytes))));
    match done {
        Err(_) => Err(tell(PANIC.with_borrow(Clone::clone))),
        Ok(Err(broken)) => Err(tell(broken)),
        Ok(Ok(_)) if held > target.holds + TIMES * bytes.len() => Err(tell(format!(
            "{held} bytes of memory for {} bytes of input",
            bytes.len()
        ))),
        Ok(Ok(good)) => Ok((
            target.name,
            Seen {
                good,
                bytes: bytes.len(),
            },
            held,
        )),
    }
}
