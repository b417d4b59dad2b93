//! What becomes of the value in a field: nothing, a quantity or a refusal. No value is ever converted.

use super::fields::Field;
use super::number::Number;
use super::value::Value;
use crate::catalogue::{Catalogue, Measure, Quantity};
use crate::digits::Decimal;
use crate::judge::quantities::{Bad, Good, level, limits_in_words, off_scale};
use crate::outcome::DeadReason;

/// What is odd about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Zero is no value.
    Value,
    /// Zero is a value.
    Count,
    /// With another field that stands and falls with it.
    Pressure {
        lower: &'static [&'static str],
        quantity: &'static str,
    },
    /// This number says that the device measured and failed.
    Sentinel(&'static str),
    /// Stands in tenths.
    Tenths,
    /// Text of 1 to under 20 is mmol/L. The marker that the field's name says; none: what the entry says.
    Glucose(Option<&'static str>),
    /// Under 20 mg/dL, from 30 µmol/L.
    Creatinine,
    /// Above 773 mg/dL it was converted twice.
    Lipid,
    /// Below 0.5 kg it was entered in another unit.
    Weight,
    /// Up to 3 it is metres.
    Height,
    /// Infinite where the height was not known.
    Bmi,
    /// Digits, one for five minutes: 0 awake, 1 light, 2 deep.
    Sleep,
}

/// What became of a field.
#[derive(Debug)]
pub(super) enum Found<'m> {
    /// No such field in the entry.
    Absent,
    /// It says "none": the field and how.
    Nothing(&'static str, &'static str),
    /// One quantity, or two of one Observation.
    Good(Measured<'m>),
    /// Refused; the line of the report, where it has one.
    Bad(Vec<Bad>, Option<&'static str>),
}

/// A quantity that is good.
#[derive(Debug)]
pub(super) struct Measured<'m> {
    pub values: Vec<Good<'m>>,
    /// The field as the entry has it.
    pub name: &'static str,
    /// Its unit was inferred from its size: how sure is that?
    pub preliminary: bool,
    pub notes: Vec<String>,
    /// The line of the report, where it has one.
    pub line: Option<&'static str>,
}

/// The spelling under which a field stands in the entry, and its value: the first that says something.
fn spelled<'e>(
    entry: &'e Value<'_>,
    names: &'static [&'static str],
) -> Option<(&'static str, &'e Value<'e>)> {
    let mut there = names.iter().filter_map(|name| Some((*name, entry.get(name)?)));
    let first = there.clone().next();
    there
        .find(|(_, value)| {
            let number = Number::of(Some(value));
            !matches!(number, Number::Nothing(_)) && !number.is_zero()
        })
        .or(first)
}

/// A field of an entry against the catalogue.
pub(super) struct Reader<'m> {
    pub catalogue: &'m Catalogue,
}

