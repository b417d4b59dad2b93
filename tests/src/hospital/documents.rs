//! The documents of a collection: five shapes, one document at a time.

use std::collections::HashSet;

use mongodb::bson::oid::ObjectId;
use mongodb::bson::{Bson, DateTime, Document, doc};

use super::Hospital;
use super::books::{CollectionBooks, Owner, Verdict};
use super::chance::Chance;
use super::collection::{Collection, Oddity};
use super::entry::{Entry, Form};
use crate::ward;

/// 2019-01-01: no entry with a good date is older.
const FIRST: i64 = 1_546_300_800;
/// Times of entries lie within so many seconds, each on a second of its own.
const SECONDS: i64 = 1 << 27;

/// A shape of document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    A,
    B,
    B2,
    C,
    D,
    E,
}

const SHAPES: [(Shape, &str, u64); 6] = [
    (Shape::A, "A", 75),
    (Shape::B, "B", 8),
    (Shape::B2, "B2", 3),
    (Shape::C, "C", 9),
    (Shape::D, "D", 3),
    (Shape::E, "E", 2),
];

/// How `patient_id` is written, and how often in ten thousand.
const SPELLINGS: [(&str, Owner, i64); 10] = [
    ("ObjectId", Owner::Known, 8_000),
    ("document of $oid", Owner::Known, 200),
    ("hex text", Owner::Known, 900),
    ("JSON text", Owner::Known, 300),
    ("repr of ObjectId", Owner::Known, 300),
    ("repr of $oid", Owner::Known, 100),
    ("null", Owner::Unknown, 60),
    ("unknown", Owner::Unknown, 60),
    ("nobody's id", Owner::Unknown, 60),
    ("a deleted patient's id", Owner::Unknown, 20),
];

/// A document and what must become of its entries; nothing where it is ours.
pub struct Made {
    /// The document.
    pub document: Document,
    /// A verdict for each entry.
    pub verdicts: Vec<Verdict>,
}

/// The documents of one collection.
pub struct Documents<'h> {
    hospital: &'h Hospital,
    collection: Collection,
    chance: Chance,
    target: u64,
    made: u64,
    of_shape: [u64; 6],
    number: u32,
    wanted_oddities: Vec<Oddity>,
    wanted_spellings: Vec<usize>,
    again: Option<Made>,
    /// The books so far; all of them once the last document has been made.
    pub books: CollectionBooks,
}

impl<'h> Documents<'h> {
    pub(super) fn new(hospital: &'h Hospital, collection: Collection) -> Self {
        let plan = hospital.plan;
        let (mut wanted_oddities, mut wanted_spellings) = (Vec::new(), Vec::new());
        if plan.every_oddity {
            wanted_oddities.extend(collection.oddities().iter().map(|(oddity, _)| *oddity));
            // Documents of the first form alone are few in a small hospital.
            if collection != Collection::Sleep {
                wanted_spellings.extend(0..SPELLINGS.len());
            }
        }
        Self {
            hospital,
            collection,
            chance: Chance::new(plan.seed, 1 + collection as u64),
            target: (plan.entries * collection.share() / 1_000).max(1),
            made: 0,
            of_shape: [0; 6],
            number: 0,
            wanted_oddities,
            wanted_spellings,
            again: None,
            books: CollectionBooks::default(),
        }
    }

