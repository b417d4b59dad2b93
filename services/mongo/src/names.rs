//! Names of the collections.

/// FHIR Observations.
pub(crate) const OBSERVATIONS: &str = "fhir_observations";
/// FHIR AuditEvents with their places in the hash chains.
pub(crate) const AUDIT: &str = "fhir_audit_events";
/// How far the audit chains have come.
pub(crate) const HEADS: &str = "stardust_audit_heads";
/// Signed places of the audit chains.
pub(crate) const CHECKPOINTS: &str = "stardust_audit_checkpoints";
/// Dead letters.
pub(crate) const DEAD: &str = "stardust_dead";
/// Parked readings.
pub(crate) const PARKED: &str = "stardust_parked";
/// Raw records of receipts that have letters.
pub(crate) const RAW: &str = "stardust_raw";
/// Pages of the books: what the raw topic had before its retention ended.
pub(crate) const BOOKS: &str = "stardust_books";
/// Migration runs.
pub(crate) const RUNS: &str = "stardust_runs";
/// Who had a device when.
pub(crate) const ASSOCIATIONS: &str = "stardust_associations";
/// Leases of the services that must be alone.
pub(crate) const LEASES: &str = "stardust_leases";

/// The collections of the main database that this pipeline adds documents to.
pub(crate) const HISTORIES: [&str; 10] = [
    "blood_pressure_histories",
    "blood_sugar_histories",
    "body_data_histories",
    "creatinine_histories",
    "heart_rate_histories",
    "lipid_histories",
    "sleep_data_histories",
    "spo2_histories",
    "step_histories",
    "temprature_data_histories",
];

/// What this pipeline calls itself in documents.
pub(crate) const SOURCE_SYSTEM: &str = "stardust";
/// The version of FHIR.
pub(crate) const FHIR_VERSION: &str = "5.0.0";
