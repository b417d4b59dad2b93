//! Messages that carry no reading, and messages of which nothing can be read.

use serde_json::{Value, json};
use stardust_scenarios::books::settled;
use stardust_scenarios::registry::{Device, Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward;

pub fn heartbeats_and_acknowledgements_are_no_readings(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let (now, mac) = (ward::now(), gateway(1));
    let ignored = [
        ward::heartbeat(1, now),
        format!(
            r#"{{"from":"ESP32_S3_GW","to":"CLOUD","time":{now},"mac":"{mac}","IMEI":"990000000000001","ICCID":"8966000000000000001","type":"reportMsg","data":{{"msg":"Online"}}}}"#
        ),
        format!(r#"{{"mac":"{mac}","time":{now},"type":"cmdResult","data":{{"id":7,"code":0}}}}"#),
        format!(r#"{{"mac":"{mac}","time":{now},"data":{{"id":7,"code":0}}}}"#),
        ward::message(&mac, "BP_BIOLIGTH", now, &[]),
    ];
    for body in &ignored {
        let answer = stack.post(body);
        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
        assert_eq!(answer.json()["observation_ids"], json!([]), "{body}");
        assert_eq!(answer.json()["observation_id"], Value::Null);
    }
    let one = ward::item(&Device::Cuff.address(1), now, r#""bp_high":131,"bp_low":84"#);
    let good = ward::message(&mac, "BP_BIOLIGTH", now, &[one]);
    let many: Vec<String> = (0..1_001)
        .map(|n| ward::item(&Device::Cuff.address(1), now - n, r#""bp_high":131,"bp_low":84"#))
        .collect();
    let dead = [
        (
            good.replace("reportAttribute", "somethingElse"),
            "unknown message type",
        ),
        (good.replace("device_list", "devices"), "unknown message type"),
        (
            good.replace(r#""attribute":"BP_BIOLIGTH""#, r#""attribute":"Toaster""#),
            "unknown attribute",
        ),
        (
            good.replace(r#""value":{"#, r#""value":{"x":1},"value":{"#),
            "unreadable",
        ),
        (ward::message(&mac, "BP_BIOLIGTH", now, &many), "too many items"),
    ];
    let mut letters = Vec::new();
    for (body, reason) in &dead {
        let answer = stack.post(body);
        assert_eq!(answer.observation_ids().len(), 0, "{reason}");
        letters.push((answer.receipt(), *reason));
    }
    let stored = settled(&stack);
    stored.counts(&[("ignored", ignored.len() as u64), ("dead", dead.len() as u64)]);
    assert_eq!(stored.audit.len(), dead.len(), "what is ignored has no audit");
    for (receipt, reason) in letters {
        let letter = stored.dead.iter().find(|l| l["receipt_id"] == receipt).unwrap();
        assert_eq!(
            (&letter["reason"], &letter["item_index"]),
            (&json!(reason), &Value::Null),
            "{letter}"
        );
        assert!(stored.audited(&receipt, None, "dead"), "{reason}");
        for key in [
            "receipt_id",
            "gateway",
            "stage",
            "reason",
            "field",
            "item_index",
            "first_try",
            "last_try",
        ] {
            assert!(letter.get(key).is_some(), "{key} in {letter}");
        }
    }
}
