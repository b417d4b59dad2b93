//! Books that outlive the raw topic.

use std::time::Duration;

use stardust_books::Report;
use stardust_domain::time::Timestamp;
use stardust_pipeline::log::Log;
use stardust_pipeline::store::Store;

use crate::bench::{Bench, KNOWN, STRANGER, later, message, now, pressure};

const SHORT: Option<Duration> = Some(Duration::from_millis(5));

fn hours_ago(hours: i64) -> Timestamp {
    Timestamp::from_seconds(now().seconds() - hours * 3_600)
}

/// Readings of every fate, received in three hours.
async fn taken(bench: &Bench) {
    let (first, second, third) = (hours_ago(3), hours_ago(2), hours_ago(1));
    let all = [
        (
            1,
            first,
            message(
                first,
                &[pressure(first, KNOWN, 131), pressure(first, STRANGER, 132)],
            ),
        ),
        // The same reading from another receipt, and one that is impossible.
        (
            2,
            second,
            message(second, &[pressure(first, KNOWN, 131), pressure(second, "", 120)]),
        ),
        (
            3,
            second,
            r#"{"mac":"02:00:00:AA:00:01","time":1772323200,"type":"HB_Msg","data":{"msg":"Online"}}"#
                .to_owned(),
        ),
        (
            4,
            third,
            message(
                third,
                &[pressure(third, STRANGER, 133), pressure(third, KNOWN, 134)],
            ),
        ),
    ];
    bench.publish(&all).await;
    bench.work().await;
}

/// Everything that a report says of readings, whichever source told it.
fn same(a: &Report, b: &Report) {
    let content = |r: &Report| Report {
        booked: 0,
        ..r.clone()
    };
    assert_eq!(content(a), content(b));
}

#[tokio::test]
async fn the_books_say_the_same_once_the_topic_has_lost_its_records() {
    let bench = Bench::new(SHORT).await;
    taken(&bench).await;
    let before = bench.report().await;
    assert!(before.balanced, "{before:?}");
    let t = before.totals;
    assert_eq!(
        (t.received, t.stored, t.duplicate, t.parked, t.dead, t.ignored),
        (7, 2, 1, 2, 1, 1)
    );
    assert!(before.rows.len() == 3 && before.booked == 0);
    assert_eq!(bench.close().await, 1, "one partition has records");
    same(&bench.report().await, &before);
    bench.cut().await;
    let after = bench.report().await;
    same(&after, &before);
    assert_eq!(after.booked, 7);
    assert_eq!(bench.close().await, 0, "nothing is left to close");
}

#[tokio::test]
async fn what_waited_when_its_page_was_closed_is_counted_where_it_went() {
    let (cut, whole) = (Bench::new(SHORT).await, Bench::new(None).await);
    for bench in [&cut, &whole] {
        taken(bench).await;
    }
    cut.close().await;
    cut.cut().await;
    for bench in [&cut, &whole] {
        bench.release().await;
    }
    // On its way back it still counts as parked.
    same(&cut.report().await, &whole.report().await);
    assert_eq!(cut.report().await.totals.parked, 2);
    for bench in [&cut, &whole] {
        bench.work().await;
    }
    let (of_books, of_topic) = (cut.report().await, whole.report().await);
    same(&of_books, &of_topic);
    assert!(of_books.balanced, "{of_books:?}");
    assert_eq!((of_books.totals.stored, of_books.totals.parked), (4, 0));
    // And once the release itself is gone too.
    cut.close().await;
    cut.cut().await;
    same(&cut.report().await, &of_topic);
}

#[tokio::test]
async fn a_page_ends_where_the_hour_does_and_the_rest_is_read_from_the_topic() {
    let bench = Bench::new(SHORT).await;
    taken(&bench).await;
    let nothing = bench
        .books()
        .close_books(hours_ago(1), now(), "test")
        .await
        .unwrap();
    assert_eq!(nothing.pages, 0, "all of it was published since");
    bench.close().await;
    bench.cut().await;
    let at = now();
    bench
        .publish(&[(9, at, message(at, &[pressure(at, KNOWN, 140)]))])
        .await;
    bench.work().await;
    let report = bench.report().await;
    assert!(report.balanced, "{report:?}");
    assert_eq!(
        (report.totals.received, report.booked, report.totals.stored),
        (8, 7, 3)
    );
    assert_eq!(report.rows.len(), 4);
}

