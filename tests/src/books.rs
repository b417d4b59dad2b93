//! What must hold after every scenario: the books balance, the audit chain is whole, the exports agree by id.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::ids;
use crate::stack::Stack;
use crate::wait;

/// So many documents are exported in little time.
const FEW_PAGES: u64 = 20_000;

/// Everything that is stored, as the commands show it (a large collection as the database has it).
pub struct Stored {
    /// What `reconcile --json` said.
    pub books: Value,
    /// Observations by id.
    pub observations: BTreeMap<String, Value>,
    /// The same as text, digits as exported.
    pub texts: BTreeMap<String, String>,
    /// Legacy documents by id: collection and document.
    pub legacy: BTreeMap<String, (String, Value)>,
    /// AuditEvents by id.
    pub audit: BTreeMap<String, Value>,
    /// Open dead letters.
    pub dead: Vec<Value>,
    /// Open parked readings.
    pub parked: Vec<Value>,
}

impl Stored {
    /// A count of the books.
    pub fn count(&self, name: &str) -> u64 {
        self.books[name]
            .as_u64()
            .unwrap_or_else(|| panic!("the books do not have `{name}`: {}", self.books))
    }

    /// Panics unless the books have exactly these counts of outcomes.
    #[track_caller]
    pub fn counts(&self, expected: &[(&str, u64)]) {
        for outcome in ["stored", "duplicate", "parked", "dead", "ignored", "redelivered"] {
            let wanted = expected
                .iter()
                .find(|(name, _)| *name == outcome)
                .map_or(0, |(_, n)| *n);
            assert_eq!(self.count(outcome), wanted, "{outcome} in {}", self.books);
        }
    }

    /// The Observation with this id.
    #[track_caller]
    pub fn observation(&self, id: &str) -> &Value {
        self.observations
            .get(id)
            .unwrap_or_else(|| panic!("Observation {id} is not stored"))
    }

    /// The legacy document of the reading with this main Observation.
    #[track_caller]
    pub fn legacy_of(&self, observation: &str) -> &(String, Value) {
        let id = ids::legacy(&key_of(self.observation(observation)));
        self.legacy
            .get(&id)
            .unwrap_or_else(|| panic!("legacy document {id} of {observation} is not stored"))
    }

    /// Whether there is this AuditEvent.
    pub fn audited(&self, receipt: &str, item: Option<usize>, outcome: &str) -> bool {
        self.audit.contains_key(&ids::audit(receipt, item, outcome))
    }
}

/// The key in clear that an Observation carries.
#[track_caller]
pub fn key_of(observation: &Value) -> String {
    let identifiers = observation["identifier"].as_array().expect("an identifier");
    let ours = identifiers
        .iter()
        .find(|i| i["system"] == "urn:stardust:observation-key");
    ours.and_then(|i| i["value"].as_str())
        .expect("our key")
        .to_owned()
}

/// Waits until everything that was received is worked, then checks it all and returns what is stored.
pub fn settled(stack: &Stack) -> Stored {
    // A broker answers a commit before its records can be read: for a moment the queue is empty, and they wait all the same.
    let mut books = Value::Null;
    for _ in 0..40 {
        queue_empty(stack);
        books = reconciled(stack);
        if books["waiting"] == 0 {
            break;
        }
        sleep(Duration::from_millis(250));
    }
    let stored = read_beside(stack, books);
    agree(&stored);
    stored
}

/// Waits until the parser's queue is empty, as `/admin/queue/stats` says; as long as it gets shorter.
pub fn queue_empty(stack: &Stack) {
    let mut shortest = u64::MAX;
    loop {
        let size = wait::until("the parser has worked everything", || {
            let size = stack.get("/admin/queue/stats").json()["queue_size"].as_u64();
            size.filter(|size| *size < shortest)
        });
        if size == 0 {
            return;
        }
        shortest = size;
    }
}

/// Reads the books and the exports; panics where the books do not balance or the audit chain is broken.
pub fn read(stack: &Stack) -> Stored {
    read_beside(stack, reconciled(stack))
}

fn reconciled(stack: &Stack) -> Value {
    let reconciled = stack.run(&["reconcile", "--json"]).good();
    serde_json::from_str(reconciled.stdout.trim()).expect("reconcile --json writes one object")
}

