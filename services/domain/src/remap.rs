//! Re-mapping: what is stored of a reading beside what other rules make of its raw item.
//!
//! Patient, times, key and id of a stored Observation stay. Two Observations of one reading belong together by their
//! kind, which stands in the key. Compared is everything but status, `meta`, notes, and what stays.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::ids::PatientId;
use crate::json::{Fields, Raw};
use crate::mapping::Mapping;
use crate::outcome::Source;
use crate::reading::Observation;
use crate::time::Timestamp;

/// What a reading can be mapped from.
#[derive(Debug, Clone, Copy)]
pub enum Raws<'a> {
    /// The item as it came, with attribute and time of its message: what is kept with each Observation.
    Item(&'a str),
    /// The message, and which of its items.
    Message {
        /// The bytes as they came.
        body: &'a [u8],
        /// Index of the item; a message as a whole has none that could be mapped.
        item: i32,
    },
}

/// A stored Observation.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The resource id.
    pub id: Uuid,
    /// FHIR status.
    pub status: &'a str,
    /// The resource as FHIR JSON.
    pub resource: &'a str,
}

/// A reading that is stored.
#[derive(Debug, Clone)]
pub struct Reading<'a> {
    /// What it is mapped from.
    pub raws: Raws<'a>,
    /// Where its record came from: decides the clock rule.
    pub source: Source,
    /// The receipt time.
    pub received_at: Timestamp,
    /// The patient that it is stored for.
    pub patient: PatientId,
    /// Its Observations.
    pub observations: Vec<Stored<'a>>,
}

/// What is to become of a reading. Empty: nothing.
#[derive(Debug, Clone, Default)]
pub struct Remapped {
    /// Stored Observations that get another content.
    pub amended: Vec<Amended>,
    /// Observations of kinds that the reading did not have.
    pub beside: Vec<Observation>,
    /// Where it changes: whether the rules refuse one of its quantities.
    pub refused: bool,
}

impl Remapped {
    /// Whether everything stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.amended.is_empty() && self.beside.is_empty()
    }
}

/// A stored Observation with its new content.
#[derive(Debug, Clone)]
pub struct Amended {
    /// Index in [`Reading::observations`].
    pub at: usize,
    /// The new resource as FHIR JSON.
    pub resource: String,
    /// The new FHIR status.
    pub status: &'static str,
    /// Its first code; none where it stays.
    pub code: Option<String>,
    /// What differs; empty where only the status does.
    pub differences: Vec<Difference>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, such as `code.coding[0].code`.
    pub path: String,
    /// The stored JSON; none where the field is new.
    pub before: Option<String>,
    /// The new JSON; none where the field goes.
    pub after: Option<String>,
}

impl Difference {
    /// Whether it tells what was measured: everything that is no code, unit, category or word for one.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        let last = self.path.rsplit('.').next().unwrap_or_default();
        let field = self.path.split(['.', '[']).next().unwrap_or_default();
        let named = matches!(last, "code" | "system" | "display" | "unit" | "text");
        let whole = matches!(field, "category" | "code" | "bodySite" | "extension" | "device");
        !(whole || named) || field == "interpretation"
    }
}

/// There is not enough of the reading to map it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not remappable")]
pub struct NotRemappable;

/// Never compared: the status follows from the rest, `meta` and notes say how it came about.
const ASIDE: [&str; 3] = ["status", "meta", "note"];
/// What a stored Observation keeps.
const STAYS: [&str; 6] = [
    "id",
    "identifier",
    "subject",
    "effectiveDateTime",
    "_effectiveDateTime",
    "issued",
];
/// A change of these changes what was measured, or what that is called.
const MEANING: [&str; 5] = [
    "code",
    "valueQuantity",
    "component",
    "dataAbsentReason",
    "interpretation",
];
/// Notes that do not follow from the raw item alone: an amended Observation keeps them.
pub(crate) const OTHER_KIND: &str = "The device is registered as another kind of device.";
pub(crate) const UNREGISTERED: &str = "The gateway is not registered.";
pub(crate) const TWIN: &str =
    "The same message carries another value of this kind for the same device and second.";

const WITHDRAWN: &str = "entered-in-error";

/// Says what these rules change of a stored reading.
///
/// # Errors
/// Where there is nothing that it could be mapped from.
pub fn remap(mapping: &Mapping, reading: &Reading<'_>) -> Result<Remapped, NotRemappable> {
    let map = |notes: &[String]| mapping.again(reading, notes).map_err(|_| NotRemappable);
    let mut mapped = map(&[])?;
    // As they were stored, to the byte: the rule.
    let is_stored = |f: &Observation| {
        let same = |s: &Stored<'_>| s.id == f.id && s.resource == f.json;
        reading.observations.iter().any(same)
    };
    if mapped.observations.len() == reading.observations.len() && mapped.observations.iter().all(is_stored) {
        return Ok(Remapped::default());
    }
    let notes: Vec<String> = [OTHER_KIND, UNREGISTERED, TWIN]
        .into_iter()
        .filter(|note| reading.observations.iter().any(|s| s.resource.contains(note)))
        .map(str::to_owned)
        .collect();
    if !notes.is_empty() {
        mapped = map(&notes)?;
    }
    let fresh = mapped.observations;
    let mut remapped = Remapped {
        refused: mapped.refused,
        ..Remapped::default()
    };
    let mut met = vec![false; fresh.len()];
    for (at, before) in reading.observations.iter().enumerate() {
        let kind = kind_of(before.resource);
        let after = fresh.iter().position(|f| f.id == before.id).or_else(|| {
            fresh
                .iter()
                .position(|f| kind.is_some() && kind_of_key(&f.key) == kind)
        });
        if let Some(index) = after {
            met[index] = true;
            if before.resource == fresh[index].json {
                continue;
            }
        }
        let fields = Fields::read(before.resource).map_err(|_| NotRemappable)?;
        let amended = match after {
            Some(index) => amended(at, before, &fields, &fresh[index]),
            None => withdrawn(at, before, &fields),
        };
        remapped.amended.extend(amended);
    }
    remapped.beside = fresh
        .into_iter()
        .zip(met)
        .filter(|(_, met)| !met)
        .map(|(observation, _)| observation)
        .collect();
    Ok(remapped)
}

