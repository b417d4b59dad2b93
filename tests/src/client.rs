//! Strangers' clients: a Python environment with a stock Kafka client and an Avro library.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binary::repository;

static PYTHON: OnceLock<PathBuf> = OnceLock::new();

/// The interpreter of the environment in `tests/.cache/clients`, made at the first use.
pub fn python() -> PathBuf {
    PYTHON.get_or_init(provision).clone()
}

fn provision() -> PathBuf {
    let requirements = repository().join("tests/clients/requirements.txt");
    let folder = repository().join("tests/.cache/clients");
    let python = folder.join("venv/bin/python");
    let ready = folder.join("ready");
    let wanted = std::fs::read_to_string(&requirements).expect("the list of packages");
    if std::fs::read_to_string(&ready).is_ok_and(|have| have == wanted) {
        return python;
    }
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a cache folder");
    let run = |command: &mut Command| {
        let status = command
            .stdout(Stdio::null())
            .status()
            .expect("python3 is on the machine");
        assert!(status.success(), "{command:?} failed");
    };
    run(Command::new("python3")
        .args(["-m", "venv"])
        .arg(folder.join("venv")));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"])
        .arg(&requirements));
    std::fs::write(ready, wanted).expect("a mark");
    python
}

/// A script of `tests/clients`, run to its end; its stdout.
pub fn script(name: &str, arguments: &[&str]) -> String {
    let done = Command::new(python())
        .arg(repository().join("tests/clients").join(name))
        .args(arguments)
        .output()
        .expect("the interpreter starts");
    assert!(
        done.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}
