//! The units of a raw record.

use std::collections::BTreeSet;

use stardust_domain::ids::{Mac, uuid_of};
use stardust_domain::outcome::{AuditOutcome, Source};
use stardust_domain::reading::Envelope;
use stardust_domain::time::Timestamp;
use stardust_pipeline::foreign;
use stardust_pipeline::log::{Log, LogRecord};
use stardust_pipeline::runs::Retractions;
use stardust_pipeline::store::Store;
use stardust_wire::{RawRecord, Subject};
use uuid::Uuid;

use crate::reconcile::{BooksError, Reconciler};

/// (receipt, item): the item is -1 for a message as a whole.
pub(crate) type Unit = (u128, i32);

/// The unit of a receipt and an item.
pub(crate) fn unit(receipt: &str, item: Option<i32>) -> Unit {
    // Receipts are UUIDs; whatever else stands there is folded into one.
    let receipt = receipt.parse::<Uuid>().unwrap_or_else(|_| uuid_of(receipt));
    (receipt.as_u128(), item.unwrap_or(-1))
}

/// The audit event of an outcome.
pub(crate) fn audit_id(receipt: &str, item: Option<i32>, outcome: AuditOutcome) -> Uuid {
    let item = item.map_or_else(|| "-".to_owned(), |i| i.to_string());
    uuid_of(&format!("audit|1|{receipt}|{item}|{outcome}"))
}

/// A reading, or a message without one.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) unit: Unit,
    pub(crate) receipt: String,
    pub(crate) item: Option<i32>,
    pub(crate) gateway: Option<Mac>,
    pub(crate) received: Timestamp,
    /// The id of its main Observation, where the rules tell one.
    pub(crate) main: Option<Uuid>,
    /// False for a release or replay, which is no further delivery.
    pub(crate) copy: bool,
    pub(crate) ignored: bool,
}

impl Line {
    /// The message as a whole, of which nothing comes.
    fn left_alone(self) -> Self {
        Self {
            unit: unit(&self.receipt, None),
            item: None,
            main: None,
            ignored: true,
            ..self
        }
    }
}

impl<L: Log, S: Store + Retractions> Reconciler<L, S> {
    /// The units of records, one list for each. Of a migration run that was rolled back nothing comes.
    pub(crate) async fn lines(&self, records: &[LogRecord]) -> Result<Vec<Vec<Line>>, BooksError> {
        let mut all: Vec<(Vec<Line>, Option<String>)> = records.iter().map(|r| self.lines_of(r)).collect();
        let runs: BTreeSet<String> = all.iter().filter_map(|(_, run)| run.clone()).collect();
        if !runs.is_empty() {
            let retracted = self.store.retracted(&Vec::from_iter(runs)).await?;
            for (lines, run) in &mut all {
                if run.as_ref().is_some_and(|run| retracted.contains(run)) {
                    lines.truncate(1);
                    for line in lines {
                        *line = line.clone().left_alone();
                    }
                }
            }
        }
        Ok(all.into_iter().map(|(lines, _)| lines).collect())
    }

    /// The units of a record and the migration run that it is of.
    fn lines_of(&self, record: &LogRecord) -> (Vec<Line>, Option<String>) {
        let decoded = self.wire.decode::<RawRecord>(Subject::Raw, &record.value).ok();
        let source = decoded.as_ref().and_then(|raw| Source::from_label(&raw.source));
        let raw = decoded.unwrap_or_else(|| foreign::raw(record));
        let gateway = raw.gateway.as_deref().and_then(|mac| mac.parse().ok());
        let line = |item, main, ignored| Line {
            unit: unit(&raw.receipt_id, item),
            receipt: raw.receipt_id.clone(),
            item,
            gateway,
            received: Timestamp::from_micros(raw.received_at),
            main,
            copy: raw.is_delivery() && !matches!(source, Some(Source::Release | Source::Replay)),
            ignored,
        };
        let run = raw.migration_run.clone();
        let Some(source) = source else {
            return (vec![line(None, None, false)], run);
        };
        let judged = self.mapping.judge(
            &Envelope {
                receipt: &raw.receipt_id,
                received_at: Timestamp::from_micros(raw.received_at),
                source,
                items: raw.wanted(),
                body: &raw.body,
            },
            &self.registry,
        );
        if judged.readings.is_empty() {
            return (vec![line(None, None, true)], run);
        }
        let readings = judged.readings.iter();
        (readings.map(|r| line(r.item, r.main_id, false)).collect(), run)
    }
}