impl<'m> Reader<'m> {
    /// What becomes of a field.
    pub(super) fn read(&self, field: &Field, entry: &Value<'_>) -> Found<'m> {
        match field.rule {
            Rule::Pressure { lower, quantity } => self.pressure(field, lower, quantity, entry),
            Rule::Sleep => self.sleep(field, entry),
            _ => {
                let Some((name, value)) = spelled(entry, field.names) else {
                    return Found::Absent;
                };
                self.single(field, name, &Number::of(Some(value)))
            }
        }
    }

    fn single(&self, field: &Field, name: &'static str, number: &Number) -> Found<'m> {
        if let Some(how) = nothing(field.rule, number) {
            return Found::Nothing(name, how);
        }
        let (unit, inferred, line) = match (field.rule, number) {
            (Rule::Glucose(_), Number::Is { value, text: true }) if is_mmol(*value) => (
                Some("mmol/L"),
                Some("unit inferred: a text of 1 to under 20 is mmol/L"),
                Some("glucose text of 1 to under 20 is mmol/L"),
            ),
            (Rule::Creatinine, Number::Is { value, .. }) => {
                if below(*value, "20") {
                    let note = "unit inferred: creatinine of less than 20 is mg/dL";
                    (Some("mg/dL"), Some(note), Some("creatinine under 20 is mg/dL"))
                } else if below(*value, "30") {
                    let bad = refused(
                        name,
                        DeadReason::UnitUnknown,
                        "from 20 to under 30 is of no known unit",
                    );
                    return Found::Bad(
                        vec![bad],
                        Some("creatinine of 20 to under 30 is of no known unit"),
                    );
                } else {
                    let note = "unit inferred: creatinine of 30 or more is µmol/L";
                    (
                        Some("umol/L"),
                        Some(note),
                        Some("creatinine of 30 or more is µmol/L"),
                    )
                }
            }
            _ => (field.unit, None, None),
        };
        match self.good(field.quantity, unit, name, number, field.rule) {
            Ok(good) => Found::Good(Measured {
                values: vec![good],
                name,
                preliminary: matches!(field.rule, Rule::Glucose(_)) && inferred.is_some(),
                notes: inferred.map(str::to_owned).into_iter().collect(),
                line,
            }),
            Err(bad) => {
                let odd = odd_line(field.rule, number);
                Found::Bad(vec![bad], odd)
            }
        }
    }

    /// Holds a number against the quantity's limits.
    fn good(
        &self,
        quantity: &str,
        unit: Option<&str>,
        name: &str,
        number: &Number,
        rule: Rule,
    ) -> Result<Good<'m>, Bad> {
        let (at, quantity, measure) = self.quantity(quantity, unit).ok_or_else(|| {
            refused(
                name,
                DeadReason::UnknownAttribute,
                "is not in the device catalogue",
            )
        })?;
        let impossible = || refused(name, DeadReason::ValueImpossible, &limits_in_words(quantity));
        let wire = match number {
            Number::Is { value, .. } => *value,
            Number::TooLarge => return Err(impossible()),
            Number::Words(text) => {
                return off_scale(quantity, at, text).ok_or_else(|| not_numeric(name));
            }
            Number::Absent | Number::Nothing(_) => {
                return Err(refused(name, DeadReason::ValueMissing, "is required"));
            }
            Number::Infinite | Number::Other => return Err(not_numeric(name)),
        };
        let value = match rule {
            Rule::Tenths => wire.shifted(1).map_err(|_| not_numeric(name))?,
            _ => wire,
        };
        if rule == Rule::Lipid && !below(value, "773") && !is(value, "773") {
            return Err(refused(
                name,
                DeadReason::ValueImpossible,
                "must be up to 773 mg/dL",
            ));
        }
        let level = level(quantity, measure, value).ok_or_else(impossible)?;
        Ok(Good {
            quantity: at,
            measure,
            wire: wire.plain(),
            value,
            level,
        })
    }

    fn quantity(&self, name: &str, unit: Option<&str>) -> Option<(usize, &'m Quantity, &'m Measure)> {
        let at = self.catalogue.quantity(name)?;
        let quantity = self.catalogue.quantities.get(at)?;
        let measure = match unit {
            Some(unit) => quantity.measures.iter().find(|m| m.unit == unit)?,
            None => quantity.measures.first()?,
        };
        Some((at, quantity, measure))
    }

    /// Systolic and diastolic stand and fall together.
    fn pressure(
        &self,
        field: &Field,
        lower: &'static [&'static str],
        quantity: &str,
        entry: &Value<'_>,
    ) -> Found<'m> {
        let read = |names: &'static [&'static str]| {
            let found = spelled(entry, names);
            let name = found.map_or(names.first().copied().unwrap_or_default(), |(name, _)| name);
            (name, Number::of(found.map(|(_, value)| value)))
        };
        let (high, low) = (read(field.names), read(lower));
        let none =
            |number: &Number| matches!(number, Number::Absent) || nothing(Rule::Value, number).is_some();
        match (none(&high.1), none(&low.1)) {
            (true, true) => {
                return match nothing(Rule::Value, &high.1).or(nothing(Rule::Value, &low.1)) {
                    Some(how) => Found::Nothing(high.0, how),
                    None => Found::Absent,
                };
            }
            (false, false) => {}
            (high_missing, _) => {
                let name = if high_missing { high.0 } else { low.0 };
                let bad = refused(name, DeadReason::ValueMissing, "is required");
                return Found::Bad(vec![bad], None);
            }
        }
        let systolic = self.good(field.quantity, None, high.0, &high.1, Rule::Value);
        let diastolic = self.good(quantity, None, low.0, &low.1, Rule::Value);
        match (systolic, diastolic) {
            (Ok(systolic), Ok(diastolic)) if diastolic.value.compare(systolic.value).is_ge() => {
                let bad = refused(low.0, DeadReason::ValueImpossible, "must be below systolic");
                Found::Bad(vec![bad], None)
            }
            (Ok(systolic), Ok(diastolic)) => Found::Good(Measured {
                values: vec![systolic, diastolic],
                name: high.0,
                preliminary: false,
                notes: Vec::new(),
                line: None,
            }),
            (systolic, diastolic) => {
                Found::Bad(systolic.err().into_iter().chain(diastolic.err()).collect(), None)
            }
        }
    }

    fn sleep(&self, field: &Field, entry: &Value<'_>) -> Found<'m> {
        let Some((name, value)) = spelled(entry, field.names) else {
            return Found::Absent;
        };
        let digits = match value {
            _ if value.is_missing() => return Found::Nothing(name, "blank"),
            Value::Text(text) => text.trim().to_owned(),
            // Zeros in front are lost: they stand for time awake, which is not counted.
            Value::Int(n) => n.to_string(),
            Value::Long(n) => n.to_string(),
            _ => return Found::Bad(vec![not_numeric(name)], None),
        };
        if !digits.bytes().all(|c| c.is_ascii_digit()) {
            let bad = refused(
                name,
                DeadReason::ValueNotNumeric,
                "must be digits, one for five minutes",
            );
            return Found::Bad(vec![bad], None);
        }
        let count = |wanted: fn(u8) -> bool| digits.bytes().filter(|c| wanted(*c)).count();
        let asleep = count(|c| matches!(c, b'1' | b'2')) * 5;
        let unknown = count(|c| !matches!(c, b'0'..=b'2'));
        let hours = Decimal::from_text(&asleep.to_string())
            .and_then(|minutes| Ok((minutes, Decimal::from_text("60")?)))
            .ok()
            .and_then(|(minutes, sixty)| minutes.over(sixty, 2));
        let number = hours.map_or(Number::TooLarge, |hours| Number::Is {
            value: hours.plain(),
            text: false,
        });
        match self.good(field.quantity, Some("h"), name, &number, field.rule) {
            Ok(good) => {
                let mut notes = vec![format!(
                    "Asleep for {asleep} of {} minutes, told in steps of 5 minutes.",
                    digits.len() * 5
                )];
                if unknown > 0 {
                    notes.push(format!(
                        "{} minutes are of a stage that is not known.",
                        unknown * 5
                    ));
                }
                Found::Good(Measured {
                    values: vec![good],
                    name,
                    preliminary: false,
                    notes,
                    line: (unknown > 0).then_some("sleep with stages that are not known"),
                })
            }
            Err(bad) => Found::Bad(vec![bad], None),
        }
    }
}

