//! Bad items among good ones.

use serde_json::json;
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::{Device, Registry, gateway, patient};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::{ids, ward};

const FIELDS: &str = r#""bp_high":131,"bp_low":84"#;

pub fn a_bad_item_does_not_stop_the_good_ones(backend: Backend) {
    let mut registry = Registry::ward(2);
    registry.add_device(Device::Cuff.field(), "02:00:00:CC:00:09", Some(&patient(2)));
    let stack = Stack::started(backend, &registry);
    let (now, mac) = (ward::now() - 100, gateway(1));
    let (first, second) = (Device::Cuff.address(1), Device::Cuff.address(2));
    let items = [
        ward::item(&first, now, FIELDS),
        ward::item(&first, now + 1, r#""bp_high":"abc","bp_low":84"#),
        format!(r#"{{"scan_time":{now},{FIELDS}}}"#),
        ward::item("020000bb00", now, FIELDS),
        ward::item("gg0000bb0001", now, FIELDS),
        ward::item("", now, FIELDS),
        format!(r#"{{"scan_time":{now},"ble_addr":"{first}","bp_high":1,"bp_high":131,"bp_low":84}}"#),
        "7".to_owned(),
        // Two sub-devices in one message, an address in every way of writing.
        ward::item(&second.to_uppercase(), now, FIELDS),
        ward::item("02-00-00-cc-00-09", now, FIELDS),
        ward::item(" 02:00:00:CC:00:09 ", now + 1, FIELDS),
        // The judgement of the value comes before that of the patient.
        ward::item("020000bbffff", now, r#""bp_high":999,"bp_low":84"#),
    ];
    let answer = stack.post(ward::message(&mac, "BP_BIOLIGTH", now, &items));
    let id = |address: &str, at: i64| ids::observation(address, "blood-pressure", at, "131,84");
    let good = [
        id(&first, now),
        id(&second, now),
        id("020000cc0009", now),
        id("020000cc0009", now + 1),
    ];
    assert_eq!(answer.observation_ids(), good);
    let receipt = answer.receipt();
    let stored = settled(&stack);
    stored.counts(&[("stored", 4), ("dead", 8)]);
    let owner = |n: usize| stored.observation(&good[n])["subject"]["reference"].clone();
    assert_eq!(owner(0), format!("Patient/{}", patient(1)));
    assert_eq!(
        owner(1),
        format!("Patient/{}", patient(2)),
        "the sub-device decides, not the gateway"
    );
    assert_eq!(owner(2), format!("Patient/{}", patient(2)));
    for (item, reason) in [
        (1, "value not numeric"),
        (2, "address missing"),
        (3, "address unusable"),
        (4, "address unusable"),
        (5, "address missing"),
        (6, "unreadable"),
        (7, "unreadable"),
        (11, "value impossible"),
    ] {
        let letter = stored
            .dead
            .iter()
            .find(|l| l["item_index"] == item)
            .unwrap_or_else(|| panic!("no letter {item}"));
        assert_eq!(letter["reason"], json!(reason), "{letter}");
        assert_eq!(letter["receipt_id"], json!(receipt));
        assert_eq!(letter["gateway"], json!("020000aa0001"));
        assert!(stored.audited(&receipt, Some(item), "dead"), "{item}");
    }
    for item in [0, 8, 9, 10] {
        assert!(stored.audited(&receipt, Some(item), "created"), "{item}");
    }
}
