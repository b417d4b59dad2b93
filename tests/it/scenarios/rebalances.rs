//! Members of the parser's group come and go under load: what does a gateway's owner notice?
//!
//! Measured from outside, for each message: from the door's answer until the last of its Observations can be read from
//! the topic by a subscriber (read_committed).

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use stardust_pipeline::partition::partition_of;
use stardust_scenarios::books::settled;
use stardust_scenarios::follow::Follower;
use stardust_scenarios::load::{Acknowledged, Load, kept, once};
use stardust_scenarios::process::Service;
use stardust_scenarios::registry::{self, Registry};
use stardust_scenarios::servers::Server;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{topics, wait, ward};

const BEDS: u8 = 32;
const PARTITIONS: i32 = 8;
/// What a member that leaves in good order, or comes, may cost a reading.
const CLEAN: i64 = 3_000;
/// What a member that is killed may cost.
const KILLED: i64 = 20_000;
/// How often the longest wait of quiet times comes on top: some tenths of a second on a machine that has nothing else to
/// do; on one that is short of processors every wait varies that much.
const BUSY: i64 = 3;
/// How long a process may take to end after SIGTERM.
const ENDS_WITHIN: Duration = Duration::from_secs(10);
/// Enough load for some readings a second in each partition; little enough for a debug build on a busy machine.
const PAUSE: Duration = Duration::from_millis(80);
/// How long it is quiet between two events.
const QUIET: Duration = Duration::from_secs(4);

/// A deployment whose parsers have one member each.
fn ward_without_parsers() -> Stack {
    let mut stack = Stack::new(Backend::Kafka);
    stack.set("TOPIC_PARTITIONS", &PARTITIONS.to_string());
    stack.set("FHIR_WORKER_THREADS", "1");
    stack.learn(&Registry::ward(BEDS));
    for name in ["ingest", "legacy-router", "audit-recorder"] {
        stack.start_one(name, &[]);
    }
    stack
}

fn parser(stack: &Stack, instance: &str) -> Service {
    stack.launch("fhir-parser", &[("STARDUST_INSTANCE_ID", instance)])
}

/// What the group gave (true) and took, in order: partitions of the raw topic.
fn changes(parser: &Service) -> Vec<(bool, BTreeSet<i32>)> {
    let of_raw = |line: &str| -> BTreeSet<i32> {
        let words = line.split_whitespace();
        let numbers = words.filter_map(|word| word.rsplit_once("readings.raw-")?.1.parse().ok());
        numbers.collect()
    };
    let written = parser.written();
    let changes = written.lines().filter_map(|line| {
        let given = line.contains("given by the group");
        (given || line.contains("taken by the group")).then(|| (given, of_raw(line)))
    });
    changes.filter(|(_, partitions)| !partitions.is_empty()).collect()
}

/// The partitions of the raw topic that a parser has.
fn held(parser: &Service) -> BTreeSet<i32> {
    let mut held = BTreeSet::new();
    for (given, partitions) in changes(parser) {
        for partition in partitions {
            assert_eq!(
                held.insert(partition),
                given,
                "what is given was not there, what is taken was"
            );
            if !given {
                held.remove(&partition);
            }
        }
    }
    held
}

/// Waits until each of these has an equal share, together all.
fn shared_by(parsers: &[&Service]) {
    let share = PARTITIONS as usize / parsers.len();
    wait::until(&format!("{} parsers share the partitions", parsers.len()), || {
        let all: Vec<_> = parsers.iter().map(|p| held(p)).collect();
        let together: BTreeSet<i32> = all.iter().flatten().copied().collect();
        (all.iter().all(|h| h.len() == share) && together.len() == PARTITIONS as usize).then_some(())
    });
}

/// Something that happens to the group.
struct Event {
    name: &'static str,
    from: i64,
    /// When a subscriber had seen what was acknowledged before the group was whole again.
    until: i64,
    /// Partitions whose owner stays.
    stay: BTreeSet<i32>,
}

