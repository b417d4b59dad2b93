//! The command line.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod arenas;
mod backend;
mod commands;
mod demo;
mod fallback;
mod history_source;
mod migrating;
mod ports;
mod say;
mod schema_registry;
mod services;
mod telemetry;
mod views;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stardust::{keys, map, retention, settings};

use crate::say::{remark, say};
use crate::services::Which;
use crate::settings::{SettingError, Settings};

/// A unit of work is many short texts: the system's allocator costs a third of the transformation, and keeps an arena
/// for each thread.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// AVA4 gateway readings in, FHIR R5 Observations out.
#[derive(Parser)]
#[command(
    name = "stardust",
    version,
    about,
    after_help = "Settings come from the environment; `stardust config` prints the ones in force.\n\nExample: stardust demo --messages 500"
)]
struct Cli {
    /// Folder of the embedded log, store and spool (STARDUST_DATA_DIR).
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Address to listen on (STARDUST_LISTEN).
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// All services in one process.
    #[command(after_help = "Example: stardust up --data-dir ./data")]
    Up,
    /// All services on a fresh data folder, with a simulated ward that sends readings through the HTTP door.
    #[command(after_help = "Example: stardust demo --messages 500")]
    Demo(demo::DemoArgs),
    /// The door: HTTP in, raw records out. Needs KAFKA_BROKERS and MONGODB_URI.
    #[command(
        after_help = "Example: KAFKA_BROKERS=127.0.0.1:9092 MONGODB_URI=mongodb://127.0.0.1 stardust ingest"
    )]
    Ingest,
    /// Raw records to Observations, legacy and audit records. Needs KAFKA_BROKERS and MONGODB_URI.
    #[command(after_help = "Example: FHIR_WORKER_THREADS=4 stardust fhir-parser")]
    FhirParser,
    /// Legacy records into the history collections. Needs KAFKA_BROKERS and MONGODB_URI.
    #[command(after_help = "Example: stardust legacy-router")]
    LegacyRouter,
    /// Audit records into the store, chained by hash. Needs KAFKA_BROKERS and MONGODB_URI.
    #[command(after_help = "Example: stardust audit-recorder")]
    AuditRecorder,
    /// History documents into the raw topic, once for each source where AUTO_START_MIGRATION=true. Needs KAFKA_BROKERS and
    /// MONGODB_URI.
    #[command(after_help = "Example: AUTO_START_MIGRATION=true stardust fhir-migrator")]
    FhirMigrator,
    /// AVA4 messages from stdin, one a line, to what they become: no log, no store.
    #[command(after_help = "Example: stardust map --registry ./registry < messages.ndjson")]
    Map(commands::map::MapArgs),
    /// Devices and patients: import into the embedded store, or list what is known.
    #[command(subcommand, after_help = "Example: stardust registry import ./registry")]
    Registry(commands::registry::RegistryCommand),
    /// What is stored, as NDJSON.
    #[command(after_help = "Example: stardust export observations > observations.ndjson")]
    Export(commands::export::ExportArgs),
    /// The books: what was received against what is stored. Exit 0 only if they balance.
    #[command(after_help = "Example: stardust reconcile --json")]
    Reconcile(commands::reconcile::ReconcileArgs),
    /// Where one receipt, request or Observation is, and each step that it took. Exit 1 where nobody knows it.
    #[command(after_help = "Example: stardust trace 01a2063c-9352-76d5-b5e8-6fbb8545b1e2")]
    Trace(commands::trace::TraceArgs),
    /// Messages and readings that can never work as they stand.
    #[command(
        subcommand,
        after_help = "Example: stardust dead-letters list --reason 'value impossible'"
    )]
    DeadLetters(commands::dead_letters::DeadLettersCommand),
    /// Readings that wait for their device or patient.
    #[command(
        subcommand,
        after_help = "Example: stardust parked list --reason 'device unknown'"
    )]
    Parked(commands::parked::ParkedCommand),
    /// Reads a topic again, or leaves a part of it out: sets the offsets of a group that has no members.
    #[command(after_help = "Example: stardust replay --group fhir_processing_queue --to-earliest --dry-run")]
    Replay(commands::replay::ReplayArgs),
    /// Maps what is stored once more, by another device catalogue, and amends what changes.
    #[command(after_help = "Example: stardust remap --mapping catalogue.json --kind glucose --dry-run")]
    Remap(commands::remap::RemapArgs),
    /// Documents of an existing database.
    #[command(
        subcommand,
        after_help = "Example: stardust migrate histories --from ./dump --dry-run"
    )]
    Migrate(commands::migrate::MigrateCommand),
    /// The topics: create what is missing, or describe what there is.
    #[command(subcommand, after_help = "Example: stardust topics create")]
    Topics(commands::topics::TopicsCommand),
    /// The audit trail.
    #[command(subcommand, after_help = "Example: stardust audit verify")]
    Audit(commands::audit::AuditCommand),
    /// The settings in force, secrets masked.
    #[command(after_help = "Example: KAFKA_BROKERS=127.0.0.1:9092 stardust config")]
    Config,
}

