//! What the driver's errors mean to a caller of the store. Server texts are left out: they can quote documents.

use mongodb::error::{Error, ErrorKind, WriteFailure};
use stardust_pipeline::store::StoreError;

/// A unique index has the value already.
pub(crate) const DUPLICATE_KEY: i32 = 11_000;

/// The document will never be taken.
pub(crate) fn refused(what: &str) -> StoreError {
    StoreError::Refused(what.to_owned())
}

/// Something must be put right by a person.
pub(crate) fn unusable(what: impl Into<String>) -> StoreError {
    StoreError::Unusable(what.into())
}

/// Trying again can help.
pub(crate) fn unavailable(what: impl Into<String>) -> StoreError {
    StoreError::Unavailable(what.into())
}

/// The meaning of a driver error.
pub(crate) fn of_driver(error: &Error) -> StoreError {
    match &*error.kind {
        ErrorKind::Command(failure) => of_code(failure.code, &failure.code_name),
        ErrorKind::Write(WriteFailure::WriteError(failure)) => {
            of_code(failure.code, failure.code_name.as_deref().unwrap_or_default())
        }
        ErrorKind::Write(WriteFailure::WriteConcernError(failure)) => {
            not_confirmed(failure.code, &failure.code_name)
        }
        ErrorKind::InsertMany(failure) => match (&failure.write_errors, &failure.write_concern_error) {
            (Some(errors), _) if !errors.is_empty() => {
                of_code(errors[0].code, errors[0].code_name.as_deref().unwrap_or_default())
            }
            (_, Some(failure)) => not_confirmed(failure.code, &failure.code_name),
            _ => unavailable("an insert failed without a reason"),
        },
        ErrorKind::BulkWrite(failure) => {
            if let Some(error) = failure.write_errors.values().next() {
                of_code(error.code, error.code_name.as_deref().unwrap_or_default())
            } else if let Some(failure) = failure.write_concern_errors.first() {
                not_confirmed(failure.code, &failure.code_name)
            } else {
                std::error::Error::source(error)
                    .and_then(|source| source.downcast_ref::<Error>())
                    .map_or_else(|| unavailable("a bulk write failed without a reason"), of_driver)
            }
        }
        ErrorKind::Authentication { .. } => unusable(
            "MongoDB does not accept the user or the password; check MONGODB_URI (and its authSource)",
        ),
        ErrorKind::ServerSelection { .. } => {
            unavailable("no MongoDB primary answers; is the server up, and MONGODB_URI right?")
        }
        ErrorKind::DnsResolve { .. } => unavailable("the name in MONGODB_URI cannot be resolved"),
        ErrorKind::Io(cause) => unavailable(format!("the connection to MongoDB broke: {}", cause.kind())),
        ErrorKind::ConnectionPoolCleared { .. } => unavailable("the connections to MongoDB were reset"),
        ErrorKind::InvalidResponse { .. } | ErrorKind::Internal { .. } => {
            unavailable("an answer of MongoDB could not be read")
        }
        ErrorKind::InvalidArgument { .. } => refused("something that the driver of MongoDB does not send"),
        ErrorKind::InvalidTlsConfig { .. } => unusable("the TLS settings in MONGODB_URI cannot be used"),
        ErrorKind::IncompatibleServer { message, .. } => {
            unusable(format!("this MongoDB server cannot be used: {message}"))
        }
        ErrorKind::SessionsNotSupported => unusable("this MongoDB server has no sessions"),
        ErrorKind::Shutdown => unavailable("the client of MongoDB has been closed"),
        ErrorKind::Bson(_) => unusable("a stored document has a type that is not expected"),
        _ => unavailable("MongoDB could not do it"),
    }
}

/// The meaning of a server's error code.
pub(crate) fn of_code(code: i32, name: &str) -> StoreError {
    match code {
        13 | 18 | 8_000 => unusable(format!(
            "MongoDB does not allow it ({code} {name}); the user of MONGODB_URI needs readWrite on the FHIR \
             database, find on the registry and find, insert and update on the histories of the main database"
        )),
        DUPLICATE_KEY | 11_001 => StoreError::Conflict(format!("a key exists already ({code})")),
        // Bad value, unparsable, wrong type, too deep, odd field names, too large, failed validation.
        2 | 9 | 14 | 15 | 52 | 56 | 57 | 121 | 10_334 | 17_419 | 17_420 => {
            StoreError::Refused(format!("MongoDB says {code} {name}"))
        }
        20 | 263 => unusable(format!(
            "MongoDB says {code} {name}; a replica set is needed (one member is enough)"
        )),
        85 | 86 => unusable(format!(
            "an index of the FHIR database exists with other settings ({code} {name}); drop or rename it"
        )),
        59 | 115 | 166 | 168 => unusable(format!("this MongoDB server cannot do it ({code} {name})")),
        _ => unavailable(format!("MongoDB says {code} {name}")),
    }
}

/// A write that is not known to be durable.
pub(crate) fn not_confirmed(code: i32, name: &str) -> StoreError {
    unavailable(format!("MongoDB did not confirm a write in time ({code} {name})"))
}

/// Whether a unique index refused the write.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    match &*error.kind {
        ErrorKind::Command(failure) => failure.code == DUPLICATE_KEY,
        ErrorKind::Write(WriteFailure::WriteError(failure)) => failure.code == DUPLICATE_KEY,
        ErrorKind::InsertMany(failure) => {
            failure.write_concern_error.is_none()
                && failure.write_errors.as_ref().is_some_and(|errors| {
                    !errors.is_empty() && errors.iter().all(|e| e.code == DUPLICATE_KEY)
                })
        }
        _ => false,
    }
}
