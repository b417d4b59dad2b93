//! What the recorder counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use stardust_domain::time::Timestamp;

/// Counts of events by result, and of signatures.
#[derive(Debug, Clone)]
pub struct Counters {
    events: IntCounterVec,
    signatures: IntCounter,
    signed_at: IntGauge,
}

impl Counters {
    /// Registers the counters.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = Self {
            events: IntCounterVec::new(
                Opts::new(
                    "stardust_recorder_events_total",
                    "Audit events by result, once durable",
                ),
                &["result"],
            )?,
            signatures: IntCounter::new(
                "stardust_recorder_signatures_total",
                "Heads of audit chains that were signed",
            )?,
            signed_at: IntGauge::new(
                "stardust_recorder_signed_timestamp_seconds",
                "When every head of an audit chain that this process wrote was last signed",
            )?,
        };
        registry.register(Box::new(counters.events.clone()))?;
        registry.register(Box::new(counters.signatures.clone()))?;
        registry.register(Box::new(counters.signed_at.clone()))?;
        Ok(counters)
    }

    pub(crate) fn count(&self, result: &str) {
        self.events.with_label_values(&[result]).inc();
    }

    pub(crate) fn signed(&self, heads: usize, at: Timestamp) {
        self.signatures.inc_by(heads as u64);
        self.signed_at.set(at.micros() / 1_000_000);
    }
}
