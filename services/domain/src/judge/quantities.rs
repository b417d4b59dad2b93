//! Reading the quantities of one item, and holding them against the limits.

use crate::catalogue::{Catalogue, Field, Measure, Model, Quantity};
use crate::digits::{Decimal, DecimalError};
use crate::json::{Fields, Raw};
use crate::outcome::DeadReason;

/// A quantity that is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Good<'m> {
    pub quantity: usize,
    pub measure: &'m Measure,
    /// The value before its divisor: in keys.
    pub wire: Decimal,
    /// The value.
    pub value: Decimal,
    /// Where it stands against the limits.
    pub level: Level,
}

/// How good a quantity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Plausible,
    /// It can be, but hardly is.
    Implausible,
    /// The device said `HI`; the value is its bound.
    Above,
    /// The device said `LO`; the value is its bound.
    Below,
}

/// A quantity that is refused.
#[derive(Debug, Clone)]
pub(crate) struct Bad {
    /// The key as sent, or the first that would be looked for.
    pub field: String,
    pub reason: DeadReason,
    /// The rule in words; never the value.
    pub rule: String,
    /// It is not even a number or a text.
    pub wrong_type: bool,
}

/// One Observation to be.
#[derive(Debug)]
pub(crate) struct RowValue<'m> {
    pub row: usize,
    /// One for each quantity of the row; empty where the device measured and failed.
    pub values: Vec<Good<'m>>,
}

/// What an item's quantities come to.
#[derive(Debug)]
pub(crate) struct Assessed<'m> {
    /// The good rows, main kind first; empty where the item is dead.
    pub rows: Vec<RowValue<'m>>,
    /// The bad quantities, in order of the model.
    pub bad: Vec<Bad>,
}

enum State<'m> {
    NotSent,
    /// A sentinel: measured and failed.
    Failed,
    Good(Good<'m>),
    Bad(Bad),
}

/// Reads the quantities of a model from the fields of an item or of a call's data.
///
/// `measures` is the unit of each field where a call names one; `device` tells that a gateway sent it.
pub(crate) fn assess<'m>(
    catalogue: &'m Catalogue,
    model: &'m Model,
    fields: &Fields<'_>,
    measures: Option<&[usize]>,
) -> Assessed<'m> {
    let mut states: Vec<(usize, State<'m>)> = Vec::with_capacity(model.fields.len());
    for (at, field) in model.fields.iter().enumerate() {
        let measure = measures.and_then(|m| m.get(at)).copied().unwrap_or(field.measure);
        let Some(quantity) = catalogue.quantities.get(field.quantity) else {
            continue;
        };
        let sent = field
            .names
            .iter()
            .find_map(|name| fields.sent(name).map(|raw| (name, raw)));
        let state = match sent {
            Some((name, raw)) => read(quantity, field, measure, name, raw),
            None if field.optional => State::NotSent,
            None => State::Bad(Bad {
                field: field.names.first().cloned().unwrap_or_default(),
                reason: DeadReason::ValueMissing,
                rule: "is required".to_owned(),
                wrong_type: false,
            }),
        };
        let state = below(catalogue, quantity, state, &states, model, fields);
        states.push((field.quantity, state));
    }
    settle(catalogue, model, states)
}

fn read<'m>(quantity: &'m Quantity, field: &'m Field, measure: usize, name: &str, raw: Raw<'_>) -> State<'m> {
    let bad = |reason, rule: String, wrong_type| {
        State::Bad(Bad {
            field: name.to_owned(),
            reason,
            rule,
            wrong_type,
        })
    };
    let not_numeric = |wrong_type| {
        bad(
            DeadReason::ValueNotNumeric,
            "must be a plain decimal number".to_owned(),
            wrong_type,
        )
    };
    let parsed = if let Some(digits) = raw.number() {
        // Only what a gateway sends is a binary32 image: models of calls have the flag off.
        if field.binary32 {
            Decimal::from_binary32(digits)
        } else {
            Decimal::from_number(digits)
        }
    } else if let Some(text) = raw.text() {
        let text = text.trim();
        if let Some(off) = off_scale(quantity, field.quantity, text) {
            return State::Good(off);
        }
        Decimal::from_text(text)
    } else {
        return not_numeric(!raw.is_text());
    };
    let Some(measure) = quantity.measures.get(measure) else {
        return not_numeric(false);
    };
    let (wire, value) = match parsed.and_then(|wire| Ok((wire, scaled(wire, field)?))) {
        Ok(parts) => parts,
        Err(DecimalError::NotPlain) => return not_numeric(false),
        Err(DecimalError::TooLarge) => {
            return bad(DeadReason::ValueImpossible, limits_in_words(quantity), false);
        }
    };
    if field.sentinel.is_some_and(|s| s.compare(wire).is_eq()) {
        return State::Failed;
    }
    let Some(level) = level(quantity, measure, value) else {
        return bad(DeadReason::ValueImpossible, limits_in_words(quantity), false);
    };
    State::Good(Good {
        quantity: field.quantity,
        measure,
        wire: wire.plain(),
        value,
        level,
    })
}

