use serde_json::{Value, json};

use super::*;
use crate::time::Timestamp;

const ANNA: &str = "65a000000000000000000001";
const BORIS: &str = "65a000000000000000000002";
const CLARA: &str = "65a000000000000000000003";
const CUFF: &str = "02:00:00:BB:00:01";
const T0: i64 = 1_772_323_200;
const MINUTE: i64 = 60;
const KIND: DeviceKind = DeviceKind::BloodPressure;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(T0 + seconds)
}

fn mac() -> Mac {
    CUFF.parse().unwrap()
}

fn patient(id: &str) -> PatientId {
    id.parse().unwrap()
}

fn cuff_of(owner: &str) -> Value {
    json!({"mac_bps": CUFF, "patient_id": {"$oid": owner}})
}

/// A registry with three patients and these devices.
fn ward(devices: Vec<Value>) -> Registry {
    let patients = [ANNA, BORIS, CLARA].map(|id| json!({"_id": {"$oid": id}}));
    Registry::from_documents([], devices, patients).0
}

/// What refreshes at these times saw of the cuff: whose it was.
fn seen(refreshes: &[(i64, Option<&str>)]) -> (Registry, Associations) {
    let mut kept = Associations::default();
    let mut last = Registry::default();
    for (when, owner) in refreshes {
        last = ward(owner.iter().map(|o| cuff_of(o)).collect());
        let changes = last.changes(&kept, at(*when));
        kept.note(&changes, at(*when));
    }
    (last, kept)
}

fn owner(registry: &Registry, seconds: i64) -> Result<PatientId, ParkReason> {
    let found = registry.owner_at(mac(), KIND, at(seconds));
    found.map(|owner| owner.patient)
}

fn is(id: &str) -> Result<PatientId, ParkReason> {
    Ok(patient(id))
}

const UNCERTAIN: Result<PatientId, ParkReason> = Err(ParkReason::AssociationUncertain);
const UNKNOWN: Result<PatientId, ParkReason> = Err(ParkReason::DeviceUnknown);

#[test]
fn who_has_a_device_when_it_is_first_seen_has_always_had_it() {
    let (registry, kept) = seen(&[(0, None), (60, Some(ANNA))]);
    let registry = registry.under(&kept);
    for seconds in [-1_000_000_000, 0, 60, 1_000_000_000] {
        assert_eq!(owner(&registry, seconds), is(ANNA));
    }
    assert_eq!(kept.holdings.len(), 1);
}

#[test]
fn a_late_reading_goes_to_who_had_the_device_then() {
    let hour = 60 * MINUTE;
    let (registry, kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA)), (hour + 30, Some(BORIS))]);
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, -hour), is(ANNA));
    assert_eq!(owner(&registry, hour - 5 * MINUTE - 1), is(ANNA));
    assert_eq!(owner(&registry, hour - 5 * MINUTE), UNCERTAIN);
    assert_eq!(owner(&registry, hour + 30 + 5 * MINUTE), UNCERTAIN);
    assert_eq!(owner(&registry, hour + 30 + 5 * MINUTE + 1), is(BORIS));
}

#[test]
fn what_was_not_looked_at_for_a_night_is_uncertain_for_the_night() {
    let night = 600 * MINUTE;
    let (registry, kept) = seen(&[(0, Some(ANNA)), (night, Some(BORIS))]);
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, night / 2), UNCERTAIN);
}

#[test]
fn a_device_that_is_taken_out_keeps_its_past() {
    let hour = 60 * MINUTE;
    let (registry, kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA)), (hour + 30, None)]);
    let out = registry.under(&kept);
    assert_eq!(owner(&out, 0), is(ANNA));
    assert_eq!(owner(&out, hour), UNKNOWN);
    // Nobody had it in between.
    let back = ward(vec![cuff_of(ANNA)]);
    let mut again = kept.clone();
    again.note(&back.changes(&kept, at(3 * hour)), at(3 * hour));
    assert_eq!(owner(&back.under(&again), 2 * hour), is(ANNA));
    // Somebody else may have.
    let other = ward(vec![cuff_of(BORIS)]);
    let mut changed = kept.clone();
    changed.note(&other.changes(&kept, at(3 * hour)), at(3 * hour));
    let other = other.under(&changed);
    assert_eq!(owner(&other, 2 * hour), UNCERTAIN);
    assert_eq!(owner(&other, 4 * hour), is(BORIS));
    assert_eq!(owner(&other, 0), is(ANNA));
}

