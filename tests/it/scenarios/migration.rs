//! Histories of an existing database: migrated, compared, repeated, killed, rolled back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use mongodb::bson::{DateTime, Document, doc, oid::ObjectId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use stardust_scenarios::binary::{self, Done};
use stardust_scenarios::books::{Stored, queue_empty, read};
use stardust_scenarios::hospital::dump::{self, Format};
use stardust_scenarios::hospital::extended::{Spelling, line};
use stardust_scenarios::hospital::{Hospital, Plan};
use stardust_scenarios::load::Load;
use stardust_scenarios::mongo::Database;
use stardust_scenarios::process::signal;
use stardust_scenarios::registry::{Registry, patient};
use stardust_scenarios::servers::Server;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{wait, ward};

use super::remapping::{lasts, numbers, other_mapping};

const BEDS: u8 = 3;

/// `MIGRATION_ENTRIES`: how large a hospital (56,000: as large as the one that exists).
fn entries() -> u64 {
    std::env::var("MIGRATION_ENTRIES").map_or(600, |n| n.parse().expect("MIGRATION_ENTRIES is a number"))
}

/// The hospital in the form that `registry import` takes.
fn registry_files(stack: &Stack, hospital: &Hospital) -> PathBuf {
    let folder = stack.folder().join("registry");
    dump::write(
        hospital,
        &folder,
        Format::Lines(Spelling::Canonical),
        &mut |_, _| {},
    );
    folder
}

/// A hospital beside a deployment, and its books.
struct Ground {
    stack: Stack,
    books: Value,
    /// What `--from` names; nothing where it is the deployment's own database.
    from: Option<String>,
}

impl Ground {
    /// With a database where the deployment has one, else with files of this form. Nothing runs yet.
    fn new(backend: Backend, seed: u64, format: Format) -> Self {
        let stack = Stack::new(backend);
        let hospital = Hospital::new(Plan::new(seed, entries()).with_every_oddity());
        let ward = Registry::ward(BEDS);
        if backend == Backend::Kafka {
            let (database, main) = (stack.database(), stack.setting("MONGODB_MAIN_DB").to_owned());
            let books = dump::load(&hospital, &database, &main, &mut |_, _| {});
            database.add_registry(&main, &ward);
            return Self {
                stack,
                books: books.json(),
                from: None,
            };
        }
        let folder = stack.folder().join("dump");
        let books = dump::write(&hospital, &folder, format, &mut |_, _| {});
        // What is imported: the hospital's patients and devices, and those of the ward that sends live.
        let registry = registry_files(&stack, &hospital);
        for (name, documents) in ward.collections() {
            let path = registry.join(format!("{name}.json"));
            let mut text = std::fs::read_to_string(&path).expect("a file of the registry");
            for document in documents {
                text.push_str(&format!("{document}\n"));
            }
            std::fs::write(path, text).expect("the disk has room");
        }
        stack
            .run(&["registry", "import", &registry.display().to_string()])
            .good();
        Self {
            stack,
            books: books.json(),
            from: Some(folder.display().to_string()),
        }
    }

    fn arguments<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let mut arguments = vec!["migrate", "histories", "--json"];
        if let Some(from) = &self.from {
            arguments.extend(["--from", from]);
        }
        arguments.extend(more);
        arguments
    }

    fn migrate(&self, more: &[&str]) -> Done {
        self.stack.run(&self.arguments(more))
    }

    /// About how long a run takes: as a dry one, and with a broker some times that.
    fn about_a_run(&self) -> Duration {
        let begun = Instant::now();
        self.report(&["--dry-run"]);
        match self.stack.backend {
            Backend::Embedded => begun.elapsed(),
            Backend::Kafka => begun.elapsed() * 5,
        }
    }

    /// The report of a run that must come to its end.
    #[track_caller]
    fn report(&self, more: &[&str]) -> Value {
        let done = self.migrate(more).good();
        serde_json::from_str(done.stdout.trim()).expect("a report is one object")
    }

    #[track_caller]
    fn verified(&self, run: &str) -> Value {
        let done = self.stack.run(&["migrate", "verify", run, "--json"]);
        let object: Value = serde_json::from_str(done.stdout.trim()).unwrap_or_else(|_| panic!("{done:?}"));
        assert_eq!(done.code, Some(0), "{object}");
        object
    }

    fn runs(&self) -> Vec<Value> {
        let listed = self.stack.run(&["migrate", "list", "--json"]).good();
        listed
            .lines()
            .into_iter()
            .map(|line| serde_json::from_str(line).expect("a run a line"))
            .collect()
    }
}

