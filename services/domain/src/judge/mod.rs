//! From a message to what becomes of its readings.
//!
//! ```text
//! bytes ─ message::open ─▶ items ─ item::plan ─▶ planned readings ─ twins ─▶ registry ─▶ Observations, legacy
//!                └▶ call::read ─────────┘
//! ```
//! Everything before the registry is the same at the door (`admit`) and in the parser (`judge`): the ids that the
//! door answers with are the ids that get stored.

mod again;
mod clock;
pub(crate) mod item;
mod legacy;
mod plan;
pub(crate) mod quantities;
pub(crate) mod reading;

pub(crate) use self::again::{Mapped, NotEnough};

use crate::catalogue::Catalogue;
use crate::mapping::Settings;
use crate::text::quoted;

/// What every step may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules<'m> {
    pub catalogue: &'m Catalogue,
    pub settings: &'m Settings,
    pub urls: &'m Urls,
}

/// Our own systems and extensions, as JSON texts.
#[derive(Debug)]
pub(crate) struct Urls {
    pub key_system: String,
    pub device_time: String,
    pub clock_rule: String,
}

impl Urls {
    pub(crate) fn new(settings: &Settings) -> Self {
        let url = |name| quoted(&format!("{}{name}", settings.identifier_base));
        Self {
            key_system: url("observation-key"),
            device_time: url("device-time"),
            clock_rule: url("clock-rule"),
        }
    }
}
