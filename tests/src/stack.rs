//! A running deployment of the binary: all in one process, or a process for each service.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use uuid::Uuid;

use crate::binary::{self, Done};
use crate::http::{self, Answer};
use crate::mongo::Database;
use crate::process::Service;
use crate::registry::Registry;
use crate::{servers, wait, words};

/// What stands below the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// One file, one process.
    Embedded,
    /// A broker and a database, a process for each service.
    Kafka,
}

/// The services that run alone.
pub const SERVICES: [&str; 4] = ["ingest", "fhir-parser", "legacy-router", "audit-recorder"];

/// A deployment.
pub struct Stack {
    /// What stands below it.
    pub backend: Backend,
    /// The running processes by name.
    pub services: BTreeMap<String, Service>,
    settings: BTreeMap<String, String>,
    folder: Option<TempDir>,
}

impl Stack {
    /// A deployment of its own: folder, topics, groups and databases that nobody else uses. Nothing runs yet.
    pub fn new(backend: Backend) -> Self {
        let mut stack = Self::bare(backend);
        if backend == Backend::Kafka {
            stack.set("KAFKA_BROKERS", &servers::brokers());
            stack.set("MONGODB_URI", &servers::mongodb());
        }
        stack
    }

    /// As [`Stack::new`], without broker and database: the scenario names them, or does without one.
    pub fn bare(backend: Backend) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("stardust-scenario-")
            .tempdir()
            .expect("a folder");
        let name = &Uuid::new_v4().simple().to_string()[..10];
        let mut stack = Self {
            backend,
            services: BTreeMap::new(),
            settings: BTreeMap::new(),
            folder: Some(folder),
        };
        let data = stack.data().display().to_string();
        for (variable, value) in [
            ("STARDUST_DATA_DIR", data.as_str()),
            ("STARDUST_LISTEN", "127.0.0.1:0"),
            ("REGISTRY_REFRESH_SECONDS", "1"),
            ("TOPIC_PARTITIONS", "4"),
            ("FHIR_WORKER_THREADS", "2"),
            ("TOPIC_PREFIX", &format!("t{name}.")),
            ("FHIR_QUEUE_NAME", &format!("t{name}.parser")),
            ("MONGODB_MAIN_DB", &format!("amy_{name}")),
            ("MONGODB_FHIR_DB", &format!("fhir_{name}")),
        ] {
            stack.set(variable, value);
        }
        stack
    }

    /// Sets a variable for everything that is started from now on.
    pub fn set(&mut self, variable: &str, value: &str) {
        self.settings.insert(variable.to_owned(), value.to_owned());
    }

    /// Takes a variable away.
    pub fn unset(&mut self, variable: &str) {
        self.settings.remove(variable);
    }

    /// The value of a variable.
    pub fn setting(&self, variable: &str) -> &str {
        self.settings.get(variable).map_or("", String::as_str)
    }

    /// All variables.
    pub fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    /// The folder of the deployment.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("it stands until the end").path()
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// The data file: whatever its name, it is SQLite's.
    pub fn data_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.data())
            .expect("the data folder")
            .filter_map(|f| Some(f.ok()?.path()));
        let mut ours = files.filter(|f| std::fs::read(f).is_ok_and(|b| b.starts_with(b"SQLite format 3\0")));
        ours.next().expect("a SQLite file")
    }

    /// The services that this deployment has.
    pub fn names(&self) -> Vec<&'static str> {
        match self.backend {
            Backend::Embedded => vec!["up"],
            Backend::Kafka => SERVICES.to_vec(),
        }
    }

    /// A running deployment with this registry.
    pub fn started(backend: Backend, registry: &Registry) -> Self {
        let mut stack = Self::new(backend);
        stack.learn(registry);
        stack.start();
        stack
    }

    /// Starts what does not run and waits until it is ready.
    pub fn start(&mut self) {
        for name in self.names() {
            if !self.services.contains_key(name) {
                self.start_one(name, &[]);
            }
        }
        self.wait_ready();
    }

    /// Starts one service, with settings of its own.
    pub fn start_one(&mut self, name: &str, settings: &[(&str, &str)]) {
        let service = self.launch(name, settings);
        self.services.insert(name.to_owned(), service);
    }

    /// Starts one more process of a service; the caller keeps it.
    pub fn launch(&self, name: &str, settings: &[(&str, &str)]) -> Service {
        let mut all = self.settings.clone();
        all.extend(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        Service::start(name, &[name], &all, self.folder())
    }

    /// Waits until every process says that it is ready.
    pub fn wait_ready(&self) {
        for (name, service) in &self.services {
            wait::until(&format!("{name} is ready"), || {
                let answer = http::once(service.address, "GET", "/health/ready", &[], b"").ok()?;
                (answer.status == 200).then_some(())
            });
        }
    }

    /// Ends one service as a crash would.
    pub fn kill9(&mut self, name: &str) {
        self.services
            .remove(name)
            .unwrap_or_else(|| panic!("{name} does not run"))
            .kill9();
    }

    /// Stops one service in good order; it must exit 0.
    pub fn terminate(&mut self, name: &str) {
        let service = self
            .services
            .remove(name)
            .unwrap_or_else(|| panic!("{name} does not run"));
        let log = service.log.clone();
        let status = service.terminate();
        assert!(
            status.success(),
            "{name} ended with {status}:\n{}",
            crate::process::tail(&log)
        );
    }

    /// Stops everything in good order.
    pub fn terminate_all(&mut self) {
        for name in self.names() {
            if self.services.contains_key(name) {
                self.terminate(name);
            }
        }
    }

    /// Tells the deployment whose each device is.
    pub fn learn(&self, registry: &Registry) {
        if self.settings.contains_key("MONGODB_URI") {
            self.database()
                .write_registry(self.setting("MONGODB_MAIN_DB"), registry);
        } else {
            let files = self.folder().join("registry");
            registry.write(&files);
            self.run(&["registry", "import", &files.display().to_string()])
                .good();
        }
    }

    /// The deployment's database server.
    pub fn database(&self) -> Database {
        Database::connect(self.setting("MONGODB_URI"))
    }

    /// The door's address.
    pub fn door(&self) -> SocketAddr {
        let door = self.services.get("up").or_else(|| self.services.get("ingest"));
        door.expect("a door runs").address
    }

    /// Posts a message.
    #[track_caller]
    pub fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        self.try_post(body).expect("the door answers")
    }

    /// Posts a message.
    ///
    /// # Errors
    /// Where the door does not answer.
    pub fn try_post(&self, body: impl AsRef<[u8]>) -> io::Result<Answer> {
        let json = [("content-type", "application/json")];
        http::once(self.door(), "POST", "/api/ava4/data", &json, body.as_ref())
    }

    /// Posts a message that must be accepted; its receipt.
    #[track_caller]
    pub fn accepted(&self, body: impl AsRef<[u8]>) -> String {
        let answer = self.post(body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.receipt()
    }

    /// Gets a page of the door.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::once(self.door(), "GET", path, &[], b"").expect("the door answers")
    }

    /// Runs a command of the binary on this deployment.
    pub fn run(&self, arguments: &[&str]) -> Done {
        binary::run(&self.settings, arguments)
    }

    /// Whether a service of this deployment wrote this value to its log: the digits of a longer number, such as a time or
    /// an id, are no value.
    pub fn tells(&self, value: &str) -> bool {
        words::has(&self.written(), value)
    }

    /// Everything that the services of this deployment wrote to their logs.
    pub fn written(&self) -> String {
        let files = std::fs::read_dir(self.folder()).expect("the folder");
        let logs = files
            .filter_map(|f| Some(f.ok()?.path()))
            .filter(|p| p.extension().is_some_and(|e| e == "log"));
        logs.map(|log| std::fs::read_to_string(log).unwrap_or_default())
            .collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.services.clear();
        if std::thread::panicking() {
            // What a person needs to find the fault.
            let folder = self.folder.take().map(TempDir::keep);
            eprintln!("    kept: {}", folder.unwrap_or_default().display());
        } else if servers::is_shared(self.setting("MONGODB_URI")) {
            let database = self.database();
            database.drop_database(self.setting("MONGODB_MAIN_DB"));
            database.drop_database(self.setting("MONGODB_FHIR_DB"));
        }
    }
}
