//! Many messages in one request.

use serde_json::{Value, json};
use stardust_scenarios::books::settled;
use stardust_scenarios::http::{self, Answer};
use stardust_scenarios::registry::Registry;
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward;

fn post(stack: &Stack, query: &str, kind: &str, body: &str) -> Answer {
    let path = format!("/api/ava4/data/batch{query}");
    http::once(
        stack.door(),
        "POST",
        &path,
        &[("content-type", kind)],
        body.as_bytes(),
    )
    .expect("the door answers")
}

pub fn all_or_nothing(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(2));
    let now = ward::now() - 10;
    let message = |n: i64| ward::pressure(if n % 2 == 0 { 1 } else { 2 }, now - n, 120, 80, 60);
    let array = |from: i64, to: i64| format!("[{}]", (from..to).map(message).collect::<Vec<_>>().join(","));

    let three = post(&stack, "", "application/json", &array(0, 3));
    assert_eq!(three.status, 200, "{}", three.text());
    assert_eq!(
        (&three.json()["success"], &three.json()["received"]),
        (&json!(true), &json!(3))
    );
    let lines = (3..6).map(message).collect::<Vec<_>>().join("\n") + "\n";
    let items = post(&stack, "", "application/x-ndjson", &lines).json()["items"].clone();
    for (n, item) in items.as_array().unwrap().iter().enumerate() {
        assert_eq!(item["index"], n);
        assert!(
            item["receipt_id"].is_string() && item["observation_ids"].as_array().unwrap().len() == 2,
            "{item}"
        );
    }
    assert_eq!(items.as_array().unwrap().len(), 3);
    let thousand = post(&stack, "", "application/json", &array(6, 1_006));
    assert_eq!(
        (thousand.status, &thousand.json()["received"]),
        (200, &json!(1_000))
    );
    let more = post(&stack, "", "application/json", &array(0, 1_001));
    assert_eq!(
        (more.status, &more.json()["errors"][0]["error_code"]),
        (413, &json!("PAYLOAD_TOO_LARGE"))
    );

    // One that is refused: nothing is taken.
    let bad = format!(
        "[{},{{\"type\":\"reportAttribute\"}},{}]",
        message(2_000),
        message(2_001)
    );
    let answer = post(&stack, "", "application/json", &bad);
    assert_eq!(answer.status, 422, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["success"], false);
    assert_eq!(json["errors"][0]["error_code"], "INVALID_MAC_ADDRESS");
    let index: Vec<&Value> = json["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|i| i.get("errors").is_some())
        .map(|i| &i["index"])
        .collect();
    assert_eq!(index, [&json!(1)], "{json}");
    let answer = post(
        &stack,
        "",
        "application/x-ndjson",
        &format!("{}\nnot json\n", message(2_002)),
    );
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(answer.json()["items"][0]["index"], 1);

    // Old times count as they are where an operator says so.
    let old = now - 900 * 86_400;
    let backfilled = post(
        &stack,
        "?backfill=true",
        "application/json",
        &format!("[{}]", ward::pressure(1, old, 119, 79, 61)),
    );
    let live = post(
        &stack,
        "",
        "application/json",
        &format!("[{}]", ward::pressure(1, old, 117, 77, 61)),
    );
    let id = |answer: &Answer| {
        answer.json()["items"][0]["observation_ids"][0]
            .as_str()
            .unwrap()
            .to_owned()
    };

    let stored = settled(&stack);
    stored.counts(&[("stored", 1_008)]);
    assert_eq!(
        stored.observation(&id(&backfilled))["effectiveDateTime"],
        ward::local(old)
    );
    assert_ne!(
        stored.observation(&id(&live))["effectiveDateTime"],
        ward::local(old)
    );
}