fn run_of(report: &Value) -> String {
    report["run"].as_str().expect("a run").to_owned()
}

/// The counts of a report that follow from the source alone.
fn counts(report: &Value) -> Value {
    json!({"totals": report["totals"], "collections": report["collections"]})
}

fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .expect("counts by label")
        .values()
        .filter_map(Value::as_u64)
        .sum()
}

/// A report says what the hospital's own books say.
#[track_caller]
fn agrees(report: &Value, books: &Value) {
    for collection in report["collections"].as_array().expect("collections") {
        let name = collection["collection"].as_str().expect("a name");
        let own = &books["collections"][name];
        for (ours, theirs) in [
            ("documents", "documents"),
            ("own", "own"),
            ("entries", "entries"),
            ("duplicates", "duplicates"),
            ("emitted", "readings"),
            ("suspected_duplicates", "suspected_duplicates"),
            ("rejected", "dead"),
            ("parked", "parked"),
            ("without_readings", "entries_of_placeholders"),
        ] {
            assert_eq!(
                collection[ours], own[theirs],
                "{ours} of {name}: {collection}\nbooks: {own}"
            );
        }
        assert_eq!(collection["done"], true, "{collection}");
        assert_eq!(collection["balanced"], true, "{collection}");
        assert_eq!(
            sum(&collection["placeholders"]),
            sum(&own["placeholders"]),
            "{collection}\nbooks: {own}"
        );
    }
}

/// What is stored of migrations: how many readings, and by how many runs.
fn migrated(stored: &Stored) -> usize {
    stored.observations.values().filter(|o| is_migrated(o)).count()
}

fn is_migrated(observation: &Value) -> bool {
    let source = observation["meta"]["source"].as_str().unwrap_or_default();
    source.starts_with("urn:stardust:migration:")
}

/// The same counts dry and in earnest, those of the hospital's books; everything is stored as the source has it; once more
/// changes nothing.
pub fn a_hospital_is_migrated_as_its_books_say(backend: Backend) {
    let ground = Ground::new(backend, 7, Format::Lines(Spelling::Canonical));
    ground.stack.run(&["topics", "create"]).good();
    let dry = ground.report(&["--dry-run"]);
    agrees(&dry, &ground.books);
    assert!(ground.runs().is_empty(), "a dry run leaves nothing behind");

    let mut ground = ground;
    ground.stack.start();
    let first = ground.report(&[]);
    assert_eq!(counts(&first), counts(&dry));
    queue_empty(&ground.stack);
    // Not all that these check: the hospital has documents of our own that no reading of this deployment has left.
    let stored = read(&ground.stack);
    let verified = ground.verified(&run_of(&first));
    assert_eq!(verified["different"], 0, "{verified}");
    let totals = &ground.books["totals"];
    let of = |verified: &Value, what: &str| -> u64 {
        let collections = verified["collections"].as_object().expect("by collection");
        collections.values().filter_map(|c| c[what].as_u64()).sum()
    };
    for (ours, theirs) in [
        ("stored", "readings"),
        ("rejected", "dead"),
        ("waiting", "parked"),
    ] {
        assert_eq!(
            of(&verified, ours),
            totals[theirs].as_u64().unwrap(),
            "{ours}: {verified}"
        );
    }
    assert_eq!(migrated(&stored) as u64, totals["readings"].as_u64().unwrap());

    let second = ground.report(&[]);
    assert_ne!(run_of(&second), run_of(&first));
    assert_eq!(counts(&second), counts(&dry));
    queue_empty(&ground.stack);
    let again = read(&ground.stack);
    assert_eq!(again.texts, stored.texts, "a second run changes nothing");
    assert_eq!(
        (again.dead.len(), again.parked.len()),
        (stored.dead.len(), stored.parked.len())
    );
    let verified = ground.verified(&run_of(&second));
    assert_eq!(
        of(&verified, "stored_before"),
        totals["readings"].as_u64().unwrap()
    );
    assert_eq!(of(&verified, "stored"), 0, "{verified}");
    ground.stack.terminate_all();
}

