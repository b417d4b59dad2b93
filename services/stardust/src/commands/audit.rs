//! `stardust audit`.

use std::process::ExitCode;

use stardust_audit_recorder::verify;

use crate::Failure;
use crate::ports::{self, Use};
use crate::settings::Settings;

/// What to do with the audit trail.
#[derive(Debug, clap::Subcommand)]
pub enum AuditCommand {
    /// Walk every hash chain; exit 1 and the first bad link where one is broken.
    #[command(after_help = "Example: stardust audit verify")]
    Verify,
}

/// Runs the command.
pub async fn run(settings: &Settings, command: AuditCommand) -> Result<ExitCode, Failure> {
    let AuditCommand::Verify = command;
    let ports = ports::open(settings, Use::Beside, false).await?;
    let reports = verify(&ports.store).await.map_err(anyhow::Error::from)?;
    let mut whole = true;
    let mut events = 0;
    for report in &reports {
        events += report.events;
        if let Some(broken) = &report.broken {
            whole = false;
            println!(
                "chain {}: holds for {} events, then breaks at place {} (event {}): {}",
                report.chain, report.events, broken.seq, broken.id, broken.what
            );
        } else {
            println!("chain {}: {} events hold", report.chain, report.events);
        }
    }
    println!(
        "{} chains, {events} events: {}",
        reports.len(),
        if whole { "whole" } else { "BROKEN" }
    );
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
