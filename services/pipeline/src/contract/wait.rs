//! Waiting for what is bound to happen.

use std::time::{Duration, Instant};

use super::broken::{Broken, Kept};

/// A wait with an end.
pub(super) struct Wait {
    what: &'static str,
    end: Instant,
}

impl Wait {
    pub(super) fn new(what: &'static str, most: Duration) -> Self {
        Self {
            what,
            end: Instant::now() + most,
        }
    }

    /// A short pause; breaks the promise once the time is over.
    pub(super) async fn tick(&self) -> Kept {
        if Instant::now() > self.end {
            return Err(Broken(format!("waited in vain: {}", self.what)));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}

/// Asks until the answer is yes.
macro_rules! until {
    ($ground:expr, $what:literal, $asked:expr) => {{
        let wait = $ground.wait($what);
        while !$asked {
            wait.tick().await?;
        }
    }};
}

pub(super) use until;
