//! The number that a value of a document is.

use super::value::Value;
use crate::digits::{Decimal, DecimalError};

/// What stands in a field.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Number {
    /// The field is not there.
    Absent,
    /// There, and a way of saying "none": which.
    Nothing(&'static str),
    /// Infinity or NaN: the quotient of something that was not known.
    Infinite,
    /// A number with its digits.
    Is {
        value: Decimal,
        /// It was written as text.
        text: bool,
    },
    /// A number beyond what any quantity can be.
    TooLarge,
    /// Text that is no number.
    Words(String),
    /// No number and no text.
    Other,
}

impl Number {
    /// Reads a field. Zero is a number here; what it means is the field's rule.
    pub(super) fn of(value: Option<&Value<'_>>) -> Self {
        let of = |read: Result<Decimal, DecimalError>, text: bool| match read {
            Ok(value) => Some(Self::Is { value, text }),
            Err(DecimalError::TooLarge) => Some(Self::TooLarge),
            Err(_) => None,
        };
        match value {
            None => Self::Absent,
            Some(Value::Text(text)) if text.trim().is_empty() => Self::Nothing("blank"),
            Some(value) if value.is_missing() => Self::Nothing("null"),
            Some(Value::Int(n)) => of(Decimal::from_number(&n.to_string()), false).unwrap_or(Self::Other),
            Some(Value::Long(n)) => of(Decimal::from_number(&n.to_string()), false).unwrap_or(Self::Other),
            Some(Value::Double(n)) if !n.is_finite() => Self::Infinite,
            // The shortest digits that are this double: what was entered, or what a program made of it.
            Some(Value::Double(n)) => {
                of(Decimal::from_number(&format!("{n:?}")), false).unwrap_or(Self::Other)
            }
            Some(Value::Decimal(digits)) => match of(Decimal::from_text(digits), false) {
                Some(number) => number,
                None => Self::of_exponent(digits),
            },
            Some(Value::Text(text)) => {
                of(Decimal::from_text(text), true).unwrap_or_else(|| Self::Words(text.trim().to_owned()))
            }
            Some(_) => Self::Other,
        }
    }

    /// A decimal of the database that is written with an exponent, or none.
    fn of_exponent(digits: &str) -> Self {
        if ["Infinity", "-Infinity", "NaN"]
            .iter()
            .any(|word| digits.eq_ignore_ascii_case(word))
        {
            return Self::Infinite;
        }
        match Decimal::from_number(digits) {
            Ok(value) => Self::Is { value, text: false },
            Err(DecimalError::TooLarge) => Self::TooLarge,
            Err(_) => Self::Other,
        }
    }

    /// True for a number that is zero.
    pub(super) fn is_zero(&self) -> bool {
        matches!(self, Self::Is { value, .. } if value.plain() == ZERO)
    }
}

/// No quantity.
const ZERO: Decimal = Decimal::ZERO;
