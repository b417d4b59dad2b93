//! One entry, and what must become of each of its fields.

use mongodb::bson::{Bson, DateTime, Document};

use super::chance::Chance;
use super::collection::{Collection, Oddity};
use crate::ward;

/// What must become of one field, or of the entry as a whole, where its patient is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A reading of this kind; with it what has to be noted on it.
    Reading(&'static str, Option<&'static str>),
    /// A dead letter with this reason.
    Dead(&'static str),
    /// No reading: the field is `zero`, `null` or `infinity`.
    Nothing(&'static str),
}

/// How an entry is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// With an `*_import_date` and the fields of the first application.
    Imported,
    /// With a `timestamp`.
    Stamped,
    /// With a `scan_time`.
    Scanned,
}

/// An entry.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it stands in the document.
    pub value: Bson,
    /// What must become of it.
    pub fates: Vec<Fate>,
    /// Its time in epoch seconds, where it has a usable one.
    pub at: Option<i64>,
}

const IMPOSSIBLE: &str = "value impossible";
/// 2099-01-01.
const FUTURE: i64 = 4_070_908_800;

impl Entry {
    /// An entry of a collection at this time.
    pub fn new(
        chance: &mut Chance,
        collection: Collection,
        form: Form,
        oddity: Option<Oddity>,
        at: i64,
    ) -> Self {
        if oddity == Some(Oddity::NoObject) {
            let value = chance.one(&[0, 1, 2, 3]);
            let value = match value {
                0 => Bson::Null,
                1 => Bson::Int32(7),
                2 => Bson::String("[object Object]".to_owned()),
                _ => Bson::Array(Vec::new()),
            };
            return Self {
                value,
                fates: vec![Fate::Dead("unreadable")],
                at: None,
            };
        }
        let of_time = oddity.filter(|o| o.is_of_time());
        let mut fields = Fields {
            chance,
            document: Document::new(),
            fates: Vec::new(),
            // So that such an entry is one dead letter, however it is counted.
            only_main: of_time.is_some(),
        };
        match collection {
            Collection::Pressure => fields.pressure(form),
            Collection::Sugar => fields.sugar(form, oddity),
            Collection::Saturation => fields.saturation(form),
            Collection::Temperature => fields.temperature(form),
            Collection::Body => fields.body(form, oddity),
            Collection::Creatinine => fields.creatinine(form, oddity),
            Collection::Lipid => fields.lipid(oddity),
            Collection::Step => {
                let steps = fields.chance.of(200..=15_000);
                fields.reading("step", int(steps), "steps");
            }
            Collection::Sleep => fields.sleep(at),
            Collection::HeartRate => {
                let rate = fields.chance.of(48..=110);
                fields.reading("heart_rate", int(rate), "heart-rate");
            }
        }
        fields.time(collection, form, of_time, at);
        let mut fates = fields.fates;
        if of_time.is_some() {
            fates
                .iter_mut()
                .for_each(|fate| *fate = Fate::Dead("unknown time"));
        }
        Self {
            value: Bson::Document(fields.document),
            fates,
            at: of_time.is_none().then_some(at),
        }
    }
}

struct Fields<'c> {
    chance: &'c mut Chance,
    document: Document,
    fates: Vec<Fate>,
    only_main: bool,
}

fn int(n: i64) -> Bson {
    Bson::Int32(i32::try_from(n).expect("a small number"))
}

/// So many tenths as a double.
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn tenths(n: i64) -> f64 {
    n as f64 / 10.0
}