#[test]
fn a_device_of_two_patients_is_ambiguous_and_its_past_stays() {
    let hour = 60 * MINUTE;
    let (_, kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA))]);
    let both = ward(vec![cuff_of(ANNA), cuff_of(BORIS)]);
    let mut noted = kept.clone();
    noted.note(&both.changes(&kept, at(hour + 30)), at(hour + 30));
    let both = both.under(&noted);
    assert_eq!(owner(&both, 2 * hour), Err(ParkReason::PatientAmbiguous));
    assert_eq!(owner(&both, 0), is(ANNA));
}

#[test]
fn a_change_that_nobody_has_noted_yet_is_uncertain_from_the_last_refresh_on() {
    let hour = 60 * MINUTE;
    let (_, kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA))]);
    let newer = ward(vec![cuff_of(BORIS)]).under(&kept);
    assert_eq!(owner(&newer, hour - 6 * MINUTE), is(ANNA));
    assert_eq!(owner(&newer, hour), UNCERTAIN);
    assert_eq!(owner(&newer, 2 * hour), UNCERTAIN);
}

#[test]
fn a_device_that_nobody_has_noted_yet_waits() {
    let (_, kept) = seen(&[(0, None)]);
    let newer = ward(vec![cuff_of(BORIS)]).under(&kept);
    assert_eq!(owner(&newer, 0), UNCERTAIN);
    let never = ward(vec![cuff_of(BORIS)]).under(&Associations::default());
    assert_eq!(
        owner(&never, 0),
        is(BORIS),
        "without any refresh the registry says all"
    );
}

#[test]
fn a_deleted_patient_is_unknown_in_his_own_period_too() {
    let hour = 60 * MINUTE;
    let (_, kept) = seen(&[(0, Some(ANNA)), (hour, Some(BORIS))]);
    let patients = [
        json!({"_id": {"$oid": ANNA}, "is_deleted": true}),
        json!({"_id": {"$oid": BORIS}}),
    ];
    let (registry, _) = Registry::from_documents([], [cuff_of(BORIS)], patients);
    assert!(registry.changes(&kept, at(hour)).is_empty());
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, -hour), Err(ParkReason::PatientUnknown));
    assert_eq!(owner(&registry, 2 * hour), is(BORIS));
}

#[test]
fn a_deleted_patient_keeps_the_device_that_names_him_and_one_whom_nobody_saw_gets_none() {
    let hour = 60 * MINUTE;
    let (_, kept) = seen(&[(0, Some(ANNA))]);
    let deleted = [json!({"_id": {"$oid": ANNA}, "is_deleted": true})];
    let (registry, _) = Registry::from_documents([], [cuff_of(ANNA)], deleted);
    assert!(registry.changes(&kept, at(hour)).is_empty());
    let nobody = registry.changes(&Associations::default(), at(hour));
    assert!(nobody.is_empty(), "{nobody:?}");
}

#[test]
fn short_stays_are_certain_at_no_time() {
    let hour = 60 * MINUTE;
    let (registry, kept) = seen(&[
        (0, Some(ANNA)),
        (hour, Some(ANNA)),
        (hour + 30, Some(BORIS)),
        (hour + 60, Some(CLARA)),
    ]);
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, hour - 6 * MINUTE), is(ANNA));
    for minutes in -5..=6 {
        assert_eq!(owner(&registry, hour + minutes * MINUTE), UNCERTAIN, "{minutes}");
    }
    assert_eq!(owner(&registry, hour + 7 * MINUTE), is(CLARA));
}