/// A wrong use of the command line or of a setting: exit 2.
#[derive(Debug)]
struct Usage(String);

enum Failure {
    Usage(Usage),
    Failed(anyhow::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Usage(Usage(message)) => f.write_str(message),
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<SettingError>() {
            Ok(setting) => setting.into(),
            Err(error) => Self::Failed(error),
        }
    }
}

impl From<SettingError> for Failure {
    fn from(error: SettingError) -> Self {
        Self::Usage(Usage(error.to_string()))
    }
}

impl From<Usage> for Failure {
    fn from(usage: Usage) -> Self {
        Self::Usage(usage)
    }
}

fn main() -> ExitCode {
    arenas::few();
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            remark!("error: {failure}");
            match failure {
                Failure::Usage(_) => ExitCode::from(2),
                Failure::Failed(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let flags = [
        (
            "STARDUST_DATA_DIR",
            cli.data_dir.as_ref().map(|d| d.display().to_string()),
        ),
        ("STARDUST_LISTEN", cli.listen.clone()),
    ];
    let settings = Settings::from_lookup(&|name| {
        let flag = flags
            .iter()
            .find(|(key, _)| *key == name)
            .and_then(|(_, value)| value.clone());
        flag.or_else(|| std::env::var(name).ok())
    })
    .map_err(|e| Usage(e.to_string()))?;
    // What needs no runtime and no log.
    match &cli.command {
        Command::Config => {
            for (name, value) in settings.listing() {
                say!("{name}={value}");
            }
            return Ok(ExitCode::SUCCESS);
        }
        Command::Map(args) => return commands::map::run(&settings, args),
        _ => {}
    }
    telemetry::start(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| anyhow::anyhow!("the runtime cannot start: {e}"))?;
    let done = runtime.block_on(command(cli.command, settings));
    // What still blocks on a broker that is away must not hold the exit.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    done
}

async fn command(command: Command, settings: Settings) -> Result<ExitCode, Failure> {
    match command {
        Command::Up => commands::serve::up(&settings).await,
        Command::Demo(args) => demo::run(settings, &args).await,
        Command::Ingest => {
            commands::serve::one(
                &settings,
                "ingest",
                Which {
                    ingest: true,
                    ..Which::NONE
                },
            )
            .await
        }
        Command::FhirParser => {
            commands::serve::one(
                &settings,
                "fhir-parser",
                Which {
                    parser: true,
                    ..Which::NONE
                },
            )
            .await
        }
        Command::LegacyRouter => {
            commands::serve::one(
                &settings,
                "legacy-router",
                Which {
                    router: true,
                    ..Which::NONE
                },
            )
            .await
        }
        Command::AuditRecorder => {
            commands::serve::one(
                &settings,
                "audit-recorder",
                Which {
                    recorder: true,
                    ..Which::NONE
                },
            )
            .await
        }
        Command::FhirMigrator => {
            commands::serve::one(
                &settings,
                "fhir-migrator",
                Which {
                    migrator: true,
                    ..Which::NONE
                },
            )
            .await
        }
        Command::Registry(args) => commands::registry::run(&settings, args).await,
        Command::Export(args) => commands::export::run(&settings, &args).await,
        Command::Reconcile(args) => commands::reconcile::run(&settings, &args).await,
        Command::DeadLetters(args) => commands::dead_letters::run(&settings, args).await,
        Command::Trace(args) => commands::trace::run(&settings, &args).await,
        Command::Parked(args) => commands::parked::run(&settings, args).await,
        Command::Remap(args) => commands::remap::run(&settings, args).await,
        Command::Replay(args) => commands::replay::run(&settings, &args).await,
        Command::Migrate(args) => commands::migrate::run(&settings, args).await,
        Command::Topics(args) => commands::topics::run(&settings, args).await,
        Command::Audit(args) => commands::audit::run(&settings, args).await,
        Command::Map(_) | Command::Config => Ok(ExitCode::SUCCESS),
    }
}
