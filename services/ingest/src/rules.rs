//! The rules as the door uses them.

use stardust_domain::ids::Mac;
use stardust_domain::mapping::Mapping;
use stardust_domain::reading::{Admission, Refusal};
use stardust_domain::registry::{Gateway, Registry};
use stardust_domain::time::Timestamp;

/// What the door asks of the domain.
pub trait Rules: Send + Sync + 'static {
    /// Decides whether a body is taken.
    ///
    /// # Errors
    /// The refusal to answer with.
    fn admit(&self, body: &[u8], received_at: Timestamp, backfill: bool) -> Result<Admission, Refusal>;

    /// The content hash of the mapping.
    fn version(&self) -> &str;

    /// Whether a person's API call may name this gateway.
    fn knows(&self, registry: &Registry, gateway: Mac) -> bool {
        registry.gateway(gateway) != Gateway::Unknown
    }
}

impl Rules for Mapping {
    fn admit(&self, body: &[u8], received_at: Timestamp, backfill: bool) -> Result<Admission, Refusal> {
        Self::admit(self, body, received_at, backfill)
    }

    fn version(&self) -> &str {
        Self::version(self)
    }
}
