//! The binary under test, and what its commands answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ stands in the repository")
        .to_owned()
}

/// The binary: `STARDUST_BIN`, else the release build of this workspace.
pub fn path() -> PathBuf {
    let given = std::env::var_os("STARDUST_BIN").map(PathBuf::from);
    let path = given.unwrap_or_else(|| {
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        target.join("release/stardust")
    });
    assert!(
        path.is_file(),
        "{} is not there: `cargo build --release`, or name the binary in STARDUST_BIN",
        path.display()
    );
    path
}

/// A command of the binary with exactly these settings: nothing of the caller's environment leaks in.
pub fn command(settings: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(path());
    command.env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(settings);
    command
}

/// What a command did.
#[derive(Debug)]
pub struct Done {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its stdout.
    pub stdout: String,
    /// Its stderr.
    pub stderr: String,
}

impl Done {
    /// Panics unless the exit code is 0.
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(
            self.code,
            Some(0),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// The lines of stdout.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Runs a command to its end.
pub fn run(settings: &BTreeMap<String, String>, arguments: &[&str]) -> Done {
    command(settings)
        .args(arguments)
        .output()
        .expect("the binary starts")
        .into()
}
