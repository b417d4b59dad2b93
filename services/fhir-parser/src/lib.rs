//! Raw records to Observations, legacy and audit records.
