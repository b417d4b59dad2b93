//! Documents to store.

use stardust_domain::ids::{Mac, PatientId, uuid_of};
use stardust_domain::time::Timestamp;
use uuid::Uuid;

use crate::store::{
    ChainedEvent, LegacyContent, LegacyDocument, Letter, LetterState, ObservationDocument, Position, Shelf,
    Writer,
};

/// An address of a test device.
pub(super) fn mac(n: u8) -> Option<Mac> {
    format!("02:00:00:AA:00:{n:02X}").parse().ok()
}

/// A patient of the tests.
pub(super) fn patient(n: u8) -> PatientId {
    PatientId::from_bytes([0x65, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n])
}

/// An instant in whole milliseconds: what every backend keeps.
pub(super) fn instant(n: i64) -> Timestamp {
    Timestamp::from_millis(1_772_323_200_123 + n * 1_000)
}

/// A writer at an offset of partition 3 of `topic`.
pub(super) fn writer(topic: &str, offset: i64) -> Writer {
    Writer {
        receipt_id: format!("{}", uuid_of(&format!("receipt|{topic}|{offset}"))),
        position: Position {
            topic: topic.into(),
            partition: 3,
            offset,
            item: 0,
        },
    }
}

/// A resource whose decimals, texts and shapes are easily lost on the way.
pub(super) fn resource(id: Uuid) -> String {
    format!(
        concat!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","#,
            r#""code":{{"coding":[{{"system":"http://loinc.org","code":"8310-5","display":"Body temperature"}}],"text":"อุณหภูมิ \"ear\" ½ \\ /\n"}},"#,
            r#""note":[{{"text":"<b>&\u001f</b>"}}],"_given":[null,{{"extension":[]}}],"#,
            r#""valueQuantity":{{"value":36.60,"comparator":">","unit":"°C","system":"http://unitsofmeasure.org","code":"Cel"}},"#,
            r#""component":[{{"valueQuantity":{{"value":0.10}}}},{{"valueInteger":120}},{{"valueQuantity":{{"value":4.000}}}},"#,
            r#"{{"valueQuantity":{{"value":112}}}},{{"valueQuantity":{{"value":-0.5}}}},{{"valueBoolean":true}}],"z":{{}},"a":[]}}"#
        ),
        id = id
    )
}

/// An Observation with every field set, written at this offset.
pub(super) fn observation(topic: &str, n: i64) -> ObservationDocument {
    let id = uuid_of(&format!("obs|{topic}|{n}"));
    ObservationDocument {
        id,
        main: true,
        resource: resource(id),
        code: "8310-5".into(),
        status: "final".into(),
        patient: patient(1),
        device: mac(1),
        gateway: mac(2),
        effective: instant(n),
        recorded: instant(n + 60),
        writer: writer(topic, n),
        source: "http".into(),
        raw_item: r#"{"attribute":"BP_BIOLIGTH","time":1772323200,"item":{"temp":36.599998,"mode":"Head"}}"#.into(),
        mapping_version: "m1".into(),
        migration_run: Some("run-1".into()),
        legacy: Some(LegacyContent {
            collection: "temprature_data_histories".into(),
            id: format!("{:024x}", id.as_u128() >> 32),
            document: r#"{"_id":{"$oid":"65a0000000000000000000ff"},"data":[{"temperature":36.6}],"device_type":"x"}"#
                .into(),
        }),
    }
}

/// An Observation that leaves out what can be left out.
pub(super) fn sparse_observation(topic: &str, n: i64) -> ObservationDocument {
    ObservationDocument {
        main: false,
        device: None,
        gateway: None,
        migration_run: None,
        legacy: None,
        status: "preliminary".into(),
        source: "migration".into(),
        ..observation(topic, n)
    }
}

/// An open letter with every field set.
pub(super) fn letter(shelf: Shelf, topic: &str, n: i64) -> Letter {
    let writer = writer(topic, n);
    Letter {
        shelf,
        id: format!("{}:0", writer.receipt_id),
        writer,
        field: Some("pr".into()),
        partial: false,
        stage: "registry".into(),
        reason: "device unknown".into(),
        detail: Some("limits 20 to 300; also: bp_low".into()),
        gateway: mac(2),
        device: mac(1),
        mapping_version: "m1".into(),
        first_try: instant(n),
        last_try: instant(n),
        state: LetterState::Open,
    }
}

/// A legacy document.
pub(super) fn legacy(topic: &str, collection: &str, n: i64) -> LegacyDocument {
    let id = format!(
        "{:024x}",
        uuid_of(&format!("legacy|{topic}|{collection}|{n}")).as_u128() >> 32
    );
    LegacyDocument {
        content: LegacyContent {
            collection: collection.into(),
            document: format!(
                concat!(
                    r#"{{"_id":{{"$oid":"{id}"}},"patient_id":{{"$oid":"65a000000000000000000001"}},"device_id":"020000aa0001","#,
                    r#""device_type":"BP_BIOLIGTH","data":[{{"systolic":131,"temperature":36.6,"marker":"après"}}],"#,
                    r#""timestamp":{{"$date":"2026-03-01T00:00:00.123Z"}},"source":"stardust"}}"#
                ),
                id = id
            ),
            id,
        },
        receipt_id: writer(topic, n).receipt_id,
    }
}

/// An event of a chain.
pub(super) fn event(topic: &str, chain: i32, seq: i64) -> ChainedEvent {
    let id = uuid_of(&format!("audit|{topic}|{chain}|{seq}"));
    ChainedEvent {
        id,
        resource: format!(
            r#"{{"resourceType":"AuditEvent","id":"{id}","action":"C","outcome":{{"detail":[{{"text":"นำเข้า"}}]}}}}"#
        ),
        outcome: "created".into(),
        receipt_id: writer(topic, seq).receipt_id,
        patient: (seq % 2 == 0).then(|| patient(2)),
        gateway: (seq % 2 == 0).then(|| mac(3)).flatten(),
        recorded: instant(seq),
        chain,
        seq,
        prev: format!("{:064x}", seq - 1),
        hash: format!("{seq:064x}"),
    }
}