fn scaled(wire: Decimal, field: &Field) -> Result<Decimal, DecimalError> {
    if field.shift == 0 {
        Ok(wire)
    } else {
        wire.shifted(field.shift)
    }
}

/// Where the value stands; none where the quantity cannot be that.
pub(crate) fn level(quantity: &Quantity, measure: &Measure, value: Decimal) -> Option<Level> {
    let value = measure.to_first.apply(value, 2)?;
    let within = |limits: &crate::catalogue::Limits| {
        value.compare(limits.from).is_ge() && value.compare(limits.to).is_le()
    };
    if !within(&quantity.hard) {
        None
    } else if within(&quantity.plausible) {
        Some(Level::Plausible)
    } else {
        Some(Level::Implausible)
    }
}

/// `HI` and `LO` of a meter.
pub(crate) fn off_scale<'m>(quantity: &'m Quantity, at: usize, text: &str) -> Option<Good<'m>> {
    let bounds = quantity.off_scale.as_ref()?;
    let (value, level) = if text.eq_ignore_ascii_case("HI") {
        (bounds.high, Level::Above)
    } else if text.eq_ignore_ascii_case("LO") {
        (bounds.low, Level::Below)
    } else {
        return None;
    };
    // The bound stands in the first unit, whatever unit the value would have come in.
    let measure = quantity.measures.first()?;
    Some(Good {
        quantity: at,
        measure,
        wire: value,
        value,
        level,
    })
}

/// The limits of a quantity, for people.
pub(crate) fn limits_in_words(quantity: &Quantity) -> String {
    let unit = quantity.measures.first().map_or("", |m| m.words.as_str());
    format!(
        "must be from {} to {} {unit}",
        quantity.hard.from, quantity.hard.to
    )
}

/// Holds a quantity against the one that it must be below.
fn below<'m>(
    catalogue: &'m Catalogue,
    quantity: &Quantity,
    state: State<'m>,
    before: &[(usize, State<'m>)],
    model: &Model,
    fields: &Fields<'_>,
) -> State<'m> {
    let (Some(upper), State::Good(good)) = (quantity.below, &state) else {
        return state;
    };
    let is_above = before.iter().any(
        |(at, other)| matches!(other, State::Good(o) if *at == upper && good.value.compare(o.value).is_ge()),
    );
    if !is_above {
        return state;
    }
    let name = model
        .fields
        .iter()
        .find(|f| f.quantity == good.quantity)
        .and_then(|f| f.names.iter().find(|n| fields.sent(n).is_some()));
    State::Bad(Bad {
        field: name.cloned().unwrap_or_default(),
        reason: DeadReason::ValueImpossible,
        rule: format!(
            "must be below {}",
            catalogue.quantities.get(upper).map_or("", |q| q.name.as_str())
        ),
        wrong_type: false,
    })
}

/// Groups the quantities by Observation and decides whether anything is left.
fn settle<'m>(catalogue: &'m Catalogue, model: &'m Model, states: Vec<(usize, State<'m>)>) -> Assessed<'m> {
    let failed = states.iter().any(|(_, s)| matches!(s, State::Failed));
    let mut bad = Vec::new();
    let mut rows: Vec<RowValue<'m>> = Vec::with_capacity(states.len());
    for (quantity, state) in states {
        let Some(row) = catalogue.quantities.get(quantity).map(|q| q.row) else {
            continue;
        };
        match state {
            State::Good(good) => match rows.iter_mut().find(|r| r.row == row) {
                Some(found) => found.values.push(good),
                None => rows.push(RowValue {
                    row,
                    values: vec![good],
                }),
            },
            State::Bad(b) => bad.push(b),
            State::NotSent | State::Failed => {}
        }
    }
    // The quantities of one Observation stand and fall together.
    rows.retain(|r| {
        catalogue
            .rows
            .get(r.row)
            .is_some_and(|row| row.quantities.len() == r.values.len())
    });
    if rows.is_empty() && bad.is_empty() {
        if failed {
            rows.extend(main_row(catalogue, model).map(|row| RowValue {
                row,
                values: Vec::new(),
            }));
        } else {
            bad.push(Bad {
                field: model
                    .fields
                    .first()
                    .and_then(|f| f.names.first())
                    .cloned()
                    .unwrap_or_default(),
                reason: DeadReason::ValueMissing,
                rule: "is required".to_owned(),
                wrong_type: false,
            });
        }
    }
    Assessed { rows, bad }
}

/// The row of the model's main kind.
pub(crate) fn main_row(catalogue: &Catalogue, model: &Model) -> Option<usize> {
    let main = model.fields.first()?;
    catalogue.quantities.get(main.quantity).map(|q| q.row)
}

/// The letter of several bad quantities: the first, and the others in words.
pub(crate) fn letter(bad: &[Bad]) -> Option<(String, DeadReason, String)> {
    let (first, others) = bad.split_first()?;
    let mut detail = format!("{} {}", first.field, first.rule);
    for other in others {
        detail.push_str(&format!("; {} {} ({})", other.field, other.rule, other.reason));
    }
    Some((first.field.clone(), first.reason, detail))
}
