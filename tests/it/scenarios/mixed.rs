//! `up` with a broker and no database, and the reverse.

use std::time::Duration;

use stardust_scenarios::books::{agree, queue_empty, read};
use stardust_scenarios::load::Load;
use stardust_scenarios::registry::Registry;
use stardust_scenarios::servers;
use stardust_scenarios::stack::{Backend, Stack};

const BEDS: u8 = 3;

fn runs(mut stack: Stack) {
    stack.learn(&Registry::ward(BEDS));
    stack.start();
    let load = Load::start(stack.door(), 3, BEDS, 150, Duration::ZERO);
    while load.count() < 60 {
        std::thread::sleep(Duration::from_millis(5));
    }
    stack.kill9("up");
    stack.start();
    load.moved(stack.door());
    let acknowledged = load.finish();
    queue_empty(&stack);
    let stored = read(&stack);
    agree(&stored);
    assert_eq!(stored.count("stored"), 150);
    for a in &acknowledged {
        for id in &a.observation_ids {
            stored.observation(id);
        }
    }
}

pub fn a_broker_without_a_database() {
    let mut stack = Stack::bare(Backend::Embedded);
    stack.set("KAFKA_BROKERS", &servers::brokers());
    runs(stack);
}

pub fn a_database_without_a_broker() {
    let mut stack = Stack::bare(Backend::Embedded);
    stack.set("MONGODB_URI", &servers::mongodb());
    runs(stack);
}

pub fn all_services_in_one_process_on_both() {
    let mut stack = Stack::bare(Backend::Embedded);
    stack.set("KAFKA_BROKERS", &servers::brokers());
    stack.set("MONGODB_URI", &servers::mongodb());
    runs(stack);
}
