//! A simulated ward: invented patients, devices and readings.

use serde_json::{Value, json};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::RegistryDocuments;

/// Beds of the ward: each has a gateway, a patient and one sub-device of each kind.
pub const BEDS: u64 = 16;

/// The kinds of readings, by attribute: (attribute, device name, registry field).
const KINDS: [(&str, &str, &str); 8] = [
    ("BP_BIOLIGTH", "WBP BIOLIGHT", "mac_bps"),
    ("Oximeter JUMPER", "Oximeter Jumper", "mac_oxymeter"),
    ("Contour_Elite", "SUGA Contour", "mac_gluc"),
    ("AccuChek_Instant", "SUGA AccuCheck", "mac_gluc"),
    ("IR_TEMO_JUMPER", "TEMO Jumper", "mac_body_temp"),
    ("BodyScale_JUMPER", "JUMPER SCALE", "mac_weight"),
    ("MGSS_REF_UA", "Uric REF_UA", "mac_ua"),
    ("MGSS_REF_CHOL", "Cholesterol REF_CHOL", "mac_chol"),
];

fn patient(bed: u64) -> String {
    format!("5d{bed:022x}")
}

fn gateway(bed: u64) -> String {
    format!("02:00:00:AA:00:{bed:02X}")
}

/// The sub-device of a kind at a bed; both glucose attributes are of one meter.
fn device(bed: u64, kind: usize) -> String {
    let meter = if kind == 3 { 2 } else { kind };
    format!("020000bb{meter:02x}{bed:02x}")
}

/// The registry of the ward, clearly marked as simulated.
pub fn registry() -> RegistryDocuments {
    let mut documents = RegistryDocuments::default();
    for bed in 0..BEDS {
        let id = json!({"$oid": patient(bed)});
        documents
            .patients
            .push(json!({"_id": id, "name": format!("Simulated patient {bed}"), "simulated": true}));
        documents.boxes.push(json!({
            "_id": {"$oid": format!("5b{bed:022x}")}, "mac_address": gateway(bed), "patient_id": id, "simulated": true
        }));
        let mut fields = serde_json::Map::new();
        for (kind, (_, _, field)) in KINDS.iter().enumerate() {
            fields.insert((*field).to_owned(), Value::from(device(bed, kind)));
        }
        fields.insert("_id".to_owned(), json!({"$oid": format!("5c{bed:022x}")}));
        fields.insert("patient_id".to_owned(), id);
        fields.insert("simulated".to_owned(), Value::from(true));
        documents.devices.push(Value::Object(fields));
    }
    documents
}

/// Numbers that look random and are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// A decimal as the devices' firmware sends it: the digits of its binary32 image.
fn image(tenths: u64, scale: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "that is what a binary32 image is")]
    let single = tenths as f32 / scale as f32;
    json!(f64::from(single))
}

/// The `n`th message of the ward. Mostly good readings of every kind in turn; now and then a heartbeat, an
/// acknowledgement, a repetition, an unknown device, an impossible value.
pub fn message(n: u64, now: Timestamp) -> String {
    match n % 40 {
        11 => heartbeat(n, now),
        19 => {
            json!({"mac": gateway(n % BEDS), "type": "cmdResult", "data": {"id": n, "code": 200}}).to_string()
        }
        // The message before it once more: transport is at-least-once.
        23 => reading(n - 1, now, None),
        29 => reading(n, now, Some("020000cc0001")),
        37 => impossible(n, now),
        _ => reading(n, now, None),
    }
}

fn heartbeat(n: u64, now: Timestamp) -> String {
    let bed = n % BEDS;
    json!({
        "from": "ESP32_GW", "to": "CLOUD", "name": format!("Simulated box {bed}"), "time": now.seconds(),
        "mac": gateway(bed), "IMEI": format!("99000000000{bed:04}"), "ICCID": format!("896600000000000{bed:04}"),
        "type": "HB_Msg", "data": {"msg": "Online"}
    })
    .to_string()
}

fn impossible(n: u64, now: Timestamp) -> String {
    let at = now.seconds() - 1;
    let item = json!({"scan_time": at, "ble_addr": device(n % BEDS, 0), "bp_high": 999, "bp_low": 80});
    envelope(n % BEDS, 0, at, &item)
}

fn reading(n: u64, now: Timestamp, stranger: Option<&str>) -> String {
    let (bed, kind) = (n / 8 % BEDS, usize::try_from(n % 8).unwrap_or(0));
    let mut dice = Dice(n);
    // A second of its own for each message of a device, within the last hours: no two readings of the ward are equal.
    let at = now.seconds() / 86_400 * 86_400 - 86_400 + i64::try_from(n % 86_400).unwrap_or(0);
    let address = stranger.map_or_else(|| device(bed, kind), str::to_owned);
    let marker =
        ["Before Meal", "After Meal", "Fasting", "No marker"][usize::try_from(dice.below(4)).unwrap_or(0)];
    let mut item = match kind {
        0 => {
            json!({"bp_high": 105 + dice.below(50), "bp_low": 62 + dice.below(30), "PR": 58 + dice.below(40)})
        }
        1 => json!({"spo2": 92 + dice.below(8), "pulse": 55 + dice.below(50), "pi": 12 + dice.below(90)}),
        2 | 3 => {
            json!({"blood_glucose": (75 + dice.below(140)).to_string(), "marker": marker, "scan_rssi": -60})
        }
        4 => json!({"temp": image(3_580 + dice.below(220), 100), "mode": "Head"}),
        5 => {
            json!({"weight": image(480 + dice.below(500), 10), "resistance": image(4_300 + dice.below(1_500), 10)})
        }
        6 => json!({"uric_acid": format!("{}.{}", 230 + dice.below(250), dice.below(10)), "scan_rssi": -60}),
        _ => {
            json!({"cholesterol": format!("{}.{}{}", 3 + dice.below(3), dice.below(10), dice.below(10)), "scan_rssi": -60})
        }
    };
    if let Some(fields) = item.as_object_mut() {
        fields.insert("scan_time".to_owned(), json!(at));
        fields.insert("ble_addr".to_owned(), json!(address));
    }
    envelope(bed, kind, at, &item)
}

fn envelope(bed: u64, kind: usize, at: i64, item: &Value) -> String {
    let (attribute, name, _) = KINDS[kind];
    json!({
        "from": "BLE", "to": "CLOUD", "time": at, "deviceCode": gateway(bed), "mac": gateway(bed),
        "type": "reportAttribute", "device": name,
        "data": {"attribute": attribute, "mac": gateway(bed), "value": {"device_list": [item]}}
    })
    .to_string()
}
