//! What is recorded, once, in order, whoever was there before.

use stardust_pipeline::store::Store;
use stardust_pipeline::worker::Stage;

use crate::{Bench, content, recorder};

#[tokio::test(flavor = "multi_thread")]
async fn events_get_their_places_in_the_order_of_the_topic() {
    let mut bench = Bench::new();
    let batch = [(0, 1), (3, 2), (0, 3), (3, 4), (0, 5)];
    let batch: Vec<_> = batch.map(|(p, n)| bench.message(p, n, &content(n))).to_vec();
    bench.recorder.work(&batch).await.unwrap();
    for (chain, expected) in [(0, vec![1, 3, 5]), (3, vec![2, 4])] {
        let events = bench.store().chain_from(chain, 1, 10).await.unwrap();
        let found: Vec<_> = events.iter().map(|e| (e.seq, e.id)).collect();
        let expected: Vec<_> = (1..).zip(expected.into_iter().map(crate::id)).collect();
        assert_eq!(found, expected);
    }
    let reports = bench.walked(&[], &[]).await;
    assert!(reports.iter().all(|r| r.broken.is_none()), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_is_recorded_once() {
    let mut bench = Bench::with(5).await;
    // Within one batch, in the batches of the same member, and after a change of the assignment.
    bench.record([5, 6, 6, 2, 7].into_iter()).await;
    bench.recorder.reset();
    bench.record(1..=8).await;
    bench.record(8..=9).await;
    let report = bench.verified(&[]).await;
    assert_eq!((report.events, report.broken), (9, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_overtaken_goes_on_after_the_other() {
    let mut bench = Bench::with(3).await;
    let mut other = recorder(&bench.file, &bench.heads, &bench.wire);
    let batch: Vec<_> = (3..=6).map(|n| bench.message(0, n, &content(n))).collect();
    other.work(&batch).await.unwrap();
    // The first one still holds the head after place 3: it finds the place taken, and what of its events is there.
    bench.record(5..=8).await;
    other.work(&[bench.message(0, 9, &content(9))]).await.unwrap();
    let events = bench.store().chain_from(0, 1, 20).await.unwrap();
    let found: Vec<_> = events.iter().map(|e| e.id).collect();
    assert_eq!(found, (1..=9).map(crate::id).collect::<Vec<_>>());
    assert_eq!(bench.verified(&[]).await.broken, None);
}

/// All chains of a batch are appended to at once: what another member did to one of them must not harm the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_was_overtaken_in_one_chain_goes_on_in_all() {
    let mut bench = Bench::new();
    let batch = |bench: &Bench, events: &[(i32, i64)]| -> Vec<_> {
        let of = |(p, n): &(i32, i64)| bench.message(*p, *n, &content(*n));
        events.iter().map(of).collect()
    };
    let first = batch(&bench, &[(0, 1), (1, 2), (2, 3)]);
    bench.recorder.work(&first).await.unwrap();
    let mut other = recorder(&bench.file, &bench.heads, &bench.wire);
    other.work(&batch(&bench, &[(1, 4), (1, 5)])).await.unwrap();
    // Chain 3 is new, chain 1 has gone on, and 5 is in it.
    let next = batch(&bench, &[(2, 6), (1, 5), (0, 7), (3, 8), (1, 9)]);
    assert!(bench.recorder.work(&next).await.unwrap().is_empty());
    for (chain, expected) in [
        (0, vec![1, 7]),
        (1, vec![2, 4, 5, 9]),
        (2, vec![3, 6]),
        (3, vec![8]),
    ] {
        let events = bench.store().chain_from(chain, 1, 10).await.unwrap();
        let expected: Vec<_> = expected.into_iter().map(crate::id).collect();
        assert_eq!(
            events.iter().map(|e| e.id).collect::<Vec<_>>(),
            expected,
            "chain {chain}"
        );
    }
    let reports = bench.walked(&[], &[]).await;
    assert!(reports.iter().all(|r| r.broken.is_none()), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_store_would_keep_is_a_dead_letter_and_stops_nobody() {
    let mut bench = Bench::new();
    let deep = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
    let bad = [
        "",
        "7",
        "[]",
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
        r#"{"\u0000":1}"#,
        deep.as_str(),
    ];
    let mut batch: Vec<_> = (1..)
        .zip(bad)
        .map(|(n, event)| bench.message(0, n, event))
        .collect();
    batch.push(bench.message(0, 100, &content(100)));
    let mut broken = bench.message(0, 101, &content(101));
    broken.value = broken.value.slice(..20);
    batch.push(broken);
    let letters = bench.recorder.work(&batch).await.unwrap();
    assert_eq!(letters.len(), bad.len() + 1);
    assert_eq!(bench.verified(&[]).await.events, 1);
}
