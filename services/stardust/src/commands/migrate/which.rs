//! Which run a person means.

use stardust_pipeline::patience::patiently;
use stardust_pipeline::runs::{Run, Runs};

use crate::commands::patience::opening;
use crate::ports::Ports;

/// The run with this id, or the only one whose id starts like this.
pub async fn run_named(ports: &Ports, id: &str) -> anyhow::Result<Run> {
    let runs = patiently(&opening(), || ports.store.runs()).await?;
    if let Some(run) = runs.iter().find(|run| run.id == id) {
        return Ok(run.clone());
    }
    let mut alike = runs.iter().filter(|run| run.id.starts_with(id));
    match (alike.next(), alike.next()) {
        (Some(run), None) => Ok(run.clone()),
        (None, _) => anyhow::bail!("there is no run {id}; `stardust migrate list` shows them"),
        (Some(_), Some(_)) => {
            anyhow::bail!("several runs start with {id}; `stardust migrate list` shows them")
        }
    }
}
