//! The Observation of a value that is good, dated and of a known patient.

use super::examine::{Examination, Facts};
use super::fields::Field;
use super::number::Number;
use super::rules::{Measured, Rule};
use super::value::Value;
use crate::fhir::{self, Header};
use crate::ids::PatientId;
use crate::judge::quantities::RowValue;
use crate::judge::reading::{Told, implausible, unknown_marker, written};
use crate::reading::Observation;
use crate::text::{push, quoted};
use crate::time::Timestamp;

/// What an Observation is about.
pub(super) struct Taken {
    pub id: uuid::Uuid,
    pub key: String,
    pub row: usize,
    pub at: Timestamp,
    pub patient: PatientId,
}

impl<'a> Examination<'a> {
    /// The row of the catalogue that the values belong to.
    pub(super) fn row(&self, measured: &Measured<'_>) -> Option<usize> {
        let first = measured.values.first()?;
        Some(self.rules.catalogue.quantities.get(first.quantity)?.row)
    }

    /// `mig|1|<collection>|<_id>|<SHA-256 of the entry>|<kind>`, and `|<field>` where the entry has several of the kind.
    pub(super) fn key(&self, facts: &Facts, row: usize, field: Option<&str>) -> String {
        let kind = self
            .rules
            .catalogue
            .rows
            .get(row)
            .map_or("", |row| row.kind.as_str());
        let mut key = String::with_capacity(160);
        push!(
            key,
            "mig|1|",
            self.body.collection,
            "|",
            &self.body.id,
            "|",
            &facts.hash,
            "|",
            kind
        );
        if let Some(field) = field {
            push!(key, "|", field);
        }
        key
    }

    /// The Observation of a good value; none where the catalogue has no code for it.
    pub(super) fn observation(
        &self,
        field: &Field,
        facts: &Facts,
        measured: Measured<'a>,
        taken: Taken,
    ) -> Option<Observation> {
        let settings = self.rules.settings;
        let source = quoted(&[&settings.identifier_base, "migration:", self.body.collection].concat());
        let (effective, issued) = (
            taken.at.date_time(settings.zone)?,
            self.envelope.received_at.instant()?,
        );
        let device = facts.device.map(fhir::bluetooth_device);
        let patient = taken.patient.hex();
        let header = Header {
            source: &source,
            key_system: &self.rules.urls.key_system,
            patient: patient.as_str(),
            effective: &effective,
            effective_extension: None,
            issued: &issued,
            device: device.as_deref(),
            gateway: None,
        };
        let entry = self.body.entry;
        let mut notes = measured.notes;
        notes.extend(implausible(self.rules, &measured.values));
        let marker = match field.rule {
            Rule::Glucose(told) => self.marker(told, &mut notes),
            _ => None,
        };
        notes.extend(self.origin());
        written(
            self.rules,
            &header,
            taken.at,
            &Told {
                id: taken.id,
                key: &taken.key,
                value: &RowValue {
                    row: taken.row,
                    values: measured.values,
                },
                marker,
                mode: entry.get("mode").and_then(Value::text),
                by_device: false,
                preliminary: measured.preliminary,
                notes: &notes,
            },
        )
    }

    /// The meal: what the field's name says, else what the entry says.
    fn marker(&self, told: Option<&str>, notes: &mut Vec<String>) -> Option<usize> {
        let (catalogue, entry) = (self.rules.catalogue, self.body.entry);
        if let Some(name) = told {
            return catalogue.marker_named(name);
        }
        if let Some(words) = entry
            .get("marker")
            .and_then(Value::text)
            .filter(|t| !t.trim().is_empty())
        {
            let known = catalogue.marker(words.trim());
            if known.is_none() {
                notes.extend(unknown_marker(words));
            }
            return known;
        }
        match Number::of(entry.get("dtx_type")) {
            Number::Is { value, .. } if value.plain().to_string().len() == 1 => {
                catalogue.marker_of(u8::try_from(value.whole()?).ok()?)
            }
            _ => None,
        }
    }

    /// How the value came into the old database, where the entry says.
    fn origin(&self) -> Option<String> {
        let fields = self.body.entry.fields().unwrap_or_default().iter();
        let mut sources = fields.filter(|(name, _)| name.ends_with("_source"));
        let (_, source) = sources.next()?;
        let Number::Is { value, .. } = Number::of(Some(source)) else {
            return None;
        };
        let how = match value.plain().to_string().as_str() {
            "0" => "entered by hand",
            "1" => "from a device or an app",
            "2" => "from a watch",
            _ => return None,
        };
        Some(format!("In the old database: {how}."))
    }
}
