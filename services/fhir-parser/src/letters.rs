//! Letters: the state of dead and parked items in the store.

use stardust_domain::outcome::Stage;
use stardust_domain::reading::{Reading, Verdict};
use stardust_pipeline::store::{Letter, LetterState, Position, Shelf, Writer};

use crate::decode::Message;

/// Where a reading stands in the log.
pub(crate) fn writer(message: &Message, reading: &Reading) -> Writer {
    Writer {
        receipt_id: message.raw.receipt_id.clone(),
        position: Position {
            topic: message.topic.clone(),
            partition: message.partition,
            offset: message.offset,
            item: reading.item.unwrap_or(-1),
        },
    }
}

fn base(message: &Message, reading: &Reading, mapping_version: &str) -> Letter {
    Letter {
        shelf: Shelf::Dead,
        id: Letter::id_of(&message.raw.receipt_id, reading.item, None),
        writer: writer(message, reading),
        field: None,
        partial: false,
        stage: Stage::Mapping.label().to_owned(),
        reason: String::new(),
        detail: None,
        gateway: message.gateway(),
        device: reading.device,
        mapping_version: mapping_version.to_owned(),
        first_try: message.recorded,
        last_try: message.recorded,
        state: LetterState::Open,
    }
}

/// The letter of a reading that is dead or has to wait; none for one that is emitted.
pub(crate) fn whole(message: &Message, reading: &Reading, mapping_version: &str) -> Option<Letter> {
    let base = base(message, reading, mapping_version);
    match &reading.verdict {
        Verdict::Emit(_) => None,
        Verdict::Park(reason) => Some(Letter {
            shelf: Shelf::Parked,
            stage: Stage::Registry.label().to_owned(),
            reason: reason.label().to_owned(),
            ..base
        }),
        Verdict::Dead(death) => Some(Letter {
            stage: death.stage.label().to_owned(),
            reason: death.reason.label().to_owned(),
            field: death.field.clone(),
            detail: death.detail.clone(),
            ..base
        }),
    }
}

/// The letter of the refused quantities of a reading that lives: it names the first field, the others stand in the detail.
pub(crate) fn partial(message: &Message, reading: &Reading, mapping_version: &str) -> Option<Letter> {
    let (first, others) = reading.dead_quantities.split_first()?;
    let detail = (!others.is_empty()).then(|| {
        let others: Vec<_> = others
            .iter()
            .map(|q| format!("{}: {}", q.field, q.reason))
            .collect();
        format!("also {}", others.join(", "))
    });
    Some(Letter {
        id: Letter::id_of(&message.raw.receipt_id, reading.item, Some(&first.field)),
        field: Some(first.field.clone()),
        partial: true,
        reason: first.reason.label().to_owned(),
        detail,
        ..base(message, reading, mapping_version)
    })
}
