//! Reading columns into the types of the domain.

use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::Type;
use stardust_domain::time::Timestamp;
use stardust_pipeline::store::{Position, Writer};

/// Columns that name a writer, in the order that [`writer`] reads them.
pub(crate) const WRITER: &str = "receipt_id, topic, partition, offset, item";

/// The writer in five columns from `at` on.
pub(crate) fn writer(row: &Row<'_>, at: usize) -> rusqlite::Result<Writer> {
    Ok(Writer {
        receipt_id: row.get(at)?,
        position: Position {
            topic: row.get(at + 1)?,
            partition: row.get(at + 2)?,
            offset: row.get(at + 3)?,
            item: row.get(at + 4)?,
        },
    })
}

/// A column that holds a value of the domain as text.
pub(crate) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(at)?.as_str()?;
    text.parse().map_err(|e| unusable(at, e))
}

/// The same where it may be absent.
pub(crate) fn parsed_or_none<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match row.get_ref(at)?.as_str_or_null()? {
        Some(text) => text.parse().map(Some).map_err(|e| unusable(at, e)),
        None => Ok(None),
    }
}

/// A column with microseconds since the epoch.
pub(crate) fn instant(row: &Row<'_>, at: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp::from_micros(row.get(at)?))
}

/// A column whose content is not ours.
pub(crate) fn unusable(at: usize, e: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e))
}

/// A limit of rows.
pub(crate) fn limit(most: usize) -> i64 {
    i64::try_from(most).unwrap_or(i64::MAX)
}
