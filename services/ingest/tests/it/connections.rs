//! Connections, back-pressure and the end.

use std::time::Duration;

use stardust_ingest::{HttpConfig, ServeError, bind};
use tokio::time::{sleep, timeout};

use crate::client::{Client, post, request};
use crate::fakes::Mode;
use crate::stack::{Options, message, start, until};

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let refused = bind("0.0.0.0:0".parse().unwrap()).await.unwrap_err();
    assert!(matches!(refused, ServeError::NotLoopback(_)));
    assert!(refused.to_string().contains("DEVICE_TOKENS_FILE"));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let taken = bind(listener.local_addr().unwrap()).await.unwrap_err();
    assert!(taken.to_string().contains("STARDUST_LISTEN"));
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let http = HttpConfig {
        connections: 2,
        ..HttpConfig::default()
    };
    let stack = start(Options {
        http,
        ..Options::default()
    })
    .await;
    let mut first = Client::connect(stack.address).await;
    let mut second = Client::connect(stack.address).await;
    for client in [&mut first, &mut second] {
        client.write(&request("GET", "/health", &[], b"")).await;
        assert_eq!(client.answer().await.status, 200);
    }
    let mut third = Client::connect(stack.address).await;
    third.write(&request("GET", "/health", &[], b"")).await;
    assert!(timeout(Duration::from_millis(200), third.answer()).await.is_err());
    drop(first);
    let answer = timeout(Duration::from_secs(5), third.answer()).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_end_finishes_what_is_open_and_takes_nothing_new() {
    let mut stack = start(Options::default()).await;
    stack.log.set(Mode::Hangs);
    let mut open = Client::connect(stack.address).await;
    open.write(&request("POST", "/api/ava4/data", &[], message(1, 0).as_bytes()))
        .await;
    until("it is under way", || stack.log.state.lock().unwrap().calls == 1).await;
    let mut idle = Client::connect(stack.address).await;
    idle.write(&request("GET", "/health", &[], b"")).await;
    idle.answer().await;

    stack.stop.take().unwrap().send(()).unwrap();
    assert!(idle.try_answer().await.is_none(), "an idle connection is closed");
    until("nobody listens", || {
        std::net::TcpStream::connect(stack.address).is_err()
    })
    .await;
    stack.log.set(Mode::Up);
    let answer = open.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, "close"));
    assert_eq!(stack.server.await.unwrap(), 0);
    assert!(stack.running.stop(Duration::from_secs(5)).await);
    assert_eq!(stack.log.records().len(), 1);
}

#[tokio::test]
async fn the_end_does_not_wait_for_ever() {
    let http = HttpConfig {
        drain_within: Duration::from_millis(100),
        ..HttpConfig::default()
    };
    let mut stack = start(Options {
        http,
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Hangs);
    let mut open = Client::connect(stack.address).await;
    open.write(&request("POST", "/api/ava4/data", &[], message(1, 0).as_bytes()))
        .await;
    until("it is under way", || stack.log.state.lock().unwrap().calls == 1).await;
    stack.stop.take().unwrap().send(()).unwrap();
    assert_eq!(stack.server.await.unwrap(), 1);
    assert!(open.try_answer().await.is_none());
    // What the lane had taken is finished all the same.
    let log = stack.log.clone();
    let release = tokio::spawn(async move {
        sleep(Duration::from_millis(50)).await;
        log.set(Mode::Up);
    });
    assert!(stack.running.stop(Duration::from_secs(5)).await);
    release.await.unwrap();
    assert_eq!(stack.log.records().len(), 1);
    // A door whose lanes have ended says so.
    assert!(stack.door.take(message_of(1)).await.is_err());
}

fn message_of(gateway: u8) -> stardust_ingest::Message {
    stardust_ingest::Message {
        body: message(gateway, 0).into(),
        content_type: None,
        request_id: "r".to_owned(),
        backfill: false,
    }
}

#[tokio::test]
async fn too_much_under_way_is_said_and_not_piled_up() {
    let stack = start(Options {
        lane_capacity: 1,
        place_within: Duration::from_millis(100),
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Hangs);
    let mut tasks = Vec::new();
    for n in 0..6 {
        let address = stack.address;
        tasks.push(tokio::spawn(async move {
            post(address, "/api/ava4/data", message(1, n)).await
        }));
    }
    sleep(Duration::from_millis(400)).await;
    stack.log.set(Mode::Up);
    let mut taken = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status == 503 {
            assert_eq!(answer.error(), "SERVICE_UNAVAILABLE");
            assert_ne!(answer.header("retry-after"), "");
        } else {
            taken += 1;
        }
    }
    assert_eq!(taken, 2, "one under way, one in its place");
    assert_eq!(stack.log.records().len(), 2);
}

#[tokio::test]
async fn bodies_share_a_bounded_memory() {
    let stack = start(Options {
        body_memory: 100_000,
        ..Options::default()
    })
    .await;
    stack.log.set(Mode::Hangs);
    let body = format!("{}{}", message(1, 0), " ".repeat(80_000));
    let address = stack.address;
    let big = body.clone();
    let first = tokio::spawn(async move { post(address, "/api/ava4/data", big).await });
    until("it is under way", || stack.log.state.lock().unwrap().calls == 1).await;
    let second = tokio::spawn(async move { post(address, "/api/ava4/data", body).await });
    sleep(Duration::from_millis(100)).await;
    assert!(!second.is_finished());
    stack.log.set(Mode::Up);
    assert_eq!(first.await.unwrap().status, 200);
    assert_eq!(second.await.unwrap().status, 200);
}
