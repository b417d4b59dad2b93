//! Waiting with a generous limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything may take before a scenario gives up. Far above what it takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

/// Asks until there is an answer. Panics with `what` after [`LIMIT`].
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(LIMIT, what, ask)
}

/// As [`until`], with another limit.
pub fn until_within<T>(limit: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain until {what}");
        sleep(Duration::from_millis(50));
    }
}
