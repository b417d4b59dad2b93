//! Chance, as a function of a seed.

use std::cell::RefCell;
use std::time::Duration;

use stardust_domain::time::Timestamp;
use tokio::time::Instant;

/// Numbers that look random and are the same in every run (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// The numbers of a seed; `stream` tells apart several that have nothing to do with each other.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut dice = Self(seed ^ stream.wrapping_mul(0xd6e8_feb8_6659_fd93));
        // Neighbouring seeds differ in one bit only.
        dice.next();
        Self(dice.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `bound`; 0 for a bound of 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap_or(0)
    }

    /// True this often in a thousand.
    pub(crate) fn thousandths(&mut self, often: u32) -> bool {
        often > 0 && self.below(1_000) < u64::from(often)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.within(low, high))
    }
}

/// What the services draw from by function pointers, a thread at a time.
struct Handed {
    dice: Dice,
    start: Instant,
    epoch_ms: i64,
}

thread_local! {
    static HANDED: RefCell<Option<Handed>> = const { RefCell::new(None) };
}

/// Hands this thread's services a clock that starts at `epoch_ms` now, and the chance of a seed.
pub(crate) fn hand_out(dice: Dice, start: Instant, epoch_ms: i64) {
    HANDED.set(Some(Handed {
        dice,
        start,
        epoch_ms,
    }));
}

fn handed<T>(take: impl FnOnce(&mut Handed) -> T, or: T) -> T {
    HANDED.with_borrow_mut(|handed| handed.as_mut().map_or(or, take))
}

/// The time of day in the simulation.
pub(crate) fn now() -> Timestamp {
    handed(
        |h| {
            let since = i64::try_from(h.start.elapsed().as_millis()).unwrap_or(0);
            Timestamp::from_millis(h.epoch_ms + since)
        },
        Timestamp::from_millis(0),
    )
}

/// The random part of a receipt.
pub(crate) fn random() -> [u8; 10] {
    handed(
        |h| {
            let mut bytes = [0; 10];
            bytes[..8].copy_from_slice(&h.dice.next().to_le_bytes());
            bytes[8..].copy_from_slice(&h.dice.next().to_le_bytes()[..2]);
            bytes
        },
        [0; 10],
    )
}

/// The jitter of a wait.
pub(crate) fn jitter() -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a fraction")]
    handed(|h| (h.dice.next() >> 11) as f64 / (1_u64 << 53) as f64, 0.5)
}
