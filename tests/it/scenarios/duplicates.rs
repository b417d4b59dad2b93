//! The same reading more than once.

use stardust_scenarios::books::{queue_empty, settled};
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, topics, ward};

pub fn the_first_receipt_wins(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(2));
    let at = ward::now() - 50;
    let cuff = Device::Cuff.address(1);
    let reading = |gateway: &str, systolic: u32, n: usize| {
        let one = ward::item(&cuff, at, &format!(r#""bp_high":{systolic},"bp_low":84,"PR":71"#));
        ward::message(gateway, "BP_BIOLIGTH", at, &vec![one; n])
    };
    // The same message three times, one after the other.
    let first: Vec<String> = (0..3)
        .map(|_| stack.accepted(reading(&gateway(1), 131, 1)))
        .collect();
    let id = ids::observation(&cuff, "blood-pressure", at, "131,84");
    // What comes through other gateways may overtake what still waits.
    queue_empty(&stack);
    // The same reading through another gateway, and through one that nobody knows.
    let other = stack.post(reading(&gateway(2), 131, 1));
    assert_eq!(other.observation_ids()[0], id, "the gateway is not in the key");
    let stranger = stack.accepted(reading("02:00:00:AA:00:EE", 131, 1));
    // Twice in one message; another value of the same second; both values in one message.
    let twice = stack.accepted(reading(&gateway(1), 140, 2));
    let values = ward::message(
        &gateway(1),
        "BP_BIOLIGTH",
        at,
        &[141, 142].map(|s| ward::item(&cuff, at, &format!(r#""bp_high":{s},"bp_low":84"#))),
    );
    let both = stack.post(values);
    assert_eq!(both.observation_ids().len(), 2);

    let stored = settled(&stack);
    stored.counts(&[("stored", 4), ("duplicate", 5)]);
    let receipts: Vec<&String> = first.iter().chain([&stranger]).collect();
    let other_receipt = other.receipt();
    let created: Vec<bool> = receipts
        .iter()
        .copied()
        .chain([&other_receipt])
        .map(|r| stored.audited(r, Some(0), "created"))
        .collect();
    assert_eq!(created.iter().filter(|c| **c).count(), 1, "one receipt won");
    for receipt in receipts.into_iter().chain([&other_receipt]) {
        let (won, again) = (
            stored.audited(receipt, Some(0), "created"),
            stored.audited(receipt, Some(0), "duplicate"),
        );
        assert!(won != again, "one outcome for {receipt}");
    }
    assert!(
        stored.audited(&first[0], Some(0), "created"),
        "one gateway's messages keep their order"
    );
    assert!(stored.audited(&twice, Some(0), "created") && stored.audited(&twice, Some(1), "duplicate"));
    for id in both.observation_ids() {
        assert!(
            stored.observation(&id)["note"].is_array(),
            "each says that there is the other"
        );
    }
    for topic in [topics::OBSERVATIONS, topics::LEGACY, topics::AUDIT] {
        let doubled: Vec<_> = topics::ids(&stack, topic)
            .into_iter()
            .filter(|(_, n)| *n > 1)
            .collect();
        assert!(doubled.is_empty(), "{topic}: {doubled:?}");
    }
}
