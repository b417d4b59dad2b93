//! Gathers what log and store have of a receipt.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use stardust_pipeline::log::{Budget, Log, LogError, LogRecord};
use stardust_pipeline::spool::Spool;
use stardust_pipeline::store::{ObservationDocument, ReceiptDocuments, Shelf, Store};
use stardust_wire::{RawRecord, Subject};

use super::answer::Trace;
use super::facts::{Facts, is_delivery, items, legacy};
use super::find::{EARLIER_MS, Raw, given_ms};
use super::outputs::{Place, Wanted};
use super::{Reach, TraceError, Tracer};

impl<L: Log, S: Store, P: Spool> Tracer<L, S, P> {
    pub(super) async fn receipt(
        &self,
        receipt: &str,
        met: Option<Box<Raw>>,
        reach: Reach,
    ) -> Result<Trace, TraceError> {
        let stored = self.store.of_receipt(receipt).await?;
        let mut facts = Facts {
            receipt: receipt.to_owned(),
            documents: self.documents(receipt, &stored).await?,
            items: items(receipt, &stored.audit),
            stored,
            copies: BTreeMap::new(),
            raw: None,
            spooled: false,
            emitted: Vec::new(),
            committed: self.committed().await?,
            legacy: HashMap::new(),
        };
        match met.map(|raw| *raw) {
            Some(Raw::Log(record, raw)) => {
                facts
                    .copies
                    .insert((record.partition, record.offset), (record, raw));
            }
            Some(Raw::Spool(raw)) => {
                facts.spooled = true;
                facts.raw = Some(raw);
            }
            None => {}
        }
        if !facts.spooled {
            self.copies(&mut facts, reach).await?;
        }
        if facts.raw.is_none() {
            facts.raw = facts.copies.values().next().map(|(_, raw)| raw.clone());
        }
        if facts.raw.is_none()
            && let Some(kept) = self.store.kept_raw(receipt).await?
        {
            facts.raw = self.wire.decode(Subject::Raw, &kept).ok();
        }
        let wanted = self.wanted(&facts);
        facts.emitted = self.emitted(receipt, &wanted, reach).await?;
        let ids: Vec<(String, String)> = legacy(&facts.documents)
            .map(|(_, l)| (l.collection.clone(), l.id.clone()))
            .collect();
        for ((_, id), present) in ids.iter().zip(self.store.legacy_present(&ids).await?) {
            facts.legacy.insert(id.clone(), present);
        }
        Ok(self.assembled(&facts))
    }

    async fn committed(&self) -> Result<HashMap<i32, i64>, TraceError> {
        let found = match self.log.committed(&self.groups.parser, &self.topics.raw).await {
            Ok(found) => found,
            Err(LogError::UnknownTopic(_)) => Vec::new(),
            Err(e) => return Err(e.into()),
        };
        Ok(found
            .into_iter()
            .filter_map(|(partition, next)| Some((partition, next?)))
            .collect())
    }

    async fn documents(
        &self,
        receipt: &str,
        stored: &ReceiptDocuments,
    ) -> Result<Vec<ObservationDocument>, TraceError> {
        let places: HashSet<(&str, i32, i64)> = stored
            .observations
            .iter()
            .map(|(_, w, _)| (w.position.topic.as_str(), w.position.partition, w.position.offset))
            .collect();
        let mut documents = Vec::new();
        for (topic, partition, offset) in places {
            let mut found = self
                .store
                .observations_at(topic, partition, offset, offset)
                .await?;
            found.retain(|d| d.writer.receipt_id == receipt);
            documents.append(&mut found);
        }
        documents.sort_by_key(|d| (d.writer.position.clone(), !d.main));
        Ok(documents)
    }

