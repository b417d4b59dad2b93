//! Avro records of every topic, with their framing.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stardust_wire::{
    AuditRecord, LegacyRecord, LetterItem, LetterRecord, ObservationRecord, RawRecord, StatusRecord, Subject,
    Wire,
};

use super::{Target, hold, ward};
use crate::bytes::mutated;

/// The framing: a zero byte and the id of the schema.
const FRAME: usize = 5;

pub fn targets() -> Vec<Target> {
    vec![
        of::<RawRecord>("raw", Subject::Raw, &raws()),
        of::<LetterRecord>("dead", Subject::Dead, &letters()),
        of::<LetterRecord>("parked", Subject::Parked, &letters()),
        of::<StatusRecord>("status", Subject::Status, &statuses()),
        of::<ObservationRecord<'static>>("observations", Subject::Observations, &observations()),
        of::<LegacyRecord<'static>>("legacy", Subject::Legacy, &documents()),
        of::<AuditRecord<'static>>("events", Subject::Audit, &events()),
    ]
}

fn of<T>(name: &'static str, subject: Subject, records: &[T]) -> Target
where
    T: Serialize + DeserializeOwned + PartialEq + 'static,
{
    let wire = Wire::builtin().unwrap();
    let samples: Vec<Vec<u8>> = records.iter().map(|r| wire.encode(subject, r).unwrap()).collect();
    let data: Vec<Vec<u8>> = samples.iter().map(|s| s[FRAME..].to_vec()).collect();
    Target {
        name,
        weight: 4,
        // A length that is read from the bytes may ask for as much as a record can have, for a moment.
        holds: 9 << 20,
        bytes: Box::new(move |numbers| {
            // Mostly the datum alone is damaged: few damaged frames get any further.
            if numbers.once_in(5) {
                return mutated(numbers, &samples);
            }
            [&samples[0][..FRAME], &mutated(numbers, &data)].concat()
        }),
        check: Box::new(move |_, bytes| {
            for other in Subject::ALL {
                if other.topic() != subject.topic() && wire.decode::<serde_json::Value>(other, bytes).is_ok()
                {
                    return Err(format!("it passes for a record of {}", other.name()));
                }
            }
            let Ok(record) = wire.decode::<T>(subject, bytes) else {
                return Ok(false);
            };
            let again = wire
                .encode(subject, &record)
                .map_err(|e| format!("it cannot be written again: {e}"))?;
            let read: T = wire
                .decode(subject, &again)
                .map_err(|e| format!("it cannot be read again: {e}"))?;
            hold!(read == record, "it comes back as another record");
            Ok(true)
        }),
    }
}

fn raws() -> Vec<RawRecord> {
    let record = |body: Vec<u8>, rich: bool| RawRecord {
        receipt_id: "0196a5b0-0000-7000-8000-000000000001".to_owned(),
        request_id: "r".to_owned(),
        received_at: ward::RECEIVED.micros(),
        source: "http".to_owned(),
        content_type: rich.then(|| "application/json".to_owned()),
        gateway: rich.then(|| "020000aa0001".to_owned()),
        migration_run: None,
        items: rich.then(|| vec![0, 2, 300]),
        body: Bytes::from(body),
    };
    let mut all: Vec<RawRecord> = ward::messages()
        .into_iter()
        .map(|body| record(body, true))
        .collect();
    all.push(record(Vec::new(), false));
    all.push(record(vec![0xff; 300], false));
    all
}

fn letters() -> Vec<LetterRecord> {
    let items = vec![
        LetterItem {
            item_index: Some(0),
            stage: "limits".to_owned(),
            reason: "value impossible".to_owned(),
            field: Some("PR".to_owned()),
        },
        LetterItem {
            item_index: None,
            stage: "payload".to_owned(),
            reason: "unreadable".to_owned(),
            field: None,
        },
    ];
    let of = |raw: RawRecord| LetterRecord {
        first_try: 1,
        last_try: -1,
        ..LetterRecord::of(raw, items.clone(), "m".to_owned())
    };
    raws().into_iter().take(4).map(of).collect()
}

fn statuses() -> Vec<StatusRecord> {
    let status = |rich: bool| StatusRecord {
        gateway: "020000aa0001".to_owned(),
        imei: rich.then(|| "123456789012345".to_owned()),
        iccid: rich.then(|| "8966".to_owned()),
        name: rich.then(|| "ห้อง 1".to_owned()),
        reported_at: rich.then_some(1),
        received_at: ward::RECEIVED.micros(),
        kind: "heartbeat".to_owned(),
    };
    vec![status(true), status(false)]
}

fn observations() -> Vec<ObservationRecord<'static>> {
    let observation = |rich: bool| ObservationRecord {
        id: "5b99101d-da84-585a-aa23-dbf9ed672ff4".into(),
        receipt_id: "r".into(),
        patient: ward::PATIENT.into(),
        device: rich.then(|| "020000bb0001".into()),
        gateway: rich.then(|| "020000aa0001".into()),
        code: "85354-9".into(),
        effective: 1,
        recorded: 2,
        mapping_version: "m".into(),
        resource: r#"{"resourceType":"Observation"}"#.into(),
    };
    vec![observation(true), observation(false)]
}

fn documents() -> Vec<LegacyRecord<'static>> {
    vec![LegacyRecord {
        id: "65a0000000000000000000ff".into(),
        receipt_id: "r".into(),
        collection: "blood_pressure_histories".into(),
        document: r#"{"_id":{"$oid":"65a0000000000000000000ff"},"data":[{"systolic":131}]}"#.into(),
    }]
}

fn events() -> Vec<AuditRecord<'static>> {
    let event = |rich: bool| AuditRecord {
        id: "5b99101d-da84-585a-aa23-dbf9ed672ff4".into(),
        receipt_id: "r".into(),
        recorded: 1,
        patient: rich.then(|| ward::PATIENT.into()),
        gateway: rich.then(|| "020000aa0001".into()),
        outcome: "created".into(),
        reason: rich.then(|| "value impossible".into()),
        mapping_version: "m".into(),
        event: r#"{"resourceType":"AuditEvent"}"#.into(),
    };
    vec![event(true), event(false)]
}
