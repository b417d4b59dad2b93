//! An invented ward: patients, devices, what they send, and what the registry knows of them.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde_json::json;
use stardust_domain::ids::{Mac, PatientId};
use stardust_domain::registry::{Associations, DeviceKind, Holding, Period};
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::RegistryDocuments;

use crate::dice::Dice;
use crate::log::state::REFUSED;
use crate::world::EPOCH_MS;

const PATIENTS: u64 = 3;
/// Messages say when they were measured: from so many seconds after the start on, long before any change, around the
/// change before the start, and around what changes in the run.
const ERAS: [i64; 6] = [-5_000, -5_000, -5_000, -3_500, -2_900, -600];
/// The last refresh that saw the former owner of a device, and the first that saw the next, seconds after the start.
const FORMER_UNTIL: i64 = -3_000;
const NEXT_FROM: i64 = -2_990;
/// When he handed it over: what somebody may tell in the end.
const HANDED_OVER: i64 = -2_995;
/// Around a change that was only seen.
const TOLERANCE: i64 = 300;
/// What is sent in bulk is this much older.
const OLD: i64 = 100 * 86_400;

/// A kind of sub-device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Cuff,
    Oximeter,
    Thermometer,
    Glucose,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Cuff, Self::Oximeter, Self::Thermometer, Self::Glucose];

    const fn field(self) -> &'static str {
        match self {
            Self::Cuff => "mac_bps",
            Self::Oximeter => "mac_oxymeter",
            Self::Thermometer => "mac_body_temp",
            Self::Glucose => "mac_gluc",
        }
    }

    const fn kind(self) -> DeviceKind {
        match self {
            Self::Cuff => DeviceKind::BloodPressure,
            Self::Oximeter => DeviceKind::Oximeter,
            Self::Thermometer => DeviceKind::Thermometer,
            Self::Glucose => DeviceKind::Glucose,
        }
    }

    const fn attribute(self) -> &'static str {
        match self {
            Self::Cuff => "BP_BIOLIGTH",
            Self::Oximeter => "Oximeter JUMPER",
            Self::Thermometer => "IR_TEMO_JUMPER",
            Self::Glucose => "Contour_Elite",
        }
    }

    fn fields(self, dice: &mut Dice) -> String {
        let mut value = |low, high| dice.within(low, high);
        match self {
            Self::Cuff => {
                let (high, low, pulse) = (value(100, 180), value(60, 95), value(50, 110));
                format!(r#""bp_high":{high},"bp_low":{low},"PR":{pulse}"#)
            }
            Self::Oximeter => format!(
                r#""pulse":{},"spo2":{},"pi":{}"#,
                value(50, 110),
                value(90, 100),
                value(10, 90)
            ),
            Self::Thermometer => format!(r#""temp":3{}.{},"mode":"Head""#, value(5, 9), value(1, 9)),
            Self::Glucose => format!(r#""blood_glucose":"{}","marker":"Fasting""#, value(70, 300)),
        }
    }
}

/// A sub-device: its address as 12 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Device {
    kind: Kind,
    address: String,
}

fn device(kind: Kind, number: u64) -> Device {
    Device {
        kind,
        address: format!("020000bb{:02x}{number:02x}", kind as u8),
    }
}

fn patient(number: u64) -> String {
    format!("65a0000000000000000000{number:02x}")
}

fn id(number: u64) -> Option<PatientId> {
    patient(number).parse().ok()
}

/// So many seconds after the start.
fn seconds(after: i64) -> Timestamp {
    Timestamp::from_seconds(EPOCH_MS / 1_000 + after)
}

fn gateway(number: usize) -> String {
    format!("02:00:00:AA:00:{number:02X}")
}

/// What has to come of an item once everything is worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// One Observation of its main kind for this device and second, where it can be told whose it is.
    Reading { device: Mac, second: i64 },
    /// A dead letter.
    Dead,
    /// Nothing: no readings.
    Nothing,
    /// Whatever the log refuses for good is a dead letter of the door, without a raw record.
    Refused,
}

/// A message before it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Whom it names.
    pub(crate) gateway: usize,
    pub(crate) body: Bytes,
    pub(crate) backfill: bool,
    /// By item; one for a message without items.
    pub(crate) expected: Vec<Expected>,
}