#[tokio::test]
async fn a_copy_that_comes_after_its_page_was_closed_is_no_new_reading() {
    let bench = Bench::new(SHORT).await;
    let at = now();
    let first = (
        1,
        at,
        message(at, &[pressure(at, KNOWN, 131), pressure(at, "", 120)]),
    );
    bench.publish(std::slice::from_ref(&first)).await;
    bench.work().await;
    bench.close().await;
    bench.publish(&[first]).await;
    bench.work().await;
    let before = bench.report().await;
    assert!(before.balanced, "{before:?}");
    let t = before.totals;
    assert_eq!((t.received, t.stored, t.dead, t.redelivered), (2, 1, 1, 2));
    bench.close().await;
    bench.cut().await;
    same(&bench.report().await, &before);
}

#[tokio::test]
async fn what_does_not_agree_yet_is_held_back_and_forced_before_it_is_gone() {
    let bench = Bench::new(Some(Duration::from_secs(86_400))).await;
    let at = now();
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    bench.parse().await;
    let held = bench.books().close_books(later(), now(), "test").await.unwrap();
    assert_eq!(
        (held.pages, held.held),
        (0, 1),
        "router and recorder have not been there"
    );
    let half = Timestamp::from_seconds(now().seconds() + 43_201);
    let forced = bench.books().close_books(later(), half, "test").await.unwrap();
    assert_eq!((forced.pages, forced.held), (1, 0));

    let bench = Bench::new(Some(Duration::from_secs(86_400))).await;
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    bench.parse().await;
    bench.store_outputs().await;
    assert_eq!(bench.close().await, 1);
}

#[tokio::test]
async fn what_is_not_worked_is_not_closed() {
    let bench = Bench::new(SHORT).await;
    let at = now();
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    assert_eq!(bench.close().await, 0);
    let report = bench.report().await;
    assert!(report.balanced && report.totals.waiting == 1, "{report:?}");
}

#[tokio::test]
async fn of_two_who_close_at_once_one_does() {
    let bench = Bench::new(SHORT).await;
    taken(&bench).await;
    let (one, other) = (bench.books(), bench.books());
    let (one, other) = tokio::join!(
        one.close_books(later(), now(), "one"),
        other.close_books(later(), now(), "other")
    );
    assert_eq!(one.unwrap().pages + other.unwrap().pages, 1);
    let before = bench.report().await;
    bench.cut().await;
    same(&bench.report().await, &before);
}

#[tokio::test]
async fn records_that_went_before_they_were_booked_are_a_fault() {
    let bench = Bench::new(SHORT).await;
    let at = now();
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    bench.work().await;
    bench.close().await;
    bench
        .publish(&[(2, at, message(at, &[pressure(at, KNOWN, 132)]))])
        .await;
    bench.work().await;
    bench.cut().await;
    let report = bench.report().await;
    assert!(!report.balanced);
    assert!(report.faults[0].what.contains("left the log"), "{report:?}");
}

#[tokio::test]
async fn a_deployment_without_a_past_in_the_books_says_so() {
    let bench = Bench::new(SHORT).await;
    let at = now();
    bench
        .publish(&[(1, at, message(at, &[pressure(at, KNOWN, 131)]))])
        .await;
    bench.work().await;
    bench.cut().await;
    let report = bench.report().await;
    assert!(report.balanced && report.notes.len() == 1, "{report:?}");
}

#[tokio::test]
async fn pages_follow_each_other() {
    let bench = Bench::new(SHORT).await;
    for n in 1..4 {
        let at = now();
        bench
            .publish(&[(n, at, message(at, &[pressure(at, KNOWN, 130 + u32::from(n))]))])
            .await;
        bench.work().await;
        bench.close().await;
    }
    let raw = bench.topics().raw.clone();
    let mut pages = Vec::new();
    for bounds in bench.file.log().bounds(&raw).await.unwrap() {
        pages.extend(
            bench
                .file
                .store()
                .book_pages(raw.as_str(), bounds.partition, 0, 10)
                .await
                .unwrap(),
        );
    }
    assert_eq!(pages.len(), 3);
    assert!(pages.windows(2).all(|w| w[0].to == w[1].from), "{pages:?}");
}