    /// The raw records of the receipt: where documents and letters name them, and near the time when it was given.
    async fn copies(&self, facts: &mut Facts, reach: Reach) -> Result<(), TraceError> {
        let raw = self.topics.raw.clone();
        let writers = facts.stored.observations.iter().map(|(_, w, _)| w);
        let writers = writers.chain(facts.stored.letters.iter().map(|l| &l.writer));
        let places: HashSet<(i32, i64)> = writers
            .map(|w| &w.position)
            .filter(|p| p.topic == raw.as_str())
            .map(|p| (p.partition, p.offset))
            .collect();
        let one = Budget {
            records: 1,
            bytes: 1,
            wait: Duration::from_millis(500),
        };
        let mut partitions: HashSet<i32> = facts.copies.keys().map(|(partition, _)| *partition).collect();
        for (partition, offset) in places {
            partitions.insert(partition);
            let found = match self.log.read(&raw, partition, offset, one).await {
                Ok(found) => found,
                Err(LogError::UnknownTopic(_)) => continue,
                Err(e) => return Err(e.into()),
            };
            for record in found.into_iter().filter(|r| r.offset == offset) {
                self.take(facts, record);
            }
        }
        let delivery = |(_, raw): &(LogRecord, RawRecord)| is_delivery(raw);
        if facts.copies.values().any(delivery) {
            return Ok(());
        }
        let given = given_ms(&facts.receipt).or_else(|| {
            facts
                .stored
                .letters
                .iter()
                .map(|l| l.first_try.millis())
                .chain(facts.stored.audit.iter().map(|e| e.recorded.millis()))
                .min()
        });
        let Some(given) = given else { return Ok(()) };
        if partitions.is_empty() {
            partitions = match self.log.bounds(&raw).await {
                Ok(bounds) => bounds.iter().map(|b| b.partition).collect(),
                Err(LogError::UnknownTopic(_)) => return Ok(()),
                Err(e) => return Err(e.into()),
            };
        }
        for partition in partitions {
            let mut found = None;
            self.scan(&raw, partition, given - EARLIER_MS, reach, |record| {
                let decoded = self.wire.decode::<RawRecord>(Subject::Raw, &record.value);
                if decoded.is_ok_and(|r| r.receipt_id == facts.receipt && is_delivery(&r)) {
                    found = Some(record.clone());
                }
                found.is_none()
            })
            .await?;
            if let Some(record) = found {
                self.take(facts, record);
                break;
            }
        }
        Ok(())
    }

    fn take(&self, facts: &mut Facts, record: LogRecord) {
        if let Ok(raw) = self.wire.decode::<RawRecord>(Subject::Raw, &record.value)
            && raw.receipt_id == facts.receipt
        {
            facts
                .copies
                .insert((record.partition, record.offset), (record, raw));
        }
    }

    /// The output records to look for, from the moments that the store names on.
    fn wanted(&self, facts: &Facts) -> Wanted {
        let mut wanted = Wanted::new();
        let mut want = |topic: &_, key: &str, from_ms: i64, id: String| {
            let place = Place {
                topic: Clone::clone(topic),
                key: key.to_owned(),
                from_ms,
            };
            wanted.entry(place).or_default().insert(id);
        };
        for d in &facts.documents {
            let Some(from) = facts.moment(&d.writer.position) else {
                continue;
            };
            let patient = d.patient.to_string();
            want(&self.topics.observations, &patient, from, d.id.to_string());
            if let Some(legacy) = &d.legacy {
                want(&self.topics.legacy, &patient, from, legacy.id.clone());
            }
        }
        let key = facts.key();
        for event in &facts.stored.audit {
            want(
                &self.topics.audit,
                &key,
                event.recorded.millis(),
                event.id.to_string(),
            );
        }
        for letter in &facts.stored.letters {
            let topic = match letter.shelf {
                Shelf::Dead => &self.topics.dead,
                Shelf::Parked => &self.topics.parked,
            };
            for at in [letter.first_try, letter.last_try] {
                want(topic, &key, at.millis(), facts.receipt.clone());
            }
        }
        // Worked, and the store has no event yet: whatever the topic has.
        for (record, _) in facts.copies.values() {
            let at = record.timestamp_ms;
            let recorded = facts.stored.audit.iter().any(|e| e.recorded.millis() == at);
            if facts.is_worked(record) && !recorded {
                let place = Place {
                    topic: self.topics.audit.clone(),
                    key: key.clone(),
                    from_ms: at,
                };
                wanted.entry(place).or_default();
            }
        }
        wanted
    }
}
