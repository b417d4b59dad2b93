//! Messages as gateways send them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::registry::{Device, gateway};

/// Now, epoch seconds.
pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// Now, epoch milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    i64::try_from(since.as_millis()).expect("a time")
}

/// A time in the zone of the deployment (+07:00) as FHIR writes it.
pub fn local(epoch: i64) -> String {
    let (date, seconds) = civil(epoch + 7 * 3_600);
    format!(
        "{date}T{:02}:{:02}:{:02}+07:00",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The date of a time, UTC.
pub fn date(epoch: i64) -> String {
    civil(epoch).0
}

/// Date and second of the day (Howard Hinnant's civil_from_days).
fn civil(epoch: i64) -> (String, i64) {
    let days = epoch.div_euclid(86_400) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), epoch.rem_euclid(86_400))
}

/// A gateway's message with items as they stand.
pub fn message(gateway: &str, attribute: &str, time: i64, items: &[String]) -> String {
    format!(
        r#"{{"from":"BLE","to":"CLOUD","time":{time},"deviceCode":"{gateway}","mac":"{gateway}","type":"reportAttribute","device":"{attribute}","data":{{"attribute":"{attribute}","mac":"{gateway}","value":{{"device_list":[{}]}}}}}}"#,
        items.join(",")
    )
}

/// An item: `fields` is the inside of a JSON object, such as `"temp":36.5`.
pub fn item(address: &str, scan_time: i64, fields: &str) -> String {
    format!(r#"{{"scan_time":{scan_time},"ble_addr":"{address}",{fields}}}"#)
}

/// A message with one item.
pub fn single(gateway: &str, attribute: &str, address: &str, scan_time: i64, fields: &str) -> String {
    message(gateway, attribute, scan_time, &[item(address, scan_time, fields)])
}

/// A blood pressure of bed `bed`.
pub fn pressure(bed: u8, scan_time: i64, systolic: u32, diastolic: u32, pulse: u32) -> String {
    let fields = format!(r#""bp_high":{systolic},"bp_low":{diastolic},"PR":{pulse}"#);
    single(
        &gateway(bed),
        "BP_BIOLIGTH",
        &Device::Cuff.address(bed),
        scan_time,
        &fields,
    )
}

/// A temperature of bed `bed`, digits as given.
pub fn temperature(bed: u8, scan_time: i64, digits: &str) -> String {
    let fields = format!(r#""temp":{digits},"mode":"Head""#);
    single(
        &gateway(bed),
        "IR_TEMO_JUMPER",
        &Device::Thermometer.address(bed),
        scan_time,
        &fields,
    )
}

/// A heartbeat of bed `bed`.
pub fn heartbeat(bed: u8, time: i64) -> String {
    let mac = gateway(bed);
    format!(
        r#"{{"from":"ESP32_GW","to":"CLOUD","name":"Fake box {bed}","time":{time},"mac":"{mac}","IMEI":"990000000000001","ICCID":"8966000000000000001","type":"HB_Msg","data":{{"msg":"Online"}}}}"#
    )
}

/// Message `n` of an endless mixture of every kind, over the beds 1 to `beds`; no two have a reading in common as long
/// as `from` + n/`beds` stays apart. Some carry two items, some are heartbeats.
pub fn mixture(n: u64, beds: u8, from: i64) -> String {
    let bed = u8::try_from(n % u64::from(beds)).expect("a bed") + 1;
    let at = from + i64::try_from(n / u64::from(beds)).expect("few messages");
    let mac = gateway(bed);
    let one = |attribute: &str, device: Device, fields: String| {
        single(&mac, attribute, &device.address(bed), at, &fields)
    };
    match (n / u64::from(beds)) % 10 {
        0 => pressure(bed, at, 118, 76, 64),
        1 => one(
            "Oximeter JUMPER",
            Device::Oximeter,
            r#""pulse":77,"spo2":96,"pi":41"#.to_owned(),
        ),
        2 => one(
            "Contour_Elite",
            Device::Glucose,
            r#""blood_glucose":"112","marker":"After Meal""#.to_owned(),
        ),
        3 => one(
            "AccuChek_Instant",
            Device::Glucose,
            r#""blood_glucose":98,"marker":"Fasting""#.to_owned(),
        ),
        4 => temperature(bed, at, "36.52999878"),
        5 => one(
            "BodyScale_JUMPER",
            Device::Scale,
            r#""weight":71.40000153,"resistance":512.7000122"#.to_owned(),
        ),
        6 => one("MGSS_REF_UA", Device::Uric, r#""uric_acid":"402.5""#.to_owned()),
        7 => one(
            "MGSS_REF_CHOL",
            Device::Cholesterol,
            r#""cholesterol":"4.6""#.to_owned(),
        ),
        8 => message(
            &mac,
            "BP_BIOLIGTH",
            at,
            &[
                item(
                    &Device::Cuff.address(bed),
                    at,
                    r#""bp_high":121,"bp_low":79,"PR":66"#,
                ),
                item(
                    &Device::Cuff.address(bed),
                    at - 500_000,
                    r#""bp_high":119,"bp_low":77,"PR":65"#,
                ),
            ],
        ),
        _ => heartbeat(bed, at),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_the_zone_of_the_deployment() {
        assert_eq!(local(1_836_900_001), "2028-03-17T17:00:01+07:00");
        assert_eq!(date(951_782_400), "2000-02-29");
    }
}
