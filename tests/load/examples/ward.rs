//! The registry of the simulated ward: as files for `stardust registry import DIR`, and into MongoDB.
//!
//! `cargo run --release -p stardust-load --example ward -- --gateways 200 --files DIR [--database AMY]`; the database
//! is that of `MONGODB_URI`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use mongodb::bson::Document;
use serde_json::Value;
use stardust_load::ward::Ward;

/// Writes the registry of the simulated ward.
#[derive(Parser)]
struct Arguments {
    /// Gateways, each with a patient and eight sub-devices.
    #[arg(long, default_value_t = 200)]
    gateways: u64,
    /// Folder for the files.
    #[arg(long)]
    files: Option<PathBuf>,
    /// Database for the documents.
    #[arg(long)]
    database: Option<String>,
    /// Server of the database.
    #[arg(long, env = "MONGODB_URI", hide_env_values = true)]
    uri: Option<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let registry = Ward::today(arguments.gateways).registry();
    let collections = [
        ("amy_boxes", registry.boxes),
        ("amy_devices", registry.devices),
        ("patients", registry.patients),
    ];
    if let Some(folder) = &arguments.files {
        fs::create_dir_all(folder)?;
        for (name, documents) in &collections {
            write(&folder.join(format!("{name}.json")), documents)?;
        }
    }
    if let Some(database) = &arguments.database {
        let uri = arguments.uri.context("--database needs MONGODB_URI")?;
        let database = mongodb::Client::with_uri_str(&uri).await?.database(database);
        for (name, documents) in collections {
            // Extended JSON: `{"$oid": …}` becomes an ObjectId.
            let documents: Vec<Document> = documents
                .into_iter()
                .map(serde_json::from_value)
                .collect::<Result<_, _>>()?;
            database
                .collection::<Document>(name)
                .insert_many(documents)
                .await?;
        }
    }
    Ok(())
}

fn write(path: &Path, documents: &[Value]) -> anyhow::Result<()> {
    let lines: Vec<String> = documents.iter().map(Value::to_string).collect();
    fs::write(path, lines.join("\n") + "\n").with_context(|| path.display().to_string())
}
