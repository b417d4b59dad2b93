//! Which faults a seed has, and how often.

use std::time::Duration;

use crate::dice::Dice;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    StoreRead,
    StoreWrite,
    Publish,
    Join,
    Next,
    Commit,
    /// Reads of the log, and what settles a member.
    LogRead,
    SpoolRead,
    SpoolWrite,
}

impl Port {
    pub(crate) const fn is_store(self) -> bool {
        matches!(self, Self::StoreRead | Self::StoreWrite)
    }
}

/// What befalls a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Good,
    /// The process dies; the call had no effect.
    CrashBefore,
    /// The process dies; the call had its effect, or a part of it.
    CrashAfter,
    /// An error without effect.
    FailBefore,
    /// An error after the effect, or a part of it.
    FailAfter,
    /// An error now, the effect after this time.
    Late(Duration),
}

/// What befalls a call, and how long it takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) before: Duration,
    pub(crate) fate: Fate,
    pub(crate) after: Duration,
}

impl Plan {
    /// For those who only look.
    pub(crate) const CALM: Self = Self {
        before: Duration::ZERO,
        fate: Fate::Good,
        after: Duration::ZERO,
    };

    /// While no faults happen calls still take time.
    pub(crate) fn quiet(dice: &mut Dice) -> Self {
        Self {
            before: Duration::from_millis(dice.below(4)),
            ..Self::CALM
        }
    }
}

/// Faults in thousandths of the calls. Each seed has some kinds and not others, so that no kind hides another.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Chances {
    /// Of any call: the process dies at it.
    crash: u32,
    before: [u32; 3],
    after: [u32; 3],
    late: [u32; 3],
    /// A transaction that the broker aborts.
    pub(crate) abort: u32,
    /// A transaction of which nobody hears whether it was committed.
    pub(crate) unknown: u32,
    /// A publish for which the client has no room.
    pub(crate) queue_full: u32,
    /// A client of the log that fails for good.
    pub(crate) fatal: u32,
    /// A partition that is not delivered from this time, though it has records.
    pub(crate) held_back: u32,
    /// A lost batch of which the member hears only by its commit.
    pub(crate) deaf: u32,
    /// A call that takes long.
    slow: u32,
}

impl Chances {
    /// Those of a seed.
    pub(crate) fn drawn(dice: &mut Dice) -> Self {
        let mut some = |levels: [u32; 4]| levels[dice.index(4)];
        let mut three = |levels| [some(levels), some(levels), some(levels)];
        let (before, after, late) = (
            three([0, 0, 20, 120]),
            three([0, 0, 20, 120]),
            three([0, 0, 0, 40]),
        );
        let deaf = some([0, 0, 300, 900]);
        Self {
            crash: some([0, 2, 8, 25]),
            before,
            after,
            late,
            abort: some([0, 0, 30, 150]),
            unknown: some([0, 0, 30, 150]),
            queue_full: some([0, 0, 0, 100]),
            fatal: some([0, 0, 0, 5]),
            held_back: some([0, 0, 100, 300]),
            deaf,
            slow: some([0, 5, 20, 60]),
        }
    }

    pub(crate) fn plan(&self, dice: &mut Dice, port: Port, slow: bool) -> Plan {
        let (before, after) = (self.delay(dice, slow), self.delay(dice, false));
        let fate = self.fate(dice, port);
        Plan { before, fate, after }
    }

    fn delay(&self, dice: &mut Dice, slow: bool) -> Duration {
        if slow {
            return dice.millis(200, 4_000);
        }
        let at = dice.below(1_000);
        if at < u64::from(self.slow) {
            dice.millis(100, 3_000)
        } else if at < 500 {
            dice.millis(1, 12)
        } else {
            Duration::ZERO
        }
    }

    fn fate(&self, dice: &mut Dice, port: Port) -> Fate {
        if dice.thousandths(self.crash) {
            return if dice.coin() {
                Fate::CrashBefore
            } else {
                Fate::CrashAfter
            };
        }
        let at = match port {
            Port::StoreRead | Port::StoreWrite => 0,
            Port::SpoolRead | Port::SpoolWrite => 1,
            _ => 2,
        };
        if dice.thousandths(self.before[at]) {
            return Fate::FailBefore;
        }
        let effect = matches!(
            port,
            Port::StoreWrite | Port::Publish | Port::SpoolWrite | Port::Commit
        );
        if effect && dice.thousandths(self.after[at]) {
            return Fate::FailAfter;
        }
        // A file on the own disk does nothing later, and a transaction is ended by whoever comes next.
        let delayed = matches!(port, Port::StoreWrite | Port::Publish);
        if delayed && dice.thousandths(self.late[at]) {
            return Fate::Late(dice.millis(1, 15_000));
        }
        Fate::Good
    }
}
