//! Every refusal with its status, its code and its envelope; nothing of it reaches the log.

use std::time::Duration;

use stardust_ingest::HttpConfig;
use tokio::time::{Instant, sleep};

use crate::client::{Client, get, post, post_with, request};
use crate::stack::{Options, message, start};

#[tokio::test]
async fn a_bad_body_is_refused_with_the_code_of_the_rule() {
    let stack = start(Options::default()).await;
    let cases: &[(&[u8], u16, &str)] = &[
        (b"", 400, "INVALID_JSON"),
        (b"12", 400, "INVALID_JSON"),
        (b"\"text\"", 400, "INVALID_JSON"),
        (b"null", 400, "INVALID_JSON"),
        (b"[]", 400, "INVALID_JSON"),
        (b"{", 400, "INVALID_JSON"),
        (
            b"{\"mac\":\"02:00:00:AA:00:01\",\"x\":\"\xff\"}",
            400,
            "INVALID_JSON",
        ),
        (b"{}", 422, "INVALID_MAC_ADDRESS"),
        (b"{\"mac\":\"02:00\"}", 422, "INVALID_MAC_ADDRESS"),
        (b"{\"device_id\":\"02:00\"}", 422, "INVALID_MAC_ADDRESS"),
        (
            b"{\"device_id\":\"020000aa0001\",\"refuse\":\"missing\"}",
            422,
            "VALIDATION_MISSING_FIELD",
        ),
        (
            b"{\"device_id\":\"020000aa0001\",\"refuse\":\"type\"}",
            422,
            "INVALID_TYPE",
        ),
        (
            b"{\"device_id\":\"020000aa0001\",\"refuse\":\"format\"}",
            422,
            "INVALID_FORMAT",
        ),
        (b"{\"device_id\":\"ff0000aa0001\"}", 404, "DEVICE_NOT_FOUND"),
    ];
    for (body, status, code) in cases {
        let answer = post(stack.address, "/api/ava4/data", body).await;
        let shown = String::from_utf8_lossy(body);
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (*status, *code),
            "{shown}"
        );
    }
    let answer = post(stack.address, "/api/ava4/data", r#"{"device_id":"x"}"#).await;
    assert_eq!(answer.json()["errors"][0]["field"], "device_id");
    let deep = format!("{{\"mac\":{}", "[".repeat(900_000));
    assert_eq!(post(stack.address, "/api/ava4/data", deep).await.status, 400);
    assert!(stack.log.records().is_empty());
}

#[tokio::test]
async fn other_types_and_encodings_are_refused() {
    let stack = start(Options::default()).await;
    let body = message(1, 0);
    for (path, headers) in [
        ("/api/ava4/data", vec![("content-type", "text/plain")]),
        ("/api/ava4/data", vec![("content-type", "application/x-ndjson")]),
        ("/api/ava4/data", vec![("content-encoding", "gzip")]),
        ("/api/ava4/data/batch", vec![("content-type", "text/csv")]),
    ] {
        let answer = post_with(stack.address, path, &headers, &body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (415, "UNSUPPORTED_MEDIA_TYPE")
        );
    }
    let answer = post(stack.address, "/api/ava4/data?backfill=true", &body).await;
    assert_eq!((answer.status, answer.error().as_str()), (422, "INVALID_FORMAT"));
    assert!(stack.log.records().is_empty());
}

