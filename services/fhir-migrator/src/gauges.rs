//! What metrics tell of a run.

use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};

use crate::progress::Progress;
use crate::tally::sum;

/// The counts of the run at hand, or of the last one.
#[derive(Debug, Clone)]
pub struct Gauges {
    running: IntGauge,
    documents: IntGauge,
    entries: IntGaugeVec,
    readings: IntGaugeVec,
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Gauges {
    /// Registers the gauges.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauges = Self {
            running: IntGauge::new(
                "stardust_migration_running",
                "1 while a migration run is under way",
            )?,
            documents: IntGauge::new(
                "stardust_migration_documents",
                "Documents of the run that were read",
            )?,
            entries: IntGaugeVec::new(
                Opts::new(
                    "stardust_migration_entries",
                    "Entries of the run by what became of them",
                ),
                &["outcome"],
            )?,
            readings: IntGaugeVec::new(
                Opts::new(
                    "stardust_migration_readings",
                    "Readings of the run by the verdict of the rules",
                ),
                &["verdict"],
            )?,
        };
        registry.register(Box::new(gauges.running.clone()))?;
        registry.register(Box::new(gauges.documents.clone()))?;
        registry.register(Box::new(gauges.entries.clone()))?;
        registry.register(Box::new(gauges.readings.clone()))?;
        Ok(gauges)
    }

    /// A run begins or ends.
    pub fn running(&self, running: bool) {
        self.running.set(i64::from(running));
    }

    /// A run has come so far.
    pub fn tell(&self, progress: &Progress) {
        let total = progress.total();
        self.documents.set(number(total.documents));
        for (label, count) in [
            ("published", total.published),
            ("duplicate", total.duplicates),
            ("refused", total.refused),
        ] {
            self.entries.with_label_values(&[label]).set(number(count));
        }
        for (label, count) in [
            ("stored", total.emitted),
            ("parked", sum(&total.parked)),
            ("dead", sum(&total.rejected)),
        ] {
            self.readings.with_label_values(&[label]).set(number(count));
        }
    }
}