fn read_beside(stack: &Stack, books: Value) -> Stored {
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["waiting"], 0, "{books}");
    let sum: u64 = ["stored", "duplicate", "parked", "dead", "ignored"]
        .iter()
        .map(|k| books[k].as_u64().expect(k))
        .sum();
    assert_eq!(books["received"].as_u64(), Some(sum), "{books}");
    stack.run(&["audit", "verify"]).good();

    let mut texts = BTreeMap::new();
    let mut observations = BTreeMap::new();
    for (line, resource) in resources(stack, "observations", "fhir_observations") {
        assert_eq!(resource["resourceType"], "Observation");
        let id = resource["id"].as_str().expect("an id").to_owned();
        assert!(
            observations.insert(id.clone(), resource).is_none(),
            "Observation {id} is exported twice"
        );
        texts.insert(id, line);
    }
    let mut legacy = BTreeMap::new();
    for (_, line) in export(stack, "legacy") {
        let id = line["document"]["_id"]["$oid"]
            .as_str()
            .expect("an ObjectId")
            .to_owned();
        let collection = line["collection"].as_str().expect("a collection").to_owned();
        let twice = legacy.insert(id.clone(), (collection, line["document"].clone()));
        assert!(twice.is_none(), "legacy document {id} is exported twice");
    }
    let mut audit = BTreeMap::new();
    for (_, event) in resources(stack, "audit", "fhir_audit_events") {
        assert_eq!(event["resourceType"], "AuditEvent");
        let id = event["id"].as_str().expect("an id").to_owned();
        assert!(
            audit.insert(id.clone(), event).is_none(),
            "AuditEvent {id} is exported twice"
        );
    }
    let lines = |what| {
        export(stack, what)
            .into_iter()
            .map(|(_, v)| v)
            .collect::<Vec<_>>()
    };
    Stored {
        books,
        observations,
        texts,
        legacy,
        audit,
        dead: lines("dead"),
        parked: lines("parked"),
    }
}

/// What `export` shows of a collection; read by one cursor where it is large, since for each page of it the server of the
/// tests reads the whole collection.
fn resources(stack: &Stack, what: &str, collection: &str) -> Vec<(String, Value)> {
    if stack.settings().contains_key("MONGODB_URI") {
        let (database, name) = (stack.database(), stack.setting("MONGODB_FHIR_DB"));
        if database.count(name, collection) > FEW_PAGES {
            let all = database.resources(name, collection);
            return all.into_iter().map(|r| (r.to_string(), r)).collect();
        }
    }
    export(stack, what)
}

fn export(stack: &Stack, what: &str) -> Vec<(String, Value)> {
    let done = stack.run(&["export", what]).good();
    done.stdout
        .lines()
        .map(|line| {
            (
                line.to_owned(),
                serde_json::from_str(line).unwrap_or_else(|e| panic!("{what}: {e}: {line}")),
            )
        })
        .collect()
}

/// Every stored reading has its Observations, its legacy document and its AuditEvent, and there is nothing else.
pub fn agree(stored: &Stored) {
    let mut described = BTreeSet::new();
    let mut legacy = BTreeSet::new();
    let mut no_place = 0;
    let mut readings = 0;
    for (id, event) in &stored.audit {
        let entities = event["entity"].as_array().expect("entities");
        let references: Vec<&str> = entities
            .iter()
            .filter_map(|e| e["what"]["reference"].as_str())
            .collect();
        if outcome_of(event) != "created" {
            continue;
        }
        readings += 1;
        assert!(
            !references.is_empty(),
            "AuditEvent {id} (created) names no Observation"
        );
        for (at, reference) in references.iter().enumerate() {
            let observation = reference
                .strip_prefix("Observation/")
                .expect("a reference of an Observation");
            assert!(
                described.insert(observation.to_owned()),
                "{observation} was created twice, says the audit"
            );
            let resource = stored.observation(observation);
            if at == 0 {
                let document = ids::legacy(&key_of(resource));
                if stored.legacy.contains_key(&document) {
                    legacy.insert(document);
                } else {
                    no_place += 1;
                }
            }
        }
    }
    let exported: BTreeSet<String> = stored.observations.keys().cloned().collect();
    assert_eq!(described, exported, "Observations by the audit and by the export");
    assert_eq!(
        legacy,
        stored.legacy.keys().cloned().collect(),
        "legacy documents without a reading"
    );
    assert_eq!(
        readings,
        stored.count("stored"),
        "AuditEvents of stored readings against the books"
    );
    assert_eq!(
        stored.count("no_place"),
        no_place,
        "readings without a legacy document: {}",
        stored.books
    );
    for (id, observation) in &stored.observations {
        assert_eq!(
            &ids::id(&key_of(observation)),
            id,
            "an id is the UUIDv5 of its key"
        );
    }
    assert_eq!(
        stored.parked.len() as u64,
        stored.count("parked"),
        "{}",
        stored.books
    );
    // Letters of single quantities stand beside those of whole readings.
    let whole = stored.dead.iter().filter(|d| {
        let item = d["item_index"].as_u64().map(|i| i as usize);
        !stored.audited(d["receipt_id"].as_str().expect("a receipt"), item, "created")
            && !stored.audited(d["receipt_id"].as_str().expect("a receipt"), item, "duplicate")
            && !stored.audited(d["receipt_id"].as_str().expect("a receipt"), item, "parked")
    });
    assert_eq!(whole.count() as u64, stored.count("dead"), "{}", stored.books);
}

/// The outcome that an AuditEvent tells: the first word of its detail.
fn outcome_of(event: &Value) -> String {
    let text = event["outcome"]["detail"].to_string();
    let known = ["created", "duplicate", "parked", "dead", "amended", "rolled-back"];
    let found: Vec<&str> = known
        .into_iter()
        .filter(|k| text.contains(&format!("\"{k}\"")))
        .collect();
    assert_eq!(found.len(), 1, "one outcome in {text}");
    found[0].to_owned()
}
