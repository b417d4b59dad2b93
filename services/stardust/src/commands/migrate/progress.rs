//! How far a migration has come: a bar where there is a terminal, a line now and then where there is none.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use stardust::pace::line;
use stardust_fhir_migrator::Progress;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::say::{self, remark};

const BAR: usize = 30;

/// Shows progress on stderr until its sender is gone.
pub fn show(mut seen: watch::Receiver<Progress>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let terminal = stderr().is_terminal();
        let every = Duration::from_millis(if terminal { 200 } else { 10_000 });
        let mut start: Option<(Instant, u64, u64)> = None;
        loop {
            let gone = tokio::select! {
                () = sleep(every) => false,
                () = gone(seen.clone()) => true,
            };
            let progress = seen.borrow_and_update().clone();
            let entries = progress.total().entries;
            let (read, size) = progress.read();
            // A run that goes on did not do all of it in this time.
            let (since, read_before, entries_before) =
                *start.get_or_insert_with(|| (Instant::now() - every, read, entries));
            let seconds = since.elapsed().as_secs_f64().max(0.001);
            if size > 0 && (terminal || !gone) {
                let rate = (entries.saturating_sub(entries_before)) as f64 / seconds;
                let pace = (read.saturating_sub(read_before)) as f64 / seconds;
                let left = (pace > 0.0).then(|| (size.saturating_sub(read)) as f64 / pace);
                let line = line(read, size, entries, rate, left);
                if terminal {
                    let filled = usize::try_from(read.saturating_mul(BAR as u64) / size)
                        .unwrap_or(BAR)
                        .min(BAR);
                    say::err(format_args!(
                        "\r\x1b[2K[{}{}] {line}",
                        "█".repeat(filled),
                        " ".repeat(BAR - filled)
                    ));
                    let _ = stderr().flush();
                } else {
                    remark!("{line}");
                }
            }
            if gone {
                if terminal {
                    say::err(format_args!("\n"));
                }
                return;
            }
        }
    })
}

async fn gone(mut seen: watch::Receiver<Progress>) {
    while seen.changed().await.is_ok() {}
}
