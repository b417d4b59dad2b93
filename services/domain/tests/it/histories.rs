//! Documents of the history collections, by the way a migration takes: split, then judged as the parser judges.

use serde_json::{Value, json};
use stardust_domain::history::{Account, COLLECTIONS, Entry, HistoryDocument};
use stardust_domain::ids::{sha256_hex, uuid_of};
use stardust_domain::outcome::{DeadReason, ParkReason, Source};
use stardust_domain::reading::{Envelope, Judged, Verdict};
use stardust_domain::registry::Registry;
use stardust_domain::time::Timestamp;

use crate::fixture::*;

pub const ID: &str = "5b99101dda84585aaa23dbf9";

/// The date that an entry of this collection carries.
pub fn date_field(collection: &str) -> &'static str {
    match collection {
        "sleep_data_histories" => r#""sleep_timestamp":"01/03/2021 07:00:00""#,
        "blood_pressure_histories" => r#""bp_import_date":{"$date":"2021-03-01T00:00:00Z"}"#,
        _ => r#""any_import_date":{"$date":"2021-03-01T00:00:00Z"}"#,
    }
}

/// A document of the first shape around these entries.
pub fn document(entries: &str) -> String {
    format!(
        r#"{{"_id":{{"$oid":"{ID}"}},"patient_id":{{"$oid":"{PATIENT}"}},"data":[{entries}],"created_at":{{"$date":"2022-01-01T00:00:00Z"}},"__v":3}}"#
    )
}

