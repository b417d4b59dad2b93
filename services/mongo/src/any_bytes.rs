//! Whatever JSON comes, it is refused or comes back.

use mongodb::bson::RawDocumentBuf;
use serde_json::Value;

use crate::writer::Writer;
use crate::{extended, json, text};

#[path = "../../../tests/hostile/bytes.rs"]
#[allow(dead_code)]
mod bytes;

use bytes::{Numbers, mutated};

const RESOURCE: &str = r#"{"resourceType":"Observation","note":[{"text":"<b>&\u001f ½ อุณหภูมิ \\ \"</b>"}],"_given":[null,{"extension":[]}],"valueQuantity":{"value":36.60,"code":"Cel"},"component":[{"valueQuantity":{"value":0.10}},{"valueInteger":120},{"valueQuantity":{"value":-0.5}},{"valueBoolean":true}],"z":{},"a":[]}"#;
const DOCUMENT: &str = r#"{"_id":{"$oid":"65a0000000000000000000ff"},"patient_id":{"$oid":"65a000000000000000000001"},"data":[{"systolic":131,"temperature":36.6,"n":{"$numberLong":"-7"},"d":{"$numberDecimal":"1.50"},"x":{"$numberDouble":"NaN"}}],"timestamp":{"$date":"2026-03-01T00:00:00.123Z"},"created_at":{"$date":{"$numberLong":"1772323200123"}},"source":"stardust"}"#;

/// More by `HOSTILE=`.
fn rounds() -> u64 {
    std::env::var("HOSTILE")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20_000)
}

#[test]
fn a_resource_is_refused_or_comes_back() {
    let samples = [RESOURCE.as_bytes().to_vec()];
    let (mut kept, mut spelled) = (0, 0);
    for round in 0..rounds() {
        let bytes = mutated(&mut Numbers::of(1, round), &samples);
        let Ok(json) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let mut writer = Writer::with_capacity(0);
        let Ok(same) = json::resource(&mut writer, "resource_data", json) else {
            continue;
        };
        let stored: RawDocumentBuf = writer.finish().unwrap();
        let back = text::resource(stored.get_document("resource_data").unwrap()).unwrap();
        kept += 1;
        if same {
            spelled += 1;
            assert_eq!(back, json, "round {round}");
        } else {
            // Another spelling, which is kept as it is.
            let mut again = Writer::with_capacity(0);
            let kept = json::resource(&mut again, "resource_data", &back);
            assert!(
                matches!(kept, Ok(true)),
                "round {round}: {json} came back as {back}"
            );
            let again = again.finish().unwrap();
            let twice = text::resource(again.get_document("resource_data").unwrap()).unwrap();
            assert_eq!(twice, back, "round {round}");
        }
    }
    assert!(
        kept > rounds() / 20 && spelled > rounds() / 50,
        "{kept} kept, {spelled} as they were"
    );
}

#[test]
fn a_legacy_document_is_refused_or_comes_back() {
    let samples = [DOCUMENT.as_bytes().to_vec()];
    let mut kept = 0;
    for round in 0..rounds() {
        let bytes = mutated(&mut Numbers::of(2, round), &samples);
        let Ok(json) = std::str::from_utf8(&bytes) else {
            continue;
        };
        let Ok((_, fields)) = extended::document(json) else {
            continue;
        };
        kept += 1;
        let back = text::extended(&fields).unwrap();
        assert!(
            serde_json::from_str::<Value>(&back).is_ok(),
            "round {round}: {json} came back as {back}"
        );
    }
    assert!(kept > rounds() / 20, "{kept} kept");
}