impl Fields<'_> {
    fn reading(&mut self, field: &str, value: impl Into<Bson>, kind: &'static str) {
        self.noted(field, value, kind, None);
    }

    fn noted(&mut self, field: &str, value: impl Into<Bson>, kind: &'static str, note: Option<&'static str>) {
        self.document.insert(field, value);
        self.fates.push(Fate::Reading(kind, note));
    }

    fn dead(&mut self, field: &str, value: impl Into<Bson>, reason: &'static str) {
        self.document.insert(field, value);
        self.fates.push(Fate::Dead(reason));
    }

    fn zero(&mut self, field: &str) {
        self.document.insert(field, 0);
        self.fates.push(Fate::Nothing("zero"));
    }

    fn null(&mut self, field: &str) {
        self.document.insert(field, Bson::Null);
        self.fates.push(Fate::Nothing("null"));
    }

    /// A whole number as an int, a double or a text.
    fn whole(&mut self, n: i64) -> Bson {
        match self.chance.of(0..=9) {
            0..=5 => int(n),
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            6 => Bson::Double(n as f64),
            _ => Bson::String(n.to_string()),
        }
    }

    /// A value beside the main one: mostly there, sometimes zero.
    fn beside(&mut self, field: &str, range: std::ops::RangeInclusive<i64>, kind: &'static str) {
        if self.only_main {
            return;
        }
        if self.chance.often(700) {
            self.zero(field);
        } else {
            let n = self.chance.of(range);
            let value = self.whole(n);
            self.reading(field, value, kind);
        }
    }

    fn pressure(&mut self, form: Form) {
        let [systolic, diastolic, pulse] = match form {
            Form::Imported if self.chance.often(7_000) => ["sys_data", "dia_data", "pr_data"],
            _ => ["systolic", "diastolic", "pulse"],
        };
        let high = self.chance.of(98..=185);
        let low = self.chance.of(52..=94);
        let low = self.whole(low);
        let high = self.whole(high);
        self.document.insert(diastolic, low);
        // Both together are one reading.
        self.reading(systolic, high, "blood-pressure");
        self.beside(pulse, 48..=110, "heart-rate");
        if form == Form::Imported && self.chance.often(3_000) {
            // No kind of reading has a place for it.
            self.document.insert("map_data", 90);
        }
    }

    fn sugar(&mut self, form: Form, oddity: Option<Oddity>) {
        const FIELDS: [&str; 4] = ["pre_meal_dtx", "post_meal_dtx", "fasting_dtx", "no_marker_dtx"];
        let plain = self.chance.of(70..=250);
        if form != Form::Imported {
            let value = self.whole(plain);
            self.reading("blood_glucose", value, "glucose");
            let (marker, dtx_type) = self.chance.one(&[
                ("Before Meal", 0),
                ("After Meal", 1),
                ("Fasting", 2),
                ("No marker", 3),
            ]);
            self.document.insert("marker", marker);
            self.document.insert("dtx_type", dtx_type);
            return;
        }
        let marker = usize::try_from(self.chance.of(0..=3)).expect("a small number");
        self.document.insert("dtx_type", int(marker as i64));
        for (at, field) in FIELDS.into_iter().enumerate() {
            let four = oddity == Some(Oddity::GlucoseFour);
            if at != marker && !four {
                if !self.only_main {
                    self.null(field);
                }
                continue;
            }
            match oddity {
                Some(Oddity::Nothing) => self.zero(field),
                Some(Oddity::GlucoseMolar) => {
                    let value = format!("{:.1}", tenths(self.chance.of(21..=199)));
                    self.noted(field, value, "glucose", Some("unit inferred"));
                }
                Some(Oddity::GlucoseTwice) => {
                    let value = (self.chance.of(70..=250) * 18).to_string();
                    self.dead(field, value, IMPOSSIBLE);
                }
                Some(Oddity::GlucoseFloat) => {
                    let value = tenths(self.chance.of(38..=210)) * 18.0;
                    self.reading(field, value, "glucose");
                }
                _ => {
                    let n = self.chance.of(70..=250);
                    let value = self.whole(n);
                    self.reading(field, value, "glucose");
                }
            }
        }
        self.document
            .insert("blood_sugar_source", int(i64::from(self.chance.often(5_000))));
        self.document.insert("blood_sugar_marker", "");
    }

    fn saturation(&mut self, form: Form) {
        let imported = form == Form::Imported;
        let n = self.chance.of(91..=99);
        let value = self.whole(n);
        self.reading(if imported { "spo2_data" } else { "spo2" }, value, "spo2");
        let pulse = if imported { "spo2_pr_data" } else { "pulse" };
        self.beside(pulse, 48..=110, "heart-rate");
        if imported {
            self.beside("spo2_resp_data", 11..=24, "respiration");
        }
    }

    fn temperature(&mut self, form: Form) {
        let n = tenths(self.chance.of(352..=389));
        let value = if self.chance.often(7_000) {
            Bson::Double(n)
        } else {
            Bson::String(format!("{n:.2}"))
        };
        match form {
            Form::Imported => self.reading("temprature_data", value, "body-temperature"),
            Form::Stamped | Form::Scanned => {
                self.reading("temperature", value, "body-temperature");
                self.document
                    .insert("mode", self.chance.one(&["Head", "Body", "Object"]));
            }
        }
    }

    fn body(&mut self, form: Form, oddity: Option<Oddity>) {
        match oddity {
            Some(Oddity::Nothing) => {
                self.zero("weight");
                self.zero("height");
                return;
            }
            Some(Oddity::WeightTiny) => self.dead("weight", 0.227, IMPOSSIBLE),
            _ => {
                let n = tenths(self.chance.of(380..=1_760));
                let value = if self.chance.often(8_000) {
                    Bson::Double(n)
                } else {
                    Bson::String(format!("{n:.1}"))
                };
                self.reading("weight", value, "body-weight");
            }
        }
        if self.only_main {
            return;
        }
        if form != Form::Imported {
            if self.chance.often(5_000) {
                let ohm = tenths(self.chance.of(3_000..=8_000));
                self.reading("resistance", ohm, "impedance");
            }
            return;
        }
        let unknown = self.chance.often(1_970);
        if oddity == Some(Oddity::HeightMetres) {
            let metres = tenths(self.chance.of(14..=19));
            self.dead("height", metres, IMPOSSIBLE);
        } else if unknown {
            self.zero("height");
        } else {
            let height = self.chance.of(145..=190);
            let height = self.whole(height);
            self.reading("height", height, "height");
        }
        if self.chance.often(2_500) {
            self.zero("waist");
        } else if self.chance.often(2_000) {
            let waist = self.chance.of(60..=110);
            self.reading("waist", int(waist), "waist");
        }
        // A weight divided by nothing.
        if unknown && self.chance.often(4_900) {
            self.document.insert("bmi", f64::INFINITY);
            self.fates.push(Fate::Nothing("infinity"));
        } else {
            let bmi = tenths(self.chance.of(170..=360));
            self.reading("bmi", bmi, "bmi");
        }
    }

    fn creatinine(&mut self, form: Form, oddity: Option<Oddity>) {
        match oddity {
            Some(Oddity::Nothing) => {
                self.zero("cretinines");
                return;
            }
            Some(Oddity::CreatinineBetween) => {
                let n = tenths(self.chance.of(200..=299));
                self.dead("cretinines", n, "unit unknown");
            }
            _ if form != Form::Imported && self.chance.often(6_000) => self.uric(),
            _ if self.chance.often(6_500) => {
                let n = tenths(self.chance.of(5..=30));
                self.noted("cretinines", n, "creatinine", Some("creatinine in mg/dL"));
            }
            _ => {
                let n = self.chance.of(45..=300);
                self.noted("cretinines", int(n), "creatinine", Some("creatinine in µmol/L"));
            }
        }
        if form == Form::Imported && !self.only_main && self.chance.often(6_000) {
            self.uric();
        }
    }

    fn uric(&mut self) {
        let value = format!("{:.1}", tenths(self.chance.of(1_500..=6_000)));
        self.reading("uric", value, "uric-acid");
    }

    fn lipid(&mut self, oddity: Option<Oddity>) {
        match oddity {
            Some(Oddity::Nothing) => self.zero("lipids"),
            Some(Oddity::LipidTwice) => {
                // The largest one seen is 12 mmol/L that was multiplied twice.
                let molar = tenths(self.chance.of(35..=120));
                self.dead("lipids", molar * 38.67 * 38.67, IMPOSSIBLE);
            }
            _ => {
                let molar = tenths(self.chance.of(35..=75));
                self.reading("lipids", molar * 38.67, "cholesterol");
            }
        }
        if oddity == Some(Oddity::Nothing) {
            for field in ["ldl_lipids", "hdl_lipids", "tri_lipids"] {
                self.zero(field);
            }
        } else {
            self.beside("ldl_lipids", 60..=180, "ldl");
            self.beside("hdl_lipids", 30..=80, "hdl");
            self.beside("tri_lipids", 60..=300, "triglycerides");
        }
    }

    fn sleep(&mut self, at: i64) {
        let mut night = String::new();
        for _ in 0..self.chance.of(60..=110) {
            night.push(if self.chance.often(50) {
                '3'
            } else {
                self.chance.one(&['0', '1', '1', '2'])
            });
        }
        // Never all awake: whether that is a reading of no sleep or none is nobody's to test here.
        night.push('1');
        self.reading("sleep_data", night, "sleep");
        let minutes = at.div_euclid(60);
        let clock = |m: i64| format!("{:02}{:02}", m.div_euclid(60).rem_euclid(24), m.rem_euclid(60));
        self.document.insert(
            "sleep_time",
            format!("{}@{}", clock(minutes), clock(minutes + 480)),
        );
        self.document.insert("sleep_num", int(self.chance.of(60..=110)));
    }

    /// Writes the time of the entry, or what stands in its place.
    fn time(&mut self, collection: Collection, form: Form, oddity: Option<Oddity>, at: i64) {
        let field = match (form, collection) {
            (Form::Stamped, _) => "timestamp",
            (Form::Scanned, _) => "scan_time",
            (Form::Imported, Collection::Pressure) => {
                self.chance.one(&["blood_pressure_import_date", "bp_import_date"])
            }
            (Form::Imported, Collection::Sugar) => "blood_sugar_import_date",
            (Form::Imported, Collection::Saturation) => "spo2_import_date",
            (Form::Imported, Collection::Temperature) => "temprature_import_date",
            (Form::Imported, Collection::Body) => "body_data_import_date",
            (Form::Imported, Collection::Creatinine) => "cretinines_import_date",
            (Form::Imported, Collection::Lipid) => "lipids_import_date",
            (Form::Imported, Collection::Step) => "step_import_date",
            (Form::Imported, Collection::Sleep) => "sleep_timestamp",
            (Form::Imported, Collection::HeartRate) => "heart_rate_import_date",
        };
        let (epoch, null) = match oddity {
            Some(Oddity::DateMissing) => return,
            Some(Oddity::DateNull) => (0, true),
            Some(Oddity::Date1970) => (self.chance.of(0..=86_400 * 300), false),
            Some(Oddity::DateNegative) => (self.chance.one(&[-62_135_596_800, -1, -86_400 * 400]), false),
            Some(Oddity::DateFuture) => (FUTURE, false),
            _ => (at, false),
        };
        let value = if null {
            Bson::Null
        } else if form == Form::Scanned {
            match self.chance.of(0..=3) {
                0 => Bson::String(epoch.to_string()),
                // Milliseconds are told from seconds by their size.
                1 if oddity.is_none() => Bson::Int64(epoch * 1_000),
                _ => Bson::Int64(epoch),
            }
        } else if collection == Collection::Sleep && form == Form::Imported {
            Bson::String(thai(epoch))
        } else if epoch < 0 {
            Bson::DateTime(DateTime::from_millis(epoch * 1_000))
        } else {
            let (utc, local) = (ward::local(epoch - 7 * 3_600), ward::local(epoch));
            match self.chance.of(0..=9) {
                0 => Bson::String(local[..19].to_owned()),
                1 => Bson::String(local[..19].replace('T', " ")),
                2 => Bson::String(format!("{}Z", &utc[..19])),
                3 => Bson::String(local),
                _ => Bson::DateTime(DateTime::from_millis(epoch * 1_000)),
            }
        };
        self.document.insert(field, value);
    }
}

/// `DD/MM/YYYY HH:MM:SS` in the zone of the deployment.
fn thai(epoch: i64) -> String {
    let iso = ward::local(epoch);
    format!("{}/{}/{} {}", &iso[8..10], &iso[5..7], &iso[..4], &iso[11..19])
}
