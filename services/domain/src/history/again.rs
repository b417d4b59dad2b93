//! A migrated reading that is stored, by the rules of today: for the patient that it was stored for. The registry is not
//! asked.

use super::body::kept;
use super::examine::{Whose, examine};
use crate::json::Fields;
use crate::judge::{Mapped, NotEnough, Rules};
use crate::outcome::Source;
use crate::reading::Envelope;
use crate::remap::{Raws, Reading};

/// Maps a migrated reading again.
pub(crate) fn again(rules: Rules<'_>, reading: &Reading<'_>) -> Result<Mapped, NotEnough> {
    let (body, item) = match reading.raws {
        Raws::Item(text) => {
            let (body, item) = kept(text).ok_or(NotEnough)?;
            (body.as_bytes(), item)
        }
        Raws::Message { body, item } => (body, item),
    };
    let items = [item];
    let envelope = Envelope {
        receipt: "",
        received_at: reading.received_at,
        source: Source::Migration,
        items: Some(&items),
        body,
    };
    // Whether an address was a gateway's was decided when it was stored.
    let has_device =
        |resource: &str| Fields::read(resource).is_ok_and(|fields| fields.get("device").is_some());
    let whose = Whose::Settled {
        patient: reading.patient,
        device: reading.observations.iter().any(|o| has_device(o.resource)),
    };
    let readings = examine(rules, &envelope, whose).readings;
    // It held a reading once: where there is none, this is not what it was stored from.
    let found = readings
        .into_iter()
        .find(|r| r.item == Some(item))
        .ok_or(NotEnough)?;
    Ok(Mapped {
        refused: found.observations.is_empty(),
        observations: found.observations,
    })
}
