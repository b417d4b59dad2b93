//! The broker and the database that all scenarios share, and servers of a scenario's own.
//!
//! `TEST_KAFKA_BROKERS` and `TEST_MONGODB_URI` name running ones; where they are not set, they are started through
//! `tests/stack` at the first use and stopped, by their process ids, at the end of the run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock};

use tempfile::TempDir;

use crate::binary::repository;

/// A server that was started here.
pub struct Server {
    script: PathBuf,
    folder: TempDir,
    address: String,
}

impl Server {
    /// A broker of its own, to be killed.
    pub fn kafka() -> Self {
        Self::start("kafka", &["--to-be-killed"])
    }

    /// A database of its own, to be killed.
    pub fn mongo() -> Self {
        Self::start("mongo", &["--sync-on-commit"])
    }

    fn start(name: &str, settings: &[&str]) -> Self {
        let script = script(name);
        let folder = tempfile::Builder::new()
            .prefix(&format!("stardust-{name}-"))
            .tempdir()
            .expect("a folder");
        let address = tool(&script, "start", folder.path(), settings);
        Self {
            script,
            folder,
            address,
        }
    }

    /// Its address or URI.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends it as a crash would; the data stays.
    pub fn kill9(&self) {
        tool(&self.script, "kill9", self.folder.path(), &[]);
    }

    /// Starts it again on the same data and port.
    pub fn again(&self) {
        self.again_with(&[]);
    }

    /// As [`Self::again`], with settings that it keeps.
    pub fn again_with(&self, settings: &[&str]) {
        let address = tool(&self.script, "start", self.folder.path(), settings);
        assert_eq!(address, self.address, "the server came back elsewhere");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new(&self.script)
            .arg("kill9")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .status();
        if std::thread::panicking() {
            // What a person needs to find the fault.
            let folder = std::mem::replace(&mut self.folder, TempDir::new().expect("a folder"));
            eprintln!("    kept: {}", folder.keep().display());
        }
    }
}

fn script(name: &str) -> PathBuf {
    repository().join("tests/stack").join(name)
}

fn tool(script: &Path, verb: &str, folder: &Path, settings: &[&str]) -> String {
    let done = Command::new(script)
        .arg(verb)
        .arg(folder)
        .args(settings)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}", script.display()));
    assert!(done.status.success(), "{} {verb} failed", script.display());
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

static KAFKA: OnceLock<String> = OnceLock::new();
static MONGO: OnceLock<String> = OnceLock::new();
static STARTED: Mutex<Vec<Server>> = Mutex::new(Vec::new());

fn shared(name: &str, variable: &str, once: &OnceLock<String>) -> String {
    let address = once.get_or_init(|| {
        if let Some(given) = std::env::var(variable).ok().filter(|v| !v.is_empty()) {
            return given;
        }
        let server = Server::start(name, &[]);
        let address = server.address.clone();
        STARTED.lock().expect("no panic while it is held").push(server);
        address
    });
    address.clone()
}

/// The shared broker.
pub fn brokers() -> String {
    shared("kafka", "TEST_KAFKA_BROKERS", &KAFKA)
}

/// The shared database.
pub fn mongodb() -> String {
    shared("mongo", "TEST_MONGODB_URI", &MONGO)
}

/// Whether this is the shared database, in use by this run.
pub fn is_shared(uri: &str) -> bool {
    MONGO.get().is_some_and(|shared| shared == uri)
}

/// Stops what was started here.
pub fn stop() {
    STARTED.lock().expect("no panic while it is held").clear();
}

/// A stock tool of the broker, such as `ConsoleConsumer`: its stdout.
pub fn kafka_tool(name: &str, arguments: &[&str]) -> String {
    let done = Command::new(script("kafka"))
        .args(["tool", name])
        .args(arguments)
        .output()
        .expect("the tool starts");
    assert!(
        done.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}
