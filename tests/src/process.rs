//! One process of the binary that serves: started, killed, stopped.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::binary;
use crate::http;
use crate::wait;

/// A running service.
pub struct Service {
    /// Its command, such as `up`.
    pub name: String,
    /// Where it answers, as it printed.
    pub address: SocketAddr,
    /// Everything that it, and its predecessors of the same name, wrote to stdout and stderr.
    pub log: PathBuf,
    /// Where in the log its own lines begin.
    begin: usize,
    child: Child,
}

impl Service {
    /// Starts a service and waits for the address that it prints.
    pub fn start(name: &str, arguments: &[&str], settings: &BTreeMap<String, String>, folder: &Path) -> Self {
        let instance = settings.get("STARDUST_INSTANCE_ID").map_or(name, String::as_str);
        let log = folder.join(format!("{name}-{instance}.log"));
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a log file");
        let begin = std::fs::metadata(&log).map_or(0, |m| m.len());
        let mut child = binary::command(settings)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(file.try_clone().expect("a second handle"))
            .spawn()
            .expect("the binary starts");
        let (sender, receiver) = mpsc::channel();
        let stdout = child.stdout.take().expect("a pipe");
        std::thread::spawn(move || copy(BufReader::new(stdout), file, &sender));
        match receiver.recv_timeout(Duration::from_secs(60)) {
            Ok(address) => Self {
                name: name.to_owned(),
                address,
                log,
                begin: usize::try_from(begin).expect("a short log"),
                child,
            },
            Err(_) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{name} did not print its address:\n{}", tail(&log));
            }
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash would.
    pub fn kill9(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("its end");
    }

    /// Asks it to stop and waits until it has.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        let name = self.name.clone();
        wait::until(&format!("{name} has stopped after SIGTERM"), || {
            self.child.try_wait().expect("its state")
        })
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Its exit status, where it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its state")
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
            .unwrap_or_default()
            * 1024
    }

    /// The sum of a metric over its labels; 0 where it is not there, or the process does not answer.
    pub fn metric(&self, name: &str) -> f64 {
        let answer = http::once(self.address, "GET", "/metrics", &[], b"");
        let text = answer.map(|a| a.text()).unwrap_or_default();
        let ours = text
            .lines()
            .filter(|l| l.starts_with(name) && l[name.len()..].starts_with(['{', ' ']));
        ours.filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// What it wrote.
    pub fn written(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(log.get(self.begin..).unwrap_or_default()).into_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by name to a process that was started here and not waited for.
pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(done.expect("kill").success());
}

fn copy(stdout: impl BufRead, mut file: File, addresses: &mpsc::Sender<SocketAddr>) {
    for line in stdout.lines().map_while(Result::ok) {
        let _ = writeln!(file, "{line}");
        if let Some(address) = line
            .strip_prefix("address: http://")
            .and_then(|a| a.trim().parse().ok())
        {
            let _ = addresses.send(address);
        }
    }
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
