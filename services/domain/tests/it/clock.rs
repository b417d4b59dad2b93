//! Times, and the keys that follow from them.

use serde_json::{Value, json};
use stardust_domain::outcome::Source;
use stardust_domain::reading::Reading;
use stardust_domain::time::Timestamp;

use crate::fixture::*;

fn with_times(scan_time: &str, time: &str) -> String {
    format!(
        r#"{{"time":{time},"mac":"{GATEWAY}","type":"reportAttribute","data":{{"attribute":"BP_BIOLIGTH","value":{{"device_list":[{{"scan_time":{scan_time},"ble_addr":"020000bb0001","bp_high":131,"bp_low":84}}]}}}}}}"#
    )
}

fn judged(scan_time: &str, time: &str) -> Reading {
    one(judge(with_times(scan_time, time)))
}

fn first(reading: &Reading) -> Value {
    observations(reading).remove(0)
}

fn key(reading: &Reading) -> &str {
    &reading.observations[0].key
}

#[test]
fn the_worked_examples_of_the_key_hold() {
    let in_2028 = Timestamp::from_seconds(1_836_900_060);
    let reading = one(judge_from(SAMPLES[0].as_bytes(), Source::Http, in_2028));
    assert_eq!(
        key(&reading),
        "obs|1|020000bb0001|blood-pressure|1836900001|131,84"
    );
    assert_eq!(
        reading.main_id.unwrap().to_string(),
        "5b99101d-da84-585a-aa23-dbf9ed672ff4"
    );
    let observation = first(&reading);
    assert_eq!(observation["effectiveDateTime"], "2028-03-17T17:00:01+07:00");
    assert!(observation.get("_effectiveDateTime").is_none());

    let in_2026 = one(judge(SAMPLES[0]));
    assert_eq!(
        in_2026.main_id.unwrap().to_string(),
        "4fb33aa4-d54b-5257-b850-16f866249e4d"
    );
}

#[test]
fn any_spelling_of_a_time_is_one_reading() {
    let ids: Vec<_> = [
        "1772323185",
        "1772323185000",
        "\"1772323185\"",
        "1772323185.9",
        "\"1772323185999\"",
    ]
    .iter()
    .map(|t| judged(t, "1772323190").main_id.unwrap())
    .collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn without_a_scan_time_the_message_counts_and_the_value_is_preliminary() {
    for scan_time in ["null", "\"\"", "\"soon\"", "{}"] {
        let reading = judged(scan_time, "1772323190");
        let observation = first(&reading);
        assert_eq!(observation["status"], "preliminary");
        assert_eq!(observation["effectiveDateTime"], "2026-03-01T06:59:50+07:00");
        assert_eq!(observation["note"].as_array().unwrap().len(), 1);
        assert_eq!(
            key(&reading),
            "obs|1|020000bb0001|blood-pressure|1772323190|131,84"
        );
    }
}

#[test]
fn without_any_time_the_receipt_counts_and_its_date_stands_in_the_key() {
    let reading = judged("null", "\"x\"");
    let observation = first(&reading);
    assert_eq!(
        key(&reading),
        "obs|1|020000bb0001|blood-pressure|-|131,84|2026-03-01"
    );
    assert_eq!(observation["status"], "preliminary");
    assert_eq!(observation["effectiveDateTime"], "2026-03-01T07:00:00+07:00");
    assert_eq!(
        observation["_effectiveDateTime"],
        json!({"extension": [{"url": "urn:stardust:clock-rule", "valueCode": "receipt"}]})
    );
}

#[test]
fn a_wrong_clock_alone_leaves_the_status_final() {
    for (scan_time, time, rule, effective) in [
        (
            "1836899941",
            "1836900001",
            "message-offset",
            "2026-03-01T06:59:00+07:00",
        ),
        ("0", "1772323190", "receipt", "2026-03-01T07:00:00+07:00"),
        ("-5", "1772323190", "receipt", "2026-03-01T07:00:00+07:00"),
        ("1700000000", "1772000000", "receipt", "2026-03-01T07:00:00+07:00"),
    ] {
        let reading = judged(scan_time, time);
        let observation = first(&reading);
        assert_eq!(observation["status"], "final");
        assert_eq!(observation["effectiveDateTime"], effective);
        let extensions = &observation["_effectiveDateTime"]["extension"];
        assert_eq!(extensions[0]["url"], "urn:stardust:device-time");
        assert_eq!(
            extensions[1],
            json!({"url": "urn:stardust:clock-rule", "valueCode": rule})
        );
        assert!(key(&reading).contains(&format!("|{scan_time}|")));
        assert!(key(&reading).ends_with("|2026-03-01"));
        assert_eq!(
            reading.observations[0]
                .effective
                .date_time(settings().zone)
                .unwrap(),
            effective
        );
    }
}

#[test]
fn a_device_time_that_cannot_be_written_is_left_out() {
    // The year 9999 in UTC is the year 10000 in the zone; and far beyond.
    for scan_time in ["253402300799000", "922337203685477580", "-99999999999999"] {
        let observation = first(&judged(scan_time, "1772323190"));
        let extensions = observation["_effectiveDateTime"]["extension"].as_array().unwrap();
        assert_eq!(extensions.len(), 1, "{scan_time}");
        assert_eq!(extensions[0]["valueCode"], "receipt");
    }
}

#[test]
fn old_times_of_a_backfill_count_as_they_are() {
    let body = with_times("1600000000", "1600000005");
    let backfilled = one(judge_from(body.as_bytes(), Source::Backfill, RECEIVED));
    assert_eq!(
        first(&backfilled)["effectiveDateTime"],
        "2020-09-13T19:26:40+07:00"
    );
    assert!(!key(&backfilled).ends_with("2026-03-01"));
    let admission = mapping().admit(body.as_bytes(), RECEIVED, true).unwrap();
    assert_eq!(admission.observation_ids, backfilled.observation_ids);

    for source in [Source::Http, Source::Replay, Source::Release] {
        let reading = one(judge_from(body.as_bytes(), source, RECEIVED));
        assert!(key(&reading).ends_with("|2026-03-01"));
    }
    let future = one(judge_from(SAMPLES[0].as_bytes(), Source::Backfill, RECEIVED));
    assert_eq!(
        first(&future)["_effectiveDateTime"]["extension"][1]["valueCode"],
        "receipt"
    );
}

#[test]
fn every_time_is_written_in_the_zone_of_the_deployment() {
    use stardust_domain::mapping::{Mapping, Settings};
    use stardust_domain::reading::Envelope;
    let mapping = Mapping::builtin(Settings {
        zone: "-03:30".parse().unwrap(),
        ..settings()
    })
    .unwrap();
    let body = with_times("1772323185", "1772323190");
    let envelope = Envelope {
        receipt: "r",
        received_at: RECEIVED,
        source: Source::Http,
        items: None,
        body: body.as_bytes(),
    };
    let reading = one(mapping.judge(&envelope, &registry()));
    assert_eq!(first(&reading)["effectiveDateTime"], "2026-02-28T20:29:45-03:30");
    assert_eq!(first(&reading)["issued"], "2026-03-01T00:00:00.123Z");
    assert_eq!(reading.main_id, judged("1772323185", "1772323190").main_id);
}