impl Event {
    fn begins(name: &'static str) -> Self {
        Self {
            name,
            from: ward::now_ms(),
            until: i64::MAX,
            stay: BTreeSet::new(),
        }
    }

    /// Ends, and lets some time pass.
    fn over(mut self, load: &Load, follower: &Follower) -> Self {
        Waits::of(&load.acknowledged(), follower);
        self.until = ward::now_ms();
        sleep(QUIET);
        self
    }
}

/// Asserts that the group never took what a parser still has; which that is. `before`: the parser's changes before.
fn stayed(parser: &Service, before: usize) -> BTreeSet<i32> {
    let kept = held(parser);
    for (given, partitions) in &changes(parser)[before..] {
        assert!(
            *given || partitions.is_disjoint(&kept),
            "{partitions:?} were taken although they stayed"
        );
    }
    kept
}

/// A message that was acknowledged and seen.
struct Wait {
    acknowledged: i64,
    seen: i64,
    partition: i32,
}

/// How long messages waited.
struct Waits(Vec<Wait>);

impl Waits {
    /// Of all that was acknowledged, once all of it was seen.
    fn of(acknowledged: &[Acknowledged], follower: &Follower) -> Self {
        let seen = wait::until("a subscriber has seen every Observation", || {
            let seen = follower.seen();
            let mut all = acknowledged.iter().flat_map(|a| &a.observation_ids);
            all.all(|id| seen.contains_key(id)).then_some(seen)
        });
        let waits = acknowledged.iter().filter_map(|a| {
            Some(Wait {
                acknowledged: a.at,
                seen: a.observation_ids.iter().map(|id| seen[id]).max()?,
                partition: partition(a),
            })
        });
        Self(waits.collect())
    }

    /// The longest of those that waited while this happened, ms.
    fn during(&self, event: &Event, of: impl Fn(i32) -> bool) -> i64 {
        self.longest(|w| w.seen >= event.from && w.acknowledged < event.until && of(w.partition))
    }

    /// The longest of those that waited while nothing happened, ms.
    fn otherwise(&self, events: &[Event]) -> i64 {
        self.longest(|w| {
            events
                .iter()
                .all(|e| w.seen < e.from || w.acknowledged >= e.until)
        })
    }

    fn longest(&self, which: impl Fn(&Wait) -> bool) -> i64 {
        let which = self.0.iter().filter(|w| which(w));
        which
            .map(|w| (w.seen - w.acknowledged).max(0))
            .max()
            .unwrap_or_default()
    }
}

/// The partition of the raw topic in which a message of the mixture stands.
fn partition(a: &Acknowledged) -> i32 {
    let bed = u8::try_from(a.number % u64::from(BEDS)).expect("a bed") + 1;
    partition_of(registry::bare(&registry::gateway(bed)).as_bytes(), PARTITIONS)
}

fn seconds(ms: i64) -> String {
    format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10)
}

/// Sends SIGTERM to all at once; how long each took to end.
fn terminated(mut services: Vec<Service>) -> Vec<(String, Duration)> {
    let begun = Instant::now();
    for service in &services {
        service.signal("TERM");
    }
    let mut ended = Vec::new();
    wait::until("all have stopped after SIGTERM", || {
        services.retain_mut(|service| {
            let Some(status) = service.ended() else {
                return true;
            };
            assert!(status.success(), "{} ended with {status}", service.name);
            ended.push((service.name.clone(), begun.elapsed()));
            false
        });
        services.is_empty().then_some(())
    });
    for (name, took) in &ended {
        assert!(*took <= ENDS_WITHIN, "{name} took {took:?} to end after SIGTERM");
    }
    ended
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("a duration")
}

fn slowest(ended: &[(String, Duration)]) -> i64 {
    ended.iter().map(|(_, took)| ms(*took)).max().unwrap_or_default()
}

