//! Letters in the books: messages that are dead as a whole, and those that the log refused.

use std::time::Duration;

use stardust_books::{Counts, Report};
use stardust_domain::time::Timestamp;

use crate::bench::{Bench, KNOWN, message, now, pressure};

const NAME: &str = "WBP_NEW";

fn received() -> Timestamp {
    Timestamp::from_seconds(now().seconds() - 3_600)
}

/// Two readings under a name that nobody knows: one dead message.
async fn taken(bench: &Bench) {
    let at = received();
    let items = [pressure(at, KNOWN, 131), pressure(at, KNOWN, 132)];
    let body = message(at, &items).replace("BP_BIOLIGTH", NAME);
    bench.publish(&[(1, at, body)]).await;
    bench.work().await;
}

fn balanced(report: &Report, expected: Counts) {
    assert!(report.balanced, "{report:?}");
    assert_eq!(report.totals, expected);
}

fn dead(dead: u64) -> Counts {
    Counts {
        received: dead,
        dead,
        ..Counts::default()
    }
}

fn stored(stored: u64) -> Counts {
    Counts {
        received: stored,
        stored,
        ..Counts::default()
    }
}

#[tokio::test]
async fn a_dead_message_stays_one_unit_until_it_is_replayed_whatever_the_rules_say() {
    let mut bench = Bench::new(None).await;
    taken(&bench).await;
    balanced(&bench.report().await, dead(1));
    bench.learn_name(NAME);
    balanced(&bench.report().await, dead(1));
    bench.replay().await;
    balanced(&bench.report().await, dead(1));
    bench.work().await;
    let report = bench.report().await;
    balanced(&report, stored(2));
    assert_eq!((report.observations, report.legacy, report.audit), (3, 2, 2));
}

#[tokio::test]
async fn a_dead_message_whose_page_was_closed_is_counted_where_it_went() {
    let mut bench = Bench::new(Some(Duration::from_millis(5))).await;
    taken(&bench).await;
    bench.close().await;
    bench.cut().await;
    balanced(&bench.report().await, dead(1));
    bench.learn_name(NAME);
    bench.replay().await;
    bench.work().await;
    balanced(&bench.report().await, stored(1));
}

#[tokio::test]
async fn what_the_log_refused_counts_by_its_letter_and_then_by_its_delivery() {
    let bench = Bench::new(None).await;
    let at = received();
    let body = message(at, &[pressure(at, KNOWN, 131), pressure(at, KNOWN, 132)]);
    bench.refused(1, at, &body).await;
    // The door may have written it twice.
    bench.refused(1, at, &body).await;
    bench.work().await;
    let report = bench.report().await;
    balanced(&report, dead(1));
    assert_eq!(report.audit, 1);
    assert_eq!(report.rows[0].gateway, "020000aa0001");
    bench.replay().await;
    bench.work().await;
    let report = bench.report().await;
    balanced(&report, stored(2));
    assert_eq!((report.observations, report.legacy, report.audit), (3, 2, 2));
    // A second replay finds nothing; the same letter once more is known.
    bench.refused(1, at, &body).await;
    bench.work().await;
    balanced(&bench.report().await, stored(2));
}
