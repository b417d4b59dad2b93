//! Observation.

use serde_json::value::RawValue;

use crate::catalogue::{Code, Measure};
use crate::digits::Decimal;
use crate::text::{push, push_text};

/// What the Observations of one reading have in common. All but `effective` and `clock` is JSON.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    /// `meta.source`, a JSON text.
    pub source: &'a str,
    /// System of our keys, a JSON text.
    pub key_system: &'a str,
    /// The patient: 24 hex digits.
    pub patient: &'a str,
    /// FHIR dateTime with offset.
    pub effective: &'a str,
    /// `_effectiveDateTime`, where the clock was out of bounds.
    pub effective_extension: Option<&'a str>,
    /// FHIR instant.
    pub issued: &'a str,
    /// Reference to the sub-device; none for a person's call.
    pub device: Option<&'a str>,
    /// Reference to the gateway; none for a migrated reading.
    pub gateway: Option<&'a str>,
}

/// One Observation.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    pub id: &'a str,
    pub key: &'a str,
    /// Canonical of the profile.
    pub profile: Option<&'a str>,
    pub status: &'static str,
    pub category: &'a RawValue,
    pub code: &'a Code,
    pub value: Value<'a>,
    pub notes: &'a [String],
    pub body_site: Option<&'a RawValue>,
    /// A component that is written as it is.
    pub context: Option<&'a RawValue>,
}

/// What was measured.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    /// A number.
    Number(Decimal, &'a Measure),
    /// Above what the device can tell.
    Above(Decimal, &'a Measure),
    /// Below what the device can tell.
    Below(Decimal, &'a Measure),
    /// The device measured and failed.
    Failed,
    /// One component each.
    Parts(Vec<Part<'a>>),
}

/// A component.
#[derive(Debug)]
pub(crate) struct Part<'a> {
    pub code: &'a Code,
    pub value: Decimal,
    pub measure: &'a Measure,
}

const ABOVE: &str = r#","interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":">","display":"Off scale high"}]}]"#;
const BELOW: &str = r#","interpretation":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation","code":"<","display":"Off scale low"}]}]"#;
const FAILED: &str = r#","dataAbsentReason":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/data-absent-reason","code":"error","display":"Error"}]}"#;

/// The resource as JSON.
pub(crate) fn write(header: &Header<'_>, resource: &Resource<'_>) -> String {
    let mut out = String::with_capacity(2560);
    push!(out, r#"{"resourceType":"Observation","id":""#, resource.id);
    push!(out, r#"","meta":{"source":"#, header.source);
    if let Some(profile) = resource.profile {
        out.push_str(r#","profile":["#);
        push_text(&mut out, profile);
        out.push(']');
    }
    out.push('}');
    if let Some(gateway) = header.gateway {
        push!(
            out,
            r#","extension":[{"url":"http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice","valueReference":"#,
            gateway,
            "}]",
        );
    }
    push!(
        out,
        r#","identifier":[{"system":"#,
        header.key_system,
        r#","value":"#
    );
    push_text(&mut out, resource.key);
    push!(out, r#"}],"status":""#, resource.status);
    push!(out, r#"","category":"#, resource.category.get());
    push!(out, r#","code":"#, resource.code.concept.get());
    push!(out, r#","subject":{"reference":"Patient/"#, header.patient);
    push!(out, r#""},"effectiveDateTime":""#, header.effective, "\"");
    if let Some(extension) = header.effective_extension {
        push!(out, r#","_effectiveDateTime":"#, extension);
    }
    push!(out, r#","issued":""#, header.issued, "\"");
    push_value(&mut out, &resource.value);
    push_notes(&mut out, resource.notes);
    if let Some(site) = resource.body_site {
        push!(out, r#","bodySite":"#, site.get());
    }
    if let Some(device) = header.device {
        push!(out, r#","device":"#, device);
    }
    push_components(&mut out, &resource.value, resource.context);
    out.push('}');
    out
}

fn push_quantity(out: &mut String, value: Decimal, comparator: Option<&str>, measure: &Measure) {
    out.push_str(r#"{"value":"#);
    value.push_to(out);
    if let Some(comparator) = comparator {
        push!(out, r#","comparator":""#, comparator, "\"");
    }
    push!(out, ",", &measure.unit_members, "}");
}

fn push_value(out: &mut String, value: &Value<'_>) {
    let (number, comparator, measure, rest) = match value {
        Value::Number(number, measure) => (number, None, measure, ""),
        Value::Above(number, measure) => (number, Some(">"), measure, ABOVE),
        Value::Below(number, measure) => (number, Some("<"), measure, BELOW),
        Value::Failed => return out.push_str(FAILED),
        Value::Parts(_) => return,
    };
    out.push_str(r#","valueQuantity":"#);
    push_quantity(out, *number, comparator, measure);
    out.push_str(rest);
}

fn push_notes(out: &mut String, notes: &[String]) {
    for (i, note) in notes.iter().enumerate() {
        out.push_str(if i == 0 {
            r#","note":[{"text":"#
        } else {
            r#",{"text":"#
        });
        push_text(out, note);
        out.push('}');
    }
    if !notes.is_empty() {
        out.push(']');
    }
}

fn push_components(out: &mut String, value: &Value<'_>, context: Option<&RawValue>) {
    let parts = match value {
        Value::Parts(parts) => &parts[..],
        _ => &[],
    };
    if parts.is_empty() && context.is_none() {
        return;
    }
    let mut before = r#","component":["#;
    for part in parts {
        push!(out, before, r#"{"code":"#, part.code.concept.get());
        out.push_str(r#","valueQuantity":"#);
        push_quantity(out, part.value, None, part.measure);
        out.push('}');
        before = ",";
    }
    if let Some(context) = context {
        push!(out, before, context.get());
    }
    out.push(']');
}
