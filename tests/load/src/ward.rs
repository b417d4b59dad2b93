//! The simulated ward: invented gateways, patients and sub-devices, and unique readings of the eight kinds in turn.

use serde_json::{Value, json};

/// Attribute, device name and registry field of each kind.
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

const MARKERS: [&str; 4] = ["Before Meal", "After Meal", "Fasting", "No marker"];
/// Readings further back than this would be out of the clock's bounds.
const REACH_SECONDS: u64 = 29 * 86_400;

/// The registry's documents, by collection.
pub struct Registry {
    /// `amy_boxes`.
    pub boxes: Vec<Value>,
    /// `amy_devices`.
    pub devices: Vec<Value>,
    /// `patients`.
    pub patients: Vec<Value>,
}

/// A ward of so many gateways, each with a patient and a sub-device of each kind.
#[derive(Debug, Clone, Copy)]
pub struct Ward {
    /// How many gateways.
    pub gateways: u64,
    /// Epoch seconds of the newest reading.
    pub newest: u64,
}

impl Ward {
    /// The ward as of today, so that a run of a later minute sends other readings only where `first` differs.
    #[must_use]
    pub fn today(gateways: u64) -> Self {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            gateways: gateways.max(1),
            newest: now / 3_600 * 3_600,
        }
    }

    /// How many different readings there are.
    #[must_use]
    pub const fn capacity(&self) -> u64 {
        REACH_SECONDS * self.gateways * 8
    }

    /// MAC of a gateway, as it stands in messages.
    #[must_use]
    pub fn gateway(&self, n: u64) -> String {
        let n = n % self.gateways;
        format!("02:00:00:AA:{:02X}:{:02X}", n >> 8 & 0xff, n & 0xff)
    }

    /// The gateway that sends the `n`th reading.
    #[must_use]
    pub fn gateway_of(&self, n: u64) -> String {
        self.gateway(n / 8)
    }

    fn device(gateway: u64, kind: usize) -> String {
        format!("0200b{kind:x}bb{gateway:04x}")
    }

    /// The registry that knows every device of the ward.
    #[must_use]
    pub fn registry(&self) -> Registry {
        let mut registry = Registry {
            boxes: Vec::new(),
            devices: Vec::new(),
            patients: Vec::new(),
        };
        for n in 0..self.gateways {
            let patient = json!({"$oid": format!("5d{n:022x}")});
            registry
                .patients
                .push(json!({"_id": patient, "name": format!("Simulated patient {n}"), "simulated": true}));
            registry.boxes.push(json!({
                "_id": {"$oid": format!("5b{n:022x}")}, "mac_address": self.gateway(n), "patient_id": patient,
                "simulated": true
            }));
            for (kind, (_, _, field)) in KINDS.iter().enumerate() {
                registry.devices.push(json!({
                    "_id": {"$oid": format!("5c{kind:02x}{n:020x}")}, "patient_id": patient, "simulated": true,
                    *field: Self::device(n, kind)
                }));
            }
        }
        registry
    }

    /// The `n`th reading as a gateway sends it. No two have device, kind and second in common.
    #[must_use]
    pub fn message(&self, n: u64) -> String {
        let kind = usize::try_from(n % 8).unwrap_or(0);
        let gateway = n / 8 % self.gateways;
        let at = self.newest - n / 8 / self.gateways % REACH_SECONDS;
        let (attribute, device, _) = KINDS[kind];
        let values = values(kind, n);
        let mac = self.gateway(gateway);
        let address = Self::device(gateway, kind);
        format!(
            r#"{{"from":"BLE","to":"CLOUD","time":{at},"deviceCode":"{mac}","mac":"{mac}","type":"reportAttribute","device":"{device}","data":{{"attribute":"{attribute}","mac":"{mac}","value":{{"device_list":[{{"scan_time":{at},"ble_addr":"{address}",{values}}}]}}}}}}"#
        )
    }
}

/// The fields of an item: plausible values that differ from reading to reading.
fn values(kind: usize, n: u64) -> String {
    let v = |modulus: u64| n.wrapping_mul(2_654_435_761) % modulus;
    let marker = MARKERS[usize::try_from(v(4)).unwrap_or(0)];
    match kind {
        0 => format!(
            r#""bp_high":{},"bp_low":{},"PR":{}"#,
            105 + v(47),
            62 + v(29),
            58 + v(41)
        ),
        1 => format!(
            r#""pulse":{},"spo2":{},"pi":{}"#,
            55 + v(47),
            92 + v(7),
            12 + v(89)
        ),
        2 | 3 => format!(
            r#""scan_rssi":-61,"blood_glucose":"{}","marker":"{marker}""#,
            75 + v(139)
        ),
        4 => format!(r#""temp":{},"mode":"Head""#, image(3_580 + v(220), 100)),
        5 => format!(
            r#""weight":{},"resistance":{}"#,
            image(480 + v(500), 10),
            image(4_300 + v(1_500), 10)
        ),
        6 => format!(r#""scan_rssi":-66,"uric_acid":"{}.{}""#, 230 + v(250), v(10)),
        _ => format!(r#""scan_rssi":-70,"cholesterol":"{}.{}""#, 3 + v(3), v(10)),
    }
}

/// A decimal as the devices' firmware sends it: ten digits of its binary32 image.
fn image(value: u64, scale: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "that is what a binary32 image is")]
    let single = value as f32 / scale as f32;
    format!("{single:.8}")
}
