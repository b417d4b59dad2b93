//! Where documents to migrate come from: a database, or a folder of files that were made of one.

use std::path::Path;

use stardust_fhir_migrator::files::{FileDocuments, Folder};
use stardust_mongo::{MongoDocuments, MongoSource, document_text};
use stardust_pipeline::history::{Collection, Documents, Source, SourceDocument, SourceError};

use crate::Usage;
use crate::settings::Settings;

/// A source.
#[derive(Clone)]
pub enum AnySource {
    /// A database.
    Mongo(MongoSource),
    /// Files.
    Folder(Folder),
}

/// The documents of one of its collections.
pub enum AnyDocuments {
    /// Of a database.
    Mongo(Box<MongoDocuments>),
    /// Of a file.
    File(FileDocuments),
}

/// Whether it is a database that is named, not a folder.
pub fn is_uri(from: &str) -> bool {
    from.starts_with("mongodb://") || from.starts_with("mongodb+srv://")
}

/// What `from` names, else `MIGRATE_FROM`.
///
/// # Errors
/// Where it is a URI with a password among the arguments: every user of a machine can see these.
pub fn named<'a>(settings: &'a Settings, from: Option<&'a str>) -> Result<Option<&'a str>, Usage> {
    let named = from.or(settings.migrate_from.as_deref());
    let tells = |from: &str| is_uri(from) && from.contains('@') && std::env::args().any(|a| a.contains(from));
    if named.is_some_and(tells) {
        return Err(Usage(
            "a password must not be an argument: put the URI into the variable MIGRATE_FROM instead"
                .to_owned(),
        ));
    }
    Ok(named)
}

/// The source that `from` names, else `MIGRATE_FROM`, else the database of the settings.
///
/// # Errors
/// Where none is named, or it cannot be used.
pub async fn open(settings: &Settings, from: Option<&str>) -> Result<AnySource, crate::Failure> {
    let Some(from) = named(settings, from)?.or(settings.mongodb_uri.as_deref()) else {
        return Err(Usage(
            "no source: name a folder of files of mongodump or mongoexport, or a database, with --from, or set MONGODB_URI"
                .to_owned(),
        )
        .into());
    };
    if is_uri(from) {
        let source = MongoSource::connect(from, &settings.main_db).await;
        return Ok(AnySource::Mongo(source.map_err(anyhow::Error::from)?));
    }
    let folder = Folder::open(Path::new(from), &settings.main_db, document_text);
    Ok(AnySource::Folder(folder.map_err(anyhow::Error::from)?))
}

impl Source for AnySource {
    type Documents = AnyDocuments;

    fn database(&self) -> &str {
        match self {
            Self::Mongo(source) => source.database(),
            Self::Folder(source) => source.database(),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Mongo(source) => source.describe(),
            Self::Folder(source) => source.describe(),
        }
    }

    async fn collections(&self, names: &[&str]) -> Result<Vec<Collection>, SourceError> {
        match self {
            Self::Mongo(source) => source.collections(names).await,
            Self::Folder(source) => source.collections(names).await,
        }
    }

    async fn open(&self, collection: &str, after: Option<&str>) -> Result<AnyDocuments, SourceError> {
        match self {
            Self::Mongo(source) => {
                let documents = source.open(collection, after).await?;
                Ok(AnyDocuments::Mongo(Box::new(documents)))
            }
            Self::Folder(source) => source.open(collection, after).await.map(AnyDocuments::File),
        }
    }
}

impl Documents for AnyDocuments {
    async fn next(&mut self, most: usize, bytes: usize) -> Result<Vec<SourceDocument>, SourceError> {
        match self {
            Self::Mongo(documents) => documents.next(most, bytes).await,
            Self::File(documents) => documents.next(most, bytes).await,
        }
    }
}