#[test]
fn noting_twice_or_late_changes_nothing() {
    let (registry, kept) = seen(&[(0, Some(ANNA)), (60, Some(BORIS))]);
    let mut again = kept.clone();
    let first = Registry::default().changes(&Associations::default(), at(0));
    again.note(&first, at(0));
    again.note(&registry.changes(&kept, at(90)), at(60));
    assert_eq!(again, kept);
}

fn period(owner: &str, start: Option<i64>, end: Option<i64>) -> Period {
    Period {
        device: mac(),
        patient: patient(owner),
        start: start.map(at),
        end: end.map(at),
    }
}

#[test]
fn an_imported_period_counts_whatever_was_seen() {
    let hour = 60 * MINUTE;
    let (registry, mut kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA)), (hour + 30, Some(BORIS))]);
    kept.imported = vec![
        period(CLARA, Some(-10 * hour), Some(-9 * hour)),
        period(ANNA, Some(hour - 600), Some(hour)),
    ];
    kept.imported_at = Some(at(2 * hour));
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, -10 * hour - 1), is(ANNA));
    assert_eq!(owner(&registry, -10 * hour), is(CLARA));
    assert_eq!(owner(&registry, -9 * hour), is(ANNA));
    assert_eq!(owner(&registry, hour - 1), is(ANNA));
    assert_eq!(owner(&registry, hour), UNCERTAIN);
}

#[test]
fn a_start_that_is_given_is_the_moment_of_the_change() {
    let hour = 60 * MINUTE;
    let (registry, mut kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA)), (hour + 30, Some(BORIS))]);
    kept.imported_at = Some(at(2 * hour));
    for start in [-hour, hour, hour + 20, hour + 30 * MINUTE] {
        kept.imported = vec![period(BORIS, Some(start), None)];
        let registry = registry.clone().under(&kept);
        assert_eq!(owner(&registry, start - 1), is(ANNA), "{start}");
        assert_eq!(owner(&registry, start), is(BORIS), "{start}");
    }
    // It does not outlive the next change.
    let next = ward(vec![cuff_of(CLARA)]);
    let mut later = kept.clone();
    later.note(&next.changes(&kept, at(9 * hour)), at(9 * hour));
    let next = next.under(&later);
    assert_eq!(owner(&next, 9 * hour), UNCERTAIN);
    assert_eq!(owner(&next, 10 * hour), is(CLARA));
    assert_eq!(owner(&next, hour - 10 * MINUTE), is(ANNA));
}

#[test]
fn before_the_start_of_the_only_owner_it_is_uncertain() {
    let (registry, mut kept) = seen(&[(0, Some(ANNA))]);
    kept.imported = vec![period(ANNA, Some(-60), None)];
    kept.imported_at = Some(at(10));
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, -61), UNCERTAIN);
    assert_eq!(owner(&registry, -60), is(ANNA));
}

#[test]
fn a_named_patient_counts_for_that_second_of_that_device() {
    let (registry, mut kept) = seen(&[(0, Some(ANNA)), (60, Some(BORIS))]);
    kept.named = vec![Named {
        device: mac(),
        at: at(30),
        patient: patient(BORIS),
    }];
    let registry = registry.under(&kept);
    assert_eq!(owner(&registry, 30), is(BORIS));
    assert_eq!(owner(&registry, 31), UNCERTAIN);
}

#[test]
fn under_another_kind_the_past_is_that_of_the_kind_where_it_stood() {
    let hour = 60 * MINUTE;
    let (registry, kept) = seen(&[(0, Some(ANNA)), (hour, Some(ANNA)), (hour + 30, Some(BORIS))]);
    let registry = registry.under(&kept);
    let other = |seconds| registry.owner_at(mac(), DeviceKind::Glucose, at(seconds));
    let whose = |id: &str| {
        Ok(Owner {
            patient: patient(id),
            other_kind: true,
        })
    };
    assert_eq!(other(0), whose(ANNA));
    assert_eq!(other(hour), Err(ParkReason::AssociationUncertain));
    assert_eq!(other(3 * hour), whose(BORIS));
}