/// Every form of dump gives the same counts.
pub fn every_form_of_dump_is_read_alike() {
    let mut seen = None;
    for format in [
        Format::Lines(Spelling::Canonical),
        Format::Array(Spelling::Canonical),
        Format::Bson,
    ] {
        let ground = Ground::new(Backend::Embedded, 11, format);
        let dry = ground.report(&["--dry-run"]);
        agrees(&dry, &ground.books);
        let before = seen.get_or_insert_with(|| counts(&dry)).clone();
        assert_eq!(counts(&dry), before, "{format:?}");
    }
}

/// What came live and stands in a history too is said to be suspected, dry or not, and stored all the same.
pub fn what_came_live_too_is_suspected(backend: Backend) {
    let mut ground = Ground::new(backend, 37, Format::Lines(Spelling::Canonical));
    ground.stack.start();
    let at = ward::now() - 600;
    ground.stack.accepted(ward::pressure(1, at, 131, 84, 71));
    queue_empty(&ground.stack);
    // The same pressure with another pulse; both of another second; both of another patient.
    let entry = |of: i64, pulse: i32| doc! {"sys_data": 131.0, "dia_data": 84.0, "pr_data": pulse, "timestamp": DateTime::from_millis(of * 1_000)};
    let of = |bed: u8| ObjectId::parse_str(patient(bed)).expect("an id");
    let documents = [
        doc! {"_id": ObjectId::new(), "patient_id": of(1), "data": [entry(at, 72), entry(at - 1, 71)]},
        doc! {"_id": ObjectId::new(), "patient_id": of(2), "data": [entry(at, 71)]},
    ];
    let main = ground.stack.setting("MONGODB_MAIN_DB");
    match &ground.from {
        None => ground
            .stack
            .database()
            .insert(main, "blood_pressure_histories", &documents),
        Some(folder) => {
            let file = PathBuf::from(folder).join("blood_pressure_histories.json");
            let mut text = std::fs::read_to_string(&file).expect("a file");
            for document in documents {
                text.push_str(&(line(&document, Spelling::Canonical) + "\n"));
            }
            std::fs::write(&file, text).expect("the disk has room");
        }
    }
    let expected = ground.books["totals"]["suspected_duplicates"]
        .as_u64()
        .expect("a number")
        + 1;
    assert!(expected > 1, "the hospital has some of its own");
    let dry = ground.report(&["--dry-run"]);
    assert_eq!(dry["totals"]["suspected_duplicates"], expected, "{dry}");
    let first = ground.report(&[]);
    assert_eq!(counts(&first), counts(&dry));
    queue_empty(&ground.stack);
    assert_eq!(ground.verified(&run_of(&first))["different"], 0);
    assert_eq!(counts(&ground.report(&[])), counts(&dry), "a second run");
    queue_empty(&ground.stack);
    let stored = read(&ground.stack);
    let emitted = ground.books["totals"]["readings"].as_u64().expect("a number") + 6;
    assert_eq!(migrated(&stored) as u64, emitted, "nothing is merged");
    ground.stack.terminate_all();
}