/// Whose a reading has to be in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This patient's: it is stored.
    One(PatientId),
    /// It cannot be told: it waits.
    Nobodys,
    /// One of these, or it waits.
    OneOf(BTreeSet<PatientId>),
}

impl Whose {
    /// Whether it may be stored for him.
    pub(crate) fn may_be(&self, patient: PatientId) -> bool {
        match self {
            Self::One(one) => *one == patient,
            Self::Nobodys => false,
            Self::OneOf(all) => all.contains(&patient),
        }
    }

    /// Whether it may wait.
    pub(crate) fn may_wait(&self) -> bool {
        !matches!(self, Self::One(_))
    }
}

/// Who had a device.
#[derive(Debug, Default)]
struct Past {
    /// Until shortly before the start, where it was somebody else.
    former: Option<u64>,
    /// At the start, where refreshes before it saw him.
    first: Option<u64>,
    /// From the start on.
    owners: BTreeSet<u64>,
}

/// The registry as it is now, and what the gateways have to send.
#[derive(Debug)]
pub(crate) struct Ward {
    owners: BTreeMap<Device, u64>,
    past: BTreeMap<Device, Past>,
    /// Somebody has told when the devices changed hands before the start.
    told: bool,
    strangers: Vec<Device>,
    gateways: usize,
    /// How many readings there are so far: the time of the next.
    readings: i64,
    sent: Vec<Message>,
}

impl Ward {
    /// Every patient has some devices; a few devices nobody has registered.
    pub(crate) fn drawn(dice: &mut Dice, gateways: usize) -> Self {
        let mut owners = BTreeMap::new();
        let mut past: BTreeMap<Device, Past> = BTreeMap::new();
        let mut strangers = Vec::new();
        // In some runs nobody has looked at the registry before.
        let looked = dice.below(4) > 0;
        for number in 1..=PATIENTS {
            for kind in Kind::ALL {
                let device = device(kind, number);
                if dice.below(5) == 0 {
                    strangers.push(device);
                } else {
                    let former = (looked && dice.below(3) == 0).then(|| number % PATIENTS + 1);
                    past.insert(
                        device.clone(),
                        Past {
                            former,
                            first: looked.then_some(number),
                            owners: BTreeSet::from([number]),
                        },
                    );
                    owners.insert(device, number);
                }
            }
        }
        Self {
            owners,
            past,
            told: false,
            strangers,
            gateways,
            readings: 0,
            sent: Vec::new(),
        }
    }

    /// Whose a reading of this device and second has to be.
    pub(crate) fn whose(&self, address: Mac, second: i64) -> Whose {
        let known = |d: &&Device| d.address == address.to_string();
        let Some((device, past)) = self.past.iter().find(|(d, _)| known(d)) else {
            return Whose::Nobodys;
        };
        let second = second - EPOCH_MS / 1_000;
        let one = |n: u64| id(n).map_or(Whose::Nobodys, Whose::One);
        // Nothing that changes in the run reaches further back.
        if let (Some(first), true) = (past.first, second < -TOLERANCE) {
            return match past.former {
                Some(former) if self.told && second < HANDED_OVER => one(former),
                Some(former) if second < FORMER_UNTIL - TOLERANCE => one(former),
                Some(_) if !self.told && second <= NEXT_FROM + TOLERANCE => Whose::Nobodys,
                _ => one(first),
            };
        }
        let mut owners = past.owners.iter();
        match (owners.next(), owners.next()) {
            // Nobody else ever had it: as long as it is registered it is his.
            (Some(only), None) if self.owners.contains_key(device) => one(*only),
            _ => Whose::OneOf(past.owners.iter().filter_map(|n| id(*n)).collect()),
        }
    }

    /// What refreshes before the start have kept.
    pub(crate) fn associations(&self) -> Associations {
        let mut kept = Associations::default();
        for (device, past) in &self.past {
            let (Some(first), Ok(address)) = (past.first, device.address.parse()) else {
                continue;
            };
            kept.refreshed = Some(seconds(0));
            let mut stay = |owner: u64, from: i64, until: Option<i64>| {
                let Some(patient) = id(owner) else { return };
                let of_it = kept.holdings.iter().filter(|h| h.device == address).count();
                kept.holdings.push(Holding {
                    device: address,
                    kind: device.kind.kind(),
                    number: u32::try_from(of_it).unwrap_or(0) + 1,
                    patient,
                    from: seconds(from),
                    until: until.map(seconds),
                });
            };
            match past.former {
                Some(former) => {
                    stay(former, -9_000, Some(FORMER_UNTIL));
                    stay(first, NEXT_FROM, None);
                }
                None => stay(first, -9_000, None),
            }
        }
        kept
    }

