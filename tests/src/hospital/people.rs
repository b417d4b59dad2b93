//! Patients, boxes, devices, watches and hospitals, all invented, in the many spellings of many hands.

use std::collections::{BTreeMap, BTreeSet};

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};
use serde_json::{Value, json};

use super::Plan;
use super::chance::Chance;

const FIRST_NAMES: [&str; 8] = ["Ada", "Basil", "Cleo", "Dorian", "Edda", "Fabian", "สมใจ", "วิชัย"];
const LAST_NAMES: [&str; 8] = [
    "Aster",
    "Birch",
    "Cedar",
    "Dogwood",
    "Elder",
    "Fir",
    "ใบไม้",
    "ดอกไม้",
];
/// Fields of `patients` and of `amy_devices` that name a sub-device of one kind.
const KINDS: [(&str, &[&str]); 7] = [
    ("blood_pressure_mac_address", &["mac_dusun_bps", "mac_bps"]),
    (
        "fingertip_pulse_oximeter_mac_address",
        &["mac_oxymeter", "mac_mgss_oxymeter"],
    ),
    ("body_temperature_mac_address", &["mac_body_temp"]),
    ("weight_scale_mac_address", &["mac_weight"]),
    ("blood_glucose_mac_address", &["mac_gluc"]),
    ("uric_mac_address", &["mac_ua"]),
    ("cholesterol_mac_address", &["mac_chol"]),
];

/// Who and what there is.
#[derive(Debug, Clone)]
pub struct People {
    /// Patients that are not deleted.
    pub active: Vec<ObjectId>,
    /// Patients that are.
    pub deleted: Vec<ObjectId>,
    /// Hospitals.
    pub hospitals: Vec<ObjectId>,
    /// Addresses of sub-devices that are registered, 12 lower hex digits.
    pub device_macs: Vec<String>,
    /// Addresses of boxes that are registered, 12 lower hex digits.
    pub gateway_macs: Vec<String>,
    collections: Vec<(&'static str, Vec<Document>)>,
    books: Value,
}

/// What is made, while it is made.
struct Making<'c> {
    chance: &'c mut Chance,
    seed: u8,
    addresses: u32,
    /// Whom the documents name for each sub-device.
    owners: BTreeMap<String, BTreeSet<ObjectId>>,
    /// Whom the boxes name for each gateway.
    boxes: BTreeMap<String, BTreeSet<Option<ObjectId>>>,
    counts: BTreeMap<&'static str, u64>,
}

