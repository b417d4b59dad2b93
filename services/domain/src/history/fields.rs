//! The ten collections: which field of an entry is which quantity, in which unit, and what is odd about it.

use super::rules::Rule;

/// The history collections of AMY.
pub const COLLECTIONS: &[&str] = &[
    "blood_pressure_histories",
    "blood_sugar_histories",
    "spo2_histories",
    "temprature_data_histories",
    "body_data_histories",
    "creatinine_histories",
    "lipid_histories",
    "step_histories",
    "sleep_data_histories",
    "heart_rate_histories",
];

/// One reading that an entry can hold. Its place in the table of its collection is the reading's item: new ones go to
/// the end.
#[derive(Debug)]
pub(super) struct Field {
    /// The spellings, in order of precedence.
    pub names: &'static [&'static str],
    /// The quantity of the device catalogue.
    pub quantity: &'static str,
    /// The unit of the quantity that the field stands in; none: its first.
    pub unit: Option<&'static str>,
    pub rule: Rule,
}

const fn field(names: &'static [&'static str], quantity: &'static str, rule: Rule) -> Field {
    Field {
        names,
        quantity,
        unit: None,
        rule,
    }
}

const fn in_unit(
    names: &'static [&'static str],
    quantity: &'static str,
    unit: &'static str,
    rule: Rule,
) -> Field {
    Field {
        names,
        quantity,
        unit: Some(unit),
        rule,
    }
}

/// Fields that hold no measured value: dates, origins, what belongs to a value elsewhere.
const BESIDE: &[&str] = &[
    "_id",
    "timestamp",
    "scan_time",
    "scan_rssi",
    "device_id",
    "device_type",
    "ble_addr",
    "attribute",
    "mac",
    "source",
    "notes",
    "note",
    "mode",
    "marker",
    "dtx_type",
    "off_scale",
    "date_tag",
    "sleep_time",
    "sleep_timestamp",
    "created_at",
    "updated_at",
    "createdAt",
    "updatedAt",
    "__v",
];

/// The readings that an entry of a collection can hold; none where it is no history collection.
pub(super) fn of(collection: &str) -> Option<&'static [Field]> {
    Some(match collection {
        "blood_pressure_histories" => BLOOD_PRESSURE,
        "blood_sugar_histories" => BLOOD_SUGAR,
        "spo2_histories" => SPO2,
        "temprature_data_histories" => TEMPERATURE,
        "body_data_histories" => BODY,
        "creatinine_histories" => CREATININE,
        "lipid_histories" => LIPID,
        "step_histories" => STEP,
        "sleep_data_histories" => SLEEP,
        "heart_rate_histories" => HEART_RATE,
        _ => return None,
    })
}

/// True where nothing is lost when this field of an entry has no place of its own.
pub(super) fn is_beside(name: &str) -> bool {
    BESIDE.contains(&name)
        || ["_import_date", "_source", "_marker"]
            .iter()
            .any(|end| name.ends_with(end))
}

const BLOOD_PRESSURE: &[Field] = &[
    field(
        &["systolic", "sys_data", "bp_high"],
        "systolic",
        Rule::Pressure {
            lower: &["diastolic", "dia_data", "bp_low"],
            quantity: "diastolic",
        },
    ),
    field(&["pulse", "pr_data", "PR", "pr"], "cuff pulse", Rule::Value),
];

const BLOOD_SUGAR: &[Field] = &[
    in_unit(
        &["fasting_dtx"],
        "glucose",
        "mg/dL",
        Rule::Glucose(Some("fasting")),
    ),
    in_unit(
        &["pre_meal_dtx"],
        "glucose",
        "mg/dL",
        Rule::Glucose(Some("before")),
    ),
    in_unit(
        &["post_meal_dtx"],
        "glucose",
        "mg/dL",
        Rule::Glucose(Some("after")),
    ),
    in_unit(
        &["no_marker_dtx"],
        "glucose",
        "mg/dL",
        Rule::Glucose(Some("none")),
    ),
    in_unit(&["blood_glucose"], "glucose", "mg/dL", Rule::Glucose(None)),
];

const SPO2: &[Field] = &[
    field(&["spo2_data", "spo2"], "spo2", Rule::Sentinel("127")),
    field(
        &["spo2_pr_data", "pulse"],
        "oximeter pulse",
        Rule::Sentinel("255"),
    ),
    field(&["spo2_resp_data"], "respiration", Rule::Value),
    field(&["pi"], "perfusion index", Rule::Tenths),
];

const TEMPERATURE: &[Field] = &[field(
    &["temprature_data", "temperature", "temp", "Temp"],
    "temperature",
    Rule::Value,
)];

const BODY: &[Field] = &[
    field(&["weight"], "weight", Rule::Weight),
    field(&["height"], "height", Rule::Height),
    field(&["bmi"], "bmi", Rule::Bmi),
    field(&["waist"], "waist", Rule::Value),
    field(&["resistance", "Resistance"], "impedance", Rule::Value),
];

const CREATININE: &[Field] = &[
    field(&["cretinines"], "creatinine", Rule::Creatinine),
    in_unit(&["uric", "uric_acid"], "uric acid", "umol/L", Rule::Value),
];

const LIPID: &[Field] = &[
    in_unit(&["lipids"], "cholesterol", "mg/dL", Rule::Lipid),
    in_unit(&["ldl_lipids"], "ldl", "mg/dL", Rule::Lipid),
    in_unit(&["hdl_lipids"], "hdl", "mg/dL", Rule::Lipid),
    in_unit(&["tri_lipids"], "triglycerides", "mg/dL", Rule::Value),
    // As the cholesterol meter sends it.
    in_unit(&["cholesterol"], "cholesterol", "mmol/L", Rule::Value),
];

const STEP: &[Field] = &[field(&["step", "steps"], "steps per day", Rule::Count)];

const SLEEP: &[Field] = &[field(&["sleep_data"], "sleep", Rule::Sleep)];

const HEART_RATE: &[Field] = &[field(
    &["heart_rate", "heart_rate_data", "pulse"],
    "heart rate",
    Rule::Value,
)];
