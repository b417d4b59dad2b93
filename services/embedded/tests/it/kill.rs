//! kill -9 at any moment loses nothing that was acknowledged and doubles nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use stardust_embedded::Embedded;
use stardust_pipeline::log::{Commit, Log, Member, NewRecord, Topic};
use stardust_pipeline::spool::Spool;

use crate::child::{Process, say};
use crate::{ROOMY, everything, record, spec, values};

/// Publishes from many tasks, spools, and copies what it published, until it is killed.
pub async fn worker(folder: &Path) {
    let file = Embedded::open_exclusive(folder, "worker").unwrap();
    let log = file.log();
    log.create(&[spec("from", 4), spec("to", 4)]).await.unwrap();
    let (from, to) = (Topic::new("from"), Topic::new("to"));
    say("ready");
    for task in 0..8 {
        let (log, from, spool) = (log.clone(), from.clone(), file.spool(1 << 30));
        tokio::spawn(async move {
            for n in 0_u64.. {
                let value = format!("{}-{task}-{n:08}", std::process::id());
                let ack = log
                    .publish(vec![record(&from, &format!("key-{task}"), &value)])
                    .await
                    .remove(0);
                let ack = ack.unwrap();
                say(&format!("{} {} {value}", ack.partition, ack.offset));
                if n.is_multiple_of(16) {
                    spool.append(vec![record(&from, "spool", &value)]).await.unwrap();
                    say(&format!("spooled {value}"));
                }
            }
        });
    }
    let mut member = log.join("copy", std::slice::from_ref(&from), 0).await.unwrap();
    loop {
        copy(&mut member, &to).await;
    }
}

async fn copy<M: Member>(member: &mut M, to: &Topic) -> usize {
    let batch = member.next(ROOMY).await.unwrap();
    let outputs = batch
        .iter()
        .map(|r| NewRecord {
            topic: to.clone(),
            key: r.key.clone().unwrap(),
            value: r.value.clone(),
        })
        .collect();
    match member.commit(outputs).await.unwrap() {
        Commit::Done => batch.len(),
        Commit::Again => 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_kill_is_there_and_outputs_are_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut acked: BTreeMap<(i32, i64), String> = BTreeMap::new();
    let mut spooled = BTreeSet::new();
    for round in 0..8_u64 {
        let mut process = Process::start("worker", folder.path());
        assert_eq!(
            process.hear().as_deref(),
            Some("ready"),
            "it starts again at once after a kill"
        );
        let end = Instant::now() + Duration::from_millis(60 + round * 67);
        let mut last = None;
        while Instant::now() < end {
            last = process.hear();
            take(last.as_deref(), &mut acked, &mut spooled);
        }
        process.kill();
        assert!(last.is_some(), "it lived until it was killed");
        // What it had said before the kill and we had not read yet.
        while let Some(line) = process.hear() {
            take(Some(&line), &mut acked, &mut spooled);
        }
    }
    assert!(acked.len() > 100, "only {} records", acked.len());

    let file = Embedded::open_exclusive(folder.path(), "worker").unwrap();
    let (log, from, to) = (file.log(), Topic::new("from"), Topic::new("to"));
    let mut stored: BTreeMap<(i32, i64), String> = BTreeMap::new();
    for r in everything(&log, &from).await {
        let value = String::from_utf8(r.value.to_vec()).unwrap();
        assert!(stored.insert((r.partition, r.offset), value).is_none());
    }
    for (place, value) in &acked {
        assert_eq!(stored.get(place), Some(value), "acknowledged at {place:?}");
    }
    for bounds in log.bounds(&from).await.unwrap() {
        let here = stored.keys().filter(|(p, _)| *p == bounds.partition).count();
        assert_eq!(
            i64::try_from(here).unwrap(),
            bounds.high - bounds.low,
            "no gaps, nothing beyond the end"
        );
    }
    let waiting = file.spool(1).front(100_000).await.unwrap();
    let level = file.spool(1).level().await.unwrap();
    assert_eq!(level.records, waiting.len() as u64);
    let bytes: usize = waiting
        .iter()
        .map(|s| s.record.key.len() + s.record.value.len())
        .sum();
    assert_eq!(level.bytes, bytes as u64);
    let waiting: BTreeSet<_> = waiting
        .into_iter()
        .map(|s| String::from_utf8(s.record.value.to_vec()).unwrap())
        .collect();
    assert!(spooled.is_subset(&waiting), "what was spooled is there");

    let mut member = log.join("copy", std::slice::from_ref(&from), 0).await.unwrap();
    while log.lag("copy", &from).await.unwrap() > 0 {
        copy(&mut member, &to).await;
    }
    let mut copies = values(&everything(&log, &to).await);
    copies.sort();
    let mut originals: Vec<_> = stored.into_values().collect();
    originals.sort();
    assert_eq!(copies, originals, "each output once");
}

fn take(line: Option<&str>, acked: &mut BTreeMap<(i32, i64), String>, spooled: &mut BTreeSet<String>) {
    let words: Vec<_> = line.unwrap_or_default().split(' ').collect();
    match words[..] {
        ["spooled", value] => {
            spooled.insert(value.to_owned());
        }
        [partition, offset, value] => {
            let place = (partition.parse().unwrap(), offset.parse().unwrap());
            assert_eq!(
                acked.insert(place, value.to_owned()),
                None,
                "a place is given once"
            );
        }
        _ => {}
    }
}
