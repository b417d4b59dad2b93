//! What a server process cost, from `/proc`.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};

/// Ticks of `/proc/PID/stat` a second: fixed in Linux's interface to programs.
const TICKS: u32 = 100;

/// A process to watch: `name=pid`.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What it is called in the report.
    pub name: String,
    /// Its id.
    pub pid: u32,
}

impl FromStr for Watched {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (name, pid) = text
            .split_once('=')
            .context("a process is NAME=PID, such as door=4711")?;
        Ok(Self {
            name: name.to_owned(),
            pid: pid.parse().with_context(|| format!("`{pid}` is no process id"))?,
        })
    }
}

impl Watched {
    /// User and system time so far, threads that have ended included.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .with_context(|| format!("{} (pid {}) is gone", self.name, self.pid))?;
        // The name of the program may hold anything, so count from behind it.
        let Some((_, fields)) = stat.rsplit_once(')') else {
            bail!("/proc/{}/stat cannot be read", self.pid)
        };
        let ticks: u32 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u32>().unwrap_or(0))
            .sum();
        Ok(Duration::from_secs(1) * ticks / TICKS)
    }

    /// Largest resident memory so far, KiB.
    ///
    /// # Errors
    /// Where the process is gone.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))
            .with_context(|| format!("{} (pid {}) is gone", self.name, self.pid))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
            .context("no VmHWM")
    }
}
