//! The migrator as a service: each source once, if that is wanted.

use std::sync::Arc;
use std::time::Duration;

use stardust_fhir_migrator::{Again, Gauges, Outcome, Progress, report};
use stardust_pipeline::pulse::Pulse;
use stardust_pipeline::worker::stopped;
use tokio::sync::watch;
use tokio::time::{interval, sleep};

use crate::commands::migrate::migrator;
use crate::history_source;
use crate::ports::Ports;
use crate::services::Ended;
use crate::settings::Settings;

/// How long it waits after what did not work: for rights, a file, another process, a database.
const AGAIN: Duration = Duration::from_secs(15);

/// What the service needs.
pub struct Migrate {
    pub ports: Ports,
    pub settings: Settings,
    pub gauges: Gauges,
    pub pulse: Arc<Pulse>,
    pub stopping: watch::Receiver<bool>,
}

impl Migrate {
    /// Runs until it is told to stop.
    pub async fn run(mut self) -> Ended {
        if self.settings.auto_start_migration {
            let mut stopping = self.stopping.clone();
            loop {
                let tried = self.once().await;
                match tried {
                    Ok(true) => break,
                    Ok(false) => self.pulse.waits("a collection could not be read to its end"),
                    Err(what) => self.pulse.waits(&what),
                }
                tokio::select! {
                    biased;
                    () = stopped(&mut stopping) => return Ok(()),
                    () = sleep(AGAIN) => {}
                }
            }
        }
        self.pulse.runs();
        stopped(&mut self.stopping).await;
        Ok(())
    }

    /// One try; whether there is nothing left to do.
    async fn once(&self) -> Result<bool, String> {
        let source = history_source::open(&self.settings, None)
            .await
            .map_err(|failure| failure.to_string())?;
        let migrator = migrator(&self.settings, &self.ports, source, &self.stopping)
            .await
            .map_err(|e| format!("{e:#}"))?;
        let (seen, watched) = watch::channel(Progress::default());
        let telling = tokio::spawn(tell(self.gauges.clone(), watched));
        self.pulse.runs();
        let done = migrator
            .histories(Again::Never, &seen, self.stopping.clone())
            .await;
        drop(seen);
        let _ = telling.await;
        self.gauges.running(false);
        match done {
            Ok(None) => {
                tracing::info!("this source was migrated before; nothing to do");
                Ok(true)
            }
            Ok(Some(outcome)) => {
                self.report(&outcome);
                Ok(outcome.progress.is_done() || *self.stopping.borrow())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn report(&self, outcome: &Outcome) {
        let Some(run) = &outcome.run else { return };
        tracing::info!(run = run.id, state = run.state.label(), "migration");
        for line in report::text(&outcome.progress).lines() {
            tracing::info!("{line}");
        }
    }
}

/// Tells the gauges until the run is over.
async fn tell(gauges: Gauges, mut seen: watch::Receiver<Progress>) {
    let mut ticks = interval(Duration::from_millis(500));
    while seen.changed().await.is_ok() {
        gauges.running(true);
        gauges.tell(&seen.borrow_and_update().clone());
        ticks.tick().await;
    }
    gauges.tell(&seen.borrow().clone());
}
