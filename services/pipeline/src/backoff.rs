//! Waiting between tries: exponential, with full jitter, without end.

use std::time::Duration;

/// The waits of one outage. Each is drawn evenly from zero to a bound that doubles up to `most`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    tries: u32,
    draw: fn() -> f64,
}

impl Backoff {
    /// Bounds that start at `first` and double up to `most`.
    #[must_use]
    pub const fn new(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            tries: 0,
            draw: rand::random::<f64>,
        }
    }

    /// The same bounds with waits drawn by `draw`: evenly from 0 to below 1.
    #[must_use]
    pub const fn drawn_by(self, draw: fn() -> f64) -> Self {
        Self { draw, ..self }
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
        bound.mul_f64((self.draw)())
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

    #[test]
    fn a_wait_is_drawn_by_what_was_handed_in() {
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(80)).drawn_by(|| 0.5);
        assert_eq!(backoff.next_wait(), Duration::from_millis(5));
        assert_eq!(backoff.next_wait(), Duration::from_millis(10));
    }
}
