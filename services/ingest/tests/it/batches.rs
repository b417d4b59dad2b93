//! Many messages at once: all or none.

use serde_json::json;

use crate::client::{Answer, post, post_with};
use crate::fakes::Mode;
use crate::stack::{Options, Stack, message, start};

const PATH: &str = "/api/ava4/data/batch";

async fn ndjson(stack: &Stack, body: &str) -> Answer {
    post_with(
        stack.address,
        PATH,
        &[("content-type", "application/x-ndjson")],
        body,
    )
    .await
}

#[tokio::test]
async fn an_array_and_lines_give_the_same() {
    let stack = start(Options::default()).await;
    let messages = [message(1, 0), message(2, 1), message(1, 2)];
    let array = post(stack.address, PATH, format!("[{}]", messages.join(" , "))).await;
    let lines = ndjson(&stack, &format!("{}\r\n\n", messages.join("\n"))).await;
    let unsaid = post_with(stack.address, PATH, &[], messages.join("\n")).await;
    for answer in [&array, &lines, &unsaid] {
        assert_eq!(answer.status, 200);
        let said = answer.json();
        assert_eq!(
            (said["success"].as_bool(), said["received"].as_u64()),
            (Some(true), Some(3))
        );
        for index in 0..3 {
            let item = &said["items"][index];
            assert_eq!(item["index"], index);
            assert_eq!(item["processing"], "queued");
            assert_eq!(item["receipt_id"].as_str().unwrap().len(), 36);
            assert_eq!(item["observation_ids"], json!([item["observation_id"]]));
        }
    }
    let raw = stack.raw();
    assert_eq!(raw.len(), 9);
    assert!(
        raw.iter()
            .all(|r| r.source == "http" && messages.contains(&String::from_utf8(r.body.to_vec()).unwrap()))
    );
}

#[tokio::test]
async fn one_bad_message_and_nothing_is_taken() {
    let stack = start(Options::default()).await;
    let body = format!("{}\nnot json\n{}\n{{}}", message(1, 0), message(1, 1));
    let answer = ndjson(&stack, &body).await;
    assert_eq!((answer.status, answer.error().as_str()), (422, "INVALID_JSON"));
    let said = answer.json();
    assert_eq!(said["error_count"], 2);
    assert_eq!(said["errors"][1]["field"], "[3].mac");
    let items = said["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(items[0]["index"], 1);
    assert_eq!(items[0]["errors"][0]["error_code"], "INVALID_JSON");
    assert_eq!(items[1]["index"], 3);
    assert_eq!(items[1]["errors"][0]["error_code"], "INVALID_MAC_ADDRESS");
    assert_eq!(items[1]["errors"][0]["field"], "mac");

    let array = format!("[{},7,{{\"device_id\":\"ff0000aa0001\"}}]", message(1, 0));
    let said = post(stack.address, PATH, array).await.json();
    assert_eq!(said["items"][0]["index"], 1);
    assert_eq!(said["items"][1]["errors"][0]["error_code"], "DEVICE_NOT_FOUND");
    assert!(stack.log.records().is_empty());
}

#[tokio::test]
async fn limits_hold_for_the_batch_and_for_each_message() {
    let stack = start(Options::default()).await;
    let many = |n: usize| format!("[{}]", vec![message(1, 0); n].join(","));
    assert_eq!(post(stack.address, PATH, many(1_000)).await.status, 200);
    let answer = post(stack.address, PATH, many(1_001)).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "PAYLOAD_TOO_LARGE")
    );
    let answer = ndjson(&stack, &vec![message(1, 0); 1_001].join("\n")).await;
    assert_eq!(answer.status, 413);

    let big = format!(
        "[{},{{\"mac\":\"020000aa0001\",\"x\":\"{}\"}}]",
        message(1, 0),
        "x".repeat(1 << 20)
    );
    let answer = post(stack.address, PATH, big).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (422, "PAYLOAD_TOO_LARGE")
    );
    assert_eq!(answer.json()["items"][0]["index"], 1);
    assert_eq!(stack.log.records().len(), 1_000);

    // Eight MiB of good messages at once.
    let fat = format!("{{\"mac\":\"020000aa0001\",\"x\":\"{}\"}}", "x".repeat(8_300));
    assert_eq!(ndjson(&stack, &vec![fat; 1_000].join("\n")).await.status, 200);
    assert_eq!(stack.log.records().len(), 2_000);
}

#[tokio::test]
async fn what_is_no_batch_is_refused() {
    let stack = start(Options::default()).await;
    for body in ["", "  ", "{}", "12", "[1", "[{}] x"] {
        let answer = post(stack.address, PATH, body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (400, "INVALID_JSON"),
            "{body}"
        );
    }
    let empty = post(stack.address, PATH, "[]").await;
    assert_eq!((empty.status, empty.json()["received"].as_u64()), (200, Some(0)));
}

#[tokio::test]
async fn backfill_is_marked_and_anything_unclear_about_it_refused() {
    let stack = start(Options::default()).await;
    let body = format!("[{}]", message(1, 0));
    let path = |query: &str| format!("{PATH}?{query}");
    assert_eq!(
        post(stack.address, &path("backfill=true"), &body).await.status,
        200
    );
    assert_eq!(
        post(stack.address, &path("backfill=false&x=1"), &body)
            .await
            .status,
        200
    );
    for query in [
        "backfill",
        "backfill=1",
        "backfill=TRUE",
        "backfill=true&backfill=true",
    ] {
        let answer = post(stack.address, &path(query), &body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (422, "INVALID_FORMAT"),
            "{query}"
        );
    }
    let sources: Vec<_> = stack.raw().into_iter().map(|raw| raw.source).collect();
    assert_eq!(sources, ["backfill", "http"]);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_says_what_went_to_the_spool() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Down);
    let messages: Vec<_> = (0..50)
        .map(|n| message(u8::try_from(n % 3).unwrap(), n))
        .collect();
    let answer = ndjson(&stack, &messages.join("\n")).await;
    assert_eq!(answer.status, 200);
    let said = answer.json();
    let items = said["items"].as_array().unwrap();
    assert!(items.iter().all(|item| item["processing"] == "spooled"));
    stack.log.set(Mode::Up);
    crate::stack::until("forwarded", || stack.log.records().len() == 50).await;
    for gateway in 0..3_u8 {
        let prefix = format!("\"02:00:00:AA:00:{gateway:02X}\"");
        let numbers: Vec<_> = stack
            .raw()
            .into_iter()
            .map(|raw| String::from_utf8(raw.body.to_vec()).unwrap())
            .filter(|body| body.contains(&prefix))
            .collect();
        let sent: Vec<_> = messages.iter().filter(|m| m.contains(&prefix)).cloned().collect();
        assert_eq!(numbers, sent);
    }
}
