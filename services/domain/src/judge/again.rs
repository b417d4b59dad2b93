//! The Observations of a reading that was stored: what the rules make of its raw item today, for the patient that it was
//! stored for. The registry is not asked.

use super::Rules;
use super::plan::{Content, Plan};
use super::reading::{MessageFacts, observations};
use crate::ids::PatientId;
use crate::json::{Fields, Raw};
use crate::message::Readings;
use crate::outcome::Source;
use crate::reading::Observation;
use crate::remap::Raws;
use crate::time::Timestamp;

/// What the rules make of a reading.
#[derive(Debug, Default)]
pub(crate) struct Mapped {
    /// Its Observations; none where the rules refuse it.
    pub observations: Vec<Observation>,
    /// Whether one of its quantities is refused.
    pub refused: bool,
}

/// What there is of the reading is not enough to map it again.
#[derive(Debug)]
pub(crate) struct NotEnough;

impl<'m> Rules<'m> {
    /// Maps a reading again.
    pub(crate) fn again(
        self,
        raws: Raws<'_>,
        source: Source,
        received_at: Timestamp,
        patient: PatientId,
        notes: &[String],
    ) -> Result<Mapped, NotEnough> {
        let none = Mapped {
            observations: Vec::new(),
            refused: true,
        };
        let (plan, index) = self.of_raws(raws, source, received_at)?;
        let items = match plan.content {
            Content::Items { items, .. } => items,
            Content::Dead(_) => return Ok(none),
            // It carried a reading once, so this is not what it was stored from.
            Content::Status(_) | Content::Nothing => return Err(NotEnough),
        };
        let at = usize::try_from(index).map_err(|_| NotEnough)?;
        let Ok(planned) = items.into_iter().nth(at).ok_or(NotEnough)? else {
            return Ok(none);
        };
        let facts = MessageFacts::new(self, plan.gateway, received_at);
        Ok(Mapped {
            observations: observations(self, &facts, &planned, patient, notes),
            refused: !planned.bad.is_empty(),
        })
    }

    /// The plan of the message, or of a message of the one item; and which item of it is meant.
    fn of_raws<'a>(
        self,
        raws: Raws<'a>,
        source: Source,
        received_at: Timestamp,
    ) -> Result<(Plan<'a, 'm>, i32), NotEnough> {
        let whole = |body: &'a [u8]| self.plan(body, received_at, source).map_err(|_| NotEnough);
        let text = match raws {
            Raws::Message { body, item } => return Ok((whole(body)?, item)),
            Raws::Item(text) => text,
        };
        let fields = Fields::read(text).map_err(|_| NotEnough)?;
        if let Some(call) = fields.get("call") {
            return Ok((whole(call.as_str().as_bytes())?, 0));
        }
        let gateway = fields.get("gateway").and_then(Raw::text);
        let plan = Plan {
            gateway: gateway.and_then(|mac| mac.parse().ok()).ok_or(NotEnough)?,
            is_call: false,
            content: self.items(
                Readings {
                    attribute: fields.get("attribute").ok_or(NotEnough)?,
                    time: fields.get("time").filter(|time| !time.is_null()),
                    items: vec![fields.get("item").ok_or(NotEnough)?],
                },
                received_at,
                source,
            ),
        };
        Ok((plan, 0))
    }
}