    /// Somebody tells when the devices changed hands before the start.
    pub(crate) fn tell(&mut self) -> Vec<Period> {
        self.told = true;
        let mut periods = Vec::new();
        for (device, past) in &self.past {
            let (Some(former), Some(first), Ok(address)) = (past.former, past.first, device.address.parse())
            else {
                continue;
            };
            let long_after = Some(seconds(NEXT_FROM + 2 * TOLERANCE));
            for (owner, start, end) in [
                (former, None, Some(seconds(HANDED_OVER))),
                (first, Some(seconds(HANDED_OVER)), long_after),
            ] {
                periods.extend(id(owner).map(|patient| Period {
                    device: address,
                    patient,
                    start,
                    end,
                }));
            }
        }
        periods
    }

    /// The registry as the store has it.
    pub(crate) fn documents(&self) -> RegistryDocuments {
        let id = |n: u64| json!({"$oid": patient(n)});
        let mut documents = RegistryDocuments::default();
        for number in 1..=PATIENTS {
            documents.patients.push(json!({"_id": id(number)}));
        }
        for number in 0..self.gateways {
            documents
                .boxes
                .push(json!({"mac_address": gateway(number), "patient_id": id(1)}));
        }
        for (device, owner) in &self.owners {
            documents
                .devices
                .push(json!({"patient_id": id(*owner), device.kind.field(): device.address}));
        }
        documents
    }

