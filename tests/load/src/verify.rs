//! Whether what was acknowledged arrived: the binary's own export and books, through the same environment.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use serde_json::Value;

/// Every Observation id that the answers promised.
///
/// # Errors
/// An answer without receipt or Observation ids: every reading that is sent here makes at least one.
pub fn promised(answers: &[Bytes]) -> anyhow::Result<HashSet<String>> {
    let mut receipts = HashSet::new();
    let mut ids = HashSet::new();
    for answer in answers {
        let answer: Value = serde_json::from_slice(answer)?;
        let receipt = answer["receipt_id"]
            .as_str()
            .context("an answer without receipt_id")?;
        if !receipts.insert(receipt.to_owned()) {
            bail!("receipt {receipt} was given twice");
        }
        let observations = answer["observation_ids"]
            .as_array()
            .context("an answer without observation_ids")?;
        if observations.is_empty() {
            bail!("receipt {receipt} promises no Observation");
        }
        for id in observations {
            let id = id.as_str().context("an Observation id that is no text")?;
            if !ids.insert(id.to_owned()) {
                bail!("Observation {id} was promised twice: choose another --first");
            }
        }
    }
    Ok(ids)
}

/// Adds new promises to a file of them, and the file's to the new ones.
///
/// # Errors
/// Where the file cannot be read or written.
pub fn keep(file: &Path, promised: &mut HashSet<String>) -> anyhow::Result<()> {
    let context = || file.display().to_string();
    let mut lines: String = promised.iter().map(|id| format!("{id}\n")).collect();
    if file.exists() {
        let before = std::fs::read_to_string(file).with_context(context)?;
        promised.extend(before.lines().map(str::to_owned));
        lines.insert_str(0, &before);
    }
    std::fs::write(file, lines).with_context(context)
}

/// Waits until `stardust reconcile` exits 0 with nothing waiting; says how long that took.
///
/// # Errors
/// Where the books do not balance in time.
pub fn balanced(binary: &Path, within: Duration) -> anyhow::Result<Duration> {
    let start = Instant::now();
    loop {
        let done = Command::new(binary)
            .args(["reconcile", "--json"])
            .output()
            .with_context(|| binary.display().to_string())?;
        let books: Value = serde_json::from_slice(&done.stdout).unwrap_or_default();
        if done.status.success() && books["waiting"] == 0 {
            return Ok(start.elapsed());
        }
        if start.elapsed() > within {
            bail!(
                "the books do not balance: {}{}",
                String::from_utf8_lossy(&done.stdout),
                String::from_utf8_lossy(&done.stderr)
            );
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Holds what was promised against `stardust export observations`.
///
/// # Errors
/// Where a promised Observation is not there.
pub fn arrived(binary: &Path, mut promised: HashSet<String>) -> anyhow::Result<usize> {
    let count = promised.len();
    let mut export = Command::new(binary)
        .args(["export", "observations"])
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| binary.display().to_string())?;
    let output = export.stdout.take().context("the export has an output")?;
    for line in BufReader::new(output).lines() {
        let resource: Value = serde_json::from_str(&line?)?;
        if let Some(id) = resource["id"].as_str() {
            promised.remove(id);
        }
    }
    if !export.wait()?.success() {
        bail!("the export failed");
    }
    if let Some(missing) = promised.iter().next() {
        bail!(
            "{} of {count} acknowledged Observations are missing, {missing} among them",
            promised.len()
        );
    }
    Ok(count)
}
