//! A group goes back: what is stored stays as it is, byte for byte, whoever sets the offsets.
//!
//! `REPLAY_MESSAGES=100000` (a multiple of 1,000) replays so many and prints the rates.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stardust_scenarios::binary;
use stardust_scenarios::books::{queue_empty, read, settled};
use stardust_scenarios::http::{self, Connection};
use stardust_scenarios::registry::{Registry, gateway, patient};
use stardust_scenarios::servers::kafka_tool;
use stardust_scenarios::snapshot::Snapshot;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{topics, wait, ward};

use super::dead_letters::parser;
use super::reconciling::cut;

const BEDS: u8 = 10;

/// How many messages, and whether that is more than every run has.
fn scale() -> (u64, bool) {
    match std::env::var("REPLAY_MESSAGES").ok().and_then(|n| n.parse().ok()) {
        Some(n) => (n, true),
        None => (300, false),
    }
}

/// The names of the groups with what they read.
fn groups(stack: &Stack) -> [(String, &'static str); 4] {
    let prefix = stack.setting("TOPIC_PREFIX");
    let parser = stack.setting("FHIR_QUEUE_NAME");
    [
        (parser.to_owned(), "ava4.readings.raw"),
        (format!("{parser}.letters"), "ava4.readings.dead"),
        (format!("{prefix}legacy-router"), "legacy.histories"),
        (format!("{prefix}audit-recorder"), "audit.events"),
    ]
}

fn plan(stack: &Stack, arguments: &[&str]) -> Value {
    let done = stack.run(&[&["replay", "--json"], arguments].concat()).good();
    serde_json::from_str(&done.stdout).expect("one JSON object")
}

/// Where a group stands on a topic: the committed offset of each partition.
fn stands(stack: &Stack, group: &str, topic: &str) -> Vec<Value> {
    let topic = format!("{}{topic}", stack.setting("TOPIC_PREFIX"));
    let plan = plan(
        stack,
        &["--group", group, "--topic", &topic, "--to-earliest", "--dry-run"],
    );
    let partitions = plan["partitions"].as_array().expect("partitions");
    partitions.iter().map(|p| p["from"].clone()).collect()
}

fn gone(stack: &Stack, group: &str, topic: &str) {
    wait::until("the group has no members", || {
        let topic = format!("{}{topic}", stack.setting("TOPIC_PREFIX"));
        let plan = plan(
            stack,
            &["--group", group, "--topic", &topic, "--to-earliest", "--dry-run"],
        );
        (plan["members"] == json!([])).then_some(())
    });
}

/// Sends a mixture in batches, and beside it one of each outcome.
fn send(stack: &Stack, messages: u64) {
    let from = ward::now() - 14 * 86_400;
    let mut connection = Connection::open(stack.door()).expect("the door");
    let headers = [("content-type", "application/x-ndjson")];
    for first in (0..messages).step_by(1_000) {
        let lines: String = (first..messages.min(first + 1_000))
            .map(|n| ward::mixture(n, BEDS, from) + "\n")
            .collect();
        let answer = connection
            .request("POST", "/api/ava4/data/batch", &headers, lines.as_bytes())
            .expect("the door answers");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let at = ward::now() - 50;
    stack.accepted(ward::pressure(1, at, 133, 81, 62));
    stack.accepted(ward::pressure(1, at, 133, 81, 62));
    stack.accepted(ward::temperature(1, at, "99.9"));
    let fields = r#""bp_high":131,"bp_low":84"#;
    stack.accepted(ward::single(
        &gateway(2),
        "BP_BIOLIGTH",
        "020000ccffff",
        at,
        fields,
    ));
}

/// Waits until everything is worked; it balances and the audit trail is whole.
fn balanced(stack: &Stack) {
    queue_empty(stack);
    let books = stack.run(&["reconcile", "--json", "--patience", "3600"]).good();
    let books: Value = serde_json::from_str(&books.stdout).expect("one JSON object");
    assert_eq!(
        (&books["balanced"], &books["waiting"]),
        (&json!(true), &json!(0)),
        "{books}"
    );
    stack.run(&["audit", "verify"]).good();
}

pub fn a_full_replay_changes_nothing_that_is_stored(backend: Backend) {
    let (messages, by_command) = scale();
    let mut stack = Stack::started(backend, &Registry::ward(BEDS));
    let parser = parser(&stack);
    if backend == Backend::Kafka {
        stack.terminate(parser);
    }
    let start = Instant::now();
    send(&stack, messages);
    let sent = start.elapsed();
    let start = Instant::now();
    stack.start();
    queue_empty(&stack);
    let first = match backend {
        Backend::Kafka => start.elapsed(),
        Backend::Embedded => sent + start.elapsed(),
    };
    balanced(&stack);
    let before = Snapshot::take(&stack, "before");
    let (ids, counts) = if by_command {
        (Vec::new(), Value::Null)
    } else {
        let stored = settled(&stack);
        assert!(stored.count("duplicate") == 1 && stored.count("dead") == 1 && stored.count("parked") == 1);
        (on_topics(&stack), stored.books)
    };

    // Members are named, and nothing happens to them.
    let [(group, raw), ..] = groups(&stack);
    let refused = stack.run(&["replay", "--group", &group, "--to-earliest"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        refused.stderr.contains("active members") && refused.stderr.contains(&group),
        "{}",
        refused.stderr
    );
    let looked = stack
        .run(&["replay", "--group", &group, "--to-earliest", "--dry-run"])
        .good();
    assert!(looked.stderr.contains("active members"), "{}", looked.stderr);
    assert!(
        looked.stdout.contains("Nothing was changed."),
        "{}",
        looked.stdout
    );

    stack.terminate(parser);
    gone(&stack, &group, raw);
    let planned = plan(&stack, &["--group", &group, "--to-earliest", "--dry-run"]);
    assert_eq!(planned["again"], json!(messages + 4), "{planned}");
    let oldest = planned["partitions"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["records"] != 0);
    for p in oldest {
        assert!(
            p["oldest"].is_string() && p["oldest"].as_str() <= p["newest"].as_str(),
            "{p}"
        );
    }
    let done = plan(&stack, &["--group", &group, "--to-earliest"]);
    for field in ["group", "topic", "again", "left_out", "partitions"] {
        assert_eq!(done[field], planned[field], "the plan was carried out");
    }
    let nothing = plan(&stack, &["--group", &group, "--to-earliest", "--dry-run"]);
    assert_eq!(nothing["again"], 0);

    let start = Instant::now();
    stack.start();
    queue_empty(&stack);
    let second = start.elapsed();
    balanced(&stack);
    before.same(&Snapshot::take(&stack, "after"));
    if by_command {
        let rate = |took: Duration| (messages as f64 / took.as_secs_f64()).round();
        let what = match backend {
            Backend::Kafka => "parsed",
            Backend::Embedded => "sent and parsed",
        };
        println!(
            "{messages} messages, {} documents are the same after the replay. {what}: {:.1} s, {}/s; replayed: {:.1} s, {}/s",
            before.documents,
            first.as_secs_f64(),
            rate(first),
            second.as_secs_f64(),
            rate(second)
        );
        return;
    }
    let stored = read(&stack);
    assert_eq!(stored.books, counts, "the books say the same");
    assert_eq!(on_topics(&stack), ids, "nothing new by id");

    // All groups at once: every consumer of the system can go back.
    stack.terminate_all();
    for (group, topic) in groups(&stack) {
        gone(&stack, &group, topic);
        let again = plan(&stack, &["--group", &group, "--to-earliest"]);
        assert!(again["again"].as_u64() > Some(0), "{again}");
    }
    stack.start();
    balanced(&stack);
    before.same(&Snapshot::take(&stack, "at the end"));
}

/// The ids on each output topic, however often each stands there.
fn on_topics(stack: &Stack) -> Vec<BTreeSet<String>> {
    [topics::OBSERVATIONS, topics::LEGACY, topics::AUDIT]
        .map(|topic| topics::ids(stack, topic).into_keys().collect())
        .into()
}

pub fn a_plan_tells_what_cannot_be_done(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(2));
    let at = ward::now() - 100;
    for n in 0..6 {
        stack.accepted(ward::pressure(
            1 + n % 2,
            at + i64::from(n),
            120 + u32::from(n),
            80,
            60,
        ));
    }
    settled(&stack);
    stack.terminate(parser(&stack));
    let [(group, raw), (_, dead), ..] = groups(&stack);
    gone(&stack, &group, raw);
    let raw = format!("{}{raw}", stack.setting("TOPIC_PREFIX"));
    let dead = format!("{}{dead}", stack.setting("TOPIC_PREFIX"));

    // Wrong use is exit 2 and says what is right.
    for (arguments, says) in [
        (&["--group", "nobody", "--to-latest"][..], "--topic"),
        (&["--group", &group, "--topic", &dead, "--to-latest"], "reads"),
        (&["--group", &group, "--to-offset", "9=0"], "partition 9"),
        (&["--group", &group, "--to-offset", "0=1,0=2"], "twice"),
        (
            &["--group", &group, "--to-datetime", "yesterday"],
            "2026-03-01T08:00:00+07:00",
        ),
        (
            &["--group", &group, "--to-latest", "--to-earliest"],
            "cannot be used with",
        ),
        (&["--group", &group], "required"),
    ] {
        let done = stack.run(&[&["replay"], arguments].concat());
        assert_eq!(done.code, Some(2), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(says), "{arguments:?}: {}", done.stderr);
    }
    let missing = stack.run(&[
        "replay",
        "--group",
        "other",
        "--topic",
        "no.such.topic",
        "--to-latest",
    ]);
    assert_eq!(missing.code, Some(1), "{missing:?}");

    // A group that never committed, on an empty partition too: the first record is where it stands.
    let fresh = plan(
        &stack,
        &[
            "--group",
            "fresh",
            "--topic",
            &raw,
            "--shift-by",
            "-5",
            "--dry-run",
        ],
    );
    assert_eq!(
        (&fresh["again"], &fresh["left_out"]),
        (&json!(0), &json!(0)),
        "{fresh}"
    );
    let partitions = fresh["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 4);
    assert!(
        partitions.iter().all(|p| p["from"].is_null() && p["to"] == 0),
        "{fresh}"
    );
    let skipping = stack
        .run(&[
            "replay",
            "--group",
            "fresh",
            "--topic",
            &raw,
            "--to-latest",
            "--dry-run",
        ])
        .good();
    assert!(
        skipping.stdout.contains("6 records would be left out"),
        "{}",
        skipping.stdout
    );

    // Beyond the end, before the start, in the future: what exists is taken, and said.
    let beyond = stack
        .run(&["replay", "--group", &group, "--to-offset", "0=999,1=-7"])
        .good();
    assert!(
        beyond.stdout.contains("999 is behind the last record")
            && beyond.stdout.contains("-7 is before the first record"),
        "{}",
        beyond.stdout
    );
    let future = (ward::now() + 86_400).to_string();
    let future = plan(&stack, &["--group", &group, "--to-datetime", &future]);
    assert_eq!(future["again"], 0, "{future}");
    stack.start();
    balanced(&stack);

    // Retention took the front.
    stack.terminate(parser(&stack));
    gone(&stack, &group, "ava4.readings.raw");
    if backend == Backend::Kafka {
        stack.run(&["reconcile", "--close"]).good();
        cut(&stack);
        let cut = stack
            .run(&["replay", "--group", &group, "--shift-by", "-1000"])
            .good();
        assert!(
            cut.stdout.contains("before the first record that is kept")
                && cut.stdout.contains("0 records will be read again"),
            "{}",
            cut.stdout
        );
    } else {
        stack.run(&["reconcile", "--close"]).good();
        cut(&stack);
        let cut = plan(&stack, &["--group", &group, "--to-earliest"]);
        assert_eq!(cut["again"], 0, "{cut}");
    }
    stack.start();
    balanced(&stack);
}

pub fn kafka_s_own_tool_sets_the_same_offsets() {
    let mut stack = Stack::started(Backend::Kafka, &Registry::ward(4));
    let at = ward::now() - 100;
    let pressures = |from: u8, to: u8| {
        for n in from..to {
            stack.accepted(ward::pressure(1 + n % 4, at + i64::from(n), 120, 80, 60));
        }
    };
    pressures(0, 12);
    std::thread::sleep(Duration::from_millis(1_500));
    let between = ward::now();
    std::thread::sleep(Duration::from_millis(1_500));
    pressures(12, 24);
    balanced(&stack);
    let before = Snapshot::take(&stack, "before");
    let raw = format!("{}ava4.readings.raw", stack.setting("TOPIC_PREFIX"));
    let (ours, theirs) = (format!("{raw}.ours"), format!("{raw}.theirs"));
    let brokers = stack.setting("KAFKA_BROKERS").to_owned();
    let tool = |group: &str, topic: &str, to: &[&str]| {
        let start = [
            "--bootstrap-server",
            &brokers,
            "--reset-offsets",
            "--execute",
            "--group",
            group,
            "--topic",
            topic,
        ];
        kafka_tool("ConsumerGroupCommand", &[&start, to].concat())
    };
    let time = format!("{}.000+07:00", ward::local(between).trim_end_matches("+07:00"));
    for (mine, topic, kafkas) in [
        (&["--to-earliest"][..], raw.clone(), &["--to-earliest"][..]),
        (&["--to-latest"], raw.clone(), &["--to-latest"]),
        (&["--shift-by", "-2"], raw.clone(), &["--shift-by", "-2"]),
        (&["--to-datetime", &time], raw.clone(), &["--to-datetime", &time]),
        (
            &["--to-offset", "0=1,2=1"],
            format!("{raw}:0,2"),
            &["--to-offset", "1"],
        ),
        (
            &["--to-offset", "1=9999"],
            format!("{raw}:1"),
            &["--to-offset", "9999"],
        ),
        (&["--shift-by", "9999"], raw.clone(), &["--shift-by", "9999"]),
        (&["--shift-by", "-9999"], raw.clone(), &["--shift-by", "-9999"]),
    ] {
        let arguments = [&["replay", "--group", &ours, "--topic", &raw], mine].concat();
        stack.run(&arguments).good();
        tool(&theirs, &topic, kafkas);
        let name = "ava4.readings.raw";
        assert_eq!(
            stands(&stack, &ours, name),
            stands(&stack, &theirs, name),
            "{mine:?} beside Kafka's {kafkas:?}"
        );
    }

    // The parser's own group, set back by Kafka's tool.
    stack.terminate("fhir-parser");
    let [(group, topic), ..] = groups(&stack);
    gone(&stack, &group, topic);
    tool(&group, &raw, &["--to-earliest"]);
    assert!(stands(&stack, &group, topic).iter().all(|from| *from == json!(0)));
    stack.start();
    balanced(&stack);
    before.same(&Snapshot::take(&stack, "after"));
}

/// What a second group writes to another database, beside the first.
pub fn a_second_group_fills_another_database() {
    let mut stack = Stack::started(Backend::Kafka, &Registry::ward(BEDS));
    send(&stack, 200);
    balanced(&stack);
    let database = format!("{}_second", stack.setting("MONGODB_FHIR_DB"));
    let group = format!("{}.second", stack.setting("FHIR_QUEUE_NAME"));
    let trail = format!("{}.second", groups(&stack)[3].0);
    let others = [
        ("STARDUST_INSTANCE_ID", "second"),
        ("MONGODB_FHIR_DB", &database),
        ("FHIR_QUEUE_NAME", &group),
        ("AUDIT_QUEUE_NAME", &trail),
    ];
    let parser = stack.launch("fhir-parser", &others);
    let recorder = stack.launch("audit-recorder", &others);
    let mut second = stack.settings().clone();
    second.extend(others.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // The first goes on meanwhile.
    let at = ward::now() - 40;
    for n in 0..30 {
        stack.accepted(ward::pressure(1 + n % BEDS, at + i64::from(n), 121, 79, 61));
    }
    wait::until("the second has all, and its books balance", || {
        let done = binary::run(&second, &["reconcile", "--json", "--patience", "5"]);
        let books: Value = serde_json::from_str(done.stdout.trim()).ok()?;
        (done.code == Some(0) && books["waiting"] == 0).then_some(())
    });
    let first = settled(&stack);
    assert!(
        binary::run(&second, &["audit", "verify"])
            .good()
            .stdout
            .contains("whole")
    );
    let exported = |settings, what| {
        let text = binary::run(settings, &["export", what]).good().stdout;
        text.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(
        exported(&second, "observations"),
        exported(stack.settings(), "observations"),
        "the same Observations"
    );
    // Copies on the topics, each under the id that it has: nothing comes of them a second time.
    let copies = topics::ids(&stack, topics::OBSERVATIONS);
    assert_eq!(
        copies.keys().collect::<Vec<_>>(),
        first.observations.keys().collect::<Vec<_>>()
    );
    assert!(copies.values().all(|n| *n == 2), "{copies:?}");
    assert!(recorder.terminate().success() && parser.terminate().success());
    stack.terminate_all();
    stack.database().drop_database(&database);
}

pub fn old_messages_keep_their_times_even_if_they_wait(backend: Backend) {
    let mut registry = Registry::ward(1);
    let stack = Stack::started(backend, &registry);
    let (old, stranger) = (ward::now() - 800 * 86_400, "020000ccfffe");
    let fields = r#""bp_high":131,"bp_low":84"#;
    let message = ward::single(&gateway(1), "BP_BIOLIGTH", stranger, old, fields);
    let json = [("content-type", "application/json")];
    let answer = http::once(
        stack.door(),
        "POST",
        "/api/ava4/data/batch?backfill=true",
        &json,
        format!("[{message}]").as_bytes(),
    )
    .expect("the door answers");
    let id = answer.json()["items"][0]["observation_ids"][0]
        .as_str()
        .expect("an id")
        .to_owned();
    settled(&stack).counts(&[("parked", 1)]);
    registry.add_device("mac_bps", stranger, Some(&patient(1)));
    stack.learn(&registry);
    wait::until("what waited is released", || {
        let books = stack.run(&["reconcile", "--json"]).stdout;
        let books: Value = serde_json::from_str(&books).ok()?;
        (books["parked"] == 0 && books["waiting"] == 0).then_some(())
    });
    let stored = settled(&stack);
    assert_eq!(stored.observation(&id)["effectiveDateTime"], ward::local(old));
}
