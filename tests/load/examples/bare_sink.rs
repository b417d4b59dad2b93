//! The floor of the parser's way out: consumers that write finished documents to MongoDB, insert if absent, in the
//! parser's batches and by its command; no transform, no other outputs.
//!
//! First `--prepare`: the documents that a parser wrote to `--source` become records of `--topic`, one for each
//! reading. Then without: so many group members write them to `--target`, commit, and print rate and CPU.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Parser;
use futures_util::TryStreamExt;
use mongodb::bson::raw::cstr;
use mongodb::bson::{RawArrayBuf, RawDocumentBuf, doc, rawdoc};
use mongodb::{Client, Database, IndexModel};
use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::producer::{FutureProducer, FutureRecord};
use serde_json::json;
use stardust_load::process::Watched;
use stardust_load::topics::{self, Behind};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

const COLLECTION: &str = "fhir_observations";
const WAIT: Duration = Duration::from_millis(500);

/// Bare consumers and the bare driver.
#[derive(Parser, Clone)]
struct Arguments {
    /// Bootstrap servers.
    #[arg(long)]
    brokers: String,
    /// Topic of the finished documents.
    #[arg(long, default_value = "bare.documents")]
    topic: String,
    /// Server of the databases.
    #[arg(long, env = "MONGODB_URI", hide_env_values = true)]
    uri: String,
    /// Database whose documents are taken.
    #[arg(long, default_value = "MFC_FHIR_R5")]
    source: String,
    /// Database to write to.
    #[arg(long, default_value = "BARE")]
    target: String,
    /// Most records of a batch.
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Group members.
    #[arg(long, default_value_t = 4)]
    members: usize,
    /// Only fills the topic.
    #[arg(long)]
    prepare: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let client = Client::with_uri_str(&arguments.uri).await?;
    if arguments.prepare {
        return prepare(&arguments, &client).await;
    }
    let group = format!("{}-{}", arguments.topic, uuid::Uuid::new_v4().simple());
    let (brokers, topic) = (arguments.brokers.clone(), arguments.topic.clone());
    let asked = group.clone();
    let (records, _) =
        tokio::task::spawn_blocking(move || Behind::new(&brokers, &asked, &topic, false)?.ask()).await??;
    ensure!(records > 0, "{} is empty: run --prepare first", arguments.topic);
    let left = Arc::new(AtomicI64::new(records));
    let start = Instant::now();
    let mut members = JoinSet::new();
    for _ in 0..arguments.members {
        members.spawn(member(
            arguments.clone(),
            group.clone(),
            client.database(&arguments.target),
            Arc::clone(&left),
        ));
    }
    let mut first: Option<Instant> = None;
    let mut documents = 0;
    while let Some(ended) = members.join_next().await {
        let (began, written) = ended??;
        documents += written;
        first = [first, began].into_iter().flatten().min();
    }
    let own = Watched {
        name: "sink".to_owned(),
        pid: std::process::id(),
    };
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let count = records as f64;
    let working = first.unwrap_or(start).elapsed().as_secs_f64();
    println!(
        "{}",
        json!({
            "records": records, "documents": documents, "seconds": start.elapsed().as_secs_f64(),
            "per_second": (count / working).round(), "cpu_us": (own.cpu()?.as_secs_f64() * 1e7 / count).round() / 10.0,
            "peak_mib": own.peak_kib()? / 1024,
        })
    );
    Ok(())
}

