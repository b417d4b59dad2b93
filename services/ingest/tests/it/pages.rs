//! What can be looked at.

use std::sync::{Arc, Mutex};

use stardust_ingest::{HttpConfig, bind, operations, serve};

use crate::client::{Client, get, post};
use crate::stack::{FakeViews, Options, message, start};

#[tokio::test]
async fn health_is_told_by_component_and_by_status() {
    let stack = start(Options::default()).await;
    for path in ["/health", "/health/ready", "/health/live"] {
        let answer = get(stack.address, path).await;
        assert_eq!(
            (answer.status, answer.json()["status"].as_str()),
            (200, Some("healthy"))
        );
        assert_ne!(answer.header("x-request-id"), "");
    }
    *stack.ready.lock().unwrap() = false;
    for path in ["/health", "/health/ready"] {
        let answer = get(stack.address, path).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.json()["components"]["log"]["status"], "unhealthy");
    }
    assert_eq!(get(stack.address, "/health/live").await.status, 200);
}

#[tokio::test]
async fn the_queue_has_exactly_four_keys() {
    let stack = start(Options::default()).await;
    let answer = get(stack.address, "/admin/queue/stats").await;
    assert_eq!(
        answer.text(),
        r#"{"enabled":true,"queue_size":null,"status":"unknown","queue_name":"fhir_processing_queue"}"#
    );
}

#[tokio::test]
async fn a_receipt_is_shown_where_somebody_knows_it() {
    let stack = start(Options::default()).await;
    let path = |first: char| format!("/api/ava4/receipts/{first}1900000-0000-7000-8000-000000000000");
    let answer = get(stack.address, &path('0')).await;
    assert_eq!(
        (answer.status, answer.json()["state"].as_str()),
        (200, Some("stored"))
    );
    let answer = get(stack.address, &path('1')).await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "NOT_FOUND"));
    let answer = get(stack.address, &path('2')).await;
    assert_eq!(
        (answer.status, answer.error().as_str()),
        (503, "SERVICE_UNAVAILABLE")
    );
    let answer = get(stack.address, "/api/ava4/receipts/%2e%2e").await;
    assert_eq!((answer.status, answer.error().as_str()), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let stack = start(Options::default()).await;
    post(stack.address, "/api/ava4/data", message(1, 0)).await;
    post(stack.address, "/api/ava4/data", "{}").await;
    let page = get(stack.address, "/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(
        page.header("content-security-policy")
            .contains("default-src 'none'")
    );
    for outside in ["http://", "https://", "//cdn", "@import", "src=\""] {
        assert!(!page.text().contains(outside), "{outside}");
    }
    let numbers = get(stack.address, "/status.json").await.json();
    assert_eq!(numbers["messages"]["queued"], 1);
    assert_eq!(numbers["messages"]["refused"], 1);
    assert_eq!(numbers["refusals"]["INVALID_MAC_ADDRESS"], 1);
    assert_eq!(numbers["readings"]["stored"], 3);
    assert_eq!(numbers["instance"], "test-instance");
    assert_eq!(numbers["queue"]["queue_name"], "fhir_processing_queue");
}

#[tokio::test]
async fn head_is_answered_like_get_without_a_body() {
    let stack = start(Options::default()).await;
    let mut client = Client::connect(stack.address).await;
    client
        .write(b"HEAD /health/live HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n")
        .await;
    // The length is that of the body which does not come.
    assert!(client.try_answer().await.is_none());
    let answer = get(stack.address, "/openapi.json").await;
    assert_eq!(answer.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn a_service_that_is_no_door_tells_its_health_and_nothing_else() {
    let counters = prometheus::Registry::new();
    let counter = prometheus::IntCounter::new("stardust_test_total", "A test.").unwrap();
    counters.register(Box::new(counter)).unwrap();
    let filter = operations(FakeViews(Arc::new(Mutex::new(true))), counters);
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(
        listener,
        filter,
        HttpConfig::default(),
        std::future::pending(),
    ));
    for path in ["/health", "/health/live", "/health/ready"] {
        assert_eq!(get(address, path).await.status, 200, "{path}");
    }
    assert!(
        get(address, "/metrics")
            .await
            .text()
            .contains("stardust_test_total 0")
    );
    assert_eq!(post(address, "/health", "{}").await.error(), "METHOD_NOT_ALLOWED");
    for path in ["/", "/status.json", "/api/ava4/data", "/subjects"] {
        assert_eq!(
            post(address, path, message(1, 0)).await.error(),
            "NOT_FOUND",
            "{path}"
        );
    }
}
