//! Invented patients and devices, as `mongoexport` would write them.

use std::path::Path;

use serde_json::{Value, json};

/// A kind of sub-device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// Blood pressure.
    Cuff,
    /// SpO2, pulse, perfusion index.
    Oximeter,
    /// Glucose.
    Glucose,
    /// Temperature.
    Thermometer,
    /// Weight and impedance.
    Scale,
    /// Uric acid.
    Uric,
    /// Cholesterol.
    Cholesterol,
}

impl Device {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::Cuff,
        Self::Oximeter,
        Self::Glucose,
        Self::Thermometer,
        Self::Scale,
        Self::Uric,
        Self::Cholesterol,
    ];

    /// The field of `amy_devices`.
    pub fn field(self) -> &'static str {
        match self {
            Self::Cuff => "mac_bps",
            Self::Oximeter => "mac_oxymeter",
            Self::Glucose => "mac_gluc",
            Self::Thermometer => "mac_body_temp",
            Self::Scale => "mac_weight",
            Self::Uric => "mac_ua",
            Self::Cholesterol => "mac_chol",
        }
    }

    /// The address of the device of bed `bed`: 12 lower hex digits.
    pub fn address(self, bed: u8) -> String {
        format!("020000bb{:02x}{bed:02x}", self as u8)
    }
}

/// The `_id` of the patient in bed `bed`.
pub fn patient(bed: u8) -> String {
    format!("65a0000000000000000000{bed:02x}")
}

/// The gateway of bed `bed` as it names itself.
pub fn gateway(bed: u8) -> String {
    format!("02:00:00:AA:00:{bed:02X}")
}

/// 12 lower hex digits of a MAC as written anywhere.
pub fn bare(mac: &str) -> String {
    mac.chars()
        .filter(char::is_ascii_hexdigit)
        .collect::<String>()
        .to_ascii_lowercase()
}

/// What the registry knows.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// `amy_boxes`.
    pub boxes: Vec<Value>,
    /// `amy_devices`.
    pub devices: Vec<Value>,
    /// `patients`.
    pub patients: Vec<Value>,
    documents: u32,
}

impl Registry {
    /// Beds 1 to `beds`, each with a patient, a gateway and a device of each kind.
    pub fn ward(beds: u8) -> Self {
        let mut registry = Self::default();
        for bed in 1..=beds {
            registry.add_patient(&patient(bed));
            registry.add_box(&gateway(bed), Some(&patient(bed)));
            for device in Device::ALL {
                registry.add_device(device.field(), &device.address(bed), Some(&patient(bed)));
            }
        }
        registry
    }

    fn next_id(&mut self) -> Value {
        self.documents += 1;
        json!({"$oid": format!("65b0000000000000{:08x}", self.documents)})
    }

    /// A patient.
    pub fn add_patient(&mut self, id: &str) {
        self.patients
            .push(json!({"_id": {"$oid": id}, "is_deleted": false}));
    }

    /// A box; no patient: null, as in the database that exists.
    pub fn add_box(&mut self, mac: &str, patient: Option<&str>) {
        let id = self.next_id();
        let patient = patient.map_or(Value::Null, |p| json!({"$oid": p}));
        self.boxes
            .push(json!({"_id": id, "mac_address": mac, "patient_id": patient, "is_active": false}));
    }

    /// A sub-device under a field of `amy_devices`.
    pub fn add_device(&mut self, field: &str, mac: &str, patient: Option<&str>) {
        let id = self.next_id();
        let patient = patient.map_or(Value::Null, |p| json!({"$oid": p}));
        self.devices
            .push(json!({"_id": id, field: mac, "patient_id": patient}));
    }

    /// Gives every device document with this address to another patient.
    pub fn give(&mut self, mac: &str, to: &str) {
        for device in &mut self.devices {
            let known = device.as_object().expect("a document").values().any(|v| v == mac);
            if known {
                device["patient_id"] = json!({"$oid": to});
            }
        }
    }

    /// Takes every device document with this address away, but the first.
    pub fn keep_first(&mut self, mac: &str) {
        let mut seen = false;
        self.devices.retain(|device| {
            let known = device.as_object().expect("a document").values().any(|v| v == mac);
            let stays = !known || !seen;
            seen |= known;
            stays
        });
    }

    /// The three collections by name.
    pub fn collections(&self) -> [(&'static str, &[Value]); 3] {
        [
            ("amy_boxes", &self.boxes),
            ("amy_devices", &self.devices),
            ("patients", &self.patients),
        ]
    }

    /// Writes the files that `stardust registry import` reads, a document a line.
    pub fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).expect("a folder");
        for (name, documents) in self.collections() {
            let lines: String = documents.iter().map(|d| format!("{d}\n")).collect();
            std::fs::write(folder.join(format!("{name}.json")), lines).expect("a file");
        }
    }
}
