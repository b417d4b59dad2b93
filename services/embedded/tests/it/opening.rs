//! What is refused at the start, and that it is left as it was.

use std::fs;
use std::path::{Path, PathBuf};

use stardust_embedded::{Embedded, OpenError};
use stardust_pipeline::log::{Log, Topic};

use crate::{everything, record, spec};

/// A closed data file with a few records.
async fn filled(folder: &Path) -> PathBuf {
    let file = Embedded::open(folder, "test").unwrap();
    file.log().create(&[spec("t", 2)]).await.unwrap();
    let records = (0..500)
        .map(|n| record(&Topic::new("t"), &format!("{n}"), &"x".repeat(500)))
        .collect();
    for ack in file.log().publish(records).await {
        ack.unwrap();
    }
    file.close().await;
    let path = folder.join("stardust.db");
    // All of it is in the main file once nobody has it open.
    assert!(fs::metadata(&path).unwrap().len() > 100_000);
    path
}

/// The names in a folder, but for the lock.
fn beside(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "stardust.lock")
        .collect();
    names.sort();
    names
}

/// Opening is refused, says which file and a way out, and changes no byte.
fn refused(folder: &Path, tag: &str) -> OpenError {
    let path = folder.join("stardust.db");
    let before = fs::read(&path).unwrap();
    let there = beside(folder);
    let mut error = None;
    for open in [Embedded::open, Embedded::open_existing, Embedded::open_exclusive] {
        error = Some(open(folder, "test").err().expect("it is refused"));
    }
    let error = error.unwrap();
    assert_eq!(error.tag(), tag, "{error}");
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "it names the file: {text}");
    assert!(text.contains("--data-dir"), "it names a way out: {text}");
    assert!(fs::read(&path).unwrap() == before, "the file is as it was");
    assert_eq!(beside(folder), there, "nothing is made beside it");
    error
}

#[tokio::test]
async fn a_file_of_a_newer_format_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 2).unwrap();
    conn.close().unwrap();
    let error = refused(folder.path(), "newer");
    assert!(
        matches!(
            error,
            OpenError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = filled(folder.path()).await;
    let good = fs::read(&path).unwrap();
    let overwritten = |from: usize, count: usize| {
        let mut bytes = good.clone();
        bytes[from..from + count].fill(0xa5);
        bytes
    };
    let damages = [
        ("cut off", good[..good.len() / 2].to_vec()),
        ("cut off in the header", good[..50].to_vec()),
        ("empty", Vec::new()),
        ("no header", overwritten(0, 16)),
        ("a page of the tables' list", overwritten(100, 90)),
        (
            "a page in the middle",
            overwritten(good.len() / 4096 / 2 * 4096, 4096),
        ),
        (
            "text",
            b"this was never a data file, but it is longer than a header is\n".repeat(4),
        ),
    ];
    for (what, bytes) in damages {
        println!("{what}");
        fs::write(&path, &bytes).unwrap();
        let error = refused(folder.path(), "damaged");
        assert!(error.to_string().contains("backup"), "{what}: {error}");
    }
    fs::write(&path, &good).unwrap();
    let log = Embedded::open(folder.path(), "test").unwrap().log();
    assert_eq!(
        everything(&log, &Topic::new("t")).await.len(),
        500,
        "the good file opens"
    );
}

#[tokio::test]
async fn a_file_of_another_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(folder.path().join("stardust.db")).unwrap();
    conn.execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1);")
        .unwrap();
    conn.close().unwrap();
    refused(folder.path(), "foreign");
}

#[tokio::test]
async fn a_second_exclusive_opening_is_refused_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = Embedded::open_exclusive(folder.path(), "one").unwrap();
    let error = Embedded::open_exclusive(folder.path(), "two").err().unwrap();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("process {} (one)", std::process::id())),
        "{text}"
    );
    Embedded::open(folder.path(), "two").unwrap();
    first.close().await;
    assert!(
        first.log().ping().await.is_ok(),
        "reads of what is still open go on"
    );
    assert!(
        first.log().create(&[spec("late", 1)]).await.is_err(),
        "writes do not"
    );
    Embedded::open_exclusive(folder.path(), "two").unwrap();
}

#[tokio::test]
async fn a_missing_file_is_only_made_where_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a").join("b");
    let error = Embedded::open_existing(&inner, "test").err().unwrap();
    assert_eq!(error.tag(), "missing");
    assert!(!inner.exists(), "not even the folder is made");
    // What a kill left behind while the file was made.
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("stardust.db.draft"), b"half a fi").unwrap();
    Embedded::open(&inner, "test").unwrap();
    Embedded::open_existing(&inner, "test").unwrap();
    let not_a_folder = folder.path().join("file");
    fs::write(&not_a_folder, b"x").unwrap();
    assert_eq!(
        Embedded::open(&not_a_folder, "test").err().unwrap().tag(),
        "unusable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_a_new_folder_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let openings: Vec<_> = (0..8)
        .map(|n| {
            let path = folder.path().join("new");
            tokio::task::spawn_blocking(move || Embedded::open(path, &format!("{n}")).map(|f| f.log()))
        })
        .collect();
    let mut made = 0;
    for opening in openings {
        let log = opening.await.unwrap().unwrap();
        made += log.create(&[spec("t", 1)]).await.unwrap().len();
    }
    assert_eq!(made, 1, "all have the same file");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("data");
    let file = Embedded::open(&inner, "test").unwrap();
    file.log().create(&[spec("t", 1)]).await.unwrap();
    for entry in fs::read_dir(&inner).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has {mode:o}", entry.file_name());
    }
    assert_eq!(fs::metadata(&inner).unwrap().permissions().mode() & 0o077, 0);
}
