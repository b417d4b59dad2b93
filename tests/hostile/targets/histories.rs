//! Documents of history collections, and the bodies of a migration's raw records.

use stardust_domain::history::{Account, COLLECTIONS, HistoryDocument, keys_of};
use stardust_domain::outcome::Source;
use stardust_domain::reading::Envelope;
use stardust_domain::time::Timestamp;

use super::messages::sound;
use super::ward::{self, PATIENT, RECEIVED};
use super::{HOLDS, Target, hold};
use crate::bytes::mutated;

/// Fields of two entries of each collection, in the order of [`COLLECTIONS`].
const ENTRIES: [[&str; 2]; 10] = [
    [
        r#""sys_data":131,"dia_data":"84","pr_data":71.0,"bp_import_date":{"$date":"2021-03-01T00:00:00Z"}"#,
        r#""systolic":120,"diastolic":80,"pulse":0,"timestamp":"2021-03-01 07:00:00","device_id":"02:00:00:CC:00:01""#,
    ],
    [
        r#""dtx_type":2,"fasting_dtx":"5.3","pre_meal_dtx":95.39999999999999,"no_marker_dtx":{"$numberInt":"112"},"blood_sugar_import_date":1614556800"#,
        r#""blood_glucose":"HI","marker":"Fasting","timestamp":{"$date":{"$numberLong":"1614556800000"}}"#,
    ],
    [
        r#""spo2_data":96,"spo2_pr_data":{"$numberLong":"77"},"spo2_resp_data":18,"spo2_import_date":"2021-03-01T07:00:00""#,
        r#""spo2":127,"pulse":255,"pi":41,"timestamp":1614556800000"#,
    ],
    [
        r#""temprature_data":{"$numberDecimal":"36.60"},"temprature_import_date":1614556800"#,
        r#""temperature":"36.5","mode":"Head","timestamp":1614556800"#,
    ],
    [
        r#""weight":71.4,"height":172,"waist":0,"bmi":{"$numberDouble":"Infinity"},"body_data_import_date":1614556800"#,
        r#""weight":"0.4","height":1.72,"bmi":24.221453287197235,"body_data_import_date":null"#,
    ],
    [
        r#""cretinines":0.9,"uric":"402.5","cretinines_import_date":1614556800"#,
        r#""cretinines":88,"cretinines_import_date":{"$date":"1970-01-01T00:00:00Z"}"#,
    ],
    [
        r#""lipids":193.35,"ldl_lipids":110,"hdl_lipids":48,"tri_lipids":140,"lipids_import_date":1614556800"#,
        r#""lipids":17942.88,"lipids_import_date":1614556800"#,
    ],
    [
        r#""step":4200,"step_import_date":1614556800"#,
        r#""step":0,"step_import_date":-1"#,
    ],
    [
        r#""sleep_data":"0112201123","sleep_time":"2230@0630","sleep_timestamp":"01/03/2021 07:00:00""#,
        r#""sleep_data":"""#,
    ],
    [
        r#""heart_rate":64,"timestamp":1614556800"#,
        r#""heart_rate":64,"timestamp":1614556800"#,
    ],
];

fn documents() -> Vec<(&'static str, String)> {
    COLLECTIONS
        .iter()
        .zip(ENTRIES)
        .map(|(collection, [first, second])| {
            let text = format!(
                r#"{{"_id":{{"$oid":"5b99101dda84585aaa23dbf9"}},"patient_id":{{"$oid":"{PATIENT}"}},"data":[{{{first}}},{{{second}}},null],"__v":3}}"#
            );
            (*collection, text)
        })
        .collect()
}

pub fn targets() -> [Target; 2] {
    [documents_target(), bodies_target()]
}

fn documents_target() -> Target {
    let (mapping, registry) = (ward::mapping(), ward::registry());
    let samples: Vec<Vec<u8>> = documents()
        .into_iter()
        .map(|(_, text)| text.into_bytes())
        .collect();
    Target {
        name: "history documents",
        weight: 8,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |numbers, bytes| {
            let collection = *numbers.one(COLLECTIONS);
            let Some(document) = std::str::from_utf8(bytes)
                .ok()
                .and_then(|text| HistoryDocument::read("AMY", collection, text).ok())
            else {
                return Ok(false);
            };
            let mut account = Account::default();
            account.document(&document);
            let mut entries = 0;
            for entry in document.entries() {
                entries += 1;
                account.entry(&entry, &mapping, &registry, RECEIVED);
                if let Some(keys) = keys_of(entry.body.as_bytes()) {
                    hold!(keys.document == document.id(), "an entry of another document");
                    hold!(keys.topic == document.topic_key(), "an entry under another key");
                }
            }
            hold!(
                account.entries == entries,
                "{entries} entries, {} counted",
                account.entries
            );
            hold!(
                account.own == 0 || entries == 0,
                "a document of our own is taken apart"
            );
            Ok(account.emitted > 0)
        }),
    }
}

fn bodies_target() -> Target {
    let (mapping, registry) = (ward::mapping(), ward::registry());
    let mut samples = Vec::new();
    for (collection, text) in documents() {
        let document = HistoryDocument::read("AMY", collection, &text).unwrap();
        samples.extend(document.entries().map(|entry| entry.body.into_bytes()));
    }
    Target {
        name: "bodies of a migration",
        weight: 8,
        holds: HOLDS,
        bytes: Box::new(move |numbers| mutated(numbers, &samples)),
        check: Box::new(move |numbers, body| {
            let received_at = match numbers.below(60) {
                0 => Timestamp::from_micros(i64::MAX),
                1 => Timestamp::from_micros(i64::MIN),
                _ => RECEIVED,
            };
            let items = numbers.once_in(20).then(|| vec![i32::MIN, 0, 2, i32::MAX]);
            let judged = mapping.judge(
                &Envelope {
                    receipt: "0196a5b0-0000-7000-8000-000000000001",
                    received_at,
                    source: Source::Migration,
                    items: items.as_deref(),
                    body,
                },
                &registry,
            );
            hold!(judged.gateway.is_none(), "a migrated entry of a gateway");
            let mut emitted = false;
            for reading in &judged.readings {
                sound(reading)?;
                hold!(reading.legacy.is_none(), "a legacy document of a migrated entry");
                emitted |= !reading.observations.is_empty();
            }
            Ok(emitted)
        }),
    }
}
