//! Heads noted and signed, and the front cut.

use stardust_audit_recorder::{Cutter, Heads, Keeper};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Mark, Store};
use stardust_pipeline::worker::Stage;

use crate::{Bench, NOON, content, counters, key, public, recorder};

const LATER: Timestamp = Timestamp::from_micros(NOON.micros() + 60_000_000);
const EVENING: Timestamp = Timestamp::from_micros(NOON.micros() + 6 * 3_600_000_000);

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_signed_once_and_only_where_they_moved() {
    let mut bench = Bench::with(3).await;
    let (mut one, mut other) = (bench.keeper(|| NOON), bench.keeper(|| LATER));
    assert!(one.keep(true).await && other.keep(true).await && one.keep(true).await);
    let store = bench.store();
    let signed = || async { store.checkpoints(Mark::Head, 0, 0, 10).await.unwrap() };
    let first = signed().await;
    assert_eq!((first.len(), first[0].seq, first[0].at), (1, 3, NOON));
    bench
        .recorder
        .work(&[bench.message(0, 4, &content(4))])
        .await
        .unwrap();
    assert!(one.keep(false).await);
    assert_eq!(signed().await, first, "noted only");
    assert_eq!(bench.store().noted_heads().await.unwrap()[0].1.seq, 4);
    assert!(other.keep(true).await);
    let second = signed().await;
    assert_eq!((second.len(), second[1].seq, second[1].at), (2, 4, LATER));
    let report = bench.verified(&public()).await;
    assert_eq!(
        (report.covered(), report.signed.unwrap().seq, report.broken),
        (4, 4, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_before_did_not_sign_is_signed_at_the_start() {
    let bench = Bench::with(3).await;
    let signer = stardust_audit_recorder::Signer {
        key: key(),
        every: std::time::Duration::from_secs(60),
    };
    let mut next = Keeper::new(bench.store(), Heads::default(), Some(signer), || NOON, counters());
    assert!(next.keep(true).await);
    assert_eq!(bench.verified(&public()).await.covered(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_whose_end_is_missing_is_not_signed_at_the_start() {
    let bench = Bench::with(3).await;
    bench.note().await;
    bench.sql("DELETE FROM audit WHERE seq = 3");
    let signer = stardust_audit_recorder::Signer {
        key: key(),
        every: std::time::Duration::from_secs(60),
    };
    let mut next = Keeper::new(bench.store(), Heads::default(), Some(signer), || NOON, counters());
    assert!(next.keep(true).await);
    assert_eq!(bench.store().checkpoints(Mark::Head, 0, 0, 10).await.unwrap(), []);
    assert_eq!(bench.broken().await, Some((3, None)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_what_was_written_and_not_what_the_store_says() {
    let mut bench = Bench::with(3).await;
    // Between the append and the signature.
    bench.sql(r#"UPDATE audit SET resource = replace(resource, '"C"', '"U"') WHERE seq = 2"#);
    bench.rehash().await;
    bench.sign().await;
    assert_eq!(bench.broken().await.map(|(seq, _)| seq), Some(3));
    // The recorder goes on from the head that it wrote.
    bench.record(4..=4).await;
    assert_eq!(bench.broken().await.map(|(seq, _)| seq), Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_the_chain_is_walked_and_the_signatures_are_said_to_be_unchecked() {
    let bench = Bench::with(3).await;
    bench.sign().await;
    let report = bench.verified(&[]).await;
    assert_eq!((report.covered(), report.broken), (0, None));
    assert_eq!(report.unchecked.unwrap().seq, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_front_leaves_a_chain_that_holds_and_goes_on() {
    let mut bench = Bench::with(5).await;
    bench.sign().await;
    bench.record(6..=8).await;
    assert!(bench.keeper(|| EVENING).keep(true).await);
    bench.record(9..=9).await;
    let (store, key, keys) = (bench.store(), key(), public());
    let cutter = Cutter {
        store: &store,
        key: &key,
        keys: &keys,
    };
    let nothing = cutter.plan(&bench.verified(&keys).await, NOON).await.unwrap();
    assert_eq!(
        (nothing.events, nothing.up_to.is_none()),
        (0, true),
        "not before it was signed"
    );
    let plan = cutter.plan(&bench.verified(&keys).await, LATER).await.unwrap();
    assert_eq!((plan.events, plan.stay), (5, 4));
    assert_eq!(cutter.cut(&plan).await.unwrap(), 5);
    let report = bench.verified(&keys).await;
    assert_eq!((report.events, report.last, report.covered()), (4, 9, 3));
    assert_eq!((report.cut.unwrap().seq, report.broken), (5, None));

    // To the last signed place, and then to the last event.
    let tomorrow = Timestamp::from_micros(EVENING.micros() + 1);
    let plan = cutter.plan(&bench.verified(&keys).await, tomorrow).await.unwrap();
    assert_eq!((plan.events, plan.stay), (3, 1));
    cutter.cut(&plan).await.unwrap();
    assert!(bench.keeper(|| EVENING).keep(true).await);
    let plan = cutter.plan(&bench.verified(&keys).await, tomorrow).await.unwrap();
    assert_eq!((plan.events, plan.stay), (1, 0));
    cutter.cut(&plan).await.unwrap();
    let report = bench.verified(&keys).await;
    assert_eq!((report.events, report.last, report.broken), (0, 9, None));
    // A recorder that never saw the chain, as after a restart.
    let mut next = recorder(&bench.file, &bench.heads, &bench.wire);
    next_events(&bench, &mut next).await;
    let report = bench.verified(&keys).await;
    assert_eq!((report.events, report.last, report.broken), (2, 11, None));
}

async fn next_events(
    bench: &Bench,
    recorder: &mut stardust_audit_recorder::Recorder<stardust_embedded::EmbeddedStore>,
) {
    let batch: Vec<_> = (10..=11).map(|n| bench.message(0, n, &content(n))).collect();
    recorder.work(&batch).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_that_was_interrupted_is_said_and_can_be_finished() {
    let mut bench = Bench::with(5).await;
    bench.sign().await;
    bench.record(6..=7).await;
    let (store, key, keys) = (bench.store(), key(), public());
    let head = stardust_pipeline::store::ChainHead {
        seq: 5,
        hash: store.chain_from(0, 5, 1).await.unwrap()[0].hash.clone(),
    };
    // The note is written, and some of the events are gone.
    store
        .put_checkpoints(&[key.checkpoint(Mark::Cut, 0, &head, NOON)])
        .await
        .unwrap();
    assert_eq!(store.remove_cut(0, 2).await.unwrap(), 2);
    let report = bench.verified(&keys).await;
    assert_eq!((report.events, report.leftovers, &report.broken), (2, 3, &None));
    let cutter = Cutter {
        store: &store,
        key: &key,
        keys: &keys,
    };
    let plan = cutter.plan(&report, NOON).await.unwrap();
    assert_eq!((plan.events, plan.stay), (3, 2));
    assert_eq!(cutter.cut(&plan).await.unwrap(), 3);
    let report = bench.verified(&keys).await;
    assert_eq!((report.events, report.leftovers, report.broken), (2, 0, None));
}
