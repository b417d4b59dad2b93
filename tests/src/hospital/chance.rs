//! Chance, as a function of a seed.

use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Draws that are the same in every run.
#[derive(Debug)]
pub struct Chance(StdRng);

impl Chance {
    /// The draws of a seed; `stream` tells apart several that have nothing to do with each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self(StdRng::seed_from_u64(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream,
        ))
    }

    /// A number of this range.
    pub fn of(&mut self, range: RangeInclusive<i64>) -> i64 {
        self.0.random_range(range)
    }

    /// True so often in ten thousand.
    pub fn often(&mut self, in_ten_thousand: u32) -> bool {
        self.0.random_range(0..10_000) < in_ten_thousand
    }

    /// A place in a list of so many.
    pub fn index(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// One of these.
    pub fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}
