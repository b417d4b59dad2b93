//! The AuditEvent of what became of a reading.
//!
//! A function of its facts alone, so that a replay writes the same event under the same id.
//!
//! Written straight into its text: nine tenths of an event are the same in all of them, and there is one for
//! each reading. The tests read it back as JSON, the judges as FHIR.

use std::fmt::Write as _;

use uuid::Uuid;

use crate::ids::uuid_of;
use crate::mapping::Settings;
use crate::outcome::AuditOutcome;
use crate::reading::{Audit, AuditFacts};

/// `recorded` is required; a timestamp of the log that no calendar holds is written as the epoch.
const NO_INSTANT: &str = "1970-01-01T00:00:00.000Z";

/// The AuditEvent of these facts, as FHIR R5 JSON.
///
/// Id: UUIDv5 of `audit|1|<receipt>|<item, or - for a whole message>|<outcome>`; for `amended` followed by
/// `|<mapping version>`, for `rolled-back` by `|<run>`.
///
/// `outcome.code` is `error` for what did not reach the store (parked, dead), else `success`. `outcome.detail`
/// names the outcome, then the reason, then each refused quantity of a reading that lives; these codes are on
/// `urn:stardust:audit`. Entities: the Observations, then the receipt with the item and the mapping version.
#[must_use]
pub fn audit_event(settings: &Settings, facts: &AuditFacts<'_>) -> Audit {
    let mut json = String::with_capacity(2_048);
    let id = write_id(&mut json, facts);
    json.clear();
    let mut event = EventText {
        json,
        base: &settings.identifier_base,
    };
    event.write(id, facts);
    Audit { id, json: event.json }
}

fn write_id(key: &mut String, facts: &AuditFacts<'_>) -> Uuid {
    key.push_str("audit|1|");
    key.push_str(facts.receipt);
    // Writing to a String cannot fail.
    let _ = match facts.item {
        Some(item) => write!(key, "|{item}|"),
        None => key.write_str("|-|"),
    };
    key.push_str(facts.outcome.label());
    let suffix = match facts.outcome {
        AuditOutcome::Amended => Some(facts.mapping_version),
        AuditOutcome::RolledBack => facts.migration_run,
        _ => None,
    };
    if let Some(suffix) = suffix {
        key.push('|');
        key.push_str(suffix);
    }
    uuid_of(key)
}

/// The growing text of one event.
struct EventText<'a> {
    json: String,
    base: &'a str,
}

impl EventText<'_> {
    fn write(&mut self, id: Uuid, facts: &AuditFacts<'_>) {
        self.raw(r#"{"resourceType":"AuditEvent","id":""#);
        self.uuid(id);
        self.raw(
            r#"","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest","display":"RESTful Operation"}]}],"code":{"coding":[{"system":"http://hl7.org/fhir/restful-interaction","code":"#,
        );
        self.raw(match facts.outcome {
            AuditOutcome::Amended | AuditOutcome::RolledBack => {
                r#""update","display":"update"}]},"action":"U","recorded":""#
            }
            _ => r#""create","display":"create"}]},"action":"C","recorded":""#,
        });
        self.raw(facts.recorded.instant().as_deref().unwrap_or(NO_INSTANT));
        self.raw(r#"","outcome":{"code":{"system":"http://hl7.org/fhir/issue-severity","code":"#);
        self.raw(match facts.outcome {
            AuditOutcome::Parked | AuditOutcome::Dead => r#""error","display":"Error"},"#,
            _ => r#""success","display":"Operation Successful"},"#,
        });
        self.details(facts);
        self.raw("}");
        if let Some(patient) = facts.patient {
            self.raw(r#","patient":{"reference":"Patient/"#);
            self.hex(patient.bytes());
            self.raw(r#""}"#);
        }
        self.raw(r#","agent":[{"who":"#);
        self.who(facts);
        self.raw(r#"}],"source":{"observer":"#);
        self.known_as("service", "fhir-parser");
        self.raw(r#"},"entity":["#);
        self.entities(facts);
        self.raw("]}");
    }

    fn details(&mut self, facts: &AuditFacts<'_>) {
        self.raw(r#""detail":[{"#);
        self.coding(facts.outcome.label());
        if let Some(reason) = facts.reason.filter(|reason| !reason.is_empty()) {
            self.raw("},{");
            self.coding(reason);
        }
        for quantity in facts.dead_quantities {
            self.raw("},{");
            self.coding(quantity.reason.label());
            // The field as sent and the rule, never the value.
            self.raw(r#","text":"#);
            self.text(&format!("{}: {}", quantity.field, quantity.reason));
        }
        self.raw("}]");
    }

    fn who(&mut self, facts: &AuditFacts<'_>) {
        match (facts.migration_run, facts.gateway) {
            (Some(run), _) => self.known_as("migration-run", run),
            (None, Some(gateway)) => {
                self.raw(
                    r#"{"type":"Device","identifier":{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers","code":"ETHMAC"}]},"system":"http://hl7.org/fhir/sid/eui-48/ethernet","value":""#,
                );
                self.raw(&gateway.eui48());
                self.raw(r#""}}"#);
            }
            // An unreadable message: somebody sent it, and it does not say who.
            (None, None) => self.raw(r#"{"display":"unknown gateway"}"#),
        }
    }

    fn entities(&mut self, facts: &AuditFacts<'_>) {
        for id in facts.observations {
            self.raw(r#"{"what":{"reference":"Observation/"#);
            self.uuid(*id);
            self.raw(r#""}},"#);
        }
        self.raw(r#"{"what":"#);
        self.known_as("receipt", facts.receipt);
        self.raw(r#","detail":[{"type":{"#);
        if let Some(item) = facts.item {
            self.coding("item");
            // Writing to a String cannot fail.
            let _ = write!(self.json, r#"}},"valueInteger":{item}}},{{"type":{{"#);
        }
        self.coding("mapping-version");
        self.raw(r#"},"valueString":"#);
        self.text(facts.mapping_version);
        self.raw("}]}");
    }

    /// A reference by an identifier on a system of ours.
    fn known_as(&mut self, system: &str, value: &str) {
        self.raw(r#"{"identifier":{"system":"#);
        self.system(system);
        self.raw(r#","value":"#);
        self.text(value);
        self.raw("}}");
    }

    /// The inside of a CodeableConcept with one code of ours.
    fn coding(&mut self, code: &str) {
        self.raw(r#""coding":[{"system":"#);
        self.system("audit");
        self.raw(r#","code":"#);
        self.text(code);
        self.raw("}]");
    }

    fn system(&mut self, name: &str) {
        self.text(self.base);
        // The name goes inside the quotes that `text` has closed.
        self.json.pop();
        self.raw(name);
        self.raw("\"");
    }

    fn uuid(&mut self, id: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        self.json.push_str(id.hyphenated().encode_lower(&mut buffer));
    }

    fn hex(&mut self, bytes: [u8; 12]) {
        const DIGITS: [char; 16] = [
            '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
        ];
        for byte in bytes {
            self.json.push(DIGITS[usize::from(byte >> 4)]);
            self.json.push(DIGITS[usize::from(byte & 15)]);
        }
    }

    /// A JSON string, with its quotes.
    fn text(&mut self, text: &str) {
        if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
            self.raw("\"");
            self.raw(text);
            self.raw("\"");
        } else {
            // Writing a text as JSON cannot fail.
            self.json
                .push_str(&serde_json::to_string(text).unwrap_or_default());
        }
    }

    fn raw(&mut self, json: &str) {
        self.json.push_str(json);
    }
}

#[cfg(test)]
mod tests;