/// Another mapping for what was migrated: the run does what the dry run says, `verify` by the same mapping finds all as it
/// should be, and a rollback takes all of it away.
pub fn migrated_readings_are_mapped_again(backend: Backend) {
    let mut ground = Ground::new(backend, 41, Format::Bson);
    ground.stack.start();
    let run = run_of(&ground.report(&[]));
    queue_empty(&ground.stack);
    let before = read(&ground.stack);
    let mapping = other_mapping(ground.stack.folder());
    let arguments = ["remap", "--json", "--mapping", &mapping];
    let remap = |more: &[&str]| numbers(&ground.stack.run(&[&arguments[..], more].concat()).good().stdout);
    let dry = remap(&["--dry-run"]);
    assert_eq!(dry["not_remappable"], 0, "{dry}");
    let number = |of: &str| dry[of].as_u64().expect("a number");
    let (amended, withdrawn) = (number("amended"), number("entered_in_error"));
    assert!(amended > 0 && withdrawn > 0, "{dry}");
    assert_eq!(remap(&[]), dry);
    assert_eq!(
        (&remap(&[])["amended"], &remap(&[])["entered_in_error"]),
        (&json!(0), &json!(0))
    );
    let after = wait::until("the amendments are in the audit trail", || {
        let after = read(&ground.stack);
        let told = after
            .audit
            .values()
            .filter(|e| e["outcome"]["detail"][0]["coding"][0]["code"] == "amended");
        (told.count() as u64 == amended + withdrawn).then_some(after)
    });
    for (id, old) in &before.observations {
        lasts(id, old, &after.observations[id]);
    }
    let mut settings = ground.stack.settings().clone();
    settings.insert("MAPPING_FILE".to_owned(), mapping.clone());
    let mut verify = vec!["migrate", "verify", &run, "--json"];
    if let Some(from) = &ground.from {
        verify.extend(["--from", from]);
    }
    let verified: Value = serde_json::from_str(&binary::run(&settings, &verify).stdout).expect("one object");
    let collections = verified["collections"].as_object().expect("by collection");
    let found: u64 = collections.values().filter_map(|c| c["withdrawn"].as_u64()).sum();
    assert_eq!(found, withdrawn, "{verified}");
    // Letters are no matter of a remap: what waits or was rejected would be judged otherwise now.
    let differences = verified["differences"].as_array().expect("differences");
    let of_letters = |d: &&Value| {
        d["what"]
            .as_str()
            .is_some_and(|what| what.contains("rules of now"))
    };
    assert_eq!(
        differences.iter().filter(of_letters).count(),
        differences.len(),
        "{verified}"
    );
    ground.stack.run(&["migrate", "rollback", &run]).good();
    queue_empty(&ground.stack);
    assert_eq!(migrated(&read(&ground.stack)), 0, "all of the run is gone");
    ground.stack.terminate_all();
}

/// How long a run takes: a guess until one has come to its end in one go.
struct Length {
    whole: Duration,
    /// The next one starts at the beginning: none before it was broken off.
    anew: bool,
}

impl Length {
    fn about(whole: Duration) -> Self {
        Self { whole, anew: true }
    }

    /// Whether a migration still runs after this share of it; the caller breaks it off then.
    fn reaches(&mut self, share: f64, child: &mut Child) -> bool {
        let (begun, moment) = (Instant::now(), self.whole.mul_f64(share));
        loop {
            if let Some(status) = child.try_wait().expect("its state") {
                if status.success() && self.anew {
                    self.whole = self.whole.min(begun.elapsed());
                }
                self.anew = status.success();
                return false;
            }
            let Some(left) = moment.checked_sub(begun.elapsed()) else {
                self.anew = false;
                return true;
            };
            sleep(left.min(Duration::from_millis(2)));
        }
    }
}