/// The kind in a key: `obs|1|<address>|<kind>|…`, `mig|1|<collection>|<document>|<SHA-256>|<kind>[|<field>]`. A document's
/// id may be any text.
fn kind_of_key(key: &str) -> Option<&str> {
    if !key.starts_with("mig|") {
        return key.split('|').nth(3);
    }
    let is_hash = |part: &str| part.len() == 64 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let mut behind = None;
    for part in key.rsplit('|') {
        if is_hash(part) {
            return behind;
        }
        behind = Some(part);
    }
    None
}

/// The kind in the key that a resource carries.
#[must_use]
pub fn kind_of(resource: &str) -> Option<&str> {
    let from = resource.find("\"obs|1|").or_else(|| resource.find("\"mig|1|"))? + 1;
    let key = &resource[from..];
    let mut escaped = false;
    let end = key.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    kind_of_key(&key[..end?])
}

fn amended(at: usize, before: &Stored<'_>, fields: &Fields<'_>, fresh: &Observation) -> Option<Amended> {
    let after = Fields::read(&fresh.json).ok()?;
    let differences = differences(fields, &after);
    let back = before.status == WITHDRAWN;
    if differences.is_empty() && !back {
        return None;
    }
    let meaning = differences
        .iter()
        .any(|d| MEANING.contains(&d.path.split(['.', '[']).next().unwrap_or_default()));
    let status = if before.status == "preliminary" && !meaning {
        "preliminary"
    } else {
        "amended"
    };
    Some(Amended {
        at,
        resource: merged(fields, &after, status),
        status,
        code: Some(fresh.code.clone()),
        differences,
    })
}

/// The Observation of a kind that the reading does not have any more, or of a reading that is refused.
fn withdrawn(at: usize, before: &Stored<'_>, fields: &Fields<'_>) -> Option<Amended> {
    (before.status != WITHDRAWN).then(|| Amended {
        at,
        resource: merged(fields, fields, WITHDRAWN),
        status: WITHDRAWN,
        code: None,
        differences: Vec::new(),
    })
}

/// The new content with what stays of the old one.
fn merged(before: &Fields<'_>, after: &Fields<'_>, status: &str) -> String {
    let mut out = String::with_capacity(2_560);
    let mut push = |key: &str, value: &str| {
        out.push(if out.is_empty() { '{' } else { ',' });
        // Writing to a String cannot fail.
        let _ = write!(out, "\"{key}\":{value}");
    };
    for (key, value) in after.entries() {
        match key.as_ref() {
            "status" => push("status", &format!("\"{status}\"")),
            // It goes with the time that it explains.
            "_effectiveDateTime" => {}
            key if STAYS.contains(&key) => {
                push(key, before.get(key).unwrap_or(*value).as_str());
                if key == "effectiveDateTime"
                    && let Some(extension) = before.get("_effectiveDateTime")
                {
                    push("_effectiveDateTime", extension.as_str());
                }
            }
            key => push(key, value.as_str()),
        }
    }
    out.push('}');
    out
}

fn differences(before: &Fields<'_>, after: &Fields<'_>) -> Vec<Difference> {
    let compared = |key: &str| !ASIDE.contains(&key) && !STAYS.contains(&key);
    let mut found = Vec::new();
    for (key, value) in before.entries().iter().filter(|(key, _)| compared(key)) {
        compare(key, Some(*value), after.get(key), &mut found);
    }
    for (key, value) in after.entries().iter().filter(|(key, _)| compared(key)) {
        if before.get(key).is_none() {
            compare(key, None, Some(*value), &mut found);
        }
    }
    found
}

/// Goes down to the values that differ. One side may be missing: then each value of the other is a difference of its own.
fn compare<'a>(path: &str, before: Option<Raw<'a>>, after: Option<Raw<'a>>, found: &mut Vec<Difference>) {
    if before.map(Raw::as_str) == after.map(Raw::as_str) {
        return;
    }
    if let (Some(old), Some(new)) = (members(before), members(after)) {
        let value = |entries: &[(String, Raw<'a>)], key: &str| {
            let entry = entries.iter().find(|(k, _)| k == key);
            entry.map(|(_, value)| *value)
        };
        let added = new.iter().filter(|(key, _)| value(&old, key).is_none());
        for (key, _) in old.iter().chain(added) {
            compare(&format!("{path}{key}"), value(&old, key), value(&new, key), found);
        }
        return;
    }
    let text = |raw: Option<Raw<'_>>| raw.map(|raw| raw.as_str().to_owned());
    found.push(Difference {
        path: path.to_owned(),
        before: text(before),
        after: text(after),
    });
}

/// The values inside of one, each with its step of a path; empty for what is missing, none for what has none inside.
fn members(raw: Option<Raw<'_>>) -> Option<Vec<(String, Raw<'_>)>> {
    let Some(raw) = raw else {
        return Some(Vec::new());
    };
    if let Some(fields) = raw.object() {
        let entries = fields.entries().iter();
        return Some(entries.map(|(key, value)| (format!(".{key}"), *value)).collect());
    }
    let (values, _) = raw.list(usize::MAX)?;
    let values = values.into_iter().enumerate();
    Some(values.map(|(at, value)| (format!("[{at}]"), value)).collect())
}