    /// One change of the registry: a device comes, goes or changes hands.
    pub(crate) fn change(&mut self, dice: &mut Dice) -> &'static str {
        match dice.below(4) {
            0 | 1 if !self.strangers.is_empty() => {
                let device = self.strangers.swap_remove(dice.index(self.strangers.len()));
                self.give(device, dice.within(1, PATIENTS));
                "a device is registered"
            }
            2 if !self.owners.is_empty() => {
                let at = dice.index(self.owners.len());
                if let Some(device) = self.owners.keys().nth(at).cloned() {
                    self.owners.remove(&device);
                    self.strangers.push(device);
                }
                "a device is taken out"
            }
            _ => {
                let at = dice.index(self.owners.len());
                let held = self.owners.iter().nth(at).map(|(d, owner)| (d.clone(), *owner));
                if let Some((device, owner)) = held {
                    self.give(device, owner % PATIENTS + 1);
                }
                "a device changes hands"
            }
        }
    }

    fn give(&mut self, device: Device, owner: u64) {
        self.past.entry(device.clone()).or_default().owners.insert(owner);
        self.owners.insert(device, owner);
    }

    /// Everything becomes known.
    pub(crate) fn register_all(&mut self) {
        for device in std::mem::take(&mut self.strangers) {
            self.give(device, 1);
        }
    }

    fn any(&self, dice: &mut Dice) -> Device {
        let kind = Kind::ALL[dice.index(4)];
        device(kind, dice.within(1, PATIENTS))
    }

    fn time(&mut self, dice: &mut Dice, backfill: bool) -> i64 {
        self.readings += 1;
        let era = ERAS[dice.index(ERAS.len())];
        EPOCH_MS / 1_000 + era + self.readings * 7 - if backfill { OLD } else { 0 }
    }

    /// The next message of a gateway.
    pub(crate) fn message(&mut self, dice: &mut Dice, from: usize) -> Message {
        let message = match dice.below(100) {
            0..=7 if !self.sent.is_empty() => {
                let again = self.sent[dice.index(self.sent.len())].clone();
                return if dice.coin() { again } else { other_pulse(again) };
            }
            8..=11 => heartbeat(from),
            12..=14 => unknown_attribute(from),
            15..=19 => self.impossible(dice, from),
            20..=24 => self.several(dice, from, false, r#","PR":350"#),
            25..=29 => self.several(dice, from, true, ""),
            30..=31 => self.refused(dice, from),
            _ => self.several(dice, from, false, ""),
        };
        if !message.expected.contains(&Expected::Refused) {
            self.sent.push(message.clone());
        }
        message
    }

    /// Readings of one kind; `bad` is put in the place of the pulse of each.
    fn several(&mut self, dice: &mut Dice, from: usize, backfill: bool, bad: &str) -> Message {
        let kind = if bad.is_empty() {
            self.any(dice).kind
        } else {
            Kind::Cuff
        };
        let count = if dice.below(4) == 0 { dice.within(2, 3) } else { 1 };
        let (mut items, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let device = device(kind, dice.within(1, PATIENTS));
            let second = self.time(dice, backfill);
            let mut fields = kind.fields(dice);
            if let (false, Some(at)) = (bad.is_empty(), fields.find(r#","PR""#)) {
                fields.replace_range(at.., bad);
            }
            items.push(item(&device.address, second, &fields));
            expected.extend(reading(&device, second));
        }
        // Two equal items of one message: the second is a duplicate.
        if dice.below(12) == 0 {
            items.push(items[0].clone());
            expected.push(expected[0].clone());
        }
        Message {
            gateway: from,
            body: message(from, kind.attribute(), &items),
            backfill,
            expected,
        }
    }

    fn impossible(&mut self, dice: &mut Dice, from: usize) -> Message {
        let device = device(Kind::Cuff, dice.within(1, PATIENTS));
        let second = self.time(dice, false);
        let bad = item(&device.address, second, r#""bp_high":999,"bp_low":998"#);
        let good = self.time(dice, false);
        let fields = Kind::Cuff.fields(dice);
        let mut expected = vec![Expected::Dead];
        expected.extend(reading(&device, good));
        Message {
            gateway: from,
            body: message(
                from,
                Kind::Cuff.attribute(),
                &[bad, item(&device.address, good, &fields)],
            ),
            backfill: false,
            expected,
        }
    }

    fn refused(&mut self, dice: &mut Dice, from: usize) -> Message {
        let good = self.several(dice, from, false, "");
        let text = String::from_utf8_lossy(&good.body).replacen(
            '{',
            &format!(r#"{{"name":"{}","#, String::from_utf8_lossy(REFUSED)),
            1,
        );
        Message {
            gateway: from,
            body: Bytes::from(text),
            backfill: false,
            expected: vec![Expected::Refused],
        }
    }
}

fn reading(device: &Device, second: i64) -> Option<Expected> {
    let device = device.address.parse().ok()?;
    Some(Expected::Reading { device, second })
}

fn item(address: &str, second: i64, fields: &str) -> String {
    format!(r#"{{"scan_time":{second},"ble_addr":"{address}",{fields}}}"#)
}

fn message(from: usize, attribute: &str, items: &[String]) -> Bytes {
    let (mac, time) = (gateway(from), EPOCH_MS / 1_000);
    Bytes::from(format!(
        r#"{{"mac":"{mac}","time":{time},"type":"reportAttribute","data":{{"attribute":"{attribute}","value":{{"device_list":[{}]}}}}}}"#,
        items.join(",")
    ))
}

/// The same message once more, its cuffs with another pulse: the pressure is a duplicate, the pulse is not.
fn other_pulse(message: Message) -> Message {
    let text = String::from_utf8_lossy(&message.body).replace(r#""PR":"#, r#""PR":1"#);
    Message {
        body: Bytes::from(text),
        ..message
    }
}

fn heartbeat(from: usize) -> Message {
    let (mac, time) = (gateway(from), EPOCH_MS / 1_000);
    Message {
        gateway: from,
        body: Bytes::from(format!(
            r#"{{"mac":"{mac}","time":{time},"type":"HB_Msg","IMEI":"990000000000001","data":{{"msg":"Online"}}}}"#
        )),
        backfill: false,
        expected: vec![Expected::Nothing],
    }
}

fn unknown_attribute(from: usize) -> Message {
    let items = [item("020000bb0001", EPOCH_MS / 1_000, r#""x":1"#)];
    Message {
        gateway: from,
        body: message(from, "NOBODY KNOWS THIS", &items),
        backfill: false,
        expected: vec![Expected::Dead],
    }
}
