//! The floor of a door: warp takes a body and rdkafka's producer publishes it under the key in a header. Nothing is
//! parsed; the answer comes after the delivery. Producer settings are those of `services/kafka`.
//!
//! `cargo run --release -p stardust-load --example bare_door -- --brokers 127.0.0.1:9092 --topic bare.raw`; without
//! brokers it answers at once: HTTP alone. Prints `address: http://127.0.0.1:PORT`.

use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{FutureProducer, FutureRecord};
use stardust_load::client::GATEWAY;
use stardust_load::topics;
use warp::Filter;
use warp::http::StatusCode;

/// A bare endpoint.
#[derive(Parser)]
struct Arguments {
    /// Bootstrap servers.
    #[arg(long)]
    brokers: Option<String>,
    /// Topic, made where it is missing.
    #[arg(long, default_value = "bare.raw")]
    topic: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let producer: Option<FutureProducer> = match &arguments.brokers {
        Some(brokers) => {
            topics::create(brokers, &arguments.topic).await?;
            Some(
                ClientConfig::new()
                    .set("bootstrap.servers", brokers)
                    .set("acks", "all")
                    .set("enable.idempotence", "true")
                    .set("partitioner", "murmur2_random")
                    .set("compression.type", "lz4")
                    .set("linger.ms", "5")
                    .set("message.timeout.ms", "5000")
                    .create()?,
            )
        }
        None => None,
    };
    // One for the life of the process, as every request needs it.
    let topic: &'static str = arguments.topic.leak();
    let routes = warp::path!("api" / "ava4" / "data")
        .and(warp::post())
        .and(warp::header::<String>(GATEWAY))
        .and(warp::body::bytes())
        .then(move |gateway: String, body: Bytes| {
            let producer = producer.clone();
            async move {
                let Some(producer) = producer else {
                    return StatusCode::OK;
                };
                let record = FutureRecord::to(topic).key(&gateway).payload(&body[..]);
                match producer.send(record, Duration::from_secs(1)).await {
                    Ok(_) => StatusCode::OK,
                    Err(_) => StatusCode::SERVICE_UNAVAILABLE,
                }
            }
        });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("address: http://{}", listener.local_addr()?);
    warp::serve(routes).incoming(listener).run().await;
    Ok(())
}