/// Watches a parser commit until the time is over; the longest pause between two commits.
fn longest_pause(parser: &Service, time: Duration) -> Duration {
    let end = Instant::now() + time;
    let (mut last, mut longest, mut units) = (Instant::now(), Duration::ZERO, 0.0);
    while Instant::now() < end {
        let now = parser.metric("stardust_parser_units_total");
        longest = longest.max(last.elapsed());
        if now > units {
            (last, units) = (Instant::now(), now);
        }
        sleep(Duration::from_millis(100));
    }
    longest
}

pub fn members_come_and_go_and_nobody_waits_long() {
    let mut stack = ward_without_parsers();
    let one = parser(&stack, "parser-one");
    stack.wait_ready();
    shared_by(&[&one]);
    let follower = Follower::start(&stack, topics::OBSERVATIONS);
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, PAUSE);
    wait::until("work is under way", || (load.count() > 50).then_some(()));
    sleep(QUIET);

    let mut grow = Event::begins("1 member, then 4");
    let before = changes(&one).len();
    let [two, three, four] =
        ["parser-two", "parser-three", "parser-four"].map(|instance| parser(&stack, instance));
    shared_by(&[&one, &two, &three, &four]);
    grow.stay = stayed(&one, before);
    let grow = grow.over(&load, &follower);

    let mut shrink = Event::begins("4 members, then 2");
    let before = (changes(&one).len(), changes(&two).len());
    shrink.stay = held(&one).union(&held(&two)).copied().collect();
    let together = terminated(vec![three, four]);
    shared_by(&[&one, &two]);
    stayed(&one, before.0);
    stayed(&two, before.1);
    let shrink = shrink.over(&load, &follower);

    let mut kill = Event::begins("2 members, kill -9 of one");
    let before = changes(&one).len();
    kill.stay = held(&one);
    two.kill9();
    // Readers wait for the transaction that the dead member left open, so the one that stays is asked itself.
    let pause = longest_pause(&one, Duration::from_secs(8));
    shared_by(&[&one]);
    stayed(&one, before);
    let kill = kill.over(&load, &follower);

    // The last one leaves in good order, too: what is in the store then is on the topic.
    let end = Event::begins("the last one leaves");
    let log = one.log.clone();
    let alone = terminated(vec![one]);
    let on_topic: BTreeSet<String> = topics::ids(&stack, topics::OBSERVATIONS).into_keys().collect();
    let stored = exported(&stack);
    // A machine that is too busy for one batch in five seconds proves nothing.
    let given_up = std::fs::read_to_string(log)
        .expect("its log")
        .contains("takes too long");
    assert!(
        given_up || on_topic == stored,
        "{} on the topic, {} stored",
        on_topic.len(),
        stored.len()
    );
    stack.start_one("fhir-parser", &[]);
    let acknowledged = load.stop();
    let waits = Waits::of(&acknowledged, &follower);

    println!(
        "    SIGTERM under load: {}; the last one {}",
        seconds(slowest(&together)),
        seconds(slowest(&alone))
    );
    let events = [grow, shrink, kill, end];
    // What the machine costs anyway comes on top.
    let usual = waits.otherwise(&events);
    println!("    longest wait, nothing happens: {}", seconds(usual));
    for (event, limit) in events.iter().zip([CLEAN, CLEAN, KILLED]) {
        let stay = waits.during(event, |partition| event.stay.contains(&partition));
        let moved = waits.during(event, |partition| !event.stay.contains(&partition));
        println!(
            "    longest wait, {}: {} in partitions that move, {} in those that stay",
            event.name,
            seconds(moved),
            seconds(stay)
        );
        assert!(
            moved.max(stay) <= limit + BUSY * usual,
            "{}: more than {limit} + {BUSY} * {usual} ms",
            event.name
        );
    }
    println!(
        "    longest pause of the member that stays, after a kill: {}",
        seconds(ms(pause))
    );
    assert!(
        ms(pause) <= CLEAN + BUSY * usual,
        "the member that stays paused for {pause:?}"
    );

    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    once(&acknowledged, &stored);
}