/// Ctrl-C in the middle: it ends in good order, says so, and the same command goes on.
pub fn ctrl_c_and_on(backend: Backend) {
    let mut ground = Ground::new(backend, 43, Format::Bson);
    ground.stack.set("MIGRATION_BATCH_SIZE", "1");
    ground.stack.start();
    let mut length = Length::about(ground.about_a_run());
    let mut stopped = 0;
    for part in (5..20).step_by(3) {
        let mut child = binary::command(ground.stack.settings())
            .args(ground.arguments(&[]))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        if length.reaches(f64::from(part) / 20.0, &mut child) {
            signal(child.id(), "INT");
        }
        let done: Done = child.wait_with_output().expect("its end").into();
        // A signal before it listens ends it like any program; after its end there is nothing to stop.
        if done.code == Some(1) {
            assert!(done.stderr.contains("goes on from here"), "{done:?}");
            let report: Value = serde_json::from_str(done.stdout.trim()).expect("a report");
            assert_eq!(report["state"], "stopped", "{report}");
            stopped += 1;
        }
    }
    println!(
        "    {stopped} stops in the middle, a run takes about {:?}",
        length.whole
    );
    assert!(stopped > 0, "never in the middle");
    let report = ground.report(&[]);
    agrees(&report, &ground.books);
    queue_empty(&ground.stack);
    assert_eq!(
        migrated(&read(&ground.stack)) as u64,
        ground.books["totals"]["readings"].as_u64().unwrap()
    );
    ground.verified(&run_of(&report));
    ground.stack.terminate_all();
}

/// Who may read a database migrates from it; whoever may not is told which right it takes, with exit 1, and nothing is made
/// up.
pub fn a_right_that_is_missing_is_named() {
    let server = Server::mongo();
    let mut stack = Stack::bare(Backend::Embedded);
    let main = stack.setting("MONGODB_MAIN_DB").to_owned();
    let hospital = Hospital::new(Plan::new(53, 200).with_every_oddity());
    let database = Database::connect(server.address());
    let books = dump::load(&hospital, &database, &main, &mut |_, _| {}).json();
    let registry = registry_files(&stack, &hospital);
    stack
        .run(&["registry", "import", &registry.display().to_string()])
        .good();
    database.add_user("reader", "letmein1", "read", &main);
    database.add_user("stranger", "letmein2", "read", "elsewhere");
    drop(database);
    server.kill9();
    server.again_with(&["--auth"]);
    let (scheme, rest) = server.address().split_once("://").expect("a URI");
    for (who, may) in [
        ("reader:letmein1", true),
        ("stranger:letmein2", false),
        ("reader:letmein3", false),
    ] {
        let from = format!("{scheme}://{who}@{rest}&authSource=admin");
        stack.set("MIGRATE_FROM", &from);
        for command in [
            &["migrate", "histories", "--dry-run", "--json"][..],
            &["migrate", "histories", "--json"],
            &["migrate", "registry", "--dry-run", "--json"],
        ] {
            let done = stack.run(command);
            assert!(!done.stderr.contains("letmein"), "{who}: {}", done.stderr);
            if may {
                let report: Value = serde_json::from_str(&done.good().stdout).expect("one object");
                if command[1] == "histories" {
                    agrees(&report, &books);
                }
                continue;
            }
            assert_eq!(done.code, Some(1), "{who} {command:?}: {done:?}");
            assert!(
                done.stderr.contains("allow") || done.stderr.contains("accept"),
                "{who} {command:?}: {}",
                done.stderr
            );
            assert_eq!(done.stdout, "", "{who} {command:?}");
        }
    }
    let runs = stack.run(&["migrate", "list"]).good();
    assert_eq!(
        runs.lines().len(),
        1,
        "only the run of who may read: {}",
        runs.stdout
    );
}

