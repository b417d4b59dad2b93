//! The document that legacy readers find in AMY: one a reading.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Rules;
use super::item::Planned;
use super::quantities::{Good, Level};
use super::reading::MessageFacts;
use crate::catalogue::{Conversion, Entry, Form};
use crate::digits::Decimal;
use crate::ids::{Mac, PatientId, uuid_of};
use crate::reading::Legacy;
use crate::time::Timestamp;

/// Decimals of a converted value.
const CONVERTED_DECIMALS: u8 = 2;

/// Relaxed Extended JSON of an ObjectId.
#[derive(serde::Serialize)]
struct Oid<'a> {
    #[serde(rename = "$oid")]
    oid: &'a str,
}

/// Relaxed Extended JSON of a date: text from 1970 to 9999, milliseconds otherwise.
#[derive(Debug, Clone)]
pub(crate) enum Date {
    Text(String),
    Millis(String),
}

impl Date {
    pub(crate) fn new(at: Timestamp) -> Self {
        match at.instant() {
            Some(text) if at.millis() >= 0 => {
                // Extended JSON leaves the fraction out where it is zero.
                Self::Text(match text.strip_suffix(".000Z") {
                    Some(whole) => format!("{whole}Z"),
                    None => text,
                })
            }
            _ => Self::Millis(at.millis().to_string()),
        }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Long<'a> {
            #[serde(rename = "$numberLong")]
            long: &'a str,
        }
        let mut map = serializer.serialize_map(Some(1))?;
        match self {
            Self::Text(text) => map.serialize_entry("$date", text)?,
            Self::Millis(millis) => map.serialize_entry("$date", &Long { long: millis })?,
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
struct Document<'a> {
    #[serde(rename = "_id")]
    id: Oid<'a>,
    patient_id: Oid<'a>,
    device_id: &'a str,
    device_type: &'a str,
    data: [Data<'a>; 1],
    timestamp: &'a Date,
    created_at: &'a Date,
    updated_at: &'a Date,
    source: &'static str,
}

/// One entry of `data`: the values of the catalogue, then where they are from.
struct Data<'a> {
    rules: Rules<'a>,
    planned: &'a Planned<'a>,
    timestamp: &'a Date,
    device_id: &'a str,
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for entry in &self.planned.model.legacy.entries {
            match self.value(entry) {
                Some(Cell::Number(number)) => map.serialize_entry(&entry.name, &number)?,
                Some(Cell::Small(number)) => map.serialize_entry(&entry.name, &number)?,
                Some(Cell::Digits(number)) => map.serialize_entry(&entry.name, &number.to_string())?,
                Some(Cell::Text(text)) => map.serialize_entry(&entry.name, text)?,
                None => {}
            }
        }
        map.serialize_entry("timestamp", self.timestamp)?;
        map.serialize_entry("device_id", self.device_id)?;
        map.serialize_entry("device_type", &self.planned.model.name)?;
        map.end()
    }
}

enum Cell<'a> {
    Number(Decimal),
    Small(u8),
    /// A number as text.
    Digits(Decimal),
    Text(&'a str),
}

impl<'a> Data<'a> {
    fn good(&self, quantity: usize) -> Option<&'a Good<'a>> {
        self.planned
            .observations
            .iter()
            .flat_map(|o| &o.value.values)
            .find(|v| v.quantity == quantity)
    }

    fn value(&self, entry: &Entry) -> Option<Cell<'a>> {
        let context = &self.planned.context;
        match entry.form {
            Form::Number => Some(Cell::Number(self.number(entry)?.plain())),
            Form::Text => self.number(entry).map(Cell::Digits),
            Form::Wire => Some(Cell::Number(self.good(entry.quantity?)?.wire)),
            Form::Marker => context.marker_sent.as_deref().map(Cell::Text),
            Form::Mode => context.mode.as_deref().map(Cell::Text),
            Form::Meal => Some(Cell::Small(match context.marker {
                Some(marker) => self.rules.catalogue.markers.get(marker)?.dtx_type,
                None => NO_MEAL,
            })),
            Form::OffScale => {
                let levels = self
                    .planned
                    .observations
                    .iter()
                    .flat_map(|o| &o.value.values)
                    .map(|v| v.level);
                levels
                    .filter_map(|level| match level {
                        Level::Above => Some(Cell::Text("HI")),
                        Level::Below => Some(Cell::Text("LO")),
                        Level::Plausible | Level::Implausible => None,
                    })
                    .next()
            }
        }
    }

    /// The value in the unit that readers expect.
    fn number(&self, entry: &Entry) -> Option<Decimal> {
        let at = entry.quantity?;
        let good = self.good(at)?;
        let quantity = self.rules.catalogue.quantities.get(at)?;
        let decimals = entry.decimals.unwrap_or(CONVERTED_DECIMALS);
        let wanted = entry.measure.and_then(|m| quantity.measures.get(m));
        let value = match wanted {
            Some(wanted) if wanted.unit != good.measure.unit => {
                let first = match good.measure.to_first {
                    Conversion::Same => good.value,
                    way => way.apply(good.value, decimals)?,
                };
                wanted.to_first.inverse().apply(first, decimals)?
            }
            _ => good.value,
        };
        match entry.decimals {
            Some(decimals) => value.rounded(decimals),
            None => Some(value),
        }
    }
}

/// `dtx_type` without a known marker.
const NO_MEAL: u8 = 3;

/// The legacy document of a reading; its `_id` is the first twelve bytes of the UUIDv5 of
/// `legacy|1|<Observation key of the main kind>`.
pub(crate) fn write(
    rules: Rules<'_>,
    facts: &MessageFacts,
    planned: &Planned<'_>,
    patient: PatientId,
) -> Option<Legacy> {
    let main = planned.observations.first()?;
    let uuid = uuid_of(&format!("legacy|1|{}", main.key));
    let (twelve, _) = uuid.as_bytes().split_first_chunk::<12>()?;
    // An ObjectId and a patient's id are the same twelve bytes.
    let id = PatientId::from_bytes(*twelve).to_string();
    let effective = Date::new(Timestamp::from_seconds(planned.clock.effective));
    let received = Date::new(facts.received_at);
    let device: Mac = planned.device.unwrap_or(facts.gateway);
    let device = device.to_string();
    let patient = patient.to_string();
    let document = Document {
        id: Oid { oid: &id },
        patient_id: Oid { oid: &patient },
        device_id: &device,
        device_type: &planned.model.name,
        data: [Data {
            rules,
            planned,
            timestamp: &effective,
            device_id: &device,
        }],
        timestamp: &effective,
        created_at: &received,
        updated_at: &received,
        source: "stardust",
    };
    let mut bytes = Vec::with_capacity(640);
    serde_json::to_writer(&mut bytes, &document).ok()?;
    let document = String::from_utf8(bytes).ok()?;
    Some(Legacy {
        collection: planned.model.legacy.collection,
        id,
        document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_relaxed_extended_json() {
        let json = |t| serde_json::to_string(&Date::new(t)).unwrap();
        assert_eq!(
            json(Timestamp::from_seconds(0)),
            r#"{"$date":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            json(Timestamp::from_millis(1_772_323_200_123)),
            r#"{"$date":"2026-03-01T00:00:00.123Z"}"#
        );
        assert_eq!(
            json(Timestamp::from_millis(-1)),
            r#"{"$date":{"$numberLong":"-1"}}"#
        );
    }
}