    fn id(&mut self) -> ObjectId {
        self.number += 1;
        let mut bytes = [0; 12];
        bytes[0] = 0x60;
        bytes[1] = self.collection as u8;
        bytes[2..6].copy_from_slice(&self.hospital.plan.seed.to_be_bytes()[4..]);
        bytes[8..].copy_from_slice(&self.number.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }

    fn has(&self, shape: Shape) -> bool {
        match self.collection {
            Collection::HeartRate => shape != Shape::A,
            // Only the first application knew nights.
            Collection::Sleep => matches!(shape, Shape::A | Shape::E),
            _ => true,
        }
    }

    /// Whether something is still to be made that has to occur.
    fn wants(&self) -> bool {
        let of_shape = |at: usize| self.has(SHAPES[at].0) && self.of_shape[at] == 0;
        let shapes = self.hospital.plan.every_oddity && (0..SHAPES.len()).any(of_shape);
        !self.wanted_oddities.is_empty() || !self.wanted_spellings.is_empty() || shapes
    }

    /// The shape that is furthest behind its share; before that, the one that something has to occur in.
    fn shape(&self) -> usize {
        let of = |shape| SHAPES.iter().position(|(s, ..)| *s == shape);
        let first = if self.has(Shape::A) { Shape::A } else { Shape::B };
        let every = self.hospital.plan.every_oddity;
        let unseen = (0..SHAPES.len()).find(|at| every && self.has(SHAPES[*at].0) && self.of_shape[*at] == 0);
        let wanted = if !self.wanted_oddities.is_empty() {
            of(first)
        } else if unseen.is_some() {
            unseen
        } else if !self.wanted_spellings.is_empty() {
            of(Shape::C)
        } else {
            None
        };
        if let Some(at) = wanted {
            return at;
        }
        let behind = |at: &usize| {
            let (_, _, share) = SHAPES[*at];
            i128::from(share) * i128::from(self.made + 1) - i128::from(self.of_shape[*at]) * 100
        };
        (0..SHAPES.len())
            .filter(|at| self.has(SHAPES[*at].0))
            .max_by_key(|at| (behind(at), std::cmp::Reverse(*at)))
            .unwrap_or(0)
    }

    fn size(&mut self, shape: Shape) -> u64 {
        let people = self.hospital.people.active.len() as u64;
        let most = match shape {
            Shape::A if self.is_by_month() => 28,
            Shape::A => (self.target * 3 / 2 / people).clamp(2, 1_000),
            Shape::B => 12,
            Shape::B2 => 6,
            Shape::C => 4,
            Shape::D => 1,
            Shape::E => 20,
        };
        let most = most
            .min(self.target.saturating_sub(self.made))
            .max(if self.wants() { 4 } else { 1 });
        let most = if shape == Shape::D { 1 } else { most };
        let size = self.chance.of(1..=i64::try_from(most).expect("a small number"));
        u64::try_from(size).expect("at least one")
    }

    /// Whether this is the shape that most entries of the collection are in, a patient's own documents.
    fn is_first_form(&self, shape: Shape) -> bool {
        shape == Shape::A || (shape == Shape::B && self.collection == Collection::HeartRate)
    }

    fn is_by_month(&self) -> bool {
        matches!(self.collection, Collection::Step | Collection::Sleep)
    }

    /// A second that no other entry of the hospital has.
    fn second(&mut self) -> i64 {
        self.made += 1;
        let number = i64::try_from(self.made).expect("a small number") * 10 + self.collection as i64;
        FIRST + (number * 40_503) % SECONDS
    }

    fn oddity(&mut self, shape: Shape, owner: Owner) -> Option<Oddity> {
        let first_form = self.is_first_form(shape);
        let fits = |oddity: Oddity| match (shape, owner) {
            (_, Owner::Hospital) => false,
            // Whether a bad date or an unknown patient comes first is nobody's to test here.
            (Shape::A, Owner::Unknown) => !oddity.is_of_time(),
            (Shape::A, Owner::Known) => true,
            (Shape::D, Owner::Known) => oddity.is_of_time(),
            (_, Owner::Unknown) => oddity == Oddity::NoObject && shape != Shape::D,
            (_, Owner::Known) => oddity.is_of_time() || matches!(oddity, Oddity::NoObject | Oddity::Repeated),
        };
        if first_form && owner == Owner::Known && !self.wanted_oddities.is_empty() {
            // One after the other, so that a repetition has something to repeat.
            return self.wanted_oddities.pop();
        }
        // The exports were of the first form: three in four entries here, so that the whole has as many of each.
        let mut roll = self.chance.of(0..=7_299);
        for (oddity, often) in self.collection.oddities() {
            roll -= i64::from(*often);
            if roll < 0 {
                return fits(*oddity).then_some(*oddity);
            }
        }
        None
    }

    /// The patient of a document: how it is written, and whose entries they are.
    fn patient(&mut self, shape: Shape) -> (Bson, Owner) {
        let people = &self.hospital.people;
        let first_form = self.is_first_form(shape);
        let wanted = if first_form {
            (!self.wanted_oddities.is_empty()).then_some(0)
        } else {
            self.wanted_spellings.pop()
        };
        let at = wanted.unwrap_or_else(|| {
            let mut roll = self.chance.of(0..=9_999);
            SPELLINGS
                .iter()
                .position(|(_, _, often)| {
                    roll -= often;
                    roll < 0
                })
                .unwrap_or(0)
        });
        let (spelling, owner, _) = SPELLINGS[at];
        *self.books.patients.entry(spelling).or_default() += 1;
        // Documents of the first form are a patient's own, one after the other.
        let patient = if first_form {
            people.active[self.number as usize % people.active.len()]
        } else {
            self.chance.one(&people.active)
        };
        let hex = patient.to_hex();
        let written = match spelling {
            "document of $oid" => Bson::Document(doc! {"$oid": hex}),
            "hex text" => Bson::String(hex),
            "JSON text" => Bson::String(format!(r#"{{"$oid": "{hex}"}}"#)),
            "repr of ObjectId" => Bson::String(format!("ObjectId('{hex}')")),
            "repr of $oid" => Bson::String(format!("{{'$oid': '{hex}'}}")),
            "null" => Bson::Null,
            "unknown" => Bson::String("unknown".to_owned()),
            "nobody's id" => {
                let mut bytes = patient.bytes();
                bytes[1] = 0xee;
                Bson::ObjectId(ObjectId::from_bytes(bytes))
            }
            "a deleted patient's id" => Bson::ObjectId(people.deleted[0]),
            _ => Bson::ObjectId(patient),
        };
        (written, owner)
    }

    /// What stands as `device_id` in entries that name one, and whether it is a sub-device.
    fn device(&mut self) -> (String, bool) {
        let people = &self.hospital.people;
        match self.chance.of(0..=9) {
            0..=6 => (
                people.device_macs[self.chance.index(people.device_macs.len())].clone(),
                true,
            ),
            7 => (
                people.gateway_macs[self.chance.index(people.gateway_macs.len())].clone(),
                false,
            ),
            _ => ("990000000000001".to_owned(), false),
        }
    }

    fn make(&mut self) -> Made {
        let at = self.shape();
        let (shape, name, _) = SHAPES[at];
        let size = self.size(shape);
        self.of_shape[at] += size;
        *self.books.shapes.entry(name).or_default() += 1;
        self.books.documents += 1;
        let id = self.id();
        let mut document = doc! {"_id": id};
        let owner = if shape == Shape::E {
            document.insert("hospital_id", self.chance.one(&self.hospital.people.hospitals));
            Owner::Hospital
        } else {
            let (patient, owner) = self.patient(shape);
            document.insert("patient_id", patient);
            owner
        };
        let form = match shape {
            Shape::D => Form::Scanned,
            Shape::B | Shape::B2 | Shape::C => Form::Stamped,
            Shape::E if self.collection == Collection::HeartRate => Form::Stamped,
            Shape::A | Shape::E => Form::Imported,
        };
        let (device, is_device) = if form == Form::Imported {
            (String::new(), false)
        } else {
            self.device()
        };
        let month = self.month();
        if shape == Shape::A && self.is_by_month() {
            document.insert("date_tag", format!("{}-{}", &month.0[5..7], &month.0[..4]));
        }
        let mut data: Vec<Bson> = Vec::new();
        let mut verdicts = Vec::new();
        let mut last_good: Option<Bson> = None;
        let mut entries = Vec::new();
        let mut undated = HashSet::new();
        for day in 0..size {
            let mut when = self.second();
            if shape == Shape::A && self.is_by_month() {
                // An hour of the evening, so that a night and the steps of a day keep their date.
                when = month.1 + i64::try_from(day).expect("a day") * 86_400 + 21 * 3_600 + when % 3_600;
            }
            let mut oddity = self.oddity(shape, owner);
            if oddity == Some(Oddity::Repeated) {
                if let Some(good) = &last_good {
                    data.push(good.clone());
                    verdicts.push(self.books.repeated());
                    continue;
                }
                // Nothing to repeat yet: the next one, where one has to occur.
                if self.hospital.plan.every_oddity && self.books.duplicates == 0 && self.is_first_form(shape)
                {
                    self.wanted_oddities.push(Oddity::Repeated);
                }
                oddity = None;
            }
            let mut entry = Entry::new(&mut self.chance, self.collection, form, oddity, when);
            if let Bson::Document(fields) = &mut entry.value
                && matches!(shape, Shape::B | Shape::B2)
            {
                fields.insert("device_id", device.as_str());
                fields.insert("device_type", "AVA4");
            }
            // No two good entries share a second; of those without one, some are the same by chance.
            if entry.at.is_none() && !undated.insert(format!("{:?}", entry.value)) {
                data.push(entry.value);
                verdicts.push(self.books.repeated());
                continue;
            }
            // Of a shape with the device on top, the entry names none.
            let of_device = is_device && matches!(shape, Shape::B | Shape::B2);
            verdicts.push(self.books.entry(&entry, owner, of_device));
            if oddity.is_none() {
                last_good = Some(entry.value.clone());
            }
            if shape == Shape::C {
                entries.push(entry.clone());
            }
            data.push(entry.value);
        }
        let written = DateTime::from_millis((FIRST + SECONDS + i64::from(self.number)) * 1_000);
        match shape {
            Shape::A | Shape::B | Shape::E => {}
            Shape::B2 => {
                document.insert("device_id", device.as_str());
                document.insert("device_type", "AVA4");
                document.insert("timestamp", written);
                document.insert("notes", "");
            }
            Shape::C | Shape::D => {
                document.insert("device_id", device.as_str());
                document.insert("device_type", "AVA4");
                // The time of the write: the readings are older.
                document.insert("timestamp", written);
                document.insert("source", "AVA4");
            }
        }
        if shape == Shape::D {
            document.remove("device_type");
            document.insert("data", data.remove(0));
        } else {
            document.insert("data", data);
        }
        document.insert("created_at", written);
        if shape != Shape::D {
            document.insert("updated_at", written);
        }
        if shape == Shape::A {
            document.insert("__v", 0);
        }
        let made = Made { document, verdicts };
        if shape == Shape::C && owner == Owner::Known {
            self.perhaps_again(&made, &entries);
        }
        made
    }

    /// A document that was written twice, under two ids: its readings are suspected duplicates.
    fn perhaps_again(&mut self, made: &Made, entries: &[Entry]) {
        let clean = made.verdicts.iter().all(|v| !v.duplicate && v.dead.is_empty());
        // At least one in every collection that has such a document.
        if !clean || !(self.books.suspected == 0 || self.chance.often(300)) {
            return;
        }
        let mut document = made.document.clone();
        document.insert("_id", self.id());
        self.books.documents += 1;
        *self.books.shapes.entry("C").or_default() += 1;
        *self.books.patients.entry("written twice").or_default() += 1;
        let before = self.books.stored;
        for entry in entries {
            self.books.entry(entry, Owner::Known, false);
        }
        self.books.suspected += self.books.stored - before;
        self.again = Some(Made {
            document,
            verdicts: made.verdicts.clone(),
        });
    }

    /// The month of the next monthly document: its first day in the zone of the deployment, and when that starts.
    fn month(&self) -> (String, i64) {
        let months = i64::from(self.number) / i64::try_from(self.hospital.people.active.len()).expect("few");
        let mut start = FIRST - 7 * 3_600;
        for _ in 0..months {
            start += 31 * 86_400;
            let day: i64 = ward::local(start)[8..10].parse().expect("a day");
            start -= (day - 1) * 86_400;
        }
        (ward::local(start)[..10].to_owned(), start)
    }

    /// A document that the program itself has written: none of its entries count.
    fn own(&mut self) -> Made {
        let id = self.id();
        let patient = self.chance.one(&self.hospital.people.active);
        let (device, _) = self.device();
        let when = self.second();
        self.made -= 1;
        let entry = Entry::new(&mut self.chance, self.collection, Form::Stamped, None, when);
        self.books.documents += 1;
        self.books.own += 1;
        *self.books.shapes.entry("C").or_default() += 1;
        let at = DateTime::from_millis(when * 1_000);
        Made {
            document: doc! {
                "_id": id, "patient_id": patient, "device_id": device, "device_type": "BP_BIOLIGTH",
                "data": [entry.value], "timestamp": at, "created_at": at, "updated_at": at, "source": "stardust",
            },
            verdicts: Vec::new(),
        }
    }

    /// A patient's document that has no entries yet.
    fn empty(&mut self) -> Made {
        let id = self.id();
        let patient = self.chance.one(&self.hospital.people.active);
        self.books.documents += 1;
        *self.books.shapes.entry("A").or_default() += 1;
        Made {
            document: doc! {"_id": id, "patient_id": patient, "data": [], "__v": 0},
            verdicts: Vec::new(),
        }
    }
}

impl Iterator for Documents<'_> {
    type Item = Made;

    fn next(&mut self) -> Option<Made> {
        if let Some(again) = self.again.take() {
            return Some(again);
        }
        if self.made >= self.target && !self.wants() {
            // At least one of ours in every collection.
            return (self.books.own == 0).then(|| self.own());
        }
        if self.number % 53 == 11 {
            return Some(self.own());
        }
        if self.number % 97 == 17 {
            return Some(self.empty());
        }
        Some(self.make())
    }
}
