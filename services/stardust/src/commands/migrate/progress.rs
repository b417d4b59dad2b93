//! How far a migration has come: a bar where there is a terminal, a line now and then where there is none.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

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

fn line(read: u64, size: u64, entries: u64, rate: f64, left: Option<f64>) -> String {
    let left = left.map_or_else(String::new, |seconds| format!(", {} left", span(seconds)));
    format!(
        "{:.1} %, {entries} entries, {rate:.0}/s{left}",
        read as f64 * 100.0 / size as f64
    )
}

fn span(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 1e9).round() as u64;
    if seconds >= 3_600 {
        format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60)
    } else if seconds >= 60 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_how_fast_and_how_long_yet() {
        assert_eq!(
            line(50, 200, 1_234, 20_000.4, Some(61.2)),
            "25.0 %, 1234 entries, 20000/s, 1 min 01 s left"
        );
        assert_eq!(line(0, 200, 0, 0.0, None), "0.0 %, 0 entries, 0/s");
        assert_eq!(span(7_384.0), "2 h 03 min");
    }
}
