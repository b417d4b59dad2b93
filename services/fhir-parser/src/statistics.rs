//! The statistics in the log, in the words that operators grep for.

use std::time::Duration;

use stardust_domain::time::Timestamp;

use crate::Counters;

/// The lines of one report. `queue` is the group's lag, none where the broker cannot say.
#[must_use]
pub fn statistics(counters: &Counters, uptime: Duration, queue: Option<u64>) -> Vec<String> {
    let (processed, errors, last) = counters.totals();
    let seconds = uptime.as_secs();
    vec![
        "📊 FHIR Parser Statistics:".to_owned(),
        format!(
            "   Uptime: {}:{:02}:{:02}.{:06}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60,
            uptime.subsec_micros()
        ),
        format!("   Processed: {}", grouped(processed)),
        format!("   Errors: {}", grouped(errors)),
        format!(
            "   Queue size: {}",
            queue.map_or_else(|| "unknown".to_owned(), grouped)
        ),
        format!(
            "   Last processed: {}",
            last.and_then(local).unwrap_or_else(|| "never".to_owned())
        ),
    ]
}

/// `2024-01-15T10:30:00.000000`, in UTC.
fn local(t: Timestamp) -> Option<String> {
    let mut text = t.instant()?;
    text.truncate(19);
    Some(format!("{text}.{:06}", t.micros().rem_euclid(1_000_000)))
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counters::Tally;

    #[test]
    fn the_report_reads_as_operators_know_it() {
        let counters = Counters::register(&prometheus::Registry::new()).unwrap();
        let lines = statistics(&counters, Duration::from_micros(5_025_123_456), None);
        assert_eq!(lines[1], "   Uptime: 1:23:45.123456");
        assert_eq!(lines[4..], ["   Queue size: unknown", "   Last processed: never"]);
        let tally = Tally {
            outcomes: vec!["stored"; 1_234],
            ..Tally::default()
        };
        counters.add(&tally, Timestamp::from_micros(1_705_314_600_000_001));
        let lines = statistics(&counters, Duration::ZERO, Some(5));
        assert_eq!(
            lines,
            [
                "📊 FHIR Parser Statistics:",
                "   Uptime: 0:00:00.000000",
                "   Processed: 1,234",
                "   Errors: 0",
                "   Queue size: 5",
                "   Last processed: 2024-01-15T10:30:00.000001"
            ]
        );
    }
}
