//! Runs seeds: all of them for the tests, or one of them with its trace.
//!
//! ```text
//! cargo test --release -p stardust-simulation                        # SIMULATED_SEEDS seeds, and the planted bugs
//! cargo test --release -p stardust-simulation -- --seed 4711         # one seed, with its trace
//! cargo test --release -p stardust-simulation -- --seed 4711 --planted revoke-lost
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contract;
mod seeds;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use stardust_simulation::Bug;

/// As in the binary: a fifth of the time would go to the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    let mut value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.remove(at);
        (at < arguments.len()).then(|| arguments.remove(at))
    };
    let (seed, planted, seeds) = (value("--seed"), value("--planted"), value("--seeds"));
    let bug = planted.map(|label| {
        Bug::from_label(&label).unwrap_or_else(|| {
            let labels: Vec<_> = Bug::ALL.iter().map(|bug| bug.label()).collect();
            eprintln!("no such planted bug: {label}; there are {}", labels.join(", "));
            std::process::exit(2)
        })
    });
    if let Some(seed) = seed {
        let seed = seed.parse().unwrap_or_else(|_| {
            eprintln!("--seed takes a number");
            std::process::exit(2)
        });
        return seeds::one(seed, bug);
    }
    if let Some(seeds) = seeds {
        let count = seeds.parse().expect("--seeds takes a number");
        return seeds::all(count, bug);
    }
    let trials = vec![
        Trial::test("the_simulated_log_keeps_the_promises", contract::log),
        Trial::test("the_simulated_store_keeps_the_promises", contract::store),
        Trial::test(
            "the_simulated_store_keeps_who_had_a_device",
            contract::associations,
        ),
        Trial::test("a_seed_is_the_same_twice", seeds::twice),
        Trial::test("no_seed_breaks_a_promise", seeds::none_breaks_a_promise),
    ];
    let planted = Bug::ALL.iter().map(|bug| {
        Trial::test(format!("planted::{}_is_found", bug.label()), move || {
            seeds::is_found(*bug)
        })
    });
    let arguments = Arguments::from_iter(arguments);
    libtest_mimic::run(&arguments, trials.into_iter().chain(planted).collect()).exit_code()
}
