//! The forms of history documents, and how their entries are come by.

use stardust_domain::history::{DocumentError, HistoryDocument, Shape};
use stardust_domain::outcome::DeadReason;

use crate::fixture::*;
use crate::histories::{account_of, document, entries_of, judged};

fn read(text: &str) -> HistoryDocument<'_> {
    HistoryDocument::read("AMY", "heart_rate_histories", text).unwrap()
}

#[test]
fn the_shape_of_a_document_is_told_by_its_form() {
    let owner = format!(r#""_id":"d","patient_id":{{"$oid":"{PATIENT}"}}"#);
    for (rest, shape) in [
        (
            r#""data":[{"heart_rate":64,"hr_import_date":"2021-03-01 07:00"}],"__v":0"#,
            Shape::A,
        ),
        (r#""data":[]"#, Shape::A),
        (r#""date_tag":"03-2021""#, Shape::A),
        (
            r#""data":[{"heart_rate":64,"timestamp":"2021-03-01 07:00"}]"#,
            Shape::B,
        ),
        (
            r#""device_id":"x","device_type":"y","timestamp":1,"notes":"","data":[{"heart_rate":64}]"#,
            Shape::B2,
        ),
        (
            r#""device_id":"x","device_type":"y","timestamp":1,"source":"AVA4","data":[{"heart_rate":64}]"#,
            Shape::C,
        ),
        (
            r#""device_id":"x","timestamp":1,"source":"AVA4","data":{"heart_rate":64}"#,
            Shape::D,
        ),
    ] {
        let text = format!("{{{owner},{rest}}}");
        assert_eq!(read(&text).shape(), shape, "{rest}");
    }
    let hospital =
        r#"{"_id":"d","hospital_id":"h","data":[{"heart_rate":64,"timestamp":"2021-03-01 07:00"}]}"#;
    assert_eq!(read(hospital).shape(), Shape::E);
}

#[test]
fn each_shape_has_its_own_time() {
    let effective = |rest: &str| {
        let text =
            format!(r#"{{"_id":"d","patient_id":{{"$oid":"{PATIENT}"}},"created_at":1640995200,{rest}}}"#);
        let reading = one(judged(&entries_of("heart_rate_histories", &text)[0]));
        match &reading.verdict {
            stardust_domain::reading::Verdict::Dead(death) => {
                assert_eq!(death.reason, DeadReason::UnknownTime);
                "none".to_owned()
            }
            _ => observations(&reading)[0]["effectiveDateTime"]
                .as_str()
                .unwrap()
                .to_owned(),
        }
    };
    let at = "2021-03-01T07:00:00+07:00";
    for rest in [
        r#""data":[{"heart_rate":64,"hr_import_date":1614556800}]"#,
        r#""data":[{"heart_rate":64,"timestamp":1614556800}]"#,
        r#""data":[{"heart_rate":64,"hr_import_date":null,"timestamp":1614556800}]"#,
        r#""device_id":"x","source":"AVA4","timestamp":1640995200,"data":[{"heart_rate":64,"timestamp":1614556800}]"#,
        r#""timestamp":1640995200,"source":"AVA4","data":{"heart_rate":64,"scan_time":1614556800}"#,
        r#""timestamp":1640995200,"source":"AVA4","data":{"heart_rate":64,"scan_time":"1614556800000"}"#,
    ] {
        assert_eq!(effective(rest), at, "{rest}");
    }
    // When a document was written says nothing about when its readings were taken.
    for rest in [
        r#""timestamp":1640995200,"source":"AVA4","data":{"heart_rate":64,"timestamp":1640995200}"#,
        r#""timestamp":1640995200,"source":"AVA4","device_id":"x","data":[{"heart_rate":64}]"#,
        r#""data":[{"heart_rate":64,"scan_time":1614556800}]"#,
        // A date that is there and bad is not replaced by another.
        r#""data":[{"heart_rate":64,"hr_import_date":0,"timestamp":1614556800}]"#,
    ] {
        assert_eq!(effective(rest), "none", "{rest}");
    }
}

#[test]
fn our_own_documents_are_counted_and_left_alone() {
    let text = format!(
        r#"{{"_id":"d","patient_id":{{"$oid":"{PATIENT}"}},"device_id":"020000bb0001","data":[{{"heart_rate":64,"timestamp":1614556800}}],"source":"stardust"}}"#
    );
    assert!(read(&text).is_own());
    let account = account_of("heart_rate_histories", &text);
    assert_eq!(
        (
            account.documents,
            account.own,
            account.entries,
            account.readings()
        ),
        (1, 1, 0, 0)
    );
    let theirs = text.replace("stardust", "AVA4");
    assert_eq!(account_of("heart_rate_histories", &theirs).emitted, 1);
}

#[test]
fn equal_entries_of_one_document_are_one_receipt_and_of_two_documents_two() {
    let entry = r#"{"heart_rate":64,"timestamp":1614556800}"#;
    let same = r#"{ "timestamp" : 1614556800, "heart_rate" : 64 }"#;
    let other = r#"{"heart_rate":65,"timestamp":1614556800}"#;
    let all = entries_of(
        "heart_rate_histories",
        &document(&format!("{entry}, {other},\n{same},{entry}")),
    );
    assert_eq!(
        all.iter().map(|e| e.repeated).collect::<Vec<_>>(),
        [false, false, true, true]
    );
    assert_eq!(all.iter().map(|e| e.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(all[0].receipt_id, all[2].receipt_id);
    assert_ne!(all[0].receipt_id, all[1].receipt_id);
    let elsewhere = document(entry).replace("5b99101d", "5b99101e");
    assert_ne!(
        entries_of("heart_rate_histories", &elsewhere)[0].receipt_id,
        all[0].receipt_id
    );
    assert_ne!(
        entries_of("spo2_histories", &document(entry))[0].receipt_id,
        all[0].receipt_id
    );
    // Another kind of number is another entry, though the same value.
    let double = document(r#"{"heart_rate":64.0,"timestamp":1614556800}"#);
    assert_ne!(
        entries_of("heart_rate_histories", &double)[0].receipt_id,
        all[0].receipt_id
    );
}

#[test]
fn a_document_without_data_has_no_entries() {
    for data in [
        "",
        r#","data":null"#,
        r#","data":[]"#,
        r#","data":[ ]"#,
        r#","data":"x""#,
        r#","data":7"#,
    ] {
        let text = format!(r#"{{"_id":"d"{data}}}"#);
        assert_eq!(read(&text).entries().count(), 0, "{data}");
    }
}

#[test]
fn any_kind_of_id_names_a_document() {
    for (id, text) in [
        (
            r#"{"$oid":"5B99101DDA84585AAA23DBF9"}"#,
            "5b99101dda84585aaa23dbf9",
        ),
        (r#""a|b""#, "a|b"),
        ("7", r#"{"$numberInt":"7"}"#),
        (r#"{"b":1,"a":"x"}"#, r#"{"a":"x","b":{"$numberInt":"1"}}"#),
    ] {
        assert_eq!(read(&format!(r#"{{"_id":{id}}}"#)).id(), text);
    }
}

#[test]
fn what_is_no_document_is_an_error() {
    let error = |text: &str| HistoryDocument::read("AMY", "step_histories", text).unwrap_err();
    for text in [
        "",
        "[]",
        "7",
        r#"{"_id":"d""#,
        r#"{"_id":"d"} {}"#,
        r#"{"_id":"\ud800"}"#,
    ] {
        assert_eq!(error(text), DocumentError::NotJson, "{text}");
    }
    assert_eq!(error(r#"{"data":[]}"#), DocumentError::NoId);
    assert_eq!(error(r#"{"_id":1,"_id":2}"#), DocumentError::NoId);
    let deep = format!(r#"{{"_id":1,"data":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    assert_eq!(error(&deep), DocumentError::TooDeep);
}

#[test]
fn a_large_document_is_taken_apart_an_entry_at_a_time() {
    let one = r#"{"heart_rate":64,"timestamp":1614556800,"notes":""#;
    let many: Vec<String> = (0..20_000).map(|n| format!(r#"{one}{n}"}}"#)).collect();
    let text = document(&many.join(","));
    let document = read(&text);
    let mut entries = document.entries();
    let first = entries.next().unwrap();
    assert!(first.body.len() < 1_000, "a body holds its own entry only");
    assert_eq!(entries.by_ref().count(), 19_999);
}
