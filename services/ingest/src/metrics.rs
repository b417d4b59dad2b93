//! The door's counters.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Every counter of the door. Labels are few and fixed.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) queued: IntCounter,
    pub(crate) spooled: IntCounter,
    pub(crate) stored: IntCounter,
    pub(crate) refused: IntCounter,
    pub(crate) refusals: IntCounterVec,
    pub(crate) single_seconds: Histogram,
    pub(crate) batch_seconds: Histogram,
    pub(crate) publish_failures: IntCounterVec,
    pub(crate) dead_letters: IntCounter,
    pub(crate) forwarded: IntCounter,
    pub(crate) spool_records: IntGauge,
    pub(crate) spool_bytes: IntGauge,
    pub(crate) spool_stuck: IntGauge,
    pub(crate) local_records: IntGauge,
    pub(crate) local_bytes: IntGauge,
    pub(crate) is_async: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let messages = IntCounterVec::new(
            Opts::new(
                "stardust_door_messages_total",
                "Messages by what became of them at the door.",
            ),
            &["result"],
        )?;
        let refusals = IntCounterVec::new(
            Opts::new("stardust_door_refusals_total", "Requests refused, by error code."),
            &["code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "stardust_door_request_duration_seconds",
                "From the end of the body to the answer.",
            )
            .buckets(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
            &["route"],
        )?;
        let publish_failures = IntCounterVec::new(
            Opts::new(
                "stardust_door_publish_failures_total",
                "Records that the log did not confirm, by reason.",
            ),
            &["reason"],
        )?;
        let dead_letters = IntCounter::new(
            "stardust_door_dead_letters_total",
            "Records that the log refused for good, now in the dead letters.",
        )?;
        let forwarded = IntCounter::new(
            "stardust_door_forwarded_total",
            "Raw records that went from the door's disk to the log.",
        )?;
        let spool_records = IntGauge::new("stardust_door_spool_records", "Records in the spool.")?;
        let spool_bytes = IntGauge::new("stardust_door_spool_bytes", "Bytes of the records in the spool.")?;
        let spool_stuck = IntGauge::new(
            "stardust_door_spool_stuck_records",
            "Records in the spool that the log refuses, and as a dead letter too.",
        )?;
        let local_records = IntGauge::new(
            "stardust_door_local_records",
            "Records in the local log of the synchronous fallback that are not at the broker yet.",
        )?;
        let local_bytes = IntGauge::new("stardust_door_local_bytes", "Bytes of these records.")?;
        let is_async = IntGauge::new(
            "stardust_door_async_enabled",
            "1: messages are queued (the usual way); 0: they are stored before the answer.",
        )?;
        is_async.set(1);
        registry.register(Box::new(messages.clone()))?;
        registry.register(Box::new(refusals.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        registry.register(Box::new(publish_failures.clone()))?;
        registry.register(Box::new(dead_letters.clone()))?;
        registry.register(Box::new(forwarded.clone()))?;
        registry.register(Box::new(spool_records.clone()))?;
        registry.register(Box::new(spool_bytes.clone()))?;
        registry.register(Box::new(spool_stuck.clone()))?;
        registry.register(Box::new(local_records.clone()))?;
        registry.register(Box::new(local_bytes.clone()))?;
        registry.register(Box::new(is_async.clone()))?;
        Ok(Self {
            queued: messages.with_label_values(&["queued"]),
            spooled: messages.with_label_values(&["spooled"]),
            stored: messages.with_label_values(&["stored"]),
            refused: messages.with_label_values(&["refused"]),
            refusals,
            single_seconds: seconds.with_label_values(&["data"]),
            batch_seconds: seconds.with_label_values(&["batch"]),
            publish_failures,
            dead_letters,
            forwarded,
            spool_records,
            spool_bytes,
            spool_stuck,
            local_records,
            local_bytes,
            is_async,
        })
    }
}