/// The largest document that a database holds is worked like any other, in bounded memory; one that claims to be larger is
/// no document of a database.
pub fn a_document_of_16_mb_is_one_of_many() {
    let mut ground = Ground::new(Backend::Embedded, 47, Format::Bson);
    let file = PathBuf::from(ground.from.clone().expect("files")).join("blood_pressure_histories.bson");
    let before = std::fs::read(&file).expect("a file");
    let start = 1_700_000_000_000;
    let remark = "x".repeat(8_000);
    let mut entries: Vec<Document> = Vec::new();
    // 16 MiB are the most; the index of an entry and what stands around it take a few bytes more than the entry.
    let size = |n: &Document| n.to_vec().expect("it is BSON").len() + 10;
    let mut room: usize = (16 << 20) - 200;
    for n in 0.. {
        let of = DateTime::from_millis(start + n * 1_000);
        let entry = doc! {"systolic": 131, "diastolic": 84, "pulse": 71, "timestamp": of, "remark": &remark};
        let Some(left) = room.checked_sub(size(&entry)).filter(|left| *left > 0) else {
            break;
        };
        room = left;
        entries.push(entry);
    }
    let count = entries.len() as u64;
    let of = ObjectId::parse_str(patient(1)).expect("an id");
    let document = doc! {"_id": ObjectId::new(), "patient_id": of, "data": entries};
    let bytes = document.to_vec().expect("it is BSON");
    assert!(
        bytes.len() > (16 << 20) - 20_000 && bytes.len() <= 16 << 20,
        "{}",
        bytes.len()
    );
    std::fs::write(&file, [&before[..], &bytes].concat()).expect("the disk has room");
    let own = |what: &str| ground.books["totals"][what].as_u64().expect("a number");
    let (emitted, all) = (own("readings") + 2 * count, own("entries") + count);
    let dry = ground.report(&["--dry-run"]);
    assert_eq!(dry["totals"]["entries"], all, "{dry}");
    assert_eq!(dry["totals"]["emitted"], emitted);
    ground.stack.start();
    let report = ground.report(&[]);
    assert_eq!(counts(&report), counts(&dry));
    queue_empty(&ground.stack);
    assert_eq!(ground.verified(&run_of(&report))["observations"], emitted);
    ground.stack.terminate_all();

    let too_large = [&before[..], &(17_i32 << 20).to_le_bytes(), &bytes[4..]].concat();
    std::fs::write(&file, too_large).expect("the disk has room");
    let done = ground.migrate(&["--dry-run"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let report: Value = serde_json::from_str(done.stdout.trim()).expect("a report");
    let collections = report["collections"].as_array().expect("collections");
    let of = collections
        .iter()
        .find(|c| c["collection"] == "blood_pressure_histories")
        .expect("it is named");
    assert!(of["trouble"].is_string(), "{of}");
}

/// Killed at random moments and started again, `KILLS` times (20), until it ends: nothing is lost, doubled or counted
/// twice.
pub fn kill_9_and_a_start_anywhere(backend: Backend) {
    let mut ground = Ground::new(backend, 13, Format::Bson);
    ground.stack.set("MIGRATION_BATCH_SIZE", "2");
    ground.stack.start();
    let seed =
        std::env::var("SEED").map_or_else(|_| ward::now().unsigned_abs(), |n| n.parse().expect("a number"));
    println!("    SEED={seed}");
    let mut moments = StdRng::seed_from_u64(seed);
    let kills = std::env::var("KILLS").map_or(20, |n| n.parse().expect("a number"));
    let mut length = Length::about(ground.about_a_run());
    let mut killed = 0;
    for _ in 0..kills {
        let mut child = binary::command(ground.stack.settings())
            .args(ground.arguments(&[]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        // In the first moments it only starts: a kill then proves nothing. A long run is killed often, rather than many runs
        // once: each that ends is followed by a whole one.
        let latest = if entries() < 5_000 { 1.0 } else { 0.2 };
        let share = moments.random_range(latest / 4.0..latest);
        killed += u32::from(length.reaches(share, &mut child));
        let _ = child.kill();
        child.wait().expect("its end");
    }
    let report = ground.report(&[]);
    println!("    {killed} kills in the middle");
    assert!(killed > 0, "all runs were over before they were killed");
    let runs = ground.runs();
    assert!(runs.iter().all(|run| run["state"] == "finished"), "{runs:?}");
    agrees(&report, &ground.books);
    queue_empty(&ground.stack);
    let stored = read(&ground.stack);
    assert_eq!(
        migrated(&stored) as u64,
        ground.books["totals"]["readings"].as_u64().unwrap()
    );
    ground.verified(&run_of(&report));
    ground.stack.terminate_all();
}

/// A run goes, what came live meanwhile stays; neither a replay of the whole topic nor a release brings it back; the next
/// run may write again.
pub fn rolled_back_beside_live_readings(backend: Backend) {
    let mut ground = Ground::new(backend, 17, Format::Bson);
    ground.stack.start();
    // Less than the database takes: what is behind would have to be worked twice.
    let load = Load::start(ground.stack.door(), 2, BEDS, u64::MAX, Duration::from_millis(150));
    let report = ground.report(&[]);
    let run = run_of(&report);
    wait::until("something of the run is stored", || {
        let exported = ground.stack.run(&["export", "observations"]).good();
        exported.stdout.contains("urn:stardust:migration:").then_some(())
    });
    // The parser is in the middle of it, or has just been.
    let rolled: Value = {
        let done = ground.stack.run(&["migrate", "rollback", &run, "--json"]).good();
        serde_json::from_str(done.stdout.trim()).expect("one object")
    };
    assert!(rolled["observations"].as_u64() > Some(0), "{rolled}");
    let acknowledged = load.stop();
    assert!(!acknowledged.is_empty());
    queue_empty(&ground.stack);
    let stored = read(&ground.stack);
    assert_eq!(migrated(&stored), 0, "everything of the run is gone");
    assert_eq!(
        (stored.dead.len(), stored.parked.len()),
        (0, 0),
        "its letters too"
    );
    for id in acknowledged.iter().flat_map(|a| &a.observation_ids) {
        stored.observation(id);
    }
    let events = stored.audit.values().filter(|e| is_rollback(e)).count() as u64;
    assert_eq!(events, rolled["events"].as_u64().unwrap(), "{rolled}");
    let live = stored.observations.len();
    let states: BTreeMap<String, String> = ground
        .runs()
        .into_iter()
        .map(|r| (run_of(&r), r["state"].as_str().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(states.get(&run).map(String::as_str), Some("rolled-back"));

    // A group that starts at the first record.
    ground.stack.terminate_all();
    ground.stack.set(
        "FHIR_QUEUE_NAME",
        &format!("{}.again", ground.stack.setting("FHIR_QUEUE_NAME")),
    );
    ground.stack.start();
    queue_empty(&ground.stack);
    let replayed = read(&ground.stack);
    assert_eq!(migrated(&replayed), 0, "a replay does not bring it back");
    assert_eq!(replayed.observations.len(), live, "what came live stays");

    let again = ground.report(&[]);
    assert_ne!(run_of(&again), run);
    queue_empty(&ground.stack);
    let stored = read(&ground.stack);
    assert_eq!(
        migrated(&stored) as u64,
        ground.books["totals"]["readings"].as_u64().unwrap()
    );
    ground.verified(&run_of(&again));
    ground.stack.terminate_all();
}

fn is_rollback(event: &Value) -> bool {
    event["outcome"]["detail"][0]["coding"][0]["code"] == "rolled-back"
}

/// The service migrates a source once, however often it is started, and goes on after a crash.
pub fn the_service_migrates_each_source_once(backend: Backend) {
    let mut ground = Ground::new(backend, 19, Format::Bson);
    ground.stack.set("MIGRATION_BATCH_SIZE", "2");
    if let Some(from) = ground.from.clone() {
        ground.stack.set("MIGRATE_FROM", &from);
    }
    let (name, auto) = match backend {
        Backend::Embedded => ("up", true),
        Backend::Kafka => ("fhir-migrator", false),
    };
    if !auto {
        ground.stack.start();
    }
    let settings = [("AUTO_START_MIGRATION", "true")];
    ground.stack.start_one(name, &settings);
    wait::until("a run is under way", || (!ground.runs().is_empty()).then_some(()));
    ground.stack.kill9(name);
    ground.stack.start_one(name, &settings);
    let finished = || {
        let runs = ground.runs();
        (runs.len() == 1 && runs[0]["state"] == "finished").then(|| run_of(&runs[0]))
    };
    let run = wait::until("the run is finished", finished);
    ground.stack.terminate(name);
    ground.stack.start_one(name, &settings);
    ground.stack.wait_ready();
    queue_empty(&ground.stack);
    sleep(Duration::from_secs(1));
    assert_eq!(ground.runs().len(), 1, "once");
    let stored = read(&ground.stack);
    assert_eq!(
        migrated(&stored) as u64,
        ground.books["totals"]["readings"].as_u64().unwrap()
    );
    ground.verified(&run);
    ground.stack.terminate(name);
    ground.stack.terminate_all();
}

/// What cannot be read is said, with exit 1; what is whole before it is migrated.
pub fn a_source_that_cannot_be_read_is_named() {
    let ground = Ground::new(Backend::Embedded, 23, Format::Bson);
    let dump = PathBuf::from(ground.from.clone().expect("files"));
    let migrate = |from: &str| {
        ground
            .stack
            .run(&["migrate", "histories", "--json", "--from", from])
    };
    let nowhere = migrate(&dump.join("nowhere").display().to_string());
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("nowhere"), "{nowhere:?}");
    let empty = ground.stack.folder().join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    let none = migrate(&empty.display().to_string());
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(
        none.stderr.contains("none of the history collections"),
        "{none:?}"
    );
    for what in ["histories", "registry", "fhir-database"] {
        let from = ["migrate", what, "--from", "mongodb://ward:hush@127.0.0.1:1/AMY"];
        let password = ground.stack.run(&from);
        assert_eq!(password.code, Some(2), "{what}: {password:?}");
        assert!(
            !password.stderr.contains("hush") && password.stderr.contains("MIGRATE_FROM"),
            "{what}: {password:?}"
        );
    }

    // What `registry import` took in has no hospitals.
    let registry = ground.stack.run(&["migrate", "registry"]);
    assert_eq!(registry.code, Some(2), "{registry:?}");
    assert!(registry.stderr.contains("--from"), "{registry:?}");

    // A dump whose last document is cut off, and without one of the collections.
    let file = dump.join("step_histories.bson");
    let bytes = std::fs::read(&file).expect("a file");
    std::fs::write(&file, &bytes[..bytes.len() - 3]).expect("the disk has room");
    std::fs::remove_file(dump.join("spo2_histories.bson")).expect("it is there");
    let cut = ground.migrate(&[]);
    assert_eq!(cut.code, Some(1), "{cut:?}");
    let report: Value = serde_json::from_str(cut.stdout.trim()).expect("a report");
    let of = |report: &Value, name: &str| -> Value {
        let collections = report["collections"].as_array().expect("collections").clone();
        collections
            .into_iter()
            .find(|c| c["collection"] == name)
            .expect("it is named")
    };
    let steps = of(&report, "step_histories");
    assert_eq!(steps["done"], false);
    assert!(
        steps["trouble"]
            .as_str()
            .expect("trouble")
            .contains("ends in the middle"),
        "{steps}"
    );
    let whole = ground.books["collections"]["step_histories"]["documents"]
        .as_u64()
        .unwrap();
    assert_eq!(
        steps["documents"].as_u64(),
        Some(whole - 1),
        "what is whole is taken"
    );
    assert_eq!(of(&report, "spo2_histories")["present"], false);
    assert_eq!(
        of(&report, "lipid_histories")["done"],
        true,
        "nobody else is harmed"
    );
    // Repaired, the same run goes on.
    std::fs::write(&file, &bytes).expect("the disk has room");
    let repaired = ground.report(&[]);
    assert_eq!(
        (&repaired["run"], &repaired["resumed"]),
        (&report["run"], &json!(true))
    );
    assert_eq!(of(&repaired, "step_histories")["documents"].as_u64(), Some(whole));
}