/// A document of each collection, with what is good and what is odd.
pub fn samples() -> Vec<(&'static str, String)> {
    #[rustfmt::skip]
    let entries = [
        ("blood_pressure_histories", r#"{"sys_data":131,"dia_data":"84","pr_data":71.0,"map_data":99},{"systolic":120,"diastolic":80,"pulse":0}"#),
        ("blood_sugar_histories", r#"{"fasting_dtx":"5.3","pre_meal_dtx":95.39999999999999,"post_meal_dtx":null,"no_marker_dtx":{"$numberInt":"112"},"dtx_type":2,"blood_sugar_source":1},{"blood_glucose":"HI","marker":"Fasting","dtx_type":2}"#),
        ("spo2_histories", r#"{"spo2_data":96,"spo2_pr_data":{"$numberLong":"77"},"spo2_resp_data":18},{"spo2":96,"pulse":255,"pi":41}"#),
        ("temprature_data_histories", r#"{"temprature_data":{"$numberDecimal":"36.60"}},{"temperature":"36.5","mode":"Head"}"#),
        ("body_data_histories", r#"{"weight":71.4,"height":172,"waist":0,"bmi":{"$numberDouble":"Infinity"}},{"weight":"0.4","height":1.72,"bmi":24.221453287197235}"#),
        ("creatinine_histories", r#"{"cretinines":0.9,"uric":"402.5"},{"cretinines":88},{"cretinines":25}"#),
        ("lipid_histories", r#"{"lipids":193.35,"ldl_lipids":110,"hdl_lipids":48,"tri_lipids":140},{"lipids":17942.88}"#),
        ("step_histories", r#"{"step":4200},{"step":0},{"step":null},7"#),
        ("sleep_data_histories", r#"{"sleep_data":"0112201123","sleep_time":"2230@0630","sleep_num":10},{"sleep_data":""}"#),
        ("heart_rate_histories", r#"{"heart_rate":64},{"heart_rate":64}"#),
    ];
    entries
        .into_iter()
        .map(|(collection, entries)| {
            let dated = entries.replace("},{", &format!(",{}}},{{", date_field(collection)));
            let dated = match dated.strip_suffix('}') {
                Some(open) => format!("{open},{}}}", date_field(collection)),
                None => dated,
            };
            (collection, document(&dated))
        })
        .collect()
}

pub fn entries_of(collection: &str, document: &str) -> Vec<Entry> {
    HistoryDocument::read("AMY", collection, document)
        .unwrap()
        .entries()
        .collect()
}

/// The only entry of a document that holds it.
pub fn entry_of(collection: &str, entry: &str) -> Entry {
    let [entry] = <[Entry; 1]>::try_from(entries_of(collection, &document(entry))).unwrap();
    entry
}

pub fn judged_at(
    entry: &Entry,
    registry: &Registry,
    items: Option<&[i32]>,
    published_at: Timestamp,
) -> Judged {
    mapping().judge(
        &Envelope {
            receipt: &entry.receipt_id.to_string(),
            received_at: published_at,
            source: Source::Migration,
            items,
            body: entry.body.as_bytes(),
        },
        registry,
    )
}

pub fn judged(entry: &Entry) -> Judged {
    judged_at(entry, &registry(), None, RECEIVED)
}

pub fn account_of(collection: &str, document: &str) -> Account {
    let document = HistoryDocument::read("AMY", collection, document).unwrap();
    let mut account = Account::default();
    account.document(&document);
    for entry in document.entries() {
        account.entry(&entry, &mapping(), &registry(), RECEIVED);
    }
    account
}

const STEPS: &str = r#"{"step":4200,"step_import_date":{"$date":"2021-03-01T00:00:00Z"}}"#;

#[test]
fn hash_receipt_key_and_id_follow_their_recipes() {
    let entry = entry_of("step_histories", STEPS);
    let canonical =
        r#"{"step":{"$numberInt":"4200"},"step_import_date":{"$date":{"$numberLong":"1614556800000"}}}"#;
    assert_eq!(entry.hash, sha256_hex(canonical.as_bytes()));
    assert_eq!(
        entry.receipt_id,
        uuid_of(&format!("mig|1|AMY.step_histories|{ID}|{}", entry.hash))
    );
    assert_eq!(
        entry.body,
        format!(
            r#"{{"collection":"step_histories","database":"AMY","document":{{"__v":{{"$numberInt":"3"}},"_id":{{"$oid":"{ID}"}},"created_at":{{"$date":{{"$numberLong":"1640995200000"}}}},"patient_id":{{"$oid":"{PATIENT}"}}}},"document_id":{{"$oid":"{ID}"}},"entry":{canonical},"shape":"A"}}"#
        )
    );
    let reading = one(judged(&entry));
    let key = format!("mig|1|step_histories|{ID}|{}|steps", entry.hash);
    assert_eq!(reading.main_id, Some(uuid_of(&key)));
    assert_eq!(observations(&reading)[0]["identifier"][0]["value"], json!(key));
}

#[test]
fn a_migrated_observation_says_where_it_comes_from_and_no_gateway() {
    let reading = one(judged(&entry_of("step_histories", STEPS)));
    assert_eq!(reading.verdict, Verdict::Emit(PATIENT.parse().unwrap()));
    assert!(reading.legacy.is_none(), "the old database has it already");
    let o = &observations(&reading)[0];
    assert_eq!(o["meta"]["source"], "urn:stardust:migration:step_histories");
    assert_eq!(o["subject"]["reference"], json!(format!("Patient/{PATIENT}")));
    assert_eq!(o["effectiveDateTime"], "2021-03-01T07:00:00+07:00");
    assert_eq!(o["issued"], "2026-03-01T00:00:00.123Z", "when it was published");
    for absent in ["extension", "device", "_effectiveDateTime", "note"] {
        assert!(o.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn the_device_is_an_address_in_the_entry_that_is_no_gateways() {
    for (device_id, device) in [
        (r#""02:00:00:CC:00:01""#, Some("020000cc0001")),
        (r#"" 020000cc0001 ""#, Some("020000cc0001")),
        // A gateway, a phone, nobody, no text.
        (r#""02:00:00:AA:00:01""#, None),
        (r#""990000000000001""#, None),
        (r#""00:00:00:00:00:00""#, None),
        ("17", None),
        ("null", None),
    ] {
        let entry = format!(r#"{{"step":4200,"timestamp":"2021-03-01 07:00","device_id":{device_id}}}"#);
        let reading = one(judged(&entry_of("step_histories", &entry)));
        let o = &observations(&reading)[0];
        assert_eq!(
            reading.device.map(|mac| mac.to_string()).as_deref(),
            device,
            "{device_id}"
        );
        assert_eq!(o.get("device").is_some(), device.is_some());
        if device.is_some() {
            assert_eq!(o["device"]["identifier"]["value"], "02-00-00-CC-00-01");
        }
        assert_eq!(o["category"].as_array().unwrap().len(), 1, "no phd");
    }
    // What stands on top is the document's, not the entry's.
    let top = format!(
        r#"{{"_id":"x","patient_id":"{PATIENT}","device_id":"020000cc0001","source":"AVA4","data":[{{"step":1,"timestamp":"2021-03-01 07:00"}}]}}"#
    );
    let reading = one(judged(&entries_of("step_histories", &top)[0]));
    assert_eq!(reading.device, None);
}

#[test]
fn a_patient_who_is_not_there_waits_and_a_hospital_is_no_patient() {
    let of = |owner: &str| {
        let text = format!(r#"{{"_id":"d-1",{owner}"data":[{STEPS}]}}"#);
        let document = HistoryDocument::read("AMY", "step_histories", &text).unwrap();
        let entry = document.entries().next().unwrap();
        (document.topic_key().to_owned(), one(judged(&entry)))
    };
    let known = [
        format!(r#""patient_id":{{"$oid":"{PATIENT}"}},"#),
        format!(r#""patient_id":"{}","#, PATIENT.to_uppercase()),
        format!(r#""patient_id":"{{\"$oid\": \"{PATIENT}\"}}","#),
        format!(r#""patient_id":"ObjectId('{PATIENT}')","#),
        format!(r#""patient_id":"{{'$oid': '{PATIENT}'}}","#),
    ];
    for owner in known {
        let (key, reading) = of(&owner);
        assert_eq!(key, PATIENT, "{owner}");
        assert_eq!(
            reading.verdict,
            Verdict::Emit(PATIENT.parse().unwrap()),
            "{owner}"
        );
    }
    for owner in [
        r#""patient_id":null,"#,
        r#""patient_id":"unknown","#,
        r#""patient_id":7,"#,
        "",
    ] {
        let (key, reading) = of(owner);
        assert_eq!(key, "d-1");
        assert_eq!(
            reading.verdict,
            Verdict::Park(ParkReason::PatientUnknown),
            "{owner}"
        );
        assert!(reading.main_id.is_some() && reading.observations.is_empty());
    }
    let (key, reading) = of(r#""patient_id":{"$oid":"65a0000000000000000000ff"},"#);
    assert_eq!(key, "65a0000000000000000000ff");
    assert_eq!(reading.verdict, Verdict::Park(ParkReason::PatientUnknown));
    for owner in [
        r#""hospital_id":{"$oid":"65b000000000000000000001"},"#,
        r#""hospital_id":"h","patient_id":null,"#,
    ] {
        let (_, reading) = of(owner);
        assert_eq!(death(&reading).reason, DeadReason::NoPatient);
        assert_eq!(reading.item, Some(0));
    }
}

#[test]
fn a_reading_that_waits_is_the_same_once_its_patient_is_there() {
    let text = r#"{"_id":"d-1","patient_id":"65a0000000000000000000ff","data":[{"weight":71.4,"height":172,"body_data_import_date":"2021-03-01T07:00:00"}]}"#;
    let entry = entries_of("body_data_histories", text).remove(0);
    let waiting = judged(&entry);
    assert_eq!(waiting.readings.len(), 2);
    let patients = [json!({"_id": {"$oid": "65a0000000000000000000ff"}})];
    let later = Registry::from_documents([], [], patients).0;
    let released = judged_at(&entry, &later, Some(&[1]), RECEIVED);
    let [height] = &released.readings[..] else {
        panic!("only the item that was asked for");
    };
    assert_eq!(
        (height.item, height.main_id),
        (Some(1), waiting.readings[1].main_id)
    );
    assert_eq!(observations(height)[0]["valueQuantity"]["value"], 172);
}

#[test]
fn a_time_that_cannot_be_placed_is_dead_and_never_now() {
    let reading = |date: &str| {
        one(judged(&entry_of(
            "step_histories",
            &format!(r#"{{"step":4200{date}}}"#),
        )))
    };
    let effective = |date: &str| {
        let reading = reading(&format!(r#","step_import_date":{date}"#));
        observations(&reading)[0]["effectiveDateTime"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for date in [
        r#"{"$date":"2021-03-01T00:00:00Z"}"#,
        r#"{"$date":"2021-03-01T00:00:00.999Z"}"#,
        r#"{"$date":{"$numberLong":"1614556800000"}}"#,
        r#""2021-03-01T07:00:00""#,
        r#""2021-03-01 07:00:00""#,
        r#""2021-03-01T07:00:00.500""#,
        r#""2021-03-01T00:00:00Z""#,
        r#""2021-03-01T07:00:00+07:00""#,
        r#""01/03/2021 07:00:00""#,
        r#""01/03/2021 07:00""#,
        "1614556800",
        r#""1614556800""#,
        r#"{"$numberLong":"1614556800000"}"#,
        "1614556800.0",
    ] {
        assert_eq!(effective(date), "2021-03-01T07:00:00+07:00", "{date}");
    }
    for date in [
        "null",
        r#""""#,
        r#"{"$date":{"$numberLong":"0"}}"#,
        r#"{"$date":"1970-01-01T00:00:00Z"}"#,
        r#"{"$date":{"$numberLong":"-62135596800000"}}"#,
        r#"{"$date":{"$numberLong":"946684799999"}}"#,
        r#"{"$date":{"$numberLong":"9223372036854775807"}}"#,
        r#"{"$date":{"$numberLong":"-9223372036854775808"}}"#,
        r#"{"$date":"2026-03-02T00:00:01Z"}"#,
        r#"{"$date":"2099-01-01T00:00:00Z"}"#,
        // The years of another calendar are not turned into ours.
        r#""01/03/2564 07:00:00""#,
        // No time of day is made up.
        r#""2021-03-01""#,
        r#""01/03/2021""#,
        r#""31/02/2021 07:00:00""#,
        r#""03-2021""#,
        r#""yesterday""#,
        "0",
        "-5",
        "true",
        "[]",
        "{}",
    ] {
        let reading = reading(&format!(r#","step_import_date":{date}"#));
        assert_eq!(death(&reading).reason, DeadReason::UnknownTime, "{date}");
        assert!(reading.main_id.is_none());
    }
    assert_eq!(death(&reading("")).reason, DeadReason::UnknownTime);
    assert_eq!(
        effective(r#"{"$date":"2026-03-02T00:00:00Z"}"#),
        "2026-03-02T07:00:00+07:00"
    );
    assert_eq!(
        effective(r#"{"$date":{"$numberLong":"946684800000"}}"#),
        "2000-01-01T07:00:00+07:00"
    );
}

#[test]
fn a_bad_value_comes_before_a_bad_time_and_both_before_the_patient() {
    let text = |patient: &str, step: &str, date: &str| {
        format!(
            r#"{{"_id":"d","patient_id":{patient},"data":[{{"step":{step},"step_import_date":{date}}}]}}"#
        )
    };
    let reason = |text: &str| match one(judged(&entries_of("step_histories", text)[0])).verdict {
        Verdict::Dead(death) => death.reason.label(),
        Verdict::Park(reason) => reason.label(),
        Verdict::Emit(_) => "emitted",
    };
    assert_eq!(reason(&text("null", "-1", "null")), "value impossible");
    assert_eq!(reason(&text("null", "1", "null")), "unknown time");
    assert_eq!(reason(&text("null", "1", "1614556800")), "patient unknown");
}

#[test]
fn entries_that_are_no_documents_are_dead_as_they_stand() {
    let entries = r#"null,7,"[object Object]",[],[{"step":1}],true"#;
    let all = entries_of("step_histories", &document(entries));
    assert_eq!(all.len(), 6);
    for entry in &all {
        let reading = one(judged(entry));
        assert_eq!(
            (death(&reading).reason, reading.item),
            (DeadReason::Unreadable, None)
        );
        assert_eq!(judged(entry).document.as_deref(), Some(ID));
    }
    let twice = entry_of(
        "step_histories",
        r#"{"step":1,"step":2,"step_import_date":1614556800}"#,
    );
    assert_eq!(death(&one(judged(&twice))).reason, DeadReason::Unreadable);
    let surrogate = entry_of("step_histories", r#"{"step":1,"notes":"\ud800"}"#);
    assert_eq!(death(&one(judged(&surrogate))).reason, DeadReason::Unreadable);
}

#[test]
fn a_body_that_is_no_entry_is_one_dead_reading() {
    let entry = entry_of("step_histories", STEPS);
    for body in [
        String::new(),
        "null".into(),
        "{}".into(),
        SAMPLES[0].to_owned(),
        entry.body.replace(r#""shape":"A""#, r#""shape":"F""#),
        entry.body.replace(r#""document_id""#, r#""id""#),
        "[".repeat(10_000),
    ] {
        let entry = Entry {
            body,
            ..entry.clone()
        };
        let reading = one(judged(&entry));
        assert_eq!(
            (death(&reading).reason, reading.item),
            (DeadReason::Unreadable, None),
            "{}",
            entry.body
        );
    }
    let elsewhere = Entry {
        body: entry.body.replace("step_histories", "diaries"),
        ..entry
    };
    assert_eq!(
        death(&one(judged(&elsewhere))).reason,
        DeadReason::UnknownAttribute
    );
}

#[test]
fn the_raw_item_is_the_entry_with_its_document() {
    let entry = entry_of(
        "body_data_histories",
        r#"{"weight":71.4,"height":172,"body_data_import_date":1614556800}"#,
    );
    let judged = judged(&entry);
    assert_eq!(
        judged.readings[1].raw_item,
        format!(r#"{{"history":{},"item":1}}"#, entry.body)
    );
    assert_eq!(judged.document.as_deref(), Some(ID));
    assert_eq!((judged.gateway, judged.status), (None, None));
}

#[test]
fn the_account_counts_what_the_parser_will_do() {
    let text = document(
        r#"{"weight":71.4,"height":0,"bmi":{"$numberDouble":"Infinity"},"body_data_import_date":1614556800},
           {"weight":71.4,"height":0,"bmi":{"$numberDouble":"Infinity"},"body_data_import_date":1614556800},
           {"body_data_import_date":1614556900,"weight":0.227,"height":1.72,"hip":90,"body_data_source":0},
           {"weight":0,"body_data_import_date":null},
           {"weight":80,"body_data_import_date":null},
           7"#,
    );
    let account = account_of("body_data_histories", &text);
    assert_eq!(
        (account.documents, account.own, account.entries, account.repeated),
        (1, 0, 6, 1)
    );
    assert_eq!(
        (account.emitted, account.without_readings, account.readings()),
        (1, 1, 5)
    );
    let dead: Vec<_> = account.dead.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(
        dead,
        [("unknown time", 1), ("unreadable", 1), ("value impossible", 2)]
    );
    let nothing: Vec<_> = account.nothing.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(
        nothing,
        [
            (("bmi", "infinity"), 1),
            (("height", "zero"), 1),
            (("weight", "zero"), 1)
        ]
    );
    let lines: Vec<_> = account.lines.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(lines, [("height up to 3 cm", 1), ("weight below 0.5 kg", 1)]);
    assert_eq!(account.left_over.get("hip"), Some(&1));
    assert_eq!(
        (account.earliest, account.latest),
        (Some(Timestamp::from_seconds(1_614_556_800)), account.earliest)
    );

    let parser: Vec<Judged> = entries_of("body_data_histories", &text)
        .iter()
        .filter(|entry| !entry.repeated)
        .map(judged)
        .collect();
    let emitted = parser
        .iter()
        .flat_map(|j| &j.readings)
        .filter(|r| matches!(r.verdict, Verdict::Emit(_)));
    assert_eq!(emitted.count() as u64, account.emitted);

    let mut sum = account.clone();
    sum.add(account.clone());
    assert_eq!(
        (sum.entries, sum.readings(), sum.nothing[&("weight", "zero")]),
        (12, 10, 2)
    );
    assert_eq!((sum.earliest, sum.latest), (account.earliest, account.latest));
}

#[test]
fn every_collection_is_known_and_no_other() {
    for collection in COLLECTIONS {
        let entry = format!(r#"{{"none":1,{}}}"#, date_field(collection));
        assert!(
            judged(&entry_of(collection, &entry)).readings.is_empty(),
            "{collection}"
        );
    }
    assert_eq!(COLLECTIONS.len(), 10);
}

#[test]
fn an_observation_is_the_same_however_the_document_was_exported() {
    let of = |entry: &str| -> Value {
        observations(&one(judged(&entry_of("temprature_data_histories", entry))))[0].clone()
    };
    let relaxed =
        of(r#"{"temprature_data":36.60,"temprature_import_date":{"$date":"2021-03-01T00:00:00Z"}}"#);
    for entry in [
        r#"{"temprature_import_date":{"$date":{"$numberLong":"1614556800000"}},"temprature_data":{"$numberDouble":"36.6"}}"#,
        r#"{ "temprature_data" : 36.6, "temprature_import_date" : { "$date" : "2021-03-01T00:00:00.000+0000" } }"#,
        r#"{"temprature_data":36.6,"temprature_import_date":{"$date":1614556800000}}"#,
    ] {
        assert_eq!(of(entry), relaxed, "{entry}");
    }
}