#[tokio::test]
async fn a_path_or_method_that_is_not_there_has_the_envelope_too() {
    let stack = start(Options::default()).await;
    let answer = get(stack.address, "/nowhere").await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "NOT_FOUND"));
    let answer = post(stack.address, "/nowhere", message(1, 0)).await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "NOT_FOUND"));
    let answer = get(stack.address, "/api/ava4/data").await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (405, "METHOD_NOT_ALLOWED")
    );
    assert_eq!(answer.header("allow"), "POST");
    let answer = post(stack.address, "/health", "{}").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_the_client_reads_the_answer() {
    let stack = start(Options::default()).await;
    let limit = 1 << 20;
    let fits = format!("{}{}", message(1, 0), " ".repeat(limit - message(1, 0).len()));
    assert_eq!(post(stack.address, "/api/ava4/data", &fits).await.status, 200);
    for body in [format!("{fits} "), " ".repeat(8 << 20)] {
        let answer = post(stack.address, "/api/ava4/data", &body).await;
        assert_eq!(
            (answer.status, answer.error().as_str()),
            (413, "PAYLOAD_TOO_LARGE")
        );
    }
    let answer = post(stack.address, "/api/ava4/data/batch", " ".repeat((8 << 20) + 1)).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "PAYLOAD_TOO_LARGE")
    );
    assert_eq!(stack.log.records().len(), 1);
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_is_refused_before_it_sends() {
    let stack = start(Options::default()).await;
    let mut client = Client::connect(stack.address).await;
    client
        .write(
            b"POST /api/ava4/data HTTP/1.1\r\nhost: door\r\ncontent-length: 9000000\r\nexpect: 100-continue\r\n\r\n",
        )
        .await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "PAYLOAD_TOO_LARGE")
    );
}

#[tokio::test]
async fn chunks_are_counted_as_they_come() {
    let stack = start(Options::default()).await;
    let mut client = Client::connect(stack.address).await;
    let head = b"POST /api/ava4/data HTTP/1.1\r\nhost: door\r\ntransfer-encoding: chunked\r\n\r\n";
    client.write(head).await;
    let body = message(1, 0);
    for part in body.as_bytes().chunks(7) {
        client.write(format!("{:x}\r\n", part.len()).as_bytes()).await;
        client.write(part).await;
        client.write(b"\r\n").await;
        sleep(Duration::from_millis(1)).await;
    }
    client.write(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(stack.raw()[0].body, body);

    client.write(head).await;
    let part = vec![b' '; 64 << 10];
    for _ in 0..32 {
        client.write(format!("{:x}\r\n", part.len()).as_bytes()).await;
        client.write(&part).await;
        client.write(b"\r\n").await;
    }
    client.write(b"0\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (413, "PAYLOAD_TOO_LARGE")
    );
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let http = HttpConfig {
        body_within: Duration::from_millis(200),
        ..HttpConfig::default()
    };
    let stack = start(Options {
        http,
        ..Options::default()
    })
    .await;
    let begun = Instant::now();
    let mut client = Client::connect(stack.address).await;
    let whole = request("POST", "/api/ava4/data", &[], message(1, 0).as_bytes());
    client.write(&whole[..whole.len() - 5]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.error().as_str()), (408, "REQUEST_TIMEOUT"));
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert!(client.try_answer().await.is_none(), "the connection is closed");

    // A byte now and then does not help.
    let mut client = Client::connect(stack.address).await;
    let begun = Instant::now();
    for byte in &whole {
        if !client.try_write(&[*byte]).await || begun.elapsed() > Duration::from_secs(2) {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(
        client
            .try_answer()
            .await
            .is_none_or(|answer| answer.status == 408)
    );
    assert!(stack.log.records().is_empty());
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let http = HttpConfig {
        head_within: Duration::from_millis(200),
        ..HttpConfig::default()
    };
    let stack = start(Options {
        http,
        ..Options::default()
    })
    .await;
    let mut client = Client::connect(stack.address).await;
    client.write(b"POST /api/ava4/data HTTP/1.1\r\nhost").await;
    let begun = Instant::now();
    let _ = client.try_answer().await;
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn refusals_are_counted_by_code() {
    let stack = start(Options::default()).await;
    post(stack.address, "/api/ava4/data", "{}").await;
    post(stack.address, "/api/ava4/data", message(1, 0)).await;
    let text = get(stack.address, "/metrics").await;
    assert_eq!(text.status, 200);
    for line in [
        r#"stardust_door_refusals_total{code="INVALID_MAC_ADDRESS"} 1"#,
        r#"stardust_door_messages_total{result="refused"} 1"#,
        r#"stardust_door_messages_total{result="queued"} 1"#,
        r#"stardust_door_request_duration_seconds_count{route="data"} 2"#,
    ] {
        assert!(text.text().contains(line), "{line} is not in\n{}", text.text());
    }
}