/// How this number says "none".
fn nothing(rule: Rule, number: &Number) -> Option<&'static str> {
    match number {
        Number::Nothing(how) => Some(how),
        Number::Infinite if rule == Rule::Bmi => Some("infinity"),
        Number::Words(text) if rule == Rule::Bmi && is_infinite(text) => Some("infinity"),
        Number::Is { .. } if number.is_zero() && rule != Rule::Count => Some("zero"),
        Number::Is { value, .. } => match rule {
            Rule::Sentinel(sentinel) if is(*value, sentinel) => Some("measured and failed"),
            _ => None,
        },
        _ => None,
    }
}

fn is_infinite(text: &str) -> bool {
    ["Infinity", "-Infinity", "NaN"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// The line of the report for a refused number.
fn odd_line(rule: Rule, number: &Number) -> Option<&'static str> {
    let Number::Is { value, .. } = number else {
        return None;
    };
    match rule {
        Rule::Glucose(_) if !below(*value, "600") => Some("glucose above 600 mg/dL"),
        Rule::Lipid if !below(*value, "773") => Some("lipids above 773 mg/dL"),
        Rule::Weight if below(*value, "0.5") => Some("weight below 0.5 kg"),
        Rule::Height if below(*value, "3") || is(*value, "3") => Some("height up to 3 cm"),
        _ => None,
    }
}

fn refused(name: &str, reason: DeadReason, rule: &str) -> Bad {
    Bad {
        field: name.to_owned(),
        reason,
        rule: rule.to_owned(),
        wrong_type: false,
    }
}

fn not_numeric(name: &str) -> Bad {
    refused(
        name,
        DeadReason::ValueNotNumeric,
        "must be a plain decimal number",
    )
}

fn is_mmol(value: Decimal) -> bool {
    !below(value, "1") && below(value, "20")
}

fn below(value: Decimal, limit: &str) -> bool {
    Decimal::from_text(limit).is_ok_and(|limit| value.compare(limit).is_lt())
}

fn is(value: Decimal, other: &str) -> bool {
    Decimal::from_text(other).is_ok_and(|other| value.compare(other).is_eq())
}
