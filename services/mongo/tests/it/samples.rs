//! Documents to store.

use stardust_domain::ids::uuid_of;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{
    ChainedEvent, LegacyContent, LegacyDocument, Letter, LetterState, ObservationDocument, Position, Shelf,
    Writer,
};

pub(crate) const PATIENT: &str = "65a000000000000000000001";

pub(crate) fn writer(offset: i64) -> Writer {
    Writer {
        receipt_id: format!("receipt-{offset}"),
        position: Position {
            topic: "ava4.readings.raw".into(),
            partition: 3,
            offset,
            item: 0,
        },
    }
}

pub(crate) fn observation(n: i64) -> ObservationDocument {
    let id = uuid_of(&format!("obs|{n}"));
    ObservationDocument {
        id,
        main: true,
        resource: format!(
            r#"{{"resourceType":"Observation","id":"{id}","status":"final","subject":{{"reference":"Patient/{PATIENT}"}},"valueQuantity":{{"value":36.60,"unit":"°C"}},"component":[{{"valueQuantity":{{"value":112}}}}]}}"#
        ),
        code: "8310-5".into(),
        status: "final".into(),
        patient: PATIENT.parse().unwrap(),
        device: "02:00:00:AA:00:01".parse().ok(),
        gateway: "02:00:00:AA:00:02".parse().ok(),
        effective: Timestamp::from_seconds(1_836_900_001),
        recorded: Timestamp::from_micros(1_836_900_060_123_456),
        writer: writer(n),
        source: "http".into(),
        raw_item: r#"{"attribute":"BODY_TEMP"}"#.into(),
        mapping_version: "m1".into(),
        migration_run: None,
        legacy: Some(legacy("temprature_data_histories", n).content),
    }
}

pub(crate) fn legacy(collection: &str, n: i64) -> LegacyDocument {
    let id = format!("{n:024x}");
    LegacyDocument {
        content: LegacyContent {
            collection: collection.into(),
            document: format!(
                r#"{{"_id":{{"$oid":"{id}"}},"patient_id":{{"$oid":"{PATIENT}"}},"device_id":"020000aa0001","device_type":"BODY_TEMP","data":[{{"temperature":36.6,"pulse":84,"mode":"Head","timestamp":{{"$date":"2028-03-17T10:00:01Z"}}}}],"timestamp":{{"$date":"2028-03-17T10:00:01Z"}},"created_at":{{"$date":"2028-03-17T10:01:00.123Z"}},"updated_at":{{"$date":"2028-03-17T10:01:00.123Z"}},"source":"stardust"}}"#
            ),
            id,
        },
        receipt_id: writer(n).receipt_id,
    }
}

pub(crate) fn letter(shelf: Shelf, n: i64) -> Letter {
    Letter {
        shelf,
        id: format!("receipt-{n}:0"),
        writer: writer(n),
        field: None,
        partial: false,
        stage: "registry".into(),
        reason: "device unknown".into(),
        detail: None,
        gateway: "02:00:00:AA:00:02".parse().ok(),
        device: None,
        mapping_version: "m1".into(),
        first_try: Timestamp::from_seconds(1_836_900_001),
        last_try: Timestamp::from_seconds(1_836_900_001),
        state: LetterState::Open,
    }
}

pub(crate) fn event(seq: i64) -> ChainedEvent {
    let id = uuid_of(&format!("audit|{seq}"));
    ChainedEvent {
        id,
        resource: format!(r#"{{"resourceType":"AuditEvent","id":"{id}","action":"C"}}"#),
        outcome: "created".into(),
        receipt_id: writer(seq).receipt_id,
        patient: PATIENT.parse().ok(),
        gateway: None,
        recorded: Timestamp::from_micros(1_836_900_060_123_456),
        chain: 2,
        seq,
        prev: format!("{:064x}", seq - 1),
        hash: format!("{seq:064x}"),
    }
}
