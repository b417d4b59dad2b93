//! A service ends in the middle of its work and comes back.

use std::time::Duration;

use stardust_scenarios::books::settled;
use stardust_scenarios::load::{Load, kept};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::wait;

const BEDS: u8 = 5;
const MESSAGES: u64 = 400;

pub fn a_restart_in_the_middle_loses_nothing(backend: Backend) {
    in_the_middle(backend, Stack::terminate);
}

pub fn a_crash_in_the_middle_loses_nothing(backend: Backend) {
    in_the_middle(backend, Stack::kill9);
}

fn in_the_middle(backend: Backend, end: fn(&mut Stack, &str)) {
    let mut stack = Stack::started(backend, &Registry::ward(BEDS));
    let load = Load::start(stack.door(), 4, BEDS, MESSAGES, Duration::from_millis(5));
    // The books can be asked for at any moment: what waits is counted as waiting. Where a broker is slow to make the topics
    // the first messages are in the spool.
    wait::until("work is under way", || {
        let topics = stack.get("/admin/queue/stats").json()["queue_size"].is_u64();
        (topics && load.count() > 5).then_some(())
    });
    stack.run(&["reconcile", "--json"]).good();
    for (n, name) in stack.names().into_iter().enumerate() {
        wait::until("some messages are acknowledged", || {
            (load.count() > 30 + 60 * n).then_some(())
        });
        end(&mut stack, name);
        stack.start();
        load.moved(stack.door());
    }
    let acknowledged = load.finish();
    assert_eq!(acknowledged.len() as u64, MESSAGES);
    let stored = settled(&stack);
    kept(&stack, &acknowledged, &stored);
    // Of ten messages of a bed one carries two readings and one none; they become sixteen Observations.
    assert_eq!(stored.count("stored"), MESSAGES);
    assert_eq!(stored.observations.len(), MESSAGES as usize / 10 * 16);
}
