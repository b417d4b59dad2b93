//! `stardust topics`.

use std::process::ExitCode;

use anyhow::anyhow;
use stardust_pipeline::log::{Log, Topic, TopicSpec};

use crate::Failure;
use crate::ports::{self, Use};
use crate::say::say;
use crate::settings::Settings;

/// What to do with the topics.
#[derive(Debug, clap::Subcommand)]
pub enum TopicsCommand {
    /// Create those that are missing; existing ones stay as they are.
    #[command(after_help = "Example: KAFKA_BROKERS=127.0.0.1:9092 stardust topics create")]
    Create,
    /// Show policies and how much each holds.
    #[command(after_help = "Example: stardust topics describe")]
    Describe,
}

fn policy(spec: &TopicSpec) -> String {
    let kept = match (spec.compacted, spec.retention) {
        (true, _) => "compacted".to_owned(),
        (false, None) => "kept without limit".to_owned(),
        (false, Some(kept)) => format!("kept {} days", kept.as_secs() / 86_400),
    };
    format!("{} partitions, {kept}", spec.partitions)
}

/// Runs the command.
pub async fn run(settings: &Settings, command: TopicsCommand) -> Result<ExitCode, Failure> {
    let how = if matches!(command, TopicsCommand::Create) {
        Use::Create
    } else {
        Use::Beside
    };
    let ports = ports::open(settings, how, false).await?;
    let specs = ports.topics.specs();
    let names: Vec<Topic> = specs.iter().map(|s| s.topic.clone()).collect();
    match command {
        TopicsCommand::Create => {
            let created = ports.log.create(&specs).await.map_err(anyhow::Error::from)?;
            let found = ports.log.describe(&names).await.map_err(anyhow::Error::from)?;
            let mut differs = false;
            for spec in &specs {
                let is = found.iter().find(|t| t.spec.topic == spec.topic).map(|t| &t.spec);
                let what = if created.contains(&spec.topic) {
                    format!("created: {}", policy(spec))
                } else {
                    match is {
                        Some(is) if is == spec => format!("as it should be: {}", policy(spec)),
                        Some(is) => {
                            differs = true;
                            format!("left as it is: {}; the design has {}", policy(is), policy(spec))
                        }
                        None => return Err(anyhow!("{} was not created", spec.topic).into()),
                    }
                };
                say!("{:<24} {what}", spec.topic.as_str());
            }
            if differs {
                say!("Existing topics are never changed by this command; the broker's own tools do that.");
            }
        }
        TopicsCommand::Describe => {
            let found = ports.log.describe(&names).await.map_err(anyhow::Error::from)?;
            for spec in &specs {
                match found.iter().find(|t| t.spec.topic == spec.topic) {
                    Some(topic) => {
                        let held: i64 = topic.bounds.iter().map(|b| b.high - b.low).sum();
                        say!(
                            "{:<24} {}; {held} offsets held",
                            spec.topic.as_str(),
                            policy(&topic.spec)
                        );
                    }
                    None => say!(
                        "{:<24} missing; `stardust topics create` makes it",
                        spec.topic.as_str()
                    ),
                }
            }
            if found.len() < specs.len() {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
