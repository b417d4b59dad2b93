//! Who had a device when: `stardust_associations`.
//!
//! | `_id` | Is |
//! |---|---|
//! | `<device>:<kind>:<number>` | a stay that refreshes of the registry saw |
//! | `<device>@<epoch second>` | a patient whom somebody named |
//! | `refreshed` | the last refresh |
//! | `imported` | the periods of the last import: one document, so that an import is whole or not there |

use std::collections::BTreeMap;

use mongodb::bson::raw::RawBsonRef;
use mongodb::bson::{DateTime, Document, doc};
use stardust_domain::registry::{Associations, Changes, DeviceKind, Holding, Named, Period};
use stardust_domain::time::Timestamp;
use stardust_pipeline::associations::AssociationStore;
use stardust_pipeline::store::StoreError;

use crate::connect::{MongoStore, bounded};
use crate::error::unusable;
use crate::fields::Fields;
use crate::insert::{Absent, DocumentId, Order};
use crate::names::ASSOCIATIONS;
use crate::writer::Writer;

const REFRESHED: &str = "refreshed";
const IMPORTED: &str = "imported";
/// Ids in one statement.
const CHUNK: usize = 1_000;

fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.millis())
}

fn time_if(fields: Fields<'_>, name: &str) -> Result<Option<Timestamp>, StoreError> {
    match fields.get(name)? {
        Some(_) => fields.time(name).map(Some),
        None => Ok(None),
    }
}

fn id_of(holding: &Holding) -> String {
    let Holding {
        device, kind, number, ..
    } = holding;
    format!("{device}:{}:{number}", kind.label())
}

fn holding(fields: Fields<'_>) -> Result<Holding, StoreError> {
    let kind = DeviceKind::from_label(fields.text("kind")?);
    Ok(Holding {
        device: fields.parsed("device")?,
        kind: kind.ok_or_else(|| unusable("an association of an unknown kind of device"))?,
        number: u32::try_from(fields.long("number")?)
            .map_err(|_| unusable("an association whose number is none"))?,
        patient: fields.parsed("patient_id")?,
        from: fields.time("from")?,
        until: time_if(fields, "until")?,
    })
}

fn absent(holding: &Holding) -> Result<Absent, StoreError> {
    let mut fields = Writer::with_capacity(200);
    fields.text("device", &holding.device.to_string());
    fields.text("kind", holding.kind.label());
    fields.long("number", i64::from(holding.number));
    fields.text("patient_id", &holding.patient.to_string());
    fields.date("from", holding.from.millis());
    if let Some(until) = holding.until {
        fields.date("until", until.millis());
    }
    Ok(Absent {
        collection: ASSOCIATIONS,
        id: DocumentId::Text(id_of(holding)),
        fields: fields.finish()?,
    })
}

fn periods(fields: Fields<'_>) -> Result<Vec<Period>, StoreError> {
    let Some(RawBsonRef::Array(all)) = fields.get("periods")? else {
        return Err(unusable("the imported associations cannot be read"));
    };
    let mut periods = Vec::new();
    for one in all {
        let one = one.ok().and_then(RawBsonRef::as_document);
        let one = Fields(one.ok_or_else(|| unusable("an imported association cannot be read"))?);
        periods.push(Period {
            device: one.parsed("device")?,
            patient: one.parsed("patient_id")?,
            start: time_if(one, "start")?,
            end: time_if(one, "end")?,
        });
    }
    Ok(periods)
}

impl AssociationStore for MongoStore {
    async fn associations(&self) -> Result<Associations, StoreError> {
        let all = Document::new;
        let found = self.find(ASSOCIATIONS, all(), all(), all(), 0).await?;
        let mut kept = Associations::default();
        for document in &found {
            let fields = Fields(document);
            match fields.text("_id")? {
                REFRESHED => kept.refreshed = Some(fields.time("at")?),
                IMPORTED => {
                    kept.imported = periods(fields)?;
                    kept.imported_at = Some(fields.time("at")?);
                }
                id if id.contains('@') => kept.named.push(Named {
                    device: fields.parsed("device")?,
                    at: fields.time("at")?,
                    patient: fields.parsed("patient_id")?,
                }),
                _ => kept.holdings.push(holding(fields)?),
            }
        }
        Ok(kept)
    }

    async fn note_refresh(
        &self,
        changes: &Changes,
        known: Option<Timestamp>,
        refreshed: Timestamp,
    ) -> Result<(), StoreError> {
        let only = doc! {"_id": REFRESHED};
        let found = self
            .find(ASSOCIATIONS, only.clone(), Document::new(), Document::new(), 1)
            .await?;
        let last = found.first().map(|document| Fields(document).time("at"));
        if last.transpose()? != known {
            return Err(StoreError::Conflict("another refresh was noted".to_owned()));
        }
        let documents = self.fhir::<Document>(ASSOCIATIONS);
        let mut ends: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for closed in &changes.closed {
            if let Some(until) = closed.until {
                ends.entry(until.millis()).or_default().push(id_of(closed));
            }
        }
        for (until, ids) in &ends {
            for ids in ids.chunks(CHUNK) {
                let lasting = doc! {"_id": {"$in": ids}, "until": null};
                let change = doc! {"$set": {"until": DateTime::from_millis(*until)}};
                bounded(documents.update_many(lasting, change)).await?;
            }
        }
        self.insert_absent(self.fhir_db(), Order::Free, &changes.opened, absent)
            .await?;
        let change = doc! {"$max": {"at": date(refreshed)}};
        bounded(documents.update_one(only, change).upsert(true)).await?;
        Ok(())
    }

    async fn import_periods(&self, periods: &[Period], at: Timestamp) -> Result<(), StoreError> {
        let periods: Vec<Document> = periods
            .iter()
            .map(|p| {
                let mut period = doc! {"device": p.device.to_string(), "patient_id": p.patient.to_string()};
                for (name, at) in [("start", p.start), ("end", p.end)] {
                    if let Some(at) = at {
                        period.insert(name, date(at));
                    }
                }
                period
            })
            .collect();
        let documents = self.fhir::<Document>(ASSOCIATIONS);
        let whole = doc! {"at": date(at), "periods": periods};
        bounded(documents.replace_one(doc! {"_id": IMPORTED}, whole).upsert(true)).await?;
        Ok(())
    }

    async fn name_patients(&self, named: &[Named]) -> Result<(), StoreError> {
        let documents = self.fhir::<Document>(ASSOCIATIONS);
        for n in named {
            let only = doc! {"_id": format!("{}@{}", n.device, n.at.seconds())};
            let patient = doc! {
                "device": n.device.to_string(), "at": date(n.at), "patient_id": n.patient.to_string(),
            };
            let change = doc! {"$set": patient};
            bounded(documents.update_one(only, change).upsert(true)).await?;
        }
        Ok(())
    }
}
