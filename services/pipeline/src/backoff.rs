//! Waiting between tries: exponential, with full jitter, without end.

use std::time::Duration;

/// The waits of one outage. Each is drawn evenly from zero to a bound that doubles up to `most`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
}

impl Backoff {
    /// Bounds that start at `first` and double up to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            tries: 0,
        }
    }

    /// How often it has been asked.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.tries
    }

    /// The next wait.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self
            .first
            .saturating_mul(1_u32 << self.tries.min(20))
            .min(self.most);
        self.tries = self.tries.saturating_add(1);
        bound.mul_f64(rand::random::<f64>())
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(50), Duration::from_secs(10))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_never_end() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80));
        for round in 0_u32..200 {
            let bound = Duration::from_millis(10 * (1 << round.min(3)));
            assert!(backoff.next_wait() <= bound);
        }
        assert_eq!(backoff.tries(), 200);
    }
}