/// The ids of the stored Observations.
fn exported(stack: &Stack) -> BTreeSet<String> {
    let export = stack.run(&["export", "observations"]).good();
    let ids = export.stdout.lines().map(|line| {
        let resource: Value = serde_json::from_str(line).expect("an Observation a line");
        resource["id"].as_str().expect("an id").to_owned()
    });
    ids.collect()
}

pub fn sigterm_ends_every_service_in_time_without_broker_and_database() {
    let (broker, database) = (Server::kafka(), Server::mongo());
    let mut stack = Stack::bare(Backend::Kafka);
    stack.set("KAFKA_BROKERS", broker.address());
    stack.set("MONGODB_URI", database.address());
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, PAUSE);
    wait::until("work is under way", || (load.count() > 200).then_some(()));
    broker.kill9();
    database.kill9();
    // Some are in the middle of a unit of work, some wait already.
    sleep(Duration::from_millis(700));
    let ended = terminated(std::mem::take(&mut stack.services).into_values().collect());
    for (name, took) in &ended {
        println!(
            "    SIGTERM without broker and database: {name} {}",
            seconds(ms(*took))
        );
    }
    broker.again();
    database.again();
    stack.start();
    load.moved(stack.door());
    let before = load.count();
    wait::until("messages go on", || (load.count() > before + 100).then_some(()));
    let acknowledged = load.stop();
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
}

pub fn sigterm_under_load_ends_in_time(backend: Backend) {
    let mut stack = Stack::started(backend, &Registry::ward(BEDS));
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::ZERO);
    wait::until("work is under way", || (load.count() > 200).then_some(()));
    let ended = terminated(std::mem::take(&mut stack.services).into_values().collect());
    println!(
        "    SIGTERM under load on {backend:?}: {}",
        seconds(slowest(&ended))
    );
    stack.start();
    load.moved(stack.door());
    let before = load.count();
    wait::until("messages go on", || (load.count() > before + 100).then_some(()));
    let acknowledged = load.stop();
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
}

pub fn a_static_member_restarts_without_a_rebalance() {
    let mut stack = ward_without_parsers();
    // The same line for every process: the instance and the worker's number tell the members apart.
    stack.set(
        "KAFKA_PROPERTIES",
        "group.instance.id=ward,session.timeout.ms=30000",
    );
    let (one, two) = (parser(&stack, "parser-one"), parser(&stack, "parser-two"));
    stack.wait_ready();
    shared_by(&[&one, &two]);
    let follower = Follower::start(&stack, topics::OBSERVATIONS);
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, PAUSE);
    wait::until("work is under way", || (load.count() > 50).then_some(()));
    sleep(QUIET);

    let before = (changes(&one), held(&two));
    let mut restart = Event::begins("restart of a static member");
    restart.stay = held(&one);
    terminated(vec![two]);
    let two = parser(&stack, "parser-two");
    shared_by(&[&one, &two]);
    let restart = restart.over(&load, &follower);
    assert_eq!(changes(&one), before.0, "the group neither gave nor took");
    assert_eq!(held(&two), before.1, "it has what it had");
    let acknowledged = load.stop();
    let waits = Waits::of(&acknowledged, &follower);
    let moved = waits.during(&restart, |partition| !restart.stay.contains(&partition));
    let stayed = waits.during(&restart, |partition| restart.stay.contains(&partition));
    let usual = waits.otherwise(std::slice::from_ref(&restart));
    println!(
        "    longest wait, {}: {} in its partitions, {} in the others; nothing happens: {}",
        restart.name,
        seconds(moved),
        seconds(stayed),
        seconds(usual)
    );
    assert!(
        stayed <= CLEAN + BUSY * usual,
        "{stayed} ms at the member that stayed"
    );
    // Its place is kept for 30 s: what is read before was not waited for.
    assert!(
        moved <= KILLED + BUSY * usual,
        "{moved} ms at the member that restarted"
    );
    stack.services.insert("fhir-parser".to_owned(), two);
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    once(&acknowledged, &stored);
}
