//! What is taken, and what is said then.

use std::time::{Duration, Instant};

use stardust_pipeline::partition::partition_of;
use tokio::time::sleep;
use uuid::Uuid;

use crate::client::{Client, post, post_with, request};
use crate::fakes::Mode;
use crate::stack::{Options, PARTITIONS, message, start, until};

#[tokio::test]
async fn a_message_is_in_the_log_byte_for_byte_before_the_answer() {
    let stack = start(Options::default()).await;
    let body = "{ \"mac\" : \"02-00-00-aa-00-01\",\n\"temp\":36.52999878, \"readings\": 2 }";
    let headers = [
        ("content-type", "application/json; charset=utf-8"),
        ("x-request-id", "ward-7/\"a\""),
    ];
    let answer = post_with(stack.address, "/api/ava4/data", &headers, body).await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-request-id"), "ward-7/\"a\"");
    let said = answer.json();
    assert_eq!(said["success"], true);
    assert_eq!(said["message"], "AVA4 data received successfully");
    assert_eq!(said["processing"], "queued");
    assert_eq!(said["request_id"], "ward-7/\"a\"");
    assert_eq!(said["observation_ids"].as_array().unwrap().len(), 2);
    assert_eq!(said["observation_id"], said["observation_ids"][0]);
    let receipt: Uuid = said["receipt_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(receipt.get_version_num(), 7);

    let records = stack.log.records();
    assert_eq!(records.len(), 1);
    assert_eq!(&records[0].key[..], b"020000aa0001");
    assert_eq!(records[0].topic.as_str(), "ava4.readings.raw");
    let raw = &stack.raw()[0];
    assert_eq!(&raw.body[..], body.as_bytes());
    assert_eq!(raw.receipt_id, receipt.to_string());
    assert_eq!(raw.request_id, "ward-7/\"a\"");
    assert_eq!(raw.source, "http");
    assert_eq!(raw.gateway.as_deref(), Some("020000aa0001"));
    assert_eq!(
        raw.content_type.as_deref(),
        Some("application/json; charset=utf-8")
    );
    assert_eq!((raw.items.as_ref(), raw.migration_run.as_ref()), (None, None));
}

#[tokio::test]
async fn a_message_without_readings_or_content_type_is_taken_too() {
    let stack = start(Options::default()).await;
    let body = r#"{"mac":"02:00:00:AA:00:01","type":"HB_Msg"}"#;
    let answer = post_with(stack.address, "/api/ava4/data", &[], body).await;
    assert_eq!(answer.status, 200);
    let said = answer.json();
    assert_eq!(said["observation_id"], serde_json::Value::Null);
    assert_eq!(said["observation_ids"], serde_json::json!([]));
    assert_eq!(stack.raw()[0].content_type, None);
}

#[tokio::test]
async fn an_api_call_needs_a_known_gateway_once_the_registry_is_read() {
    let stack = start(Options::default()).await;
    let known = r#"{"device_id":"02:00:00:AA:00:01","type":"SPO2"}"#;
    let unknown = r#"{"device_id":"0A:00:00:AA:00:01","type":"SPO2"}"#;
    assert_eq!(post(stack.address, "/api/ava4/data", known).await.status, 200);
    let answer = post(stack.address, "/api/ava4/data", unknown).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (404, "DEVICE_NOT_FOUND")
    );
    assert_eq!(stack.log.records().len(), 1);

    stack.registry.send_replace(None);
    assert_eq!(post(stack.address, "/api/ava4/data", unknown).await.status, 200);
}

#[tokio::test]
async fn requests_of_one_connection_are_answered_in_turn_and_kept_in_order() {
    let stack = start(Options::default()).await;
    let mut client = Client::connect(stack.address).await;
    for n in 0..20 {
        let body = message(1, n);
        client
            .write(&request("POST", "/api/ava4/data", &[], body.as_bytes()))
            .await;
        assert_eq!(client.answer().await.status, 200);
    }
    let bodies: Vec<_> = stack.raw().into_iter().map(|raw| raw.body).collect();
    let sent: Vec<_> = (0..20).map(|n| message(1, n)).collect();
    assert_eq!(bodies, sent);
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_undo_what_was_begun() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Hangs);
    let mut client = Client::connect(stack.address).await;
    client
        .write(&request("POST", "/api/ava4/data", &[], message(1, 0).as_bytes()))
        .await;
    let calls = || stack.log.state.lock().unwrap().calls;
    until("the publish is under way", || calls() == 1).await;
    drop(client);
    // A batch that is left while its messages wait behind the first.
    let mut client = Client::connect(stack.address).await;
    let batch: Vec<_> = (1..200)
        .map(|n| message(u8::try_from(n % 9).unwrap(), n))
        .collect();
    client
        .write(&request(
            "POST",
            "/api/ava4/data/batch",
            &[],
            format!("[{}]", batch.join(",")).as_bytes(),
        ))
        .await;
    until("the batch is under way", || calls() >= 3).await;
    drop(client);
    stack.log.set(Mode::Up);
    until("all of it is in the log", || stack.log.records().len() == 200).await;
}

#[tokio::test]
async fn only_one_publish_of_a_partition_is_under_way() {
    let stack = start(Options::default()).await;
    stack.log.set(Mode::Flaky(0));
    let mut tasks = Vec::new();
    for n in 0..200 {
        let address = stack.address;
        let gateway = u8::try_from(n % 16).unwrap();
        tasks.push(tokio::spawn(async move {
            post(address, "/api/ava4/data", message(gateway, n)).await.status
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert!(!stack.log.overlapped());
    assert_eq!(stack.log.records().len(), 200);
    assert!(stack.log.state.lock().unwrap().calls < 200, "nothing was bundled");
    let partitions: std::collections::HashSet<_> = stack
        .log
        .records()
        .iter()
        .map(|r| partition_of(&r.key, PARTITIONS))
        .collect();
    assert!(partitions.len() > 1);
}

#[tokio::test]
async fn what_comes_while_a_lane_lingers_goes_with_its_first_record() {
    let linger = Duration::from_millis(500);
    let stack = start(Options {
        linger,
        ..Options::default()
    })
    .await;
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for n in 0..20 {
        let address = stack.address;
        tasks.push(tokio::spawn(async move {
            sleep(Duration::from_millis(5 * n)).await;
            let message = message(1, usize::try_from(n).unwrap());
            post(address, "/api/ava4/data", message).await.status
        }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), 200);
    }
    assert_eq!(stack.log.records().len(), 20);
    let publishes = stack.log.state.lock().unwrap().calls;
    let most = begun.elapsed().as_millis() / linger.as_millis() + 1;
    assert!(publishes as u128 <= most, "{publishes} publishes");
}
