//! The scenarios: the built binary, from outside, on both stacks.
//!
//! `cargo test` alone runs what needs no server; `STARDUST_E2E=1` runs everything. Names are filters as always:
//! `STARDUST_E2E=1 cargo test -p stardust-scenarios --test it -- kafka::duplicates`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod architecture;
mod documents;
mod scenarios;

use std::process::ExitCode;
use std::time::Instant;

use libtest_mimic::{Arguments, Trial};
use stardust_scenarios::servers;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each scenario on the Kafka stack is four processes.
    arguments.test_threads.get_or_insert(3);
    let all = std::env::var("STARDUST_E2E").is_ok_and(|v| v == "1");
    let mut trials = architecture::trials();
    trials.extend(documents::trials());
    let with_servers = scenarios::trials();
    if all {
        trials.extend(with_servers);
    } else if !arguments.list {
        println!(
            "skipped: {} end-to-end scenarios. STARDUST_E2E=1 runs them (the binary, a broker and a database are needed; ./tests/run provides them)",
            with_servers.len()
        );
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    servers::stop();
    conclusion.exit_code()
}

/// A test of libtest's kind.
fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    let told = name.to_owned();
    Trial::test(name, move || {
        let begun = Instant::now();
        test();
        let seconds = begun.elapsed().as_secs();
        if seconds >= 30 {
            println!("    {told}: {seconds} s");
        }
        Ok(())
    })
}
