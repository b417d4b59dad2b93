//! The broker or the database is away.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;

use mongodb::bson::{Document, doc};
use serde_json::Value;
use stardust_scenarios::binary::{self, repository};
use stardust_scenarios::books::{queue_empty, settled};
use stardust_scenarios::hospital::{Hospital, Plan, dump};
use stardust_scenarios::http;
use stardust_scenarios::interrupted::Interrupted;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::servers::{self, Server};
use stardust_scenarios::stack::{Backend, SERVICES, Stack};
use stardust_scenarios::{wait, ward};

use super::two_parsers::owners;

const BEDS: u8 = 6;

fn with(brokers: &str, mongodb: &str) -> Stack {
    let mut stack = Stack::bare(Backend::Kafka);
    stack.set("KAFKA_BROKERS", brokers);
    stack.set("MONGODB_URI", mongodb);
    stack
}

fn all_alive(stack: &mut Stack) {
    for (name, service) in &mut stack.services {
        assert_eq!(service.ended(), None, "{name} ended");
        let live = http::once(service.address, "GET", "/health/live", &[], b"").expect("it answers");
        assert_eq!(live.status, 200, "{name}: {}", live.text());
    }
}

pub fn the_broker_goes_and_comes_back() {
    let broker = Server::kafka();
    let mut stack = with(broker.address(), &servers::mongodb());
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::from_millis(60));
    wait::until("messages are acknowledged", || (load.count() > 100).then_some(()));
    broker.kill9();
    let at_the_outage = load.count();
    // message.timeout.ms is 5 s: then the answers come from the spool.
    wait::until("answers go on while the broker is away", || {
        (load.count() > at_the_outage + 50).then_some(())
    });
    all_alive(&mut stack);
    let stats = stack.get("/admin/queue/stats").json();
    assert_eq!(
        (&stats["queue_size"], &stats["status"]),
        (&Value::Null, &Value::from("unknown")),
        "{stats}"
    );
    // The door is killed over its spool: what it acknowledged is on disk.
    stack.kill9("ingest");
    stack.start_one("ingest", &[]);
    load.moved(stack.door());
    let after_the_kill = load.count();
    wait::until("a door that starts without a broker takes messages", || {
        (load.count() > after_the_kill + 30).then_some(())
    });
    broker.again();
    sleep(Duration::from_secs(1));
    let acknowledged = load.stop();
    assert!(
        acknowledged.iter().any(|a| a.processing == "spooled"),
        "nothing was spooled"
    );
    wait::until("the spool is forwarded", || {
        let health = stack.get("/health").text();
        (!health.contains("wait for the broker")).then_some(())
    });
    stack.wait_ready();
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    assert_eq!(
        stack.post(ward::heartbeat(1, ward::now())).json()["processing"],
        "queued",
        "back to normal"
    );
    all_alive(&mut stack);
}

pub fn the_database_goes_and_comes_back() {
    let database = Server::mongo();
    let mut stack = with(&servers::brokers(), database.address());
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::from_millis(60));
    wait::until("messages are acknowledged", || (load.count() > 100).then_some(()));
    // A member that loses its partitions drops its insert, and the test server lets others see what it then forgets.
    wait::until("both members have their partitions", || {
        let members: BTreeSet<_> = owners(&stack).into_iter().map(|(_, member)| member).collect();
        (members.len() == 2).then_some(())
    });
    database.kill9();
    let at_the_outage = load.count();
    wait::until("the door goes on without the database", || {
        (load.count() > at_the_outage + 100).then_some(())
    });
    sleep(Duration::from_secs(3));
    all_alive(&mut stack);
    let size = stack.get("/admin/queue/stats").json()["queue_size"].as_u64();
    assert!(size.is_some_and(|s| s > 0), "the queue grows meanwhile: {size:?}");
    database.again();
    let acknowledged = load.stop();
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    assert_eq!(stored.count("dead"), 0, "an outage makes no dead letters");
    all_alive(&mut stack);
}

