//! A process of its own: the test binary once more, told by its environment what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "STARDUST_TEST_CHILD";
const FOLDER: &str = "STARDUST_TEST_FOLDER";

/// What a child does; each says one line for each thing done.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let folder = std::path::PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match role.as_str() {
        "worker" => crate::kill::worker(&folder).await,
        "visitor" => crate::second_process::visitor(&folder).await,
        "member" => crate::second_process::member(&folder).await,
        other => panic!("no such role: {other}"),
    }
}

/// Tells the parent.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "> {line}").unwrap();
    out.flush().unwrap();
}

/// A running child. Killed when dropped.
pub struct Process {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub fn start(role: &str, folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::child", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(FOLDER, folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that the child says; none once it has ended. A line that a kill cut off does not count.
    pub fn hear(&mut self) -> Option<String> {
        for line in self.lines.by_ref() {
            if let Some(said) = line.ok()?.split_once("> ").map(|(_, said)| said.to_owned()) {
                return Some(said);
            }
        }
        None
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
