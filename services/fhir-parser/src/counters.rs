//! What the parser counts.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use stardust_domain::ids::Mac;
use stardust_domain::time::Timestamp;

use crate::share::{Recent, Share};

/// What became of readings since the start, for metrics and the statistics in the log.
#[derive(Debug)]
pub struct Counters {
    readings: IntCounterVec,
    reasons: IntCounterVec,
    observations: IntCounter,
    failures: IntCounter,
    units: IntCounter,
    dead_ratio: Gauge,
    dead_gateways: IntGauge,
    dead_unusual: IntGauge,
    share: Mutex<Share>,
    processed: AtomicU64,
    errors: AtomicU64,
    last: Mutex<Option<Timestamp>>,
}

/// Counts of one batch; added up only when the batch is durable.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    pub(crate) outcomes: Vec<&'static str>,
    pub(crate) reasons: Vec<(&'static str, &'static str)>,
    pub(crate) observations: u64,
    /// Readings that were judged for the first time: whose, and whether they are dead.
    pub(crate) fresh: Vec<(Option<Mac>, bool)>,
}

impl Counters {
    /// Registers the counters.
    ///
    /// # Errors
    /// Where a name is taken.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = Self {
            readings: IntCounterVec::new(
                Opts::new(
                    "stardust_parser_readings_total",
                    "Readings by outcome, once durable",
                ),
                &["outcome"],
            )?,
            reasons: IntCounterVec::new(
                Opts::new(
                    "stardust_parser_refused_total",
                    "Parked and dead readings by reason",
                ),
                &["shelf", "reason"],
            )?,
            observations: IntCounter::new("stardust_parser_observations_total", "Observations stored")?,
            failures: IntCounter::new(
                "stardust_parser_failures_total",
                "Units of work that failed and were tried again",
            )?,
            units: IntCounter::new("stardust_parser_units_total", "Units of work that were committed")?,
            dead_ratio: Gauge::new(
                "stardust_parser_recent_dead_ratio",
                "Dead letters among the last 1,000 readings, 0 to 1",
            )?,
            dead_gateways: IntGauge::new(
                "stardust_parser_recent_dead_gateways",
                "Gateways with dead letters among the last 1,000 readings",
            )?,
            dead_unusual: IntGauge::new(
                "stardust_parser_recent_dead_unusual",
                "1 where half of the last 1,000 readings or more are dead letters, from 20 gateways or more",
            )?,
            share: Mutex::default(),
            processed: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last: Mutex::new(None),
        };
        registry.register(Box::new(counters.readings.clone()))?;
        registry.register(Box::new(counters.reasons.clone()))?;
        registry.register(Box::new(counters.observations.clone()))?;
        registry.register(Box::new(counters.failures.clone()))?;
        registry.register(Box::new(counters.units.clone()))?;
        registry.register(Box::new(counters.dead_ratio.clone()))?;
        registry.register(Box::new(counters.dead_gateways.clone()))?;
        registry.register(Box::new(counters.dead_unusual.clone()))?;
        Ok(counters)
    }

    /// A batch is durable.
    pub(crate) fn add(&self, tally: &Tally, now: Timestamp) {
        for outcome in &tally.outcomes {
            self.readings.with_label_values(&[outcome]).inc();
            if *outcome == "dead" {
                self.errors.fetch_add(1, Ordering::Relaxed);
            }
        }
        for (shelf, reason) in &tally.reasons {
            self.reasons.with_label_values(&[shelf, reason]).inc();
        }
        self.observations.inc_by(tally.observations);
        self.units.inc();
        self.processed
            .fetch_add(tally.outcomes.len() as u64, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        self.look_back(&tally.fresh);
    }

    fn look_back(&self, fresh: &[(Option<Mac>, bool)]) {
        if fresh.is_empty() {
            return;
        }
        let recent = {
            let mut share = self.share.lock().unwrap_or_else(PoisonError::into_inner);
            for (gateway, dead) in fresh {
                share.note(*gateway, *dead);
            }
            share.recent()
        };
        let before = self.dead_unusual.get() == 1;
        self.dead_ratio.set(recent.dead as f64 / recent.readings as f64);
        self.dead_gateways
            .set(i64::try_from(recent.gateways).unwrap_or(i64::MAX));
        self.dead_unusual.set(i64::from(recent.is_unusual()));
        if recent.is_unusual() != before {
            if before {
                tracing::info!("the share of dead letters is as usual again");
            } else {
                tracing::warn!(
                    "an unusual share of dead letters: {} of the last {} readings, from {} gateways",
                    recent.dead,
                    recent.readings,
                    recent.gateways
                );
            }
        }
    }

    /// How many of the last readings are dead.
    #[must_use]
    pub fn recent(&self) -> Recent {
        self.share.lock().unwrap_or_else(PoisonError::into_inner).recent()
    }

    /// A unit of work failed and will be tried again.
    pub(crate) fn failed(&self) {
        self.failures.inc();
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Readings by outcome since the start.
    #[must_use]
    pub fn by_outcome(&self) -> BTreeMap<String, u64> {
        ["stored", "duplicate", "parked", "dead", "ignored", "redelivered"]
            .into_iter()
            .map(|outcome| {
                (
                    outcome.to_owned(),
                    self.readings.with_label_values(&[outcome]).get(),
                )
            })
            .collect()
    }

    /// Readings done, errors, and the time of the last unit of work.
    #[must_use]
    pub fn totals(&self) -> (u64, u64, Option<Timestamp>) {
        (
            self.processed.load(Ordering::Relaxed),
            self.errors.load(Ordering::Relaxed),
            *self.last.lock().unwrap_or_else(PoisonError::into_inner),
        )
    }
}
