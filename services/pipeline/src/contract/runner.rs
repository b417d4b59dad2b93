//! Runs promises, some at a time, and says which were broken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::broken::{Broken, Kept};

/// No promise takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(420);

/// A promise by name.
pub(super) struct Promise<G> {
    pub(super) name: &'static str,
    pub(super) run: fn(G) -> Pin<Box<dyn Future<Output = Kept> + Send>>,
}

/// A list of promises from the names of their functions.
macro_rules! promises {
    ($($path:path),+ $(,)?) => {
        vec![$($crate::contract::runner::Promise {
            name: stringify!($path),
            run: |ground| Box::pin($path(ground)),
        }),+]
    };
}
pub(super) use promises;

/// What became of the promises.
#[derive(Debug, Default)]
pub struct Report {
    /// The promises that were kept.
    pub kept: Vec<&'static str>,
    /// The promises that were not, and why.
    pub broken: Vec<(&'static str, Broken)>,
}

impl Report {
    pub(super) fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.broken.extend(other.broken);
    }

    /// Every promise was kept.
    ///
    /// # Errors
    /// The names of those that were not, with the reasons.
    pub fn verdict(&self) -> Result<(), String> {
        if self.broken.is_empty() && !self.kept.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} promises kept, {} broken", self.kept.len(), self.broken.len());
        for (name, why) in &self.broken {
            text.push_str("\n✗ ");
            text.push_str(name);
            text.push_str("\n  ");
            text.push_str(&why.0);
        }
        Err(text)
    }

    /// Ends a test with what was broken.
    ///
    /// # Panics
    /// Where a promise was broken, or none was run.
    pub fn assert_kept(&self) {
        let verdict = self.verdict();
        assert!(verdict.is_ok(), "{}", verdict.err().unwrap_or_default());
    }
}

/// Runs promises, at most `at_once` at a time.
pub(super) async fn run_all<G: Clone + Send + 'static>(
    ground: G,
    at_once: usize,
    promises: Vec<Promise<G>>,
) -> Report {
    let only = std::env::var("CONTRACT_ONLY").unwrap_or_default();
    let permits = Arc::new(Semaphore::new(at_once.max(1)));
    let mut running = JoinSet::new();
    for promise in promises.into_iter().filter(|p| p.name.contains(&only)) {
        let (ground, permits) = (ground.clone(), permits.clone());
        running.spawn(async move {
            let _permit = permits.acquire_owned().await;
            // A task of its own, so that a panic in the backend breaks one promise only.
            let mut task = tokio::spawn((promise.run)(ground));
            let answer = match tokio::time::timeout(HANG, &mut task).await {
                Ok(answer) => answer.unwrap_or_else(|e| Err(e.into())),
                Err(_) => {
                    task.abort();
                    Err(Broken(format!("hung for {} s", HANG.as_secs())))
                }
            };
            (promise.name, answer)
        });
    }
    let mut report = Report::default();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok((name, Ok(()))) => report.kept.push(name),
            Ok((name, Err(why))) => report.broken.push((name, why)),
            Err(e) => report.broken.push(("the runner", e.into())),
        }
    }
    report
}
