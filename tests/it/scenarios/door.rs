//! What the door does not take.

use serde_json::{Value, json};
use stardust_scenarios::books::settled;
use stardust_scenarios::http::{self, Answer};
use stardust_scenarios::registry::{Registry, gateway};
use stardust_scenarios::stack::{Backend, Stack};
use stardust_scenarios::ward;

#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    let json = answer.json();
    assert_eq!(json["success"], false);
    assert_eq!(
        json["error_count"].as_u64(),
        json["errors"].as_array().map(|e| e.len() as u64)
    );
    assert_eq!(json["errors"][0]["error_code"], code, "{json}");
    for key in [
        "error_code",
        "error_type",
        "message",
        "field",
        "value",
        "suggestion",
    ] {
        assert!(json["errors"][0].get(key).is_some(), "{key} in {json}");
    }
    assert_eq!(
        json["request_id"].as_str(),
        answer.headers.get("x-request-id").map(String::as_str),
        "{json}"
    );
    assert!(json["timestamp"].is_string());
    json["errors"][0].clone()
}

pub fn what_is_no_message_is_refused(backend: Backend) {
    let stack = Stack::started(backend, &Registry::ward(1));
    let now = ward::now();
    let good = ward::pressure(1, now, 131, 84, 71);
    let json = [("content-type", "application/json")];
    let post = |headers: &[(&str, &str)], body: &[u8]| {
        http::once(stack.door(), "POST", "/api/ava4/data", headers, body).expect("the door answers")
    };

    let deep = format!(
        r#"{{"mac":"{}","x":{}1{}}}"#,
        gateway(1),
        "[".repeat(200),
        "]".repeat(200)
    );
    let twice = good.replacen('{', &format!(r#"{{"mac":"{}","#, gateway(1)), 1);
    let latin = [good.as_bytes(), b"\xe9"].concat();
    let bodies: [&[u8]; 10] = [
        b"",
        b"{",
        b"7",
        b"\"text\"",
        b"[]",
        b"null",
        b"\xff\xfe{}",
        deep.as_bytes(),
        twice.as_bytes(),
        &latin,
    ];
    for body in bodies {
        refused(&post(&json, body), 400, "INVALID_JSON");
    }

    for mac in ["", "02:00:00:AA:00", "zz:00:00:AA:00:01", "02:00:00:AA:00:01:02"] {
        let malformed = good.replacen(r#""mac":"02:00:00:AA:00:01""#, &format!(r#""mac":"{mac}""#), 1);
        let answer = post(&json, malformed.as_bytes());
        if mac.is_empty() {
            // Blank is missing: deviceCode names the gateway.
            assert_eq!(answer.status, 200, "{}", answer.text());
        } else {
            assert_eq!(refused(&answer, 422, "INVALID_MAC_ADDRESS")["field"], "mac");
        }
    }
    let nameless = good
        .replace(r#""mac":"02:00:00:AA:00:01","#, "")
        .replace(r#""deviceCode":"02:00:00:AA:00:01","#, "");
    refused(&post(&json, nameless.as_bytes()), 422, "INVALID_MAC_ADDRESS");

    for kind in [
        "text/plain",
        "application/xml",
        "application/x-ndjson",
        "application/jsonp",
    ] {
        refused(
            &post(&[("content-type", kind)], good.as_bytes()),
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        );
    }
    refused(
        &post(
            &[("content-type", "application/json"), ("content-encoding", "gzip")],
            good.as_bytes(),
        ),
        415,
        "UNSUPPORTED_MEDIA_TYPE",
    );

    let large = good.replace(
        r#""device":"BP_BIOLIGTH""#,
        &format!(r#""device":"{}""#, "x".repeat(1 << 20)),
    );
    refused(&post(&json, large.as_bytes()), 413, "PAYLOAD_TOO_LARGE");
    let eight = vec![b' '; 9 << 20];
    let batch =
        http::once(stack.door(), "POST", "/api/ava4/data/batch", &json, &eight).expect("the door answers");
    refused(&batch, 413, "PAYLOAD_TOO_LARGE");

    assert_eq!(
        http::once(stack.door(), "GET", "/nowhere", &[], b"")
            .unwrap()
            .status,
        404
    );
    assert_eq!(
        http::once(stack.door(), "GET", "/api/ava4/data", &[], b"")
            .unwrap()
            .status,
        405
    );

    // The request id is the caller's where it can be read, else a new one.
    let named = post(
        &[
            ("content-type", "application/json"),
            ("x-request-id", "ward-7.42"),
        ],
        b"{",
    );
    assert_eq!(
        (
            &named.json()["request_id"],
            named.headers["x-request-id"].as_str()
        ),
        (&json!("ward-7.42"), "ward-7.42")
    );
    let long = "x".repeat(129);
    let renamed = post(
        &[("content-type", "application/json"), ("x-request-id", &long)],
        b"{",
    );
    assert_ne!(renamed.headers["x-request-id"], long);

    // The process is alive, and takes what small devices send: no Content-Type; parameters; almost a megabyte.
    assert_eq!(post(&[], good.as_bytes()).status, 200);
    assert_eq!(
        post(
            &[("content-type", "application/json; charset=utf-8")],
            ward::pressure(1, now - 1, 120, 80, 60).as_bytes()
        )
        .status,
        200
    );
    let almost = good.replace(
        r#""device":"BP_BIOLIGTH""#,
        &format!(r#""device":"{}""#, "x".repeat((1 << 20) - 1_000)),
    );
    assert_eq!(post(&json, almost.as_bytes()).status, 200);
    let answer = post(&[("x-request-id", "mine")], ward::heartbeat(1, now).as_bytes());
    assert_eq!(
        (answer.status, &answer.json()["request_id"]),
        (200, &json!("mine"))
    );

    let stored = settled(&stack);
    stored.counts(&[("stored", 2), ("duplicate", 2), ("ignored", 1)]);
}
