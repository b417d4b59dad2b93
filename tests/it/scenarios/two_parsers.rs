//! Two parsers share the partitions; one leaves and hands over.

use std::collections::BTreeSet;
use std::time::Duration;

use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept, once};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::servers::kafka_tool;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::wait;

const BEDS: u8 = 16;

/// Topics with consumer ids, a line for each partition, as Kafka's own tool tells them.
pub(super) fn owners(stack: &Stack) -> Vec<(String, String)> {
    let group = stack.setting("FHIR_QUEUE_NAME");
    let brokers = stack.setting("KAFKA_BROKERS");
    let text = kafka_tool(
        "ConsumerGroupCommand",
        &["--bootstrap-server", brokers, "--describe", "--group", group],
    );
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    let head: Vec<&str> = lines
        .find(|l| l.contains("CONSUMER-ID"))
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let column = |name: &str| head.iter().position(|h| *h == name);
    let (Some(topic), Some(consumer)) = (column("TOPIC"), column("CONSUMER-ID")) else {
        return Vec::new();
    };
    lines
        .map(|l| l.split_whitespace().collect::<Vec<_>>())
        .filter(|l| l.len() == head.len() && l[consumer] != "-")
        .map(|l| (l[topic].to_owned(), l[consumer].to_owned()))
        .collect()
}

/// The consumers of the raw topic's partitions.
fn of_raw(owners: &[(String, String)]) -> Vec<&String> {
    let raw = owners.iter().filter(|(topic, _)| topic.ends_with("readings.raw"));
    raw.map(|(_, consumer)| consumer).collect()
}

pub fn share_the_partitions_and_hand_over() {
    let mut stack = Stack::new(Backend::Kafka);
    stack.set("TOPIC_PARTITIONS", "8");
    stack.set("FHIR_BATCH_SIZE", "20");
    stack.learn(&Registry::ward(BEDS));
    for name in ["ingest", "legacy-router", "audit-recorder"] {
        stack.start_one(name, &[]);
    }
    stack.start_one("fhir-parser", &[("STARDUST_INSTANCE_ID", "parser-one")]);
    stack.wait_ready();
    let load = Load::start(stack.door(), 4, BEDS, u64::MAX, Duration::from_millis(10));
    // Two members of one process.
    let alone = wait::until("one parser has all partitions", || {
        let all = owners(&stack);
        let members: BTreeSet<String> = all.iter().map(|(_, c)| c.clone()).collect();
        (of_raw(&all).len() == 8 && members.len() == 2).then_some(members)
    });

    let second = stack.launch("fhir-parser", &[("STARDUST_INSTANCE_ID", "parser-two")]);
    wait::until("the second has a share", || {
        let shared = owners(&stack);
        let members: BTreeSet<&String> = shared.iter().map(|(_, c)| c).collect();
        let news = of_raw(&shared).iter().filter(|c| !alone.contains(**c)).count();
        (of_raw(&shared).len() == 8 && members.len() == 4 && (1..8).contains(&news)).then_some(())
    });

    // The first leaves in good order; the second takes over.
    let before = load.count();
    stack.terminate("fhir-parser");
    stack.services.insert("fhir-parser".to_owned(), second);
    wait::until("the second has all partitions", || {
        let all = owners(&stack);
        (of_raw(&all).len() == 8 && all.iter().all(|(_, c)| !alone.contains(c))).then_some(())
    });
    wait::until("messages go on", || (load.count() > before + 100).then_some(()));
    let acknowledged = load.stop();
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    once(&acknowledged, &stored);
}