impl Making<'_> {
    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn id(&self, kind: u8, number: usize) -> ObjectId {
        let mut bytes = [0x65, 0xa0, kind, self.seed, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[8..].copy_from_slice(&u32::try_from(number).expect("few").to_be_bytes());
        ObjectId::from_bytes(bytes)
    }

    /// An address that no other device has.
    fn address(&mut self, kind: &str) -> String {
        self.addresses += 1;
        format!("0200{:02x}{kind}{:04x}", self.seed, self.addresses)
    }

    /// An address as somebody typed it.
    fn spelled(&mut self, mac: &str) -> String {
        let pairs: Vec<&str> = (0..12).step_by(2).map(|at| &mac[at..at + 2]).collect();
        let text = match self.chance.of(0..=3) {
            0 => mac.to_owned(),
            1 => mac.to_uppercase(),
            2 => pairs.join(":"),
            _ => pairs.join(":").to_uppercase(),
        };
        // 7 of 153.
        if self.chance.often(457) {
            self.count("address with blanks");
            format!(" {text} ")
        } else {
            text
        }
    }

    /// What stands where there is no usable address.
    fn no_address(&mut self) -> Bson {
        if self.chance.often(9_000) {
            self.count("address empty");
            Bson::String(String::new())
        } else {
            self.count("address unusable");
            Bson::String(self.chance.one(&["0200bb001", "0200bb0012"]).to_owned())
        }
    }

    /// A patient as a box or device document names it.
    fn reference(&mut self, patient: ObjectId) -> Bson {
        let hex = patient.to_hex();
        match self.chance.of(0..=19) {
            0..=1 => {
                self.count("patient id is hex text");
                Bson::String(hex)
            }
            2 => {
                self.count("patient id is JSON text");
                Bson::String(format!(r#"{{"$oid": "{hex}"}}"#))
            }
            3 => {
                self.count("patient id is repr text");
                Bson::String(format!("ObjectId('{hex}')"))
            }
            4 => {
                self.count("patient id is repr text");
                Bson::String(format!("{{'$oid': '{hex}'}}"))
            }
            _ => Bson::ObjectId(patient),
        }
    }
}

impl People {
    /// The people of a plan: about as many as the exports had, fewer for a small hospital.
    pub(super) fn new(chance: &mut Chance, plan: Plan) -> Self {
        let patients = usize::try_from((plan.entries / 130).clamp(14, 430)).expect("few");
        let mut making = Making {
            chance,
            seed: plan.seed.to_le_bytes()[0],
            addresses: 0,
            owners: BTreeMap::new(),
            boxes: BTreeMap::new(),
            counts: BTreeMap::new(),
        };
        let at = DateTime::from_millis(1_577_836_800_000);
        let hospitals: Vec<ObjectId> = (1..=patients / 36 + 2).map(|n| making.id(3, n)).collect();
        let hospital_documents = hospitals
            .iter()
            .enumerate()
            .map(|(n, id)| hospital(*id, n, at))
            .collect();

        let ids: Vec<ObjectId> = (1..=patients).map(|n| making.id(1, n)).collect();
        // One in a hundred is deleted, one at least.
        let (deleted, active) = ids.split_at(patients.div_ceil(100));
        let mut patient_documents: Vec<Document> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| patient(&mut making, *id, n, &hospitals, at))
            .collect();
        for document in patient_documents.iter_mut().take(deleted.len()) {
            document.insert("is_deleted", true);
        }

        let boxes = patients * 153 / 430;
        let (gateway_macs, box_documents) = making.boxes(boxes, active, at);
        let devices = patients * 159 / 430;
        let device_documents = making.devices(devices, active, &mut patient_documents, deleted.len(), at);
        let watches = (0..patients * 154 / 430)
            .map(|n| {
                let imei = format!("99000000{n:07}");
                doc! {"_id": making.id(5, n + 1), "imei": imei, "patient_id": active[n % active.len()], "created_at": at}
            })
            .collect();

        let associations = making.owners.values().filter(|owners| owners.len() == 1).count();
        let ambiguous = making.owners.values().filter(|owners| owners.len() > 1).count();
        // Each of the boxes has to name the same.
        let agreed = |named: &&BTreeSet<Option<ObjectId>>| named.len() == 1 && !named.contains(&None);
        let gateways = making.boxes.values().filter(agreed).count();
        let books = json!({
            "patients": {"documents": patients, "deleted": deleted.len(), "resources": active.len()},
            "hospitals": {"documents": hospitals.len(), "resources": hospitals.len()},
            "gateways": gateway_macs.len(), "gateways_with_one_patient": gateways,
            "sub_devices": making.owners.len(),
            "sub_devices_with_one_patient": associations, "sub_devices_with_two_patients": ambiguous,
            "oddities": making.counts,
        });
        Self {
            active: active.to_vec(),
            deleted: deleted.to_vec(),
            hospitals,
            device_macs: making.owners.keys().cloned().collect(),
            gateway_macs,
            collections: vec![
                ("patients", patient_documents),
                ("amy_boxes", box_documents),
                ("amy_devices", device_documents),
                ("watches", watches),
                ("hospitals", hospital_documents),
            ],
            books,
        }
    }

    /// The documents by collection.
    pub fn collections(&self) -> &[(&'static str, Vec<Document>)] {
        &self.collections
    }

    /// What the documents hold.
    pub fn books(&self) -> Value {
        self.books.clone()
    }
}

impl Making<'_> {
    /// Boxes: 21 of 153 have no patient, and a few addresses occur on several.
    fn boxes(&mut self, count: usize, active: &[ObjectId], at: DateTime) -> (Vec<String>, Vec<Document>) {
        let mut addresses: Vec<String> = Vec::new();
        let mut documents = Vec::new();
        let twins = (count * 11).div_ceil(153);
        for n in 0..count {
            let mac = if n < twins * 2 && n % 2 == 1 {
                addresses[addresses.len() - 1].clone()
            } else {
                let mac = self.address("aa");
                addresses.push(mac.clone());
                mac
            };
            let owner = (n % 7 != 6).then(|| active[n % active.len()]);
            self.boxes.entry(mac.clone()).or_default().insert(owner);
            let patient = match owner {
                None => {
                    self.count("patient id missing");
                    Bson::Null
                }
                Some(owner) => self.reference(owner),
            };
            documents.push(doc! {
                "_id": self.id(2, n + 1), "mac_address": self.spelled(&mac), "imei": format!("98000000{n:07}"),
                "name": format!("Fake box {}", n + 1), "model": "AVA4", "patient_id": patient, "is_active": false,
                "is_deleted": false, "created_at": at, "updated_at": at,
            });
        }
        (addresses, documents)
    }

    /// Sub-devices, in documents of their own and in those of their patients.
    fn devices(
        &mut self,
        count: usize,
        active: &[ObjectId],
        patients: &mut [Document],
        deleted: usize,
        at: DateTime,
    ) -> Vec<Document> {
        let mut documents = Vec::new();
        for n in 0..count {
            let owner = n % active.len();
            let mut document = doc! {"_id": self.id(4, n + 1)};
            for (at, (patient_field, fields)) in KINDS.into_iter().enumerate() {
                let field = self.chance.one(fields);
                // The first cuff stands with two patients. Cuffs are everywhere, strip meters are few.
                let of_two = n == 0 && at == 0;
                if !of_two
                    && !self
                        .chance
                        .often([9_000, 6_000, 5_000, 4_000, 5_000, 1_500, 1_500][at])
                {
                    let none = self.no_address();
                    document.insert(field, none);
                    continue;
                }
                let mac = self.address("bb");
                document.insert(field, self.spelled(&mac));
                let owners = self.owners.entry(mac.clone()).or_default();
                owners.insert(active[owner]);
                if of_two {
                    owners.insert(active[active.len() - 1]);
                }
                if of_two || self.chance.often(5_000) {
                    // The last patient has no device document of his own that could write over it.
                    let at = deleted + if of_two { active.len() - 1 } else { owner };
                    patients[at].insert(patient_field, self.spelled(&mac));
                }
            }
            document.insert("patient_id", self.reference(active[owner]));
            document.insert("created_at", at);
            documents.push(document);
        }
        documents
    }
}

fn hospital(id: ObjectId, n: usize, at: DateTime) -> Document {
    let mut document = doc! {
        "_id": id,
        "name": [
            {"code": "en", "name": format!("Invented Hospital {}", n + 1)},
            {"code": "th", "name": format!("โรงพยาบาลสมมุติ {}", n + 1)},
        ],
        "organizecode": i32::try_from(90_000 + n).expect("few"),
        "phone": format!("000-000-{n:04}"), "email": "", "address": format!("{} Nowhere Road", n + 1),
        "is_deleted": false, "created_at": at, "updated_at": at, "__v": 0,
    };
    match n % 5 {
        // Two older forms of a name, and none.
        1 => {
            document.insert("name", format!("Invented Clinic {}", n + 1));
        }
        2 => {
            document.remove("name");
            document.insert("en_name", format!("Invented Infirmary {}", n + 1));
        }
        3 => {
            document.insert("name", "");
        }
        _ => {}
    }
    document
}

/// A patient; one in ten has all of the 269 fields, most of them empty.
fn patient(
    making: &mut Making<'_>,
    id: ObjectId,
    n: usize,
    hospitals: &[ObjectId],
    at: DateTime,
) -> Document {
    let gender: Bson = match n % 8 {
        0..=3 => "female".into(),
        4 | 5 => "Male".into(),
        6 => Bson::Null,
        _ => "".into(),
    };
    let birth: Bson = match n % 6 {
        // Most were born before 1970: a negative number.
        0..=2 => DateTime::from_millis(-(i64::try_from(n).expect("few") % 40 + 1) * 31_556_952_000).into(),
        3 => "1951-04-13".into(),
        4 => Bson::Null,
        _ => "13/04/2494".into(),
    };
    let mut document = doc! {
        "_id": id,
        "first_name": FIRST_NAMES[n % FIRST_NAMES.len()],
        "last_name": LAST_NAMES[n / 3 % LAST_NAMES.len()],
        "gender": gender,
        "birth_date": birth,
        "id_card": format!("0{n:012}"),
        "phone": if n.is_multiple_of(4) { String::new() } else { format!("000-000-{n:04}") },
        "hn_id_no": if n.is_multiple_of(3) { String::new() } else { format!("HN{n:06}") },
        "amy_id": format!("AMY{n:06}"),
        "hospital_id": if n % 9 == 8 { Bson::Null } else { Bson::ObjectId(hospitals[n % hospitals.len()]) },
        "ava_mac_address": "",
        "is_active": false, "is_deleted": false, "created_at": at, "updated_at": at, "unique_id": i32::try_from(n).expect("few"),
        "__v": 0,
    };
    making.count("address empty");
    if n % 10 == 9 {
        for field in document.len()..269 {
            document.insert(format!("question_{field:03}"), Bson::Null);
        }
    }
    document
}
