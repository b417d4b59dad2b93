//! Observation.

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Coding, DeviceReference, Identifier, OneCoding, Reference, systems};
use crate::catalogue::{Code, Measure};
use crate::digits::Decimal;

/// What the Observations of one reading have in common.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    /// `meta.source`.
    pub source: &'a str,
    /// System of our keys.
    pub key_system: &'a str,
    /// `Patient/…`.
    pub subject: &'a str,
    /// FHIR dateTime with offset.
    pub effective: &'a str,
    /// Set where the clock was out of bounds.
    pub clock: Option<ClockNote<'a>>,
    /// FHIR instant.
    pub issued: &'a str,
    /// The sub-device; none for a person's call.
    pub device: Option<&'a DeviceReference>,
    pub gateway: &'a DeviceReference,
}

/// The extensions of an effective time that is not the device's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockNote<'a> {
    /// URL of the extension with the device's own time, and the time, where it can be written.
    pub device_time: Option<(&'a str, &'a str)>,
    /// URL of the extension with the rule.
    pub rule_url: &'a str,
    /// The rule.
    pub rule: &'a str,
}

/// One Observation.
#[derive(Debug)]
pub(crate) struct Resource<'a> {
    pub id: &'a str,
    pub key: &'a str,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    resource_type: &'static str,
    id: &'a str,
    meta: Meta<'a>,
    extension: [ReferenceExtension<'a>; 1],
    identifier: [Identifier<'a>; 1],
    status: &'static str,
    category: &'a RawValue,
    code: &'a RawValue,
    subject: Reference<'a>,
    effective_date_time: &'a str,
    #[serde(rename = "_effectiveDateTime", skip_serializing_if = "Option::is_none")]
    effective_extension: Option<Extended<'a>>,
    issued: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_quantity: Option<Quantity<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_absent_reason: Option<OneCoding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interpretation: Option<[OneCoding<'a>; 1]>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    note: Vec<Annotation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_site: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    component: Vec<Component<'a>>,
}

#[derive(Serialize)]
struct Meta<'a> {
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceExtension<'a> {
    url: &'static str,
    value_reference: &'a RawValue,
}

#[derive(Serialize)]
struct Extended<'a> {
    extension: Vec<ClockExtension<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClockExtension<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_date_time: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_code: Option<&'a str>,
}

#[derive(Serialize)]
struct Quantity<'a> {
    value: Decimal,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparator: Option<&'static str>,
    unit: &'a str,
    system: &'static str,
    code: &'a str,
}

#[derive(Serialize)]
struct Annotation<'a> {
    text: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Component<'a> {
    AsIs(&'a RawValue),
    #[serde(rename_all = "camelCase")]
    Measured {
        code: &'a RawValue,
        value_quantity: Quantity<'a>,
    },
}

fn quantity<'a>(value: Decimal, comparator: Option<&'static str>, measure: &'a Measure) -> Quantity<'a> {
    Quantity {
        value,
        comparator,
        unit: &measure.words,
        system: systems::UCUM,
        code: &measure.unit,
    }
}

const fn off_scale(code: &'static str, display: &'static str) -> [OneCoding<'static>; 1] {
    [OneCoding {
        coding: [Coding {
            system: systems::INTERPRETATION,
            code,
            display: Some(display),
        }],
    }]
}

/// The resource as JSON.
pub(crate) fn write(header: &Header<'_>, resource: &Resource<'_>) -> String {
    let mut written = Written {
        resource_type: "Observation",
        id: resource.id,
        meta: Meta {
            source: header.source,
            profile: resource.profile.map(|p| [p]),
        },
        extension: [ReferenceExtension {
            url: systems::GATEWAY_EXTENSION,
            value_reference: &header.gateway.0,
        }],
        identifier: [Identifier {
            kind: None,
            system: header.key_system,
            value: resource.key,
        }],
        status: resource.status,
        category: resource.category,
        code: &resource.code.concept,
        subject: Reference {
            reference: header.subject,
            identifier: None,
        },
        effective_date_time: header.effective,
        effective_extension: header.clock.map(|clock| Extended {
            extension: clock_extensions(&clock),
        }),
        issued: header.issued,
        value_quantity: None,
        data_absent_reason: None,
        interpretation: None,
        note: resource.notes.iter().map(|text| Annotation { text }).collect(),
        body_site: resource.body_site,
        device: header.device.map(|d| &*d.0),
        component: Vec::new(),
    };
    match &resource.value {
        Value::Number(value, measure) => written.value_quantity = Some(quantity(*value, None, measure)),
        Value::Above(value, measure) => {
            written.value_quantity = Some(quantity(*value, Some(">"), measure));
            written.interpretation = Some(off_scale(">", "Off scale high"));
        }
        Value::Below(value, measure) => {
            written.value_quantity = Some(quantity(*value, Some("<"), measure));
            written.interpretation = Some(off_scale("<", "Off scale low"));
        }
        Value::Failed => {
            written.data_absent_reason = Some(OneCoding {
                coding: [Coding {
                    system: systems::ABSENT,
                    code: "error",
                    display: Some("Error"),
                }],
            });
        }
        Value::Parts(parts) => {
            written.component = parts
                .iter()
                .map(|part| Component::Measured {
                    code: &part.code.concept,
                    value_quantity: quantity(part.value, None, part.measure),
                })
                .collect();
        }
    }
    written.component.extend(resource.context.map(Component::AsIs));
    let mut bytes = Vec::with_capacity(2048);
    // Writing our own shapes into memory has no way to fail.
    match serde_json::to_writer(&mut bytes, &written) {
        Ok(()) => String::from_utf8(bytes).unwrap_or_default(),
        Err(_) => String::new(),
    }
}

fn clock_extensions<'a>(clock: &ClockNote<'a>) -> Vec<ClockExtension<'a>> {
    let own = clock.device_time.map(|(url, time)| ClockExtension {
        url,
        value_date_time: Some(time),
        value_code: None,
    });
    let rule = ClockExtension {
        url: clock.rule_url,
        value_date_time: None,
        value_code: Some(clock.rule),
    };
    own.into_iter().chain([rule]).collect()
}
