//! Two processes on one file.

use std::path::Path;
use std::time::{Duration, Instant};

use stardust_embedded::Embedded;
use stardust_pipeline::log::{Log, LogError, Member, Topic};
use stardust_pipeline::store::{RegistryDocuments, Store};

use crate::child::{Process, say};
use crate::{ROOMY, everything, record, spec, values};

/// Reads and writes while another process writes all the time.
pub async fn visitor(folder: &Path) {
    let file = Embedded::open_existing(folder, "visitor").unwrap();
    let (log, busy, quiet) = (file.log(), Topic::new("busy"), Topic::new("quiet"));
    let before = everything(&log, &busy).await.len();
    let members = log.members("readers").await.unwrap();
    assert_eq!(members.len(), 1, "it sees who is active");
    let refused = log.set_offsets("readers", &quiet, &[(0, 0)]).await;
    assert!(
        matches!(refused, Err(LogError::Refused(ref e)) if e.contains("readers/up/0")),
        "{refused:?}"
    );
    for n in 0..20 {
        let ack = log
            .publish(vec![record(&quiet, "k", &format!("visitor-{n}"))])
            .await
            .remove(0);
        ack.unwrap();
    }
    let documents = RegistryDocuments {
        boxes: vec![serde_json::json!({"mac_address": "02:00:00:AA:00:01"})],
        ..RegistryDocuments::default()
    };
    file.store().import_registry(&documents).await.unwrap();
    let after = everything(&log, &busy).await.len();
    assert!(
        after > before,
        "it reads while the other writes: {before} to {after}"
    );
    file.close().await;
    say("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_reads_and_writes_while_the_first_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let file = Embedded::open_exclusive(folder.path(), "up").unwrap();
    let log = file.log();
    log.create(&[spec("busy", 2), spec("quiet", 1)]).await.unwrap();
    let (busy, quiet) = (Topic::new("busy"), Topic::new("quiet"));
    let mut member = log
        .join("readers", std::slice::from_ref(&quiet), 0)
        .await
        .unwrap();
    let writers: Vec<_> = (0..32)
        .map(|task| {
            let (log, busy) = (log.clone(), busy.clone());
            tokio::spawn(async move {
                for n in 0.. {
                    let ack = log
                        .publish(vec![record(&busy, &format!("{task}"), &format!("{n}"))])
                        .await
                        .remove(0);
                    ack.unwrap();
                }
            })
        })
        .collect();
    let path = folder.path().to_owned();
    let visit = tokio::task::spawn_blocking(move || Process::start("visitor", &path).hear());
    let mut seen = Vec::new();
    let end = Instant::now() + Duration::from_secs(120);
    while seen.len() < 20 && Instant::now() < end {
        let batch = member.next(ROOMY).await.unwrap();
        member.commit(vec![]).await.unwrap();
        seen.extend(values(&batch));
    }
    let expected: Vec<_> = (0..20).map(|n| format!("visitor-{n}")).collect();
    assert_eq!(
        seen, expected,
        "what the other process published comes to our members"
    );
    assert_eq!(visit.await.unwrap().as_deref(), Some("done"));
    assert_eq!(
        file.store().registry().await.unwrap().boxes.len(),
        1,
        "what it imported is here"
    );
    for writer in writers {
        writer.abort();
    }
}

/// Joins a group and takes a batch until it is killed.
pub async fn member(folder: &Path) {
    let log = Embedded::open_existing(folder, "other").unwrap().log();
    let mut member = log.join("shared", &[Topic::new("work")], 0).await.unwrap();
    loop {
        if !member.next(ROOMY).await.unwrap().is_empty() {
            say("taken");
            std::future::pending::<()>().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_a_killed_process_come_to_the_living() {
    let folder = tempfile::tempdir().unwrap();
    let log = Embedded::open(folder.path(), "living").unwrap().log();
    log.create(&[spec("work", 4)]).await.unwrap();
    let work = Topic::new("work");
    for n in 0..40 {
        let ack = log
            .publish(vec![record(&work, &format!("key-{n}"), &format!("{n:02}"))])
            .await
            .remove(0);
        ack.unwrap();
    }
    let mut process = Process::start("member", folder.path());
    assert_eq!(process.hear().as_deref(), Some("taken"));
    let mut mine = log.join("shared", std::slice::from_ref(&work), 0).await.unwrap();
    assert_eq!(
        mine.assignment().len(),
        2,
        "the partitions are shared between the processes"
    );
    process.kill();
    assert_eq!(log.members("shared").await.unwrap().len(), 2, "nobody knows yet");
    let end = Instant::now() + Duration::from_secs(90);
    let mut seen = Vec::new();
    while seen.len() < 40 && Instant::now() < end {
        let batch = mine.next(ROOMY).await.unwrap();
        mine.commit(vec![]).await.unwrap();
        seen.extend(values(&batch));
    }
    seen.sort();
    assert_eq!(
        seen,
        (0..40).map(|n| format!("{n:02}")).collect::<Vec<_>>(),
        "each record once"
    );
    assert_eq!(
        log.members("shared").await.unwrap().len(),
        1,
        "the dead one is gone"
    );
}
