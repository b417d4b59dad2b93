//! The mapping: a device catalogue and the settings of the deployment.

use std::sync::Arc;

use crate::catalogue::{BUILTIN, Catalogue};
use crate::history::{self, Examined, Whose};
use crate::ids::PatientId;
use crate::judge::{Mapped, NotEnough, Rules, Urls};
use crate::outcome::Source;
use crate::reading::{Admission, Audit, AuditFacts, Envelope, Judged, Refusal};
use crate::registry::Registry;
use crate::time::{Timestamp, Zone};

/// What a deployment may set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Zone of every clinical time.
    pub zone: Zone,
    /// Start of our identifier systems: `urn:stardust:`.
    pub identifier_base: String,
}

/// The device catalogue cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{row}: {reason}")]
pub struct CatalogueError {
    /// The row, by name.
    pub row: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The rules in force.
#[derive(Debug, Clone)]
pub struct Mapping {
    settings: Settings,
    catalogue: Arc<Catalogue>,
    urls: Arc<Urls>,
}

impl Mapping {
    /// The catalogue that is compiled in.
    ///
    /// # Errors
    /// Never for the catalogue as released; a test holds it.
    pub fn builtin(settings: Settings) -> Result<Self, CatalogueError> {
        Self::from_text(BUILTIN, settings)
    }

    /// A catalogue of the operator (`MAPPING_FILE`), in the form of `catalogue.json`.
    ///
    /// # Errors
    /// The row and the reason where it cannot be used.
    pub fn from_text(catalogue: &str, settings: Settings) -> Result<Self, CatalogueError> {
        let catalogue = Arc::new(Catalogue::load(catalogue, &settings)?);
        let urls = Arc::new(Urls::new(&settings));
        Ok(Self {
            settings,
            catalogue,
            urls,
        })
    }

    /// The content hash of the catalogue: 64 lower-case hex digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.catalogue.version
    }

    /// Decides at the door whether a body is taken.
    ///
    /// # Errors
    /// The refusal that the door answers with.
    pub fn admit(&self, body: &[u8], received_at: Timestamp, backfill: bool) -> Result<Admission, Refusal> {
        let source = if backfill { Source::Backfill } else { Source::Http };
        let plan = self
            .rules()
            .plan(body, received_at, source)
            .map_err(|(_, refusal)| refusal)?;
        Ok(Admission {
            gateway: plan.gateway,
            api_call: plan.is_call,
            observation_ids: plan.observation_ids(),
        })
    }

    /// Judges a raw record.
    #[must_use]
    pub fn judge(&self, envelope: &Envelope<'_>, registry: &Registry) -> Judged {
        self.judge_settled(envelope, registry, |_| None)
    }

    /// As [`Self::judge`], where the patients of some items are settled, whatever the registry says: a part of them is
    /// stored already.
    #[must_use]
    pub fn judge_settled(
        &self,
        envelope: &Envelope<'_>,
        registry: &Registry,
        settled: impl Fn(i32) -> Option<PatientId>,
    ) -> Judged {
        match envelope.source {
            Source::Http | Source::Backfill | Source::Replay | Source::Release => {
                self.rules().judge(envelope, registry, settled)
            }
            Source::Migration => {
                let examined = self.examine(envelope, registry);
                Judged {
                    document: examined.document,
                    readings: examined.readings,
                    ..Judged::default()
                }
            }
        }
    }

    /// Maps a stored reading again, with these notes.
    pub(crate) fn again(
        &self,
        reading: &crate::remap::Reading<'_>,
        notes: &[String],
    ) -> Result<Mapped, NotEnough> {
        // Entries of a migration are mapped by rules of their own, from another kind of raw item.
        if reading.source == Source::Migration {
            return history::again(self.rules(), reading);
        }
        self.rules().again(
            reading.raws,
            reading.source,
            reading.received_at,
            reading.patient,
            notes,
        )
    }

    /// Judges an entry of a history document, and tells what else there is to say of it.
    pub(crate) fn examine(&self, envelope: &Envelope<'_>, registry: &Registry) -> Examined {
        history::examine(self.rules(), envelope, Whose::Of(registry))
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            catalogue: &self.catalogue,
            settings: &self.settings,
            urls: &self.urls,
        }
    }

    /// The AuditEvent of these facts.
    #[must_use]
    pub fn audit_event(&self, facts: &AuditFacts<'_>) -> Audit {
        crate::audit::audit_event(&self.settings, facts)
    }
}
