//! The schemas stay readable: by older and newer versions of themselves, and byte for byte.

use apache_avro::Schema;
use apache_avro::schema_compatibility::SchemaCompatibility;
use bytes::Bytes;
use stardust_wire::schemas::VERSIONS;
use stardust_wire::{LetterItem, LetterRecord, RawRecord, Subject, Wire, WireError};

fn raw() -> RawRecord {
    RawRecord {
        receipt_id: "0198b1c2-0000-7000-8000-000000000001".to_owned(),
        request_id: "r-1".to_owned(),
        received_at: 1_772_323_200_000_000,
        source: "http".to_owned(),
        content_type: None,
        gateway: Some("020000aa0001".to_owned()),
        migration_run: None,
        items: Some(vec![0, 3]),
        body: Bytes::from_static(b"{\"a\":\xff\x00}"),
    }
}

#[test]
fn bytes_travel_untouched() {
    let wire = Wire::builtin().unwrap();
    let value = wire.encode(Subject::Raw, &raw()).unwrap();
    assert_eq!(value[..5], [0, 0, 0, 0, 1]);
    assert_eq!(wire.decode::<RawRecord>(Subject::Raw, &value).unwrap(), raw());
}

#[test]
fn a_letter_of_either_shelf_round_trips() {
    let wire = Wire::builtin().unwrap();
    let item = LetterItem {
        item_index: None,
        stage: "payload".to_owned(),
        reason: "unreadable".to_owned(),
        field: None,
    };
    let letter = LetterRecord {
        first_try: 1,
        last_try: 2,
        ..LetterRecord::of(raw(), vec![item], "0".repeat(64))
    };
    for subject in [Subject::Parked, Subject::Dead] {
        let value = wire.encode(subject, &letter).unwrap();
        assert_eq!(wire.decode::<LetterRecord>(subject, &value).unwrap(), letter);
    }
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let wire = Wire::builtin().unwrap();
    let value = wire.encode(Subject::Raw, &raw()).unwrap();
    for cut in 0..value.len() {
        assert!(
            wire.decode::<RawRecord>(Subject::Raw, &value[..cut]).is_err(),
            "cut at {cut}"
        );
    }
    for at in 5..value.len() {
        let mut bent = value.clone();
        bent[at] ^= 0xff;
        let _ = wire.decode::<RawRecord>(Subject::Raw, &bent);
    }
    let mut long = value.clone();
    long.push(0);
    assert!(matches!(
        wire.decode::<RawRecord>(Subject::Raw, &long),
        Err(WireError::Datum(_))
    ));
    assert!(matches!(
        wire.decode::<RawRecord>(Subject::Dead, &value),
        Err(WireError::OtherSubject { .. })
    ));
    assert!(matches!(
        wire.decode::<RawRecord>(Subject::Raw, &[0, 9, 9, 9, 9]),
        Err(WireError::UnknownSchema(_))
    ));
    assert!(matches!(
        wire.decode::<RawRecord>(Subject::Raw, b"{}"),
        Err(WireError::Framing)
    ));
}

#[test]
fn a_length_does_not_decide_how_much_memory_is_asked_for() {
    let wire = Wire::builtin().unwrap();
    let largest = RawRecord {
        body: Bytes::from(vec![b'x'; 4 << 20]),
        ..raw()
    };
    let value = wire.encode(Subject::Raw, &largest).unwrap();
    assert_eq!(wire.decode::<RawRecord>(Subject::Raw, &value).unwrap(), largest);
    // A receipt id that says it has 256 MiB.
    let value = b"\0\0\0\0\x01\x80\x80\x80\x80\x02";
    let error = wire.decode::<RawRecord>(Subject::Raw, value).unwrap_err();
    assert!(error.to_string().contains("maximum allowed"), "{error}");
}

#[test]
fn a_registrys_ids_are_written_and_the_compiled_ones_stay_readable() {
    let builtin = Wire::builtin().unwrap();
    let registered = Wire::with_ids(&[(Subject::Raw, 4_711)].into()).unwrap();
    let value = registered.encode(Subject::Raw, &raw()).unwrap();
    assert_eq!(value[1..5], 4_711_u32.to_be_bytes());
    assert_eq!(
        registered.decode::<RawRecord>(Subject::Raw, &value).unwrap(),
        raw()
    );
    let old = builtin.encode(Subject::Raw, &raw()).unwrap();
    assert_eq!(registered.decode::<RawRecord>(Subject::Raw, &old).unwrap(), raw());
}

#[test]
fn every_version_of_a_schema_reads_the_ones_before_it() {
    for (at, newer) in VERSIONS.iter().enumerate() {
        for older in VERSIONS[..at].iter().filter(|v| v.subject == newer.subject) {
            let (reader, writer) = (
                Schema::parse_str(newer.text).unwrap(),
                Schema::parse_str(older.text).unwrap(),
            );
            SchemaCompatibility::can_read(&writer, &reader).unwrap();
        }
    }
}

/// The schemas as first released. A change to a released text must come as a new version beside it, so this list only
/// grows: its id, subject and canonical form.
#[test]
fn a_released_schema_is_never_edited() {
    let released = include_str!("released.txt");
    for version in VERSIONS {
        let schema = Schema::parse_str(version.text).unwrap();
        let line = format!(
            "{} {} {}",
            version.id,
            version.subject.name(),
            schema.canonical_form()
        );
        assert!(
            released.lines().any(|l| l == line),
            "not in released.txt:\n{line}"
        );
    }
    assert_eq!(released.lines().count(), VERSIONS.len(), "a released id has gone");
}

#[test]
fn an_incompatible_change_is_caught() {
    let text = VERSIONS[0].text;
    let writer = Schema::parse_str(text).unwrap();
    let mut schema: serde_json::Value = serde_json::from_str(text).unwrap();
    let fields = schema["fields"].as_array_mut().unwrap();
    fields.push(serde_json::json!({"name": "ward", "type": "string"}));
    let reader = Schema::parse_str(&schema.to_string()).unwrap();
    assert!(SchemaCompatibility::can_read(&writer, &reader).is_err());
}
