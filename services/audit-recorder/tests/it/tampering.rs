//! Whatever is done to a chain is found, and the first bad place is named. Where it cannot be found, that stands here too.

use stardust_pipeline::store::{ChainHead, Store};

use crate::{Bench, id, public};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_was_done() {
    let bench = Bench::with(2_500).await;
    bench.note().await;
    let report = bench.verified(&[]).await;
    assert_eq!((report.events, report.last, report.broken), (2_500, 2_500, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_event_is_found() {
    for change in [
        r#"resource = replace(resource, '"C"', '"U"')"#,
        "resource = '{'",
        // A key that stands twice: who reads the first one reads something else than who reads the last one.
        r#"resource = replace(resource, '"action":"C"', '"action":"U","action":"C"')"#,
        "outcome = 'parked'",
        "receipt_id = 'another'",
        "patient = NULL",
        "patient = '65a000000000000000000002'",
        "gateway = '020000aa0002'",
        "recorded_us = recorded_us + 1",
        "id = '00000000-0000-0000-0000-0000000000ff'",
        "prev = hash",
        "hash = prev",
    ] {
        let bench = Bench::with(9).await;
        bench.sql(&format!("UPDATE audit SET {change} WHERE seq = 4"));
        let report = bench.verified(&[]).await;
        assert_eq!(report.broken.map(|b| b.seq), Some(4), "{change}");
        assert_eq!(report.events, 3, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_event_is_found() {
    for (removed, first) in [
        ("seq = 4", 4),
        ("seq = 1", 1),
        ("seq = 9", 9),
        ("seq >= 6", 6),
        ("1", 1),
    ] {
        let bench = Bench::with(9).await;
        bench.note().await;
        bench.sql(&format!("DELETE FROM audit WHERE {removed}"));
        assert_eq!(bench.broken().await, Some((first, None)), "{removed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inserted_event_is_found() {
    let columns = "chain, prev, hash, outcome, receipt_id, patient, gateway, recorded_us, resource";
    for (seq, first) in [(0, 0), (-7, -7), (10, 10), (12, 10)] {
        let bench = Bench::with(9).await;
        bench.note().await;
        bench.sql(&format!(
            "INSERT INTO audit (id, seq, {columns}) SELECT '{}', {seq}, {columns} FROM audit WHERE seq = 5",
            id(99)
        ));
        let broken = bench.broken().await.unwrap();
        assert_eq!(broken.0, first, "place {seq}");
    }
    // Between two others, which make room for it.
    let bench = Bench::with(9).await;
    bench.note().await;
    bench.sql(&format!(
        "UPDATE audit SET seq = -seq - 1 WHERE seq > 5; UPDATE audit SET seq = -seq WHERE seq < 0;
         INSERT INTO audit (id, seq, {columns}) SELECT '{}', 6, {columns} FROM audit WHERE seq = 5",
        id(99)
    ));
    assert_eq!(bench.broken().await, Some((6, Some(id(99)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn reordered_events_are_found() {
    let bench = Bench::with(9).await;
    bench.sql("UPDATE audit SET seq = -1 WHERE seq = 4; UPDATE audit SET seq = 4 WHERE seq = 7; UPDATE audit SET seq = 7 WHERE seq = -1");
    assert_eq!(bench.broken().await, Some((4, Some(id(7)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_made_anew_do_not_fit_the_noted_head() {
    let bench = Bench::with(9).await;
    bench.note().await;
    bench.sql(r#"UPDATE audit SET resource = replace(resource, '"C"', '"U"') WHERE seq = 4"#);
    bench.rehash().await;
    assert_eq!(bench.broken().await, Some((9, Some(id(9)))));
    // Without a signature that is all: whoever knows of the note writes it anew too.
    bench.sql("DELETE FROM audit_heads");
    assert_eq!(bench.broken().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_made_anew_do_not_fit_a_signature() {
    let mut bench = Bench::with(5).await;
    bench.sign().await;
    bench.record(6..=9).await;
    bench.sql(r#"UPDATE audit SET resource = replace(resource, '"C"', '"U"') WHERE seq = 4; DELETE FROM audit_heads"#);
    bench.rehash().await;
    let report = bench.verified(&public()).await;
    let broken = report.broken.unwrap();
    assert_eq!((broken.seq, broken.id), (5, Some(id(5).to_string())));
    assert!(broken.what.contains("place 1 to here"), "{}", broken.what);
    // The hash shows it without the key too, as long as nobody signs anew.
    assert_eq!(bench.verified(&[]).await.broken.map(|b| b.seq), Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_somebody_without_the_key_made_is_found() {
    for forged in [
        "hash = 'hash of somebody'",
        "signature = upper(signature)",
        "signature = hex(zeroblob(64))",
        "at_us = at_us + 1",
        "signature = ''",
    ] {
        let bench = Bench::with(5).await;
        bench.sign().await;
        bench.sql(&format!("UPDATE audit_checkpoints SET {forged}"));
        let seen = bench.broken().await;
        // The case of hex digits is no change.
        let expected = (forged != "signature = upper(signature)").then(|| (5, Some(id(5))));
        assert_eq!(seen, expected, "{forged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_end_is_found_where_it_was_signed_and_not_where_the_signatures_went_with_it() {
    let mut bench = Bench::with(5).await;
    bench.sign().await;
    let signed = bench.store().chain_head(0).await.unwrap().unwrap();
    bench.record(6..=7).await;
    bench.note().await;
    // The last event together with the note of the head, after the last signature: nothing tells.
    bench.sql("DELETE FROM audit WHERE seq > 6; DELETE FROM audit_heads");
    let report = bench.verified(&public()).await;
    assert_eq!((report.events, report.covered(), report.broken), (6, 5, None));
    // What was signed: found.
    bench.sql("DELETE FROM audit WHERE seq > 4");
    assert_eq!(bench.broken().await, Some((5, None)));
    // The signature went too: nothing in the store tells. It covers nothing any more, and the log had named it.
    bench.sql("DELETE FROM audit_checkpoints");
    let report = bench.verified(&public()).await;
    assert_eq!((report.events, report.covered(), report.broken), (4, 0, None));
    // What was kept elsewhere does.
    let reports = bench.walked(&[], &[(0, signed)]).await;
    assert_eq!(reports[0].broken.as_ref().map(|b| b.seq), Some(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_was_kept_elsewhere_must_be_there() {
    let bench = Bench::with(5).await;
    let head = |seq, hash: &str| {
        let hash = hash.to_owned();
        (0, ChainHead { seq, hash })
    };
    let events = bench.store().chain_from(0, 1, 10).await.unwrap();
    let right = [head(3, &events[2].hash), head(5, &events[4].hash)];
    for (kept, first) in [
        (right.to_vec(), None),
        (vec![head(3, &events[3].hash)], Some(3)),
        (vec![right[0].clone(), head(6, &events[4].hash)], Some(6)),
    ] {
        let reports = bench.walked(&[], &kept).await;
        assert_eq!(reports[0].broken.as_ref().map(|b| b.seq), first, "{kept:?}");
    }
    // A chain of which nothing at all is left.
    bench.sql("DELETE FROM audit");
    let reports = bench.walked(&[], &right).await;
    assert_eq!(
        (reports.len(), reports[0].broken.as_ref().map(|b| b.seq)),
        (1, Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_somebody_without_the_key_made_is_found() {
    let bench = Bench::with(9).await;
    bench.sign().await;
    bench.sql(
        "INSERT INTO audit_checkpoints SELECT 'cut', chain, 4, hash, at_us, key_id, signature FROM audit_checkpoints;
         UPDATE audit_checkpoints SET hash = (SELECT hash FROM audit WHERE seq = 4) WHERE mark = 'cut';
         DELETE FROM audit WHERE seq <= 4",
    );
    assert_eq!(bench.broken().await, Some((4, None)));
    // Nor does a signed head pass for a cut.
    let bench = Bench::with(9).await;
    bench.sign().await;
    bench.sql("UPDATE audit_checkpoints SET mark = 'cut'; DELETE FROM audit");
    assert_eq!(bench.broken().await, Some((9, None)));
    assert_eq!(bench.store().chains().await.unwrap(), [] as [i32; 0]);
}