fn parsed(lines: &str) -> Result<Vec<Period>, String> {
    parse_periods(lines.as_bytes(), at(0)).map_err(|e| e.to_string())
}

#[test]
fn periods_are_read_with_times_of_both_kinds() {
    let text = format!(
        r#"{{"device":" 020000BB0001","patient_id":{{"$oid":"{ANNA}"}},"end":"2026-02-01T07:00:00+07:00"}}
        {{"_id":7,"device":"{CUFF}","patient_id":"{BORIS}","start":{{"$date":"2026-02-01T00:00:00Z"}},"end":{{"$date":{{"$numberLong":"1772000000000"}}}}}}
        {{"device":"{CUFF}","patient_id":"{CLARA}","start":{{"$date":1772000000000}},"end":null}}"#
    );
    let first = Timestamp::from_seconds(1_769_904_000);
    let second = Timestamp::from_seconds(1_772_000_000);
    let expected = [
        (ANNA, None, Some(first)),
        (BORIS, Some(first), Some(second)),
        (CLARA, Some(second), None),
    ];
    let expected = expected.map(|(owner, start, end)| Period {
        device: mac(),
        patient: patient(owner),
        start,
        end,
    });
    assert_eq!(parsed(&text).unwrap(), expected);
    let array = format!("[{}]", text.lines().collect::<Vec<_>>().join(","));
    assert_eq!(parsed(&array).unwrap(), expected);
    assert_eq!(parsed("").unwrap(), []);
}

#[test]
fn nonsense_is_refused_with_its_entry_and_rule() {
    let good = format!(r#"{{"device":"{CUFF}","patient_id":"{ANNA}","end":"2026-02-01T00:00:00Z"}}"#);
    let with = |fields: &str| format!("{good}\n{{{fields}}}");
    let whose = format!(r#""device":"020000bb0002","patient_id":"{ANNA}""#);
    for (text, rule) in [
        (
            with(r#""patient_id":"65a000000000000000000001""#),
            "entry 2: device is missing",
        ),
        (
            with(r#""device":"00:00:00:00:00:00""#),
            "entry 2: device is missing",
        ),
        (
            with(r#""device":"020000bb0002""#),
            "entry 2: patient_id is missing",
        ),
        (
            with(&format!(r#"{whose},"strat":1"#)),
            "entry 2: unknown field \"strat\"",
        ),
        (
            with(&format!(r#"{whose},"start":1772000000"#)),
            "entry 2: start is no time",
        ),
        (
            with(&format!(r#"{whose},"start":"2026-02-01T00:00:00""#)),
            "entry 2: start is no time",
        ),
        (
            with(&format!(r#"{whose},"end":"2027-02-01T00:00:00Z""#)),
            "entry 2: end lies in the future",
        ),
        (
            with(&format!(
                r#"{whose},"start":"2026-02-01T00:00:00Z","end":"2026-02-01T00:00:00Z""#
            )),
            "entry 2: end is not after start",
        ),
        (
            format!("{good}\n{good}"),
            "entry 2: overlaps entry 1 of the same device",
        ),
        (format!("{good}\n{good}x"), "line 2: not JSON"),
    ] {
        let error = parsed(&text).unwrap_err();
        assert!(error.starts_with(rule), "{error}\n{text}");
    }
}

#[test]
fn a_period_without_an_end_is_that_of_who_has_the_device_now() {
    let registry = ward(vec![cuff_of(BORIS)]);
    check_periods(&[period(BORIS, Some(-60), None)], &registry).unwrap();
    let error = check_periods(
        &[period(ANNA, None, Some(-60)), period(ANNA, Some(-60), None)],
        &registry,
    );
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("entry 2: end is missing")
    );
}
