//! The collections, what share each has, and which oddities occur in it.

/// A collection of histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// Blood pressure.
    Pressure,
    /// Blood sugar.
    Sugar,
    /// SpO2.
    Saturation,
    /// Temperature.
    Temperature,
    /// Weight, height, waist, BMI.
    Body,
    /// Creatinine and uric acid.
    Creatinine,
    /// Cholesterol and its parts.
    Lipid,
    /// Steps of a day.
    Step,
    /// Sleep of a night.
    Sleep,
    /// Heart rate of a watch.
    HeartRate,
}

/// Something odd about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The entry is no object.
    NoObject,
    /// Its date is null.
    DateNull,
    /// It has no date.
    DateMissing,
    /// Its date is in 1970.
    Date1970,
    /// Its date is before 1970: a negative number.
    DateNegative,
    /// Its date is in 2099.
    DateFuture,
    /// The entry before it once more, in the same document.
    Repeated,
    /// All of its values are zero or null.
    Nothing,
    /// A text of 1 to below 20: glucose in mmol/L.
    GlucoseMolar,
    /// A text above 600, divisible by 18: converted twice.
    GlucoseTwice,
    /// A float, a multiple of 0.18.
    GlucoseFloat,
    /// All four fields are set.
    GlucoseFour,
    /// A cholesterol that was converted twice.
    LipidTwice,
    /// A weight below half a kilogram.
    WeightTiny,
    /// A height in metres.
    HeightMetres,
    /// A creatinine that could be in either unit.
    CreatinineBetween,
}

impl Oddity {
    /// Whether it makes readings dead whose value is good.
    pub fn is_of_time(self) -> bool {
        matches!(
            self,
            Self::DateNull | Self::DateMissing | Self::Date1970 | Self::DateNegative | Self::DateFuture
        )
    }
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Pressure,
        Self::Sugar,
        Self::Saturation,
        Self::Temperature,
        Self::Body,
        Self::Creatinine,
        Self::Lipid,
        Self::Step,
        Self::Sleep,
        Self::HeartRate,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pressure => "blood_pressure_histories",
            Self::Sugar => "blood_sugar_histories",
            Self::Saturation => "spo2_histories",
            Self::Temperature => "temprature_data_histories",
            Self::Body => "body_data_histories",
            Self::Creatinine => "creatinine_histories",
            Self::Lipid => "lipid_histories",
            Self::Step => "step_histories",
            Self::Sleep => "sleep_data_histories",
            Self::HeartRate => "heart_rate_histories",
        }
    }

    /// Its share of all entries in a thousand.
    pub fn share(self) -> u64 {
        match self {
            Self::Pressure => 384,
            Self::Sugar => 150,
            Self::Saturation => 110,
            Self::Temperature | Self::Body => 80,
            Self::Creatinine | Self::Lipid => 30,
            Self::Step => 60,
            Self::Sleep => 40,
            Self::HeartRate => 36,
        }
    }

    /// The oddities of its entries, and how often each occurs in ten thousand. The counts of the exports, by the entries
    /// that a collection has in a hospital of 56,000.
    pub fn oddities(self) -> &'static [(Oddity, u32)] {
        use Oddity::*;
        match self {
            Self::Sugar => &[
                (GlucoseFloat, 680),
                (GlucoseMolar, 587),
                (GlucoseTwice, 36),
                (GlucoseFour, 135),
                (Nothing, 100),
                (Repeated, 14),
                (NoObject, 10),
                (DateNull, 20),
                (Date1970, 10),
                (DateNegative, 10),
                (DateFuture, 5),
            ],
            Self::Body => &[
                (Repeated, 676),
                (DateNull, 240),
                (WeightTiny, 20),
                (HeightMetres, 11),
                (Nothing, 100),
                (NoObject, 10),
                (DateNegative, 10),
            ],
            Self::Creatinine => &[
                (Date1970, 36),
                (CreatinineBetween, 60),
                (Nothing, 600),
                (NoObject, 10),
                (DateNull, 20),
                (Repeated, 20),
            ],
            Self::Lipid => &[
                (LipidTwice, 30),
                (Nothing, 300),
                (NoObject, 10),
                (DateNull, 20),
                (Repeated, 20),
            ],
            _ => &[
                (NoObject, 10),
                (Repeated, 20),
                (DateNull, 20),
                (DateMissing, 10),
                (Date1970, 10),
                (DateNegative, 10),
                (DateFuture, 5),
            ],
        }
    }
}