/// Long commands over a way to the database that breaks all the time: each comes to its end, as if nothing had been.
pub fn a_database_that_comes_and_goes_ends_no_command() {
    let mut stack = Stack::new(Backend::Kafka);
    let main = stack.setting("MONGODB_MAIN_DB").to_owned();
    let hospital = Hospital::new(Plan::new(29, 500).with_every_oddity());
    let books = dump::load(&hospital, &stack.database(), &main, &mut |_, _| {}).json();
    let older: Vec<Document> = (0..400)
        .map(|n| doc! {"_id": format!("old-{n:04}"), "n": n})
        .collect();
    stack.database().insert(&main, "fhir_observations", &older);
    stack.start();
    let uri = stack.setting("MONGODB_URI").to_owned();
    let (scheme, rest) = uri.split_once("://").expect("a URI");
    let (server, options) = rest.split_once('/').unwrap_or((rest, ""));
    let way = Interrupted::to(
        server.parse().expect("an address"),
        Duration::from_millis(600),
        Duration::from_millis(200),
    );
    let mut settings = stack.settings().clone();
    settings.insert(
        "MONGODB_URI".to_owned(),
        format!("{scheme}://{}/{options}", way.address()),
    );
    settings.insert("MIGRATION_BATCH_SIZE".to_owned(), "1".to_owned());
    let run = |arguments: &[&str]| -> Value {
        let before = way.cuts();
        let done = binary::run(&settings, arguments).good();
        println!("    {}: {} cuts", arguments.join(" "), way.cuts() - before);
        serde_json::from_str(&done.stdout).expect("one JSON object")
    };
    let copied = run(&["migrate", "fhir-database", "--json"]);
    let of = &copied["collections"]["fhir_observations"];
    assert_eq!(
        (&of["documents"], &of["conflict"]),
        (&400.into(), &0.into()),
        "{of}"
    );
    let resources = run(&["migrate", "registry", "--json"]);
    let again = stack.run(&["migrate", "registry", "--json"]).good();
    let again: Value = serde_json::from_str(&again.stdout).expect("one JSON object");
    let patients = |of: &Value, what: &str| of["resources"]["Patient"][what].as_u64();
    assert_eq!(
        patients(&again, "unchanged"),
        patients(&resources, "new"),
        "{again}"
    );
    let report = run(&["migrate", "histories", "--json"]);
    assert_eq!(
        report["totals"]["emitted"], books["totals"]["readings"],
        "{report}"
    );
    queue_empty(&stack);
    let id = report["run"].as_str().expect("a run").to_owned();
    let verified = run(&["migrate", "verify", &id, "--json"]);
    assert_eq!(verified["observations"], books["totals"]["readings"]);
    // Once the recorder has caught up.
    stack.run(&["reconcile"]).good();
    for arguments in [&["audit", "verify"][..], &["export", "observations"]] {
        let direct = stack.run(arguments).good().stdout;
        for _ in 0..5 {
            let before = way.cuts();
            let done = binary::run(&settings, arguments).good();
            println!("    {}: {} cuts", arguments.join(" "), way.cuts() - before);
            assert_eq!(done.stdout, direct);
        }
    }
    let mapping = repository()
        .join("services/domain/catalogue.json")
        .display()
        .to_string();
    run(&["remap", "--json", "--mapping", &mapping]);
    let rolled = run(&["migrate", "rollback", &id, "--json"]);
    assert_eq!(rolled["observations"], books["totals"]["readings"]);
    assert!(way.cuts() > 5, "only {} cuts", way.cuts());
    all_alive(&mut stack);
}

pub fn nothing_is_there_at_the_start() {
    let (broker, database) = (Server::kafka(), Server::mongo());
    let mut stack = with(broker.address(), database.address());
    stack.learn(&Registry::ward(BEDS));
    broker.kill9();
    database.kill9();
    for name in SERVICES {
        stack.start_one(name, &[]);
    }
    let load = Load::start(stack.door(), 2, BEDS, 60, Duration::ZERO);
    wait::until("gateways are heard from the first moment", || {
        (load.count() == 60).then_some(())
    });
    all_alive(&mut stack);
    let ready = http::once(
        stack.services["fhir-parser"].address,
        "GET",
        "/health/ready",
        &[],
        b"",
    )
    .expect("it answers");
    assert_eq!(ready.status, 503, "{}", ready.text());
    let acknowledged = load.finish();
    broker.again();
    database.again();
    stack.wait_ready();
    wait::until("the spool is forwarded", || {
        (!stack.get("/health").text().contains("wait for the broker")).then_some(())
    });
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
}

pub fn a_full_spool_is_said_and_loses_nothing() {
    let broker = Server::kafka();
    let mut stack = with(broker.address(), &servers::mongodb());
    stack.set("SPOOL_LIMIT_MB", "1");
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    // The way is known to work before the broker goes.
    let mut receipts = vec![stack.accepted(ward::pressure(1, ward::now(), 120, 80, 60))];
    broker.kill9();
    let room = "x".repeat(300 << 10);
    let refused = (1..20).find_map(|n| {
        // Far enough from the first that no second of the clock makes two of them equal.
        let body = ward::pressure(1, ward::now() - 100 * n, 120, 80, 60);
        let answer =
            stack.post(body.replace("\"device\":\"BP_BIOLIGTH\"", &format!("\"device\":\"{room}\"")));
        if answer.status == 200 {
            assert_eq!(answer.json()["processing"], "spooled");
            receipts.push(answer.receipt());
        }
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.expect("a megabyte holds no twenty messages of 300 kB");
    assert_eq!(
        (refused.status, &refused.json()["errors"][0]["error_code"]),
        (503, &Value::from("SERVICE_UNAVAILABLE"))
    );
    assert!(
        refused.headers["retry-after"].parse::<u32>().is_ok_and(|s| s > 0),
        "{:?}",
        refused.headers
    );
    broker.again();
    wait::until("the spool is forwarded", || {
        (!stack.get("/health").text().contains("wait for the broker")).then_some(())
    });
    stack.wait_ready();
    let stored = settled(&stack);
    stored.counts(&[
        ("stored", receipts.len() as u64),
        ("redelivered", stored.count("redelivered")),
    ]);
    for receipt in receipts {
        assert!(
            stored.audited(&receipt, Some(0), "created"),
            "{receipt} was acknowledged"
        );
    }
}