/// The documents of one database as records, and the same indexes in the other.
async fn prepare(arguments: &Arguments, client: &Client) -> anyhow::Result<()> {
    topics::create(&arguments.brokers, &arguments.topic).await?;
    let source = client
        .database(&arguments.source)
        .collection::<RawDocumentBuf>(COLLECTION);
    let mut readings: HashMap<String, Vec<u8>> = HashMap::new();
    let mut found = source.find(doc! {}).await?;
    while let Some(document) = found.try_next().await? {
        let receipt = document.get_str("receipt_id").context("receipt_id")?.to_owned();
        readings
            .entry(receipt)
            .or_default()
            .extend_from_slice(document.as_bytes());
    }
    let producer: FutureProducer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        .set("compression.type", "lz4")
        .set("linger.ms", "5")
        .create()?;
    let mut sent = Vec::new();
    for (receipt, documents) in &readings {
        let record = FutureRecord::to(&arguments.topic).key(receipt).payload(documents);
        match producer.send_result(record) {
            Ok(delivery) => sent.push(delivery),
            Err((e, _)) => bail!(e),
        }
    }
    for delivery in sent {
        delivery.await?.map_err(|(e, _)| e)?;
    }
    let target = client
        .database(&arguments.target)
        .collection::<RawDocumentBuf>(COLLECTION);
    let indexes: Vec<IndexModel> = source.list_indexes().await?.try_collect().await?;
    let ours = indexes.into_iter().filter(|index| index.keys != doc! {"_id": 1});
    for index in ours {
        target.create_index(index).await?;
    }
    println!("{} readings", readings.len());
    Ok(())
}

/// One group member, until the whole topic is written. When it began to work, and how many documents it wrote.
async fn member(
    arguments: Arguments,
    group: String,
    database: Database,
    left: Arc<AtomicI64>,
) -> anyhow::Result<(Option<Instant>, usize)> {
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.brokers)
        .set("group.id", &group)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("fetch.wait.max.ms", "100")
        .set("fetch.queue.backoff.ms", "20")
        .set("queued.max.messages.kbytes", "16384")
        .create()?;
    consumer.subscribe(&[&arguments.topic])?;
    let (mut began, mut written) = (None, 0);
    while left.load(Ordering::SeqCst) > 0 {
        let mut documents = Vec::new();
        let mut records = 0;
        let until = tokio::time::Instant::now() + WAIT;
        while records < arguments.batch {
            tokio::select! {
                message = consumer.recv() => {
                    let message = message?;
                    began.get_or_insert_with(Instant::now);
                    split(message.payload().unwrap_or_default(), &mut documents)?;
                    records += 1;
                }
                () = sleep_until(until) => break,
            }
        }
        if records == 0 {
            continue;
        }
        write(&database, &documents).await?;
        consumer.commit_consumer_state(CommitMode::Async)?;
        written += documents.len();
        left.fetch_sub(i64::try_from(records)?, Ordering::SeqCst);
    }
    // The rest of the group must not wait for this one's assignment.
    let _ = timeout(Duration::from_secs(1), async { consumer.unsubscribe() }).await;
    Ok((began, written))
}

/// Cuts a record into its documents.
fn split(mut bytes: &[u8], documents: &mut Vec<RawDocumentBuf>) -> anyhow::Result<()> {
    while let Some(head) = bytes.first_chunk::<4>() {
        let length = usize::try_from(i32::from_le_bytes(*head))?;
        let (document, rest) = bytes.split_at_checked(length).context("a cut document")?;
        documents.push(RawDocumentBuf::from_bytes(document.to_vec())?);
        bytes = rest;
    }
    Ok(())
}

/// One `bulkWrite`: an upsert of `$setOnInsert` by `_id` for each document, confirmed by majority and journal.
async fn write(database: &Database, documents: &[RawDocumentBuf]) -> anyhow::Result<()> {
    let mut operations = RawArrayBuf::new();
    for document in documents {
        let mut fields = RawDocumentBuf::new();
        let mut filter = RawDocumentBuf::new();
        for element in document.iter() {
            let (name, value) = element?;
            let side = if name == cstr!("_id") {
                &mut filter
            } else {
                &mut fields
            };
            side.append(name, value);
        }
        operations.push(rawdoc! {
            "update": 0, "filter": filter, "updateMods": {"$setOnInsert": fields}, "multi": false, "upsert": true,
        });
    }
    let command = rawdoc! {
        "bulkWrite": 1, "ordered": false, "errorsOnly": false,
        "writeConcern": {"w": "majority", "j": true, "wtimeout": 10_000_i64},
        "nsInfo": [{"ns": format!("{}.{COLLECTION}", database.name())}],
        "ops": operations,
    };
    let admin = database.client().database("admin");
    let reply = admin.run_raw_command(command).await?;
    let inserted = reply.get_i32("nUpserted")?;
    ensure!(
        usize::try_from(inserted)? == documents.len(),
        "{inserted} of {} documents were inserted",
        documents.len()
    );
    Ok(())
}
