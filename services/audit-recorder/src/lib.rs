//! Audit records into the store, chained by hash.
