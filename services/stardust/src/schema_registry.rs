//! Registering our schemas at a Confluent-compatible registry.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use stardust_pipeline::backoff::Backoff;
use stardust_pipeline::log::Topic;
use stardust_pipeline::topics::Topics;
use stardust_wire::Subject;
use stardust_wire::schemas::newest;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Registration<'a> {
    schema: &'a str,
    schema_type: &'a str,
}

#[derive(Deserialize)]
struct Registered {
    id: u32,
}

const TRIES: u32 = 30;

/// Registers the newest schema of each subject (an equal one keeps its id) and says the ids.
pub async fn register(url: &str, topics: &Topics) -> anyhow::Result<HashMap<Subject, u32>> {
    let mut ids = HashMap::new();
    for (subject, topic) in [
        (Subject::Raw, &topics.raw),
        (Subject::Parked, &topics.parked),
        (Subject::Dead, &topics.dead),
        (Subject::Status, &topics.status),
        (Subject::Observations, &topics.observations),
        (Subject::Legacy, &topics.legacy),
        (Subject::Audit, &topics.audit),
    ] {
        let Some(version) = newest(subject) else {
            bail!("{topic} has no schema")
        };
        let id = subject_id(url, topic, version.text).await?;
        ids.insert(subject, id);
    }
    Ok(ids)
}

/// The registry may start later than we do: tried for a while.
async fn subject_id(url: &str, topic: &Topic, schema: &str) -> anyhow::Result<u32> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    loop {
        let answer = timeout(Duration::from_secs(5), post(url, topic, schema)).await;
        match answer.unwrap_or_else(|_| Err(anyhow::anyhow!("no answer within 5 s"))) {
            Ok((200, body)) => {
                let registered: Registered =
                    serde_json::from_str(&body).context("the schema registry's answer has no id")?;
                return Ok(registered.id);
            }
            Ok((status, body)) if status < 500 => {
                bail!("the schema registry refuses the schema of {topic}: {status} {body}");
            }
            Ok((status, _)) if backoff.tries() >= TRIES => {
                bail!("the schema registry at {url} answers {status} (SCHEMA_REGISTRY_URL)")
            }
            Err(e) if backoff.tries() >= TRIES => {
                return Err(e.context(format!(
                    "the schema registry at {url} cannot be reached (SCHEMA_REGISTRY_URL)"
                )));
            }
            Ok(_) | Err(_) => {
                if backoff.tries() == 0 {
                    tracing::warn!("waiting for the schema registry");
                }
                sleep(backoff.next_wait()).await;
            }
        }
    }
}

/// One request on a connection of its own: seven of them at the start of a process.
async fn post(url: &str, topic: &Topic, schema: &str) -> anyhow::Result<(u16, String)> {
    let base: Uri = url.trim_end_matches('/').parse()?;
    let host = base.host().context("the URL names no host")?;
    let authority = base.authority().context("the URL names no host")?.as_str();
    let stream = TcpStream::connect((host, base.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let body = serde_json::to_string(&Registration {
        schema,
        schema_type: "AVRO",
    })?;
    let path = base.path().trim_end_matches('/');
    let request = Request::post(format!("{path}/subjects/{topic}-value/versions"))
        .header(HOST, authority)
        .header(CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")
        .body(Full::new(Bytes::from(body)))?;
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), 1 << 20).collect().await;
    connection.abort();
    let body = body
        .map_err(|e| anyhow::anyhow!("the answer cannot be read: {e}"))?
        .to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
