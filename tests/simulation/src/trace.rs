//! What happened, as a hash always and as lines on demand.

use std::fmt::Write;

/// The most lines that are kept: the last ones.
const LINES: usize = 20_000;

/// The record of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn new(lines: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: lines.then(Vec::new),
        }
    }

    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Notes an event: who did what, with which result. `detail` is written only where lines are kept.
    pub(crate) fn note(
        &mut self,
        at_ms: u128,
        who: &str,
        what: &str,
        number: i64,
        detail: impl FnOnce() -> String,
    ) {
        self.eat(&at_ms.to_le_bytes()[..8]);
        self.eat(who.as_bytes());
        self.eat(what.as_bytes());
        self.eat(&number.to_le_bytes());
        if let Some(lines) = &mut self.lines {
            if lines.len() >= LINES {
                lines.drain(..LINES / 2);
            }
            let mut line = format!("{:>9.3}  {who:<14} {what}", at_ms as f64 / 1_000.0);
            if number != 0 {
                let _ = write!(line, " {number}");
            }
            let detail = detail();
            if !detail.is_empty() {
                let _ = write!(line, "  {detail}");
            }
            lines.push(line);
        }
    }

    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}
