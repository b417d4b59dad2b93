//! Where the documents of an existing database come from: the database itself, or files that were made of it.

use std::future::Future;

/// A collection of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// The name.
    pub name: String,
    /// How much there is, in the units of [`SourceDocument::size`]; only for the progress that is shown.
    pub size: u64,
}

/// A document of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceDocument {
    /// One JSON object in any kind of Extended JSON; none where it cannot be read as a document.
    pub text: Option<String>,
    /// Where to go on behind it: opaque to everybody but the source.
    pub place: String,
    /// What it is of its collection's size.
    pub size: u64,
}

/// Why a source cannot be read (on).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be reached now; opening it again at the last place can help.
    #[error("the source is unavailable: {0}")]
    Unavailable(String),
    /// It cannot be read by this user, in this form, or at all.
    #[error("the source cannot be read: {0}")]
    Unusable(String),
    /// It ends in the middle of a document.
    #[error("the source is cut off: {0}")]
    CutOff(String),
}

impl SourceError {
    /// A stable label.
    #[must_use]
    pub const fn tag(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Unusable(_) => "unusable",
            Self::CutOff(_) => "cut_off",
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// A source of documents. Cheap to clone. Nothing in it is ever written.
pub trait Source: Clone + Send + Sync + 'static {
    /// The documents of a collection, one after the other.
    type Documents: Documents;

    /// The name of the database: part of the receipts, so the same for a database and for files that were made of it.
    fn database(&self) -> &str;

    /// What it is, in words without secrets. The same words: the same source.
    fn describe(&self) -> String;

    /// Those of these collections that there are, in the order in which they were asked for. Each can be read.
    ///
    /// # Errors
    /// Where the source, or one of its collections, cannot be read.
    fn collections(
        &self,
        names: &[&str],
    ) -> impl Future<Output = Result<Vec<Collection>, SourceError>> + Send;

    /// Opens a collection, at its first document or behind a place.
    ///
    /// # Errors
    /// As for [`Self::collections`].
    fn open(
        &self,
        collection: &str,
        after: Option<&str>,
    ) -> impl Future<Output = Result<Self::Documents, SourceError>> + Send;
}

/// The documents of an open collection, in an order that stays.
pub trait Documents: Send + 'static {
    /// The next ones: at most this many documents, and no more once they have this many bytes. Empty at the end.
    ///
    /// # Errors
    /// Where the source breaks off; the documents before that place have been given.
    fn next(
        &mut self,
        most: usize,
        bytes: usize,
    ) -> impl Future<Output = Result<Vec<SourceDocument>, SourceError>> + Send;
}
