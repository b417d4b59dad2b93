//! The share of dead letters among the last readings.

use std::collections::{HashMap, VecDeque};

use stardust_domain::ids::Mac;

/// Readings that are looked back on.
const LAST: usize = 1_000;
/// A share from here on is unusual: more than what a bad firmware or a broken gateway does.
const DEAD: usize = LAST / 2;
/// One ward's devices gone mad are no trouble of the pipeline.
const GATEWAYS: usize = 20;

/// The last readings of this process: whose they are, and whether they are dead.
#[derive(Debug, Default)]
pub(crate) struct Share {
    last: VecDeque<(Option<Mac>, bool)>,
    dead: usize,
    gateways: HashMap<Mac, usize>,
}

/// How many of the last readings are dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recent {
    /// Readings that are looked back on: 1,000, fewer after a start.
    pub readings: usize,
    /// The dead ones among them.
    pub dead: usize,
    /// Gateways that those came from.
    pub gateways: usize,
}

impl Recent {
    /// Whether so many from so many point to the rules or to a change of devices rather than to a few gateways.
    #[must_use]
    pub const fn is_unusual(&self) -> bool {
        self.dead >= DEAD && self.gateways >= GATEWAYS
    }
}

impl Share {
    pub(crate) fn note(&mut self, gateway: Option<Mac>, dead: bool) {
        if self.last.len() == LAST
            && let Some((gateway, true)) = self.last.pop_front()
        {
            self.dead -= 1;
            if let Some(gateway) = gateway
                && let Some(letters) = self.gateways.get_mut(&gateway)
            {
                *letters -= 1;
                if *letters == 0 {
                    self.gateways.remove(&gateway);
                }
            }
        }
        self.last.push_back((gateway, dead));
        if dead {
            self.dead += 1;
            if let Some(gateway) = gateway {
                *self.gateways.entry(gateway).or_default() += 1;
            }
        }
    }

    pub(crate) fn recent(&self) -> Recent {
        Recent {
            readings: self.last.len(),
            dead: self.dead,
            gateways: self.gateways.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(n: u8) -> Option<Mac> {
        Some(format!("020000aa00{n:02x}").parse().unwrap())
    }

    #[test]
    fn half_of_a_thousand_from_twenty_gateways_is_unusual_until_good_ones_push_them_out() {
        let mut share = Share::default();
        for n in 0..499_u16 {
            share.note(gateway(u8::try_from(n % 20).unwrap()), true);
        }
        assert!(!share.recent().is_unusual());
        share.note(gateway(19), true);
        assert!(share.recent().is_unusual());
        for _ in 0..500 {
            share.note(gateway(1), false);
        }
        assert!(share.recent().is_unusual(), "500 of the last 1,000");
        share.note(gateway(1), false);
        let expected = Recent {
            readings: 1_000,
            dead: 499,
            gateways: 20,
        };
        assert_eq!(share.recent(), expected);
        assert!(!expected.is_unusual());
    }

    #[test]
    fn a_few_gateways_alone_are_not_unusual() {
        let mut share = Share::default();
        for n in 0..2_000_u16 {
            share.note(gateway(u8::try_from(n % 19).unwrap()), true);
        }
        share.note(None, true);
        let recent = share.recent();
        assert_eq!((recent.dead, recent.gateways), (1_000, 19));
        assert!(!recent.is_unusual());
        for _ in 0..1_000 {
            share.note(gateway(20), false);
        }
        assert_eq!(share.recent().gateways, 0);
    }
}
