//! The document that legacy readers find in AMY: one a reading.

use super::Rules;
use super::item::Planned;
use super::quantities::{Good, Level};
use super::reading::MessageFacts;
use crate::catalogue::{Conversion, Entry, Form};
use crate::digits::Decimal;
use crate::ids::{PatientId, uuid_of};
use crate::reading::Legacy;
use crate::text::{Hex, push, push_text};
use crate::time::Timestamp;

/// Decimals of a converted value.
const CONVERTED_DECIMALS: u8 = 2;

/// Relaxed Extended JSON of a date: text from 1970 to 9999, milliseconds otherwise.
pub(crate) fn date(at: Timestamp) -> String {
    match at.instant() {
        Some(text) if at.millis() >= 0 => {
            // Extended JSON leaves the fraction out where it is zero.
            let (text, end) = match text.strip_suffix(".000Z") {
                Some(whole) => (whole, "Z\"}"),
                None => (text.as_str(), "\"}"),
            };
            [r#"{"$date":""#, text, end].concat()
        }
        _ => format!(r#"{{"$date":{{"$numberLong":"{}"}}}}"#, at.millis()),
    }
}

/// The values of one entry of `data`.
struct Data<'a> {
    rules: Rules<'a>,
    planned: &'a Planned<'a>,
}

enum Cell<'a> {
    Number(Decimal),
    Small(u8),
    /// A number as text.
    Digits(Decimal),
    Text(&'a str),
}

impl<'a> Data<'a> {
    /// Appends each value with its key and a comma.
    fn push_to(&self, out: &mut String) {
        for entry in &self.planned.model.legacy.entries {
            let Some(cell) = self.value(entry) else {
                continue;
            };
            push!(out, &entry.name_json, ":");
            match cell {
                Cell::Number(number) => number.push_to(out),
                Cell::Small(number) => out.push_str(&number.to_string()),
                Cell::Digits(number) => push_text(out, &number.to_string()),
                Cell::Text(text) => push_text(out, text),
            }
            out.push(',');
        }
    }

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
    let uuid = uuid_of(&["legacy|1|", &main.key].concat());
    let id = Hex::<24>::lower(uuid.as_bytes());
    let effective = date(Timestamp::from_seconds(planned.clock.effective));
    let device = planned.device.unwrap_or(facts.gateway).hex();
    let (patient, kind) = (patient.hex(), &planned.model.name_json);
    let received = &facts.received_date;

    let mut out = String::with_capacity(704);
    push!(out, r#"{"_id":{"$oid":""#, id.as_str());
    push!(out, r#""},"patient_id":{"$oid":""#, patient.as_str());
    push!(out, r#""},"device_id":""#, device.as_str());
    push!(out, r#"","device_type":"#, kind, r#","data":[{"#);
    Data { rules, planned }.push_to(&mut out);
    push!(out, r#""timestamp":"#, &effective);
    push!(out, r#","device_id":""#, device.as_str());
    push!(out, r#"","device_type":"#, kind);
    push!(out, r#"}],"timestamp":"#, &effective);
    push!(out, r#","created_at":"#, received, r#","updated_at":"#, received);
    push!(out, r#","source":"stardust"}"#);
    Some(Legacy {
        collection: planned.model.legacy.collection,
        id: id.as_str().to_owned(),
        document: out,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_relaxed_extended_json() {
        assert_eq!(
            date(Timestamp::from_seconds(0)),
            r#"{"$date":"1970-01-01T00:00:00Z"}"#
        );
        assert_eq!(
            date(Timestamp::from_millis(1_772_323_200_123)),
            r#"{"$date":"2026-03-01T00:00:00.123Z"}"#
        );
        assert_eq!(
            date(Timestamp::from_millis(-1)),
            r#"{"$date":{"$numberLong":"-1"}}"#
        );
    }
}
